"""A gateway whose conversations are counted and recorded, message by message."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, TypeVar

import orjson

from activities.venues.ccxt.quirks import News, Quirks
from activities.venues.ccxt.sockets import Conversation, Step, Stream
from activities.venues.ccxt.venue import CcxtVenue
from domain.market import PriceUpdate

T = TypeVar("T")
#: Messages that are kept.
_KEPT: Final = 5000


class Tap(Conversation[T]):
    """Another conversation, with its messages counted; if asked, the first ones are kept."""

    def __init__(self, inner: Conversation[T], *, keep: bool) -> None:
        self._inner = inner
        self._keep = keep
        self.headers, self.ping = inner.headers, inner.ping
        self.ping_every, self.silence = inner.ping_every, inner.silence
        self.keep_alive_every = inner.keep_alive_every
        self.heard = 0
        self.kept: list[bytes] = []

    async def address(self) -> str:
        return await self._inner.address()

    def steps(self) -> Sequence[Step]:
        return self._inner.steps()

    def read(self, message: Any) -> Iterable[T]:
        self.heard += 1
        if self._keep and len(self.kept) < _KEPT:
            self.kept.append(orjson.dumps(message))
        return self._inner.read(message)

    async def keep_alive(self) -> None:
        await self._inner.keep_alive()


class TappedVenue(CcxtVenue):
    """A gateway with its two hottest streams tapped."""

    @property
    def quirks(self) -> Quirks:
        return self._quirks

    @asynccontextmanager
    async def tapped_prices(
        self, symbols: Sequence[str], *, keep: bool = False
    ) -> AsyncIterator[tuple[AsyncIterator[PriceUpdate], Tap[PriceUpdate]]]:
        """Stream prices as `prices` does."""
        markets = [await self._market(symbol) for symbol in symbols]
        tap = Tap(self._quirks.price_talk(markets), keep=keep)
        stream = Stream("prices", self._session, tap, key=lambda update: update.symbol)
        async with stream:
            yield stream, tap

    @asynccontextmanager
    async def tapped_news(
        self, *, keep: bool = False
    ) -> AsyncIterator[tuple[AsyncIterator[News], Tap[News]]]:
        """Stream the account's news as `account_news` does."""
        tap = Tap(self._quirks.news_talk(), keep=keep)
        stream = Stream("orders", self._session, tap)
        async with stream, aclosing(self._complete_news(stream)) as news:
            yield news, tap

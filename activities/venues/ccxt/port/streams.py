"""What a venue says by itself, until the connection breaks."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

from activities.venues.ccxt.port.history import History
from activities.venues.ccxt.quirks import News
from activities.venues.ccxt.sockets import Stream
from domain.conditions import MarkPrice, Reach
from domain.errors import VenueUnavailableError
from domain.market import Candle, PriceUpdate
from domain.orders import OrderReport


class Streams(History):
    """Private news, prices, candles, mark prices, and the switch that may hang on them."""

    #: The private stream, while one is open.
    _private: Stream[News] | None = None

    @asynccontextmanager
    async def reports(self) -> AsyncIterator[AsyncIterator[OrderReport]]:
        """Stream the account's order reports, complete and in order."""
        async with self.account_news() as news, aclosing(_reports(news)) as reports:
            yield reports

    @asynccontextmanager
    async def account_news(self) -> AsyncIterator[AsyncIterator[News]]:
        """Stream all that the private stream tells."""
        await self._load()
        stream = Stream(f"{self.name} orders", self._session, self._quirks.news_talk())
        async with stream, aclosing(self._complete_news(stream)) as news:
            self._private = stream
            try:
                yield news
            finally:
                self._private = None

    # ---- the dead-man's switch: see domain.conditions.DeadManVenue

    @property
    def dead_man(self) -> Reach | None:
        """What the venue cancels when it no longer hears of us; None: it has no such switch."""
        return self._quirks.dead_man

    async def arm(self, symbol: str, within: timedelta) -> None:
        """Have the orders canceled unless this is called again *within* that time."""
        await self._set_switch(symbol, within)

    async def disarm(self, symbol: str) -> None:
        """Let the orders rest, heard of or not."""
        await self._set_switch(symbol, timedelta())

    async def _set_switch(self, symbol: str, within: timedelta) -> None:
        say = await self._quirks.arm(await self._market(symbol), within)
        if say is None:
            return
        if self._private is None:
            raise VenueUnavailableError(f"{self.name}: the switch needs a live private stream")
        await self._private.say(say)

    @asynccontextmanager
    async def prices(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[PriceUpdate]]:
        """Stream prices, latest wins."""
        markets = [await self._market(symbol) for symbol in symbols]
        talk = self._quirks.price_talk(markets)
        stream = Stream(
            f"{self.name} prices", self._session, talk, key=lambda update: update.symbol
        )
        async with stream:
            yield stream

    @asynccontextmanager
    async def trades(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[PriceUpdate]]:
        """Stream the price of every trade, in order: none is skipped for a slow reader."""
        markets = [await self._market(symbol) for symbol in symbols]
        talk = self._quirks.price_talk(markets)
        async with Stream(f"{self.name} trades", self._session, talk) as stream:
            yield stream

    @asynccontextmanager
    async def candle_stream(
        self, symbol: str, interval: timedelta
    ) -> AsyncIterator[AsyncIterator[Candle]]:
        """Stream candles, closed and forming; of one candle the newest state."""
        market = await self._market(symbol)
        self._quirks.interval(interval)
        talk = self._quirks.candle_talk(market, interval)
        stream = Stream(
            f"{self.name} candles", self._session, talk, key=lambda candle: candle.opened_at
        )
        async with stream:
            yield stream

    @asynccontextmanager
    async def marks(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[MarkPrice]]:
        """Stream mark prices and funding rates, latest wins."""
        markets = [await self._market(symbol) for symbol in symbols]
        self._only_perpetual("a mark price")
        talk = self._quirks.mark_talk(markets)
        stream = Stream(f"{self.name} marks", self._session, talk, key=lambda mark: mark.symbol)
        async with stream:
            yield stream

    async def _complete_news(self, stream: AsyncIterator[News]) -> AsyncGenerator[News, None]:
        async for news in stream:
            if isinstance(news, OrderReport):
                yield await self._completed(await self._market(news.symbol), news)
            else:
                yield news


async def _reports(news: AsyncIterator[News]) -> AsyncGenerator[OrderReport, None]:
    async for each in news:
        if isinstance(each, OrderReport):
            yield each

"""A venue of which one thing is odd: what an account is set to, or what is not told."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from activities.venues.paper import PaperVenue
from domain.errors import VenueError, VenueUnavailableError
from domain.market import AccountView, ClockReading, PriceUpdate, Terms
from domain.orders import OrderReport


class OddVenue(PaperVenue):
    """The simulated exchange, seen through what a test has set. All is well until then."""

    #: Names of calls that are not answered.
    deaf: frozenset[str] = frozenset()
    #: What such a call raises.
    error: VenueError = VenueUnavailableError("the venue is down")
    leverage: Decimal | None = None
    one_way = True
    #: How far the venue's clock is ahead of ours.
    skew = timedelta()
    #: How much later it is at the market than its last event.
    late = timedelta()
    #: Nothing comes through the stream of prices.
    frozen = False
    #: Part of the money is not free.
    locked: Decimal | None = None

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        self._refuse("account_view")
        view = await super().account_view(symbol, since)
        if self.locked is None:
            return view
        balances = tuple(replace(each, locked=self.locked) for each in view.balances)
        return replace(view, balances=balances)

    async def terms(self, symbol: str) -> Terms:
        self._refuse("terms")
        terms = await super().terms(symbol)
        return Terms(self.leverage or terms.leverage, self.one_way)

    async def clock(self) -> ClockReading:
        self._refuse("clock")
        reading = await super().clock()
        assert reading.market_time is not None
        return ClockReading(self.skew, timedelta(), reading.market_time + self.late)

    @asynccontextmanager
    async def reports(self) -> AsyncIterator[AsyncIterator[OrderReport]]:
        self._refuse("reports")
        async with super().reports() as reports:
            yield reports

    @asynccontextmanager
    async def prices(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[PriceUpdate]]:
        self._refuse("prices")
        async with super().prices(symbols) as prices:
            yield self._told(prices)

    async def _told(self, prices: AsyncIterator[PriceUpdate]) -> AsyncIterator[PriceUpdate]:
        async for update in prices:
            if not self.frozen:
                yield update

    def _refuse(self, name: str) -> None:
        if name in self.deaf:
            raise self.error

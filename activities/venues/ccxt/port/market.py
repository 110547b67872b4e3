"""A venue's public data, as it is asked for."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from activities.venues.ccxt.port.connection import Connection
from domain.conditions import DayStatistics, FundingRate
from domain.errors import VenueUnavailableError
from domain.market import Candle, PriceUpdate, Quote


class PublicData(Connection):
    """Prices, candles, statistics, funding rates."""

    async def last_price(self, symbol: str) -> PriceUpdate:
        """Return the last price; VenueUnavailableError before the market's first one."""
        update = await self._quirks.last_price(await self._market(symbol))
        if update is None:
            raise VenueUnavailableError(f"{symbol} has no price yet: the market is silent")
        return update

    async def quote(self, symbol: str) -> Quote:
        """Return the best bid and ask; VenueUnavailableError if a side of the book is empty."""
        return await self._quirks.quote(await self._market(symbol))

    async def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Return the newest *limit* candles, oldest first; the last counts as unclosed."""
        market = await self._market(symbol)
        self._quirks.interval(interval)
        return await self._quirks.candles(market, interval, limit)

    async def day_statistics(self) -> Sequence[DayStatistics]:
        """Return the last 24 hours of every market of this kind."""
        await self._load()
        return await self._quirks.day_statistics()

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Return the funding that is due next."""
        market = await self._market(symbol)
        self._only_perpetual("funding")
        return await self._quirks.funding_rate(market)

    async def funding_rates(self, symbol: str, since: datetime) -> Sequence[FundingRate]:
        """Return the settled funding rates at or after *since*, oldest first."""
        market = await self._market(symbol)
        self._only_perpetual("funding")
        return await self._quirks.funding_rates(market, since)

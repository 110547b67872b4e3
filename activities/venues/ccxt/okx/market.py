"""OKX's public data, as it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.okx.base import PUBLIC, SELDOM, OkxBase
from activities.venues.ccxt.okx.words import candle_in, pages
from activities.venues.ccxt.quirks import from_ms, to_ms, top
from domain.conditions import DayStatistics, FundingRate
from domain.errors import VenueUnavailableError
from domain.market import Candle, PriceUpdate, Quote
from domain.money import EXACT

_BARS: Final = 300


class PublicData(OkxBase):
    """Prices, candles, statistics, funding rates."""

    async def last_price(self, market: Market) -> PriceUpdate | None:
        params = {"instId": market.id, "limit": "1"}
        rows = await self._ask("publicGetMarketTrades", params, PUBLIC)
        if not rows:
            return None
        return PriceUpdate(market.symbol, market.price(rows[0]["px"], "px"), from_ms(rows[0]["ts"]))

    async def quote(self, market: Market) -> Quote:
        params = {"instId": market.id, "sz": "1"}
        rows = await self._ask("publicGetMarketBooks", params, PUBLIC)
        if not rows:
            raise VenueUnavailableError(f"{market.symbol} has no book at the moment")
        return top(market, rows[0]["bids"], rows[0]["asks"], from_ms(rows[0]["ts"]))

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Newest first at OKX, and older than some 1,440 bars at another endpoint."""
        params = {"instId": market.id, "bar": self.interval(interval)}
        method = "publicGetMarketCandles"
        rows: list[Sequence[Any]] = []
        while len(rows) < limit:
            page = {**params, "limit": str(min(limit - len(rows), _BARS))}
            if rows:
                page["after"] = rows[-1][0]
            more = await self._ask(method, page, PUBLIC)
            if not more:
                break
            rows += more
            method = "publicGetMarketHistoryCandles"
        candles = [candle_in(market, row) for row in reversed(rows)]
        return [*candles[:-1], *(replace(each, closed=False) for each in candles[-1:])]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        params = {"instType": self.inst_type}
        rows = await self._ask("publicGetMarketTickers", params, PUBLIC)
        told = [(self.market_of(row["instId"]), row) for row in rows]
        return [
            self._day(market, row) for market, row in told if market is not None and row["last"]
        ]

    def _day(self, market: Market, row: Mapping[str, Any]) -> DayStatistics:
        last, first = decimal(row["last"], "last"), decimal(row["open24h"] or 0, "open24h")
        volume = decimal(row["volCcy24h"] or 0, "volCcy24h")  # of a swap it is in base
        change = EXACT.divide(last - first, first) if first else Decimal(0)
        quote = EXACT.multiply(volume, last) if self.perpetual else volume
        return DayStatistics(market.symbol, last, change, quote)

    async def funding_rate(self, market: Market) -> FundingRate:
        params = {"instId": market.id}
        row = (await self._ask("publicGetPublicFundingRate", params, PUBLIC))[0]
        rate = decimal(row["fundingRate"], "fundingRate")
        return FundingRate(market.symbol, rate, from_ms(row["fundingTime"]))

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        params = {"instId": market.id, "before": str(to_ms(since) - 1)}
        rows = await pages(
            self._asking("publicGetPublicFundingRateHistory", SELDOM), params, "fundingTime"
        )
        told = [
            FundingRate(
                market.symbol,
                decimal(row.get("realizedRate") or row["fundingRate"], "realizedRate"),
                from_ms(row["fundingTime"]),
            )
            for row in reversed(rows)
        ]
        return [each for each in told if each.at >= since]

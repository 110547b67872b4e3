"""Binance's public data, as it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from activities.venues.ccxt.binance.base import PAGE, BinanceBase
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.pages import Row, walk
from activities.venues.ccxt.quirks import bar, from_ms, to_ms, top
from activities.venues.quotes import quote_of
from domain.conditions import DayStatistics, FundingRate
from domain.market import Candle, PriceUpdate, Quote


class PublicData(BinanceBase):
    """Prices, candles, statistics, funding rates."""

    async def last_price(self, market: Market) -> PriceUpdate | None:
        """Return the last trade: the price endpoint of spot has no time."""
        method = "fapiPublicGetTrades" if self.perpetual else "publicGetTrades"
        rows = await self._ask(
            method, {"symbol": market.id, "limit": 1}, 5 if self.perpetual else 25
        )
        if not rows:
            return None
        return PriceUpdate(
            market.symbol, market.price(rows[-1]["price"], "price"), from_ms(rows[-1]["time"])
        )

    async def quote(self, market: Market) -> Quote:
        """Return the top of the book.

        The book ticker of perpetuals has the time of its last change, so that a quiet market would
        look stale; their book tells when it was read. Spot tells no time at all: it is our own,
        set by Binance's.
        """
        if self.perpetual:
            row = await self._ask("fapiPublicGetDepth", {"symbol": market.id, "limit": 5}, 2)
            return top(market, row["bids"], row["asks"], from_ms(row["E"]))
        row = await self._ask("publicGetTickerBookTicker", {"symbol": market.id}, 2)
        bid = market.optional_price(row["bidPrice"], "bidPrice")  # 0 where nobody bids
        ask = market.optional_price(row["askPrice"], "askPrice")
        return quote_of(market.symbol, bid, ask, from_ms(self.rest.client.nonce()))

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        method = "fapiPublicGetKlines" if self.perpetual else "publicGetKlines"
        params = {
            "symbol": market.id,
            "interval": self.interval(interval),
            "limit": min(limit, PAGE),
        }
        rows = await self._ask(method, params, 5 if self.perpetual else 2)
        candles = [bar(market, row) for row in rows]
        return [*candles[:-1], *(replace(each, closed=False) for each in candles[-1:])]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        method = "fapiPublicGetTicker24hr" if self.perpetual else "publicGetTicker24hr"
        rows = await self._ask(method, {}, 40 if self.perpetual else 80)
        return [
            DayStatistics(
                market.symbol,
                decimal(row["lastPrice"], "lastPrice"),
                decimal(row["priceChangePercent"], "priceChangePercent") / 100,
                decimal(row["quoteVolume"], "quoteVolume"),
            )
            for row in rows
            if (market := self.market_of(row["symbol"])) is not None
        ]

    async def funding_rate(self, market: Market) -> FundingRate:
        row = await self._ask("fapiPublicGetPremiumIndex", {"symbol": market.id}, 1)
        return FundingRate(
            market.symbol,
            decimal(row["lastFundingRate"], "lastFundingRate"),
            from_ms(row["nextFundingTime"]),
            decimal(row["markPrice"], "markPrice"),
        )

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        """Return the rates, page after page: each begins behind the last rate of the one before."""

        async def ask(named: Mapping[str, Any]) -> Sequence[Row]:
            params = {"symbol": market.id, "startTime": to_ms(since), "limit": PAGE, **named}
            rows: Sequence[Row] = await self._ask("fapiPublicGetFundingRate", params, 1)
            return rows

        rows = await walk(
            ask, PAGE, lambda so_far: {"startTime": int(so_far[-1]["fundingTime"]) + 1}
        )
        return [_rate(market, row) for row in rows]


def _rate(market: Market, row: Mapping[str, Any]) -> FundingRate:
    return FundingRate(
        market.symbol,
        decimal(row["fundingRate"], "fundingRate"),
        from_ms(row["fundingTime"]),
        decimal(row["markPrice"], "markPrice") if row.get("markPrice") else None,
    )

"""Bybit's public data, as it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from activities.venues.ccxt.bybit.base import BybitBase
from activities.venues.ccxt.bybit.words import rows_of
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.pages import Row, walk
from activities.venues.ccxt.quirks import bar, from_ms, to_ms, top
from domain.conditions import DayStatistics, FundingRate
from domain.market import Candle, PriceUpdate, Quote

_CANDLES_PAGE: Final = 1000
_RATES_PAGE: Final = 200


class PublicData(BybitBase):
    """Prices, candles, statistics, funding rates."""

    async def last_price(self, market: Market) -> PriceUpdate | None:
        """Return the last trade on the book: a block's price was agreed on elsewhere."""
        params = {"category": self.category, "symbol": market.id, "limit": 60}
        rows = rows_of(await self._ask("publicGetV5MarketRecentTrade", params), "result")
        on_book = [row for row in rows if not row.get("isBlockTrade")]
        if not on_book:
            return None
        row = max(on_book, key=lambda each: int(each["time"]))  # of equals the first is the newest
        return PriceUpdate(market.symbol, market.price(row["price"], "price"), from_ms(row["time"]))

    async def quote(self, market: Market) -> Quote:
        """Return the top of the book, as of when it was read (`cts`: when it last changed)."""
        params = {"category": self.category, "symbol": market.id, "limit": 1}
        row = (await self._ask("publicGetV5MarketOrderbook", params))["result"]
        return top(market, row["b"], row["a"], from_ms(row["ts"]))

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        params = {
            "category": self.category,
            "symbol": market.id,
            "interval": self.interval(interval),
            "limit": min(limit, _CANDLES_PAGE),
        }
        rows = rows_of(await self._ask("publicGetV5MarketKline", params), "result")
        candles = [bar(market, row) for row in reversed(rows)]
        return [*candles[:-1], *(replace(each, closed=False) for each in candles[-1:])]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        told = await self._ask("publicGetV5MarketTickers", {"category": self.category})
        return [
            DayStatistics(
                market.symbol,
                decimal(row["lastPrice"], "lastPrice"),
                decimal(row["price24hPcnt"], "price24hPcnt"),
                decimal(row["turnover24h"], "turnover24h"),
            )
            for row in rows_of(told, "result")
            if (market := self.market_of(row["symbol"])) is not None
        ]

    async def funding_rate(self, market: Market) -> FundingRate:
        params = {"category": self.category, "symbol": market.id}
        (row,) = rows_of(await self._ask("publicGetV5MarketTickers", params), "result")
        return FundingRate(
            market.symbol,
            decimal(row["fundingRate"], "fundingRate"),
            from_ms(row["nextFundingTime"]),
            decimal(row["markPrice"], "markPrice"),
        )

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        """Ask from the newest backwards: this history has an end to be given, and no cursor."""

        async def ask(named: Mapping[str, Any]) -> Sequence[Row]:
            params = {
                "category": self.category,
                "symbol": market.id,
                "startTime": to_ms(since),
                "endTime": int(self.rest.client.milliseconds()),
                "limit": _RATES_PAGE,
                **named,
            }
            if params["endTime"] < params["startTime"]:
                return ()
            return rows_of(await self._ask("publicGetV5MarketFundingHistory", params), "result")

        rows = await walk(
            ask,
            _RATES_PAGE,
            lambda so_far: {"endTime": int(so_far[-1]["fundingRateTimestamp"]) - 1},
        )
        rates = [
            FundingRate(
                market.symbol,
                decimal(row["fundingRate"], "fundingRate"),
                from_ms(row["fundingRateTimestamp"]),
            )
            for row in rows
        ]
        return sorted(rates, key=lambda each: each.at)

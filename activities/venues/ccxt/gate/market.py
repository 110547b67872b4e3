"""Gate's public data, as it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from activities.venues.ccxt.gate import words
from activities.venues.ccxt.gate.base import GateBase
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.pages import Row, walk
from activities.venues.ccxt.quirks import top
from domain.conditions import DayStatistics, FundingRate
from domain.errors import VenueError
from domain.market import Candle, PriceUpdate, Quote
from domain.money import Rounding

#: Rates in one answer.
_RATES_PAGE: Final = 1000


class PublicData(GateBase):
    """Prices, candles, statistics, funding rates."""

    async def last_price(self, market: Market) -> PriceUpdate | None:
        method = "publicFuturesGetSettleTrades" if self.perpetual else "publicSpotGetTrades"
        rows = await self._ask(method, {**self._named(market), "limit": 1})
        return self.traded(market, rows[0]) if rows else None

    async def quote(self, market: Market) -> Quote:
        """Return the top of the book, as of when it was read (`update`: when it last changed)."""
        method = "publicFuturesGetSettleOrderBook" if self.perpetual else "publicSpotGetOrderBook"
        row = await self._ask(method, {**self._named(market), "limit": 1})
        at = words.moment(row["current"])
        return top(market, row["bids"], row["asks"], at, "p" if self.perpetual else 0)

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        word = self.interval(interval)
        params = {**self._named(market), "interval": word, "limit": min(limit, 1000)}
        if self.perpetual:
            rows = await self._ask("publicFuturesGetSettleCandlesticks", params)
        else:
            rows = await self._ask("publicSpotGetCandlesticks", params)
        candles = [self.candle(market, row if self.perpetual else _bar(row)) for row in rows]
        return [
            *(replace(each, closed=True) for each in candles[:-1]),
            *(replace(each, closed=False) for each in candles[-1:]),
        ]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        if self.perpetual:
            rows = await self._ask("publicFuturesGetSettleTickers", self._settled)
            name, volume = "contract", "volume_24h_quote"
        else:
            rows = await self._ask("publicSpotGetTickers", {})
            name, volume = "currency_pair", "quote_volume"
        told = [self._day(row, name, volume) for row in rows]
        return [each for each in told if each is not None]

    def _day(self, row: Mapping[str, Any], name: str, volume: str) -> DayStatistics | None:
        """Return a market's day; None for one of another kind, or one that has no numbers."""
        market = self.market_of(row[name])
        if market is None:
            return None
        try:
            return DayStatistics(
                market.symbol,
                decimal(row["last"], "last"),
                decimal(row["change_percentage"], "change_percentage") / 100,
                decimal(row[volume], volume),
            )
        except VenueError:
            return None

    async def funding_rate(self, market: Market) -> FundingRate:
        row = await self._ask("publicFuturesGetSettleContractsContract", self._named(market))
        return FundingRate(
            market.symbol,
            decimal(row["funding_rate"], "funding_rate"),
            words.moment(row["funding_next_apply"]),
            decimal(row["mark_price"], "mark_price"),
        )

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        """Ask from the newest backwards: a full page is followed by what was before it."""

        async def ask(named: Mapping[str, Any]) -> Sequence[Row]:
            span = {"from": int(since.timestamp()), "limit": _RATES_PAGE, **named}
            method = "publicFuturesGetSettleFundingRate"
            rows: Sequence[Row] = await self._ask(method, {**self._named(market), **span})
            return rows

        rows = await walk(ask, _RATES_PAGE, lambda so_far: {"to": int(so_far[-1]["t"]) - 1})
        rates = [
            FundingRate(market.symbol, decimal(row["r"], "r"), words.moment(row["t"]))
            for row in rows
        ]
        return sorted((each for each in rates if each.at >= since), key=lambda each: each.at)

    def traded(self, market: Market, row: Mapping[str, Any]) -> PriceUpdate:
        """Return the price of a trade, of an answer or a stream."""
        at = words.moment(row.get("create_time_ms") or row["create_time"])
        return PriceUpdate(market.symbol, market.price(row["price"], "price"), at)

    def candle(self, market: Market, row: Mapping[str, Any]) -> Candle:
        """Return a candle, of an answer or a stream.

        The volume of coins is counted down to whole lots: it is no money, and one that is off must
        not stop everything.
        """
        if self.perpetual:
            volume = market.quantity(row["v"], "v")
        else:
            volume = market.instrument.quantity(decimal(row["a"], "a"), Rounding.DOWN)
        return Candle(
            market.symbol,
            words.moment(row["t"]),
            market.price(row["o"], "o"),
            market.price(row["h"], "h"),
            market.price(row["l"], "l"),
            market.price(row["c"], "c"),
            volume,
            closed=row.get("w") is True,
        )


def _bar(row: Sequence[Any]) -> Mapping[str, Any]:
    """Return a candle of coins by the names a stream gives: a row has no names."""
    return dict(zip(("t", "v", "c", "h", "l", "o", "a"), row, strict=False))

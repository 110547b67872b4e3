"""Bitget's public data, as it is asked for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from activities.venues.ccxt.bitget.base import PAGE, BitgetBase
from activities.venues.ccxt.bitget.talks import candle
from activities.venues.ccxt.bitget.words import PRODUCT, SPOT_INTERVALS
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.quirks import from_ms, top
from domain.conditions import DayStatistics, FundingRate
from domain.market import Candle, PriceUpdate, Quote

_MOST_CANDLES: Final = 1000


class PublicData(BitgetBase):
    """Prices, candles, statistics, funding rates."""

    async def last_price(self, market: Market) -> PriceUpdate | None:
        method = self._either("publicMixGetV2MixMarketFills", "publicSpotGetV2SpotMarketFills")
        rows = await self._ask(method, self._market(market) | {"limit": "1"})
        if not rows:
            return None
        price = market.price(rows[0]["price"], "price")
        return PriceUpdate(market.symbol, price, from_ms(rows[0]["ts"]))

    async def quote(self, market: Market) -> Quote:
        method = self._either(
            "publicMixGetV2MixMarketMergeDepth", "publicSpotGetV2SpotMarketOrderbook"
        )
        row = await self._ask(method, self._market(market) | {"limit": "1"})
        return top(market, row["bids"], row["asks"], from_ms(row["ts"]))

    async def candles(self, market: Market, interval: timedelta, limit: int) -> Sequence[Candle]:
        word = self.interval(interval)
        method = self._either("publicMixGetV2MixMarketCandles", "publicSpotGetV2SpotMarketCandles")
        params = self._market(market) | {
            "granularity": word if self.perpetual else SPOT_INTERVALS.get(word, word),
            "limit": str(min(limit, _MOST_CANDLES)),
        }
        candles = [candle(market, row) for row in await self._ask(method, params)]
        return [*(replace(each, closed=True) for each in candles[:-1]), *candles[-1:]]

    async def day_statistics(self) -> Sequence[DayStatistics]:
        params = {"productType": PRODUCT} if self.perpetual else {}
        return [
            DayStatistics(
                market.symbol,
                decimal(row["lastPr"], "lastPr"),
                decimal(row["change24h"], "change24h"),
                decimal(row["quoteVolume"], "quoteVolume"),
            )
            for row in await self._ask(self._tickers_method, params)
            if (market := self.market_of(row["symbol"])) is not None
        ]

    async def funding_rate(self, market: Market) -> FundingRate:
        """Return the rate that is due next; the mark price is told elsewhere."""
        method = "publicMixGetV2MixMarketCurrentFundRate"
        (row,) = await self._ask(method, self._market(market))
        rate = decimal(row["fundingRate"], "fundingRate")
        return FundingRate(market.symbol, rate, from_ms(row["nextUpdate"]))

    async def funding_rates(self, market: Market, since: datetime) -> Sequence[FundingRate]:
        rates: list[FundingRate] = []
        number = 0
        while True:  # the newest page comes first
            number += 1
            params = self._market(market) | {"pageSize": str(PAGE), "pageNo": str(number)}
            rows = await self._ask("publicMixGetV2MixMarketHistoryFundRate", params)
            page = [
                FundingRate(
                    market.symbol,
                    decimal(row["fundingRate"], "fundingRate"),
                    from_ms(row["fundingTime"]),
                )
                for row in rows
            ]
            rates += [each for each in page if each.at >= since]
            if len(page) < PAGE or page[-1].at < since:
                return sorted(rates, key=lambda each: each.at)

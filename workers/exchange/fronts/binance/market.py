"""Binance's public questions: time, markets, trades, candles, statistics, funding."""

from collections.abc import Callable, Sequence
from typing import Any

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.binance import market_rows as market
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.binance.refusals import bad_field
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms


class Market(Room[BinanceDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        told = Operation.MARKET
        return [
            *self._of("/fapi/v1", MarketKind.PERPETUAL),
            *self._of("/api/v3", MarketKind.SPOT),
            Route("GET", "/fapi/v1/premiumIndex", told, self._premium),
            Route("GET", "/fapi/v1/fundingRate", told, self._funding_rates),
        ]

    def _of(self, root: str, kind: MarketKind) -> Sequence[Route]:
        told = Operation.MARKET
        return [
            Route("GET", f"{root}/time", Operation.TIME, self._time),
            Route("GET", f"{root}/exchangeInfo", Operation.INSTRUMENTS, self._info(kind)),
            Route("GET", f"{root}/trades", told, self._trades(kind)),
            Route("GET", f"{root}/klines", told, self._klines(kind)),
            Route("GET", f"{root}/ticker/24hr", told, self._statistics(kind)),
        ]

    def _time(self, asked: Asked) -> Any:  # noqa: ARG002 - all alike
        return {"serverTime": ms(self.desk.now())}

    def _info(self, kind: MarketKind) -> Callable[[Asked], Any]:
        return lambda _asked: {
            "timezone": "UTC",
            "serverTime": ms(self.desk.now()),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [market.instrument(each) for each in self.desk.instruments(kind)],
        }

    def _trades(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def trades(asked: Asked) -> Any:
            fields = Fields(asked.form(), bad_field)
            instrument = self.door.instrument(kind, fields)
            fields.whole("limit", 500)
            fields.done()
            return market.trades(self.desk.host, instrument)

        return trades

    def _klines(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def klines(asked: Asked) -> Any:
            fields = Fields(asked.form(), bad_field)
            instrument = self.door.instrument(kind, fields)
            interval = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
            limit = fields.whole("limit", 500)
            fields.done()
            return market.klines(self.desk.host, instrument, interval, limit)

        return klines

    def _statistics(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def statistics(asked: Asked) -> Any:
            Fields(asked.form(), bad_field).done()
            told = [market.day(self.desk.host, each) for each in self.desk.instruments(kind)]
            return [row for row in told if row is not None]

        return statistics

    def _premium(self, asked: Asked) -> Any:
        fields = Fields(asked.form(), bad_field)
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        fields.done()
        return market.premium(self.desk.host, instrument)

    def _funding_rates(self, asked: Asked) -> Any:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        fields = Fields(asked.form(), bad_field)
        self.door.instrument(MarketKind.PERPETUAL, fields)
        fields.whole("startTime", 0)
        fields.whole("limit", 100)
        fields.done()
        return []

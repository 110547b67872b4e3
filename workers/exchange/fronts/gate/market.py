"""Gate's public questions: time, markets, trades, candles, tickers, funding."""

from collections.abc import Callable, Sequence
from typing import Any

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.gate import market_rows as market
from workers.exchange.fronts.gate import requests
from workers.exchange.fronts.gate.door import FUTURES, PERPETUAL, ROOT, SPOT, GateDoor
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms


class Market(Room[GateDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        listed, told = Operation.INSTRUMENTS, Operation.MARKET
        return [
            *self._of(FUTURES, PERPETUAL),
            *self._of(SPOT, MarketKind.SPOT),
            Route("GET", f"{SPOT}/time", Operation.TIME, self._time),
            Route("GET", f"{SPOT}/currency_pairs", listed, self._pairs),
            Route("GET", f"{ROOT}/margin/currency_pairs", listed, self._none),
            Route("GET", f"{FUTURES}/contracts", listed, self._contracts),
            Route("GET", f"{FUTURES}/contracts/{{contract}}", told, self._contract),
            Route("GET", f"{FUTURES}/funding_rate", told, self._funding_rates),
        ]

    def _of(self, root: str, kind: MarketKind) -> Sequence[Route]:
        told = Operation.MARKET
        return [
            Route("GET", f"{root}/trades", told, self._trades(kind)),
            Route("GET", f"{root}/candlesticks", told, self._bars(kind)),
            Route("GET", f"{root}/tickers", told, self._tickers(kind)),
        ]

    def _time(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return {"server_time": ms(self.desk.now())}

    def _none(self, asked: Asked) -> Any:
        """Return none: coins are not traded on margin here."""
        Fields(asked.form(), requests.bad_field).done()
        return []

    def _pairs(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return [market.pair(each) for each in self.desk.instruments(MarketKind.SPOT)]

    def _contracts(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        known = self.desk.instruments(PERPETUAL)
        return [market.contract(self.desk.host, each) for each in known]

    def _contract(self, asked: Asked) -> Any:
        Fields(asked.form(), requests.bad_field).done()
        return market.contract(self.desk.host, self.door.contract_of(asked))

    def _trades(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def trades(asked: Asked) -> Any:
            fields = Fields(asked.form(), requests.bad_field)
            instrument = self.door.instrument(kind, fields)
            fields.whole("limit", 100)
            fields.done()
            update = self.desk.host.exchange.last_price(instrument.symbol)
            return [] if update is None else [market.trade(self.desk.host, instrument, update)]

        return trades

    def _bars(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def bars(asked: Asked) -> Any:
            fields = Fields(asked.form(), requests.bad_field)
            instrument = self.door.instrument(kind, fields)
            length = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
            limit = fields.whole("limit", 100)
            fields.done()
            if limit > (2000 if kind is PERPETUAL else 1000):
                raise requests.wrong(
                    kind, "INVALID_PARAM_VALUE", f"invalid argument: limit {limit}"
                )
            found = self.desk.host.exchange.candles(instrument.symbol, length, limit)
            row = market.bar if kind is PERPETUAL else market.row
            return [row(instrument, each) for each in found]

        return bars

    def _tickers(self, kind: MarketKind) -> Callable[[Asked], Any]:
        def tickers(asked: Asked) -> Any:
            Fields(asked.form(), requests.bad_field).done()
            told = [market.ticker(self.desk.host, each) for each in self.desk.instruments(kind)]
            return [row for row in told if row is not None]

        return tickers

    def _funding_rates(self, asked: Asked) -> Any:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        fields = Fields(asked.form(), requests.bad_field)
        self.door.instrument(PERPETUAL, fields)
        for name in ("from", "limit"):
            fields.whole(name, 0)
        fields.done()
        return []

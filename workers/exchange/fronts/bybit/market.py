"""Bybit's public questions: time, markets, trades, candles, tickers, funding."""

from collections.abc import Sequence
from typing import Any

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bybit import market_rows as market
from workers.exchange.fronts.bybit import rows
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms


class Market(Room[BybitDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        public, told = self.door.public, Operation.MARKET
        return [
            public("/v5/market/time", Operation.TIME, self._time),
            public("/v5/market/instruments-info", Operation.INSTRUMENTS, self._info),
            public("/v5/market/recent-trade", told, self._trades),
            public("/v5/market/kline", told, self._klines),
            public("/v5/market/tickers", told, self._tickers),
            public("/v5/market/funding/history", told, self._funding_rates),
        ]

    def _time(self, fields: Fields) -> Any:
        fields.done()
        now = ms(self.desk.now())
        return {"timeSecond": str(now // 1000), "timeNano": f"{now}000000"}

    def _info(self, fields: Fields) -> Any:
        kind = self.door.kind(fields)
        status = fields.choice("status", ("Trading", "PreLaunch"), "Trading")
        fields.ignore("limit")
        fields.done()
        some = self.desk.instruments(kind) if status == "Trading" else ()
        category = "linear" if kind is MarketKind.PERPETUAL else "spot"
        told = {"category": category, "list": [market.instrument(each) for each in some]}
        return told if kind is MarketKind.SPOT else told | {"nextPageCursor": ""}

    def _trades(self, fields: Fields) -> Any:
        kind = self.door.kind(fields)
        instrument = self.door.instrument(kind, fields)
        most = 1000 if kind is MarketKind.PERPETUAL else 60
        limit = self.door.limit(fields, 60, most)
        fields.done()
        told = market.trades(self.desk.host, instrument)[:limit]
        return {"category": rows.category(instrument), "list": told}

    def _klines(self, fields: Fields) -> Any:
        instrument = self.door.instrument(self.door.kind(fields), fields)
        length = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
        limit = self.door.limit(fields, 200, 1000)
        fields.done()
        told = market.klines(self.desk.host, instrument, length, limit)
        name = rows.symbol(instrument)
        return {"category": rows.category(instrument), "symbol": name, "list": told}

    def _tickers(self, fields: Fields) -> Any:
        kind = self.door.kind(fields)
        name = fields.optional("symbol")
        fields.done()
        some = self.desk.instruments(kind)
        if name is not None:
            some = [self.door.instrument(kind, Fields({"symbol": name}, self.door.bad_field))]
        category = "linear" if kind is MarketKind.PERPETUAL else "spot"
        return {"category": category, "list": market.tickers(self.desk.host, some)}

    def _funding_rates(self, fields: Fields) -> Any:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        self.door.perpetual(fields)
        begin, end = fields.optional("startTime"), fields.optional("endTime")
        if begin is not None and end is None:
            raise self.door.wrong(10001, "params error: endTime must be passed with startTime")
        self.door.limit(fields, 200, 200)
        fields.done()
        return {"category": "linear", "list": []}

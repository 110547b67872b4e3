"""OKX's public questions: time, markets, trades, candles, statistics, funding."""

from collections.abc import Sequence
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.okx import market_rows as market
from workers.exchange.fronts.okx.door import KINDS, OkxDoor
from workers.exchange.fronts.okx.lists import PAGE
from workers.exchange.fronts.okx.refusals import bad_field
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms

_BARS: Final = 300


class Market(Room[OkxDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        public, told = self.door.open, Operation.MARKET
        return [
            public("/public/time", Operation.TIME, self._time),
            public("/public/instruments", Operation.INSTRUMENTS, self._instruments),
            public("/public/funding-rate", told, self._funding_rate),
            public("/public/funding-rate-history", told, self._funding_rates),
            public("/market/trades", told, self._trades),
            public("/market/candles", told, self._bars),
            public("/market/history-candles", told, self._bars),
            public("/market/tickers", told, self._tickers),
        ]

    def _time(self, fields: Fields) -> Sequence[Any]:
        fields.done()
        return [{"ts": str(ms(self.desk.now()))}]

    def _instruments(self, fields: Fields) -> Sequence[Any]:
        kind = KINDS[fields.choice("instType", tuple(KINDS))]
        fields.done()
        return [market.instrument(each) for each in self.desk.instruments(kind)]

    def _trades(self, fields: Fields) -> Sequence[Any]:
        instrument = self.door.instrument(fields)
        fields.whole("limit", PAGE)
        fields.done()
        return market.trades(self.desk.host, instrument)

    def _bars(self, fields: Fields) -> Sequence[Any]:
        instrument = self.door.instrument(fields)
        length = market.LENGTHS[fields.choice("bar", tuple(market.LENGTHS), "1m")]
        limit = min(fields.whole("limit", PAGE), _BARS)
        before = fields.whole("after", 0)
        fields.done()
        return market.candles(self.desk.host, instrument, length, limit, before)

    def _tickers(self, fields: Fields) -> Sequence[Any]:
        kind = KINDS[fields.choice("instType", tuple(KINDS))]
        fields.done()
        told = [market.day(self.desk.host, each) for each in self.desk.instruments(kind)]
        return [row for row in told if row is not None]

    def _funding_rate(self, fields: Fields) -> Sequence[Any]:
        instrument = self.door.instrument(fields)
        fields.done()
        if instrument.kind is not MarketKind.PERPETUAL:
            raise bad_field("instId", "malformed")
        return [market.funding(self.desk.host, instrument)]

    def _funding_rates(self, fields: Fields) -> Sequence[Any]:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        self.door.instrument(fields)
        fields.whole("before", 0)
        fields.whole("after", 0)
        fields.whole("limit", PAGE)
        fields.done()
        return []

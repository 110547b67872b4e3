"""Binance's public questions about a market: trades, book, candles, the last 24 hours."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from domain.money import Instrument, MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.binance import market_rows as market
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.binance.refusals import bad_field, wrong
from workers.exchange.fronts.rooms import Handler, Room, Route
from workers.exchange.host import Host

_MOST: Final = 1000
#: How many levels of a book futures can be asked for.
_DEPTHS: Final = (5, 10, 20, 50, 100, 500, 1000)
_Tell = Callable[[Host, Instrument], Any]


class Market(Room[BinanceDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        return [
            *self._of("/fapi/v1", MarketKind.PERPETUAL),
            *self._of("/api/v3", MarketKind.SPOT),
        ]

    def _of(self, root: str, kind: MarketKind) -> Sequence[Route]:
        handlers = {
            "/trades": self._trades(kind),
            "/aggTrades": self._aggregated(kind),
            "/klines": self._klines(kind),
            "/depth": self._depth(kind),
            "/ticker/24hr": self._one_or_all(kind, market.day),
            "/ticker/bookTicker": self._one_or_all(kind, market.best),
        }
        return [
            Route("GET", f"{root}{path}", Operation.MARKET, handler)
            for path, handler in handlers.items()
        ]

    def _trades(self, kind: MarketKind) -> Handler:
        def trades(asked: Asked) -> Any:
            fields = Fields(asked.form(), bad_field)
            instrument = self.door.instrument(kind, fields)
            limit = fields.whole("limit", 500)
            fields.done()
            known = public.trades(self.desk.host, instrument, limit)
            return [market.trade(instrument, each) for each in known]

        return trades

    def _aggregated(self, kind: MarketKind) -> Handler:
        """Return trades in a span of time or from a number on; here none are put together."""

        def trades(asked: Asked) -> Any:
            fields = Fields(asked.form(), bad_field)
            instrument = self.door.instrument(kind, fields)
            begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
            first, limit = fields.whole("fromId", 0), min(fields.whole("limit", 500), _MOST)
            fields.done()
            known = public.trades(self.desk.host, instrument, _MOST)
            told = [market.aggregated(instrument, each) for each in known]
            some = [
                row
                for row in told
                if begin <= row["T"] and (not end or row["T"] <= end) and row["a"] >= first
            ]
            return some[:limit] if begin or first else some[-limit:]

        return trades

    def _klines(self, kind: MarketKind) -> Handler:
        def klines(asked: Asked) -> Any:
            fields = Fields(asked.form(), bad_field)
            instrument = self.door.instrument(kind, fields)
            interval = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
            span = fields.whole("startTime", 0), fields.whole("endTime", 0)
            limit = fields.whole("limit", 500)
            fields.done()
            bars = public.bars(self.desk.host, instrument, interval, limit, span)
            return [market.kline(instrument, bar, interval) for bar in bars]

        return klines

    def _depth(self, kind: MarketKind) -> Handler:
        def depth(asked: Asked) -> Any:
            fields = Fields(asked.form(), bad_field)
            instrument = self.door.instrument(kind, fields)
            limit = fields.whole("limit", 500)
            fields.done()
            if kind is MarketKind.PERPETUAL and limit not in _DEPTHS:
                raise wrong(-4021, f"'{limit}' is not valid depth limit.")
            return market.depth(self.desk.host, instrument, limit)

        return depth

    def _one_or_all(self, kind: MarketKind, tell: _Tell) -> Handler:
        """Tell of the market that is named, or of some or all in a list."""

        def told(asked: Asked) -> Any:
            fields = Fields(asked.form(), bad_field)
            name, some = fields.optional("symbol"), fields.optional("symbols")
            fields.done()
            if name is not None:
                return tell(self.desk.host, self._named(kind, name))
            known = self.desk.instruments(kind)
            if some is not None:
                known = [self._named(kind, each) for each in orjson.loads(some)]
            every = [tell(self.desk.host, each) for each in known]
            return [row for row in every if row is not None]

        return told

    def _named(self, kind: MarketKind, name: str) -> Instrument:
        return self.door.instrument(kind, Fields({"symbol": name}, bad_field))

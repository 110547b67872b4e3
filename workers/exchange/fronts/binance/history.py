"""What Binance tells of orders and fills: one, the working ones, those of a span."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.binance import rows
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.binance.refusals import wrong
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms

_FUTURES_SPAN: Final = timedelta(days=7)
_SPOT_SPAN: Final = timedelta(hours=24)


class History(Room[BinanceDoor]):
    """Lists are by the time of creation, oldest first."""

    def routes(self) -> Sequence[Route]:
        perpetual, spot = MarketKind.PERPETUAL, MarketKind.SPOT
        return [
            *self._of("/fapi/v1", perpetual, "userTrades"),
            *self._of("/api/v3", spot, "myTrades"),
        ]

    def _of(self, root: str, kind: MarketKind, fills: str) -> Sequence[Route]:
        signed = self.door.signed
        return [
            signed("GET", f"{root}/order", Operation.ORDER, self._get_order(kind)),
            signed("GET", f"{root}/openOrders", Operation.OPEN_ORDERS, self._open_orders(kind)),
            signed("GET", f"{root}/allOrders", Operation.ORDERS, self._orders(kind)),
            signed("GET", f"{root}/{fills}", Operation.FILLS, self._fills(kind)),
        ]

    def _get_order(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def order(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            report = self.door.named(keys.account, instrument, fields)
            fields.done()
            if report is None:
                raise wrong(-2013, "Order does not exist.")
            return self.door.row(keys.account, instrument, report)

        return order

    def _open_orders(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def open_orders(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            fields.done()
            reports = self.desk.open_orders(keys.account, instrument.symbol)
            return [self.door.row(keys.account, instrument, report) for report in reports]

        return open_orders

    def _orders(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def orders(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            span = _span(kind, fields)
            first = fields.whole("orderId", 0)
            limit = fields.whole("limit", 500)
            fields.done()
            found = self.desk.orders(keys.account, instrument.symbol, from_ms(0))
            told = [self.door.row(keys.account, instrument, each) for each in found]
            # By the time of creation: an old order that was filled just now is not among them.
            some = [row for row in told if span(row["time"]) and row["orderId"] >= first]
            return sorted(some, key=lambda row: int(row["orderId"]))[:limit]

        return orders

    def _fills(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def fills(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            span = _span(kind, fields)
            order_id, first = fields.optional("orderId"), fields.whole("fromId", 0)
            limit = fields.whole("limit", 500)
            fields.done()
            found = self.desk.fills(keys.account, instrument.symbol, from_ms(0))
            told = [rows.fill(instrument, fill) for fill in found]
            some = [
                row
                for row in told
                if span(row["time"])
                and row["id"] >= first
                and order_id in (None, str(row["orderId"]))
            ]
            return some[:limit]

        return fills


def _span(kind: MarketKind, fields: Fields) -> Callable[[int], bool]:
    """Return what tells whether a time lies in the span that is asked for."""
    longest = _FUTURES_SPAN if kind is MarketKind.PERPETUAL else _SPOT_SPAN
    begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
    if begin and end and timedelta(milliseconds=end - begin) > longest:
        raise wrong(-4165 if kind is MarketKind.PERPETUAL else -1127, "Invalid time interval.")
    if begin and not end and kind is MarketKind.PERPETUAL:
        end = begin + longest // timedelta(milliseconds=1)
    return lambda at: begin <= at and (not end or at <= end)

"""What Gate tells of orders and fills: the working ones, those that ended, fills."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from domain.money import Instrument, MarketKind
from domain.orders import OrderReport
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.gate import requests, rows
from workers.exchange.fronts.gate.door import FUTURES, PERPETUAL, SPOT, Act, GateDoor
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms, number_of


class History(Room[GateDoor]):
    """Lists go from the newest down. Spot lists open and ended orders at one path."""

    def routes(self) -> Sequence[Route]:
        signed, fills = self.door.signed, Operation.FILLS
        return [
            signed("GET", f"{FUTURES}/orders", Operation.OPEN_ORDERS, self._listed(PERPETUAL)),
            signed("GET", f"{SPOT}/orders", Operation.OPEN_ORDERS, self._listed(MarketKind.SPOT)),
            signed("GET", f"{SPOT}/open_orders", Operation.OPEN_ORDERS, self._all_open),
            signed("GET", f"{FUTURES}/orders_timerange", Operation.ORDERS, self._ended_futures),
            signed("GET", f"{FUTURES}/my_trades", fills, self._fills("id")),
            signed("GET", f"{FUTURES}/my_trades_timerange", fills, self._fills("trade_id")),
            signed("GET", f"{SPOT}/my_trades", fills, self._spot_fills),
        ]

    def _listed(self, kind: MarketKind) -> Act:
        def listed(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            instrument = self.door.instrument(kind, fields)
            fields.choice("account", ("spot",), "spot")
            open_ones = fields.choice("status", ("open", "finished")) == "open"
            span = requests.span(kind, fields) if kind is MarketKind.SPOT else None
            if open_ones:
                found = self.desk.open_orders(keys.account, instrument.symbol)
                return self._page(keys.account, instrument, fields, found)
            return self._ended(keys.account, instrument, fields, span)

        return listed

    def _all_open(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        """Return the working orders of all pairs, each pair with its own."""
        fields.choice("account", ("spot",), "spot")
        # Not of this question, but ccxt sends them; it picks the pair out by itself.
        fields.ignore("currency_pair", "status", "limit", "page")
        fields.done()
        told = []
        for instrument in self.desk.instruments(MarketKind.SPOT):
            found = self.desk.open_orders(keys.account, instrument.symbol)
            orders = [self.door.row(keys.account, instrument, each) for each in found]
            if orders:
                name = rows.name(instrument)
                told.append({"currency_pair": name, "total": len(orders), "orders": orders})
        return told

    def _ended_futures(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self.door.instrument(PERPETUAL, fields)
        return self._ended(keys.account, instrument, fields, requests.span(PERPETUAL, fields))

    def _ended(
        self,
        account: str,
        instrument: Instrument,
        fields: Fields,
        span: Callable[[datetime], bool] | None,
    ) -> Any:
        """Return orders that ended, by the time of creation: the harder of the two to work with."""
        found = [
            each
            for each in self.desk.orders(account, instrument.symbol, from_ms(0))
            if not each.status.working
            and (span is None or span(self.desk.created_at(account, each)))
        ]
        return self._page(account, instrument, fields, found)

    def _page(
        self, account: str, instrument: Instrument, fields: Fields, found: Sequence[OrderReport]
    ) -> Any:
        newest = sorted(found, key=lambda each: -number_of(each.order_id))
        some = requests.cut(instrument.kind, fields, newest, 100)
        return [self.door.row(account, instrument, each) for each in some]

    def _fills(self, id_field: str) -> Act:
        """Return the executions of contracts: by order, or by time under another name."""

        def fills(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            instrument = self.door.instrument(PERPETUAL, fields)
            order_id = fields.optional("order") if id_field == "id" else None
            span = requests.span(PERPETUAL, fields) if id_field == "trade_id" else lambda _at: True
            found = [
                fill
                for fill in self.desk.fills(keys.account, instrument.symbol, from_ms(0))
                if span(fill.at) and order_id in (None, str(number_of(fill.order_id)))
            ]
            some = requests.cut(PERPETUAL, fields, found[::-1], 100)
            return [rows.future_fill(instrument, each, id_field) for each in some]

        return fills

    def _spot_fills(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        instrument = self.door.instrument(MarketKind.SPOT, fields)
        fields.choice("account", ("spot",), "spot")
        order_id, span = fields.optional("order_id"), requests.span(MarketKind.SPOT, fields)
        found = [
            fill
            for fill in self.desk.fills(keys.account, instrument.symbol, from_ms(0))
            if span(fill.at) and order_id in (None, str(number_of(fill.order_id)))
        ]
        some = requests.cut(MarketKind.SPOT, fields, found[::-1], 1000)
        return [rows.spot_fill(instrument, each) for each in some]

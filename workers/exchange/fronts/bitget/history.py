"""What Bitget tells of orders and fills: one, the working ones, those of a span."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.bitget.rows import wrapped
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms

_PERPETUAL, _SPOT = MarketKind.PERPETUAL, MarketKind.SPOT
_FILLS_SPAN: Final = timedelta(days=7)
_SPAN: Final = timedelta(days=30)


class History(Room[BitgetDoor]):
    """Pages go from the newest down by id. Those of perpetuals are wrapped."""

    def routes(self) -> Sequence[Route]:
        get = self.door.get
        mix, spot = "/api/v2/mix/order".__add__, "/api/v2/spot/trade".__add__
        return [
            get(mix("/detail"), Operation.ORDER, self._detail),
            get(spot("/orderInfo"), Operation.ORDER, self._info),
            get(mix("/orders-pending"), Operation.OPEN_ORDERS, self._open_of(_PERPETUAL)),
            get(spot("/unfilled-orders"), Operation.OPEN_ORDERS, self._open_of(_SPOT)),
            get(mix("/orders-history"), Operation.ORDERS, self._orders(_PERPETUAL)),
            get(spot("/history-orders"), Operation.ORDERS, self._orders(_SPOT)),
            get(mix("/fills"), Operation.FILLS, self._fills(_PERPETUAL)),
            get(spot("/fills"), Operation.FILLS, self._fills(_SPOT)),
        ]

    def _detail(self, account: str, fields: Fields) -> Any:
        instrument = self.door.instrument(_PERPETUAL, fields)
        report = self.door.named(account, instrument, fields)
        fields.done()
        if report is None:
            raise self.door.wrong("40109", "The data of the order cannot be found")
        row = self.door.row(account, instrument, report)
        return row | {"state": row.pop("status")}

    def _info(self, account: str, fields: Fields) -> Any:
        """Return spot's order of a name as a list, which is empty if there is none."""
        client_id, order_id = fields.optional("clientOid"), fields.optional("orderId")
        fields.done()
        names = {"clientOid": client_id, "orderId": order_id}
        found = [
            (instrument, self.door.named(account, instrument, self.door.fields(names)))
            for instrument in self.desk.instruments(_SPOT)
        ]
        return [
            self.door.row(account, each, report) for each, report in found if report is not None
        ]

    def _open_of(self, kind: MarketKind) -> Callable[[str, Fields], Any]:
        def open_orders(account: str, fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            page = self.door.page(fields, "orderId")
            fields.done()
            reports = self.desk.open_orders(account, instrument.symbol)
            told = page([self.door.row(account, instrument, report) for report in reports])
            if kind is _SPOT:
                return [rows.spot_open(row) for row in told]
            return wrapped("entrustedList", told, "orderId")

        return open_orders

    def _orders(self, kind: MarketKind) -> Callable[[str, Fields], Any]:
        def orders(account: str, fields: Fields) -> Any:
            """Return what has ended, by the time of creation."""
            instrument = self.door.instrument(kind, fields)
            within = self.door.span(fields, _SPAN)
            page = self.door.page(fields, "orderId")
            fields.done()
            found = self.desk.orders(account, instrument.symbol, from_ms(0))
            ended = [
                self.door.row(account, instrument, each)
                for each in found
                if not each.status.working
            ]
            told = page([row for row in ended if within(int(row["cTime"]))])
            return told if kind is _SPOT else wrapped("entrustedList", told, "orderId")

        return orders

    def _fills(self, kind: MarketKind) -> Callable[[str, Fields], Any]:
        def fills(account: str, fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            within = self.door.span(fields, _FILLS_SPAN if kind is _PERPETUAL else _SPAN)
            page = self.door.page(fields, "tradeId")
            order_id = fields.optional("orderId")
            fields.done()
            found = self.desk.fills(account, instrument.symbol, from_ms(0))
            told = page(
                [
                    row
                    for row in (rows.fill(instrument, each) for each in found)
                    if within(int(row["cTime"])) and order_id in (None, row["orderId"])
                ]
            )
            return told if kind is _SPOT else wrapped("fillList", told, "tradeId")

        return fills

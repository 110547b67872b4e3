"""What OKX tells of orders and fills: one, the working ones, those that ended, fills."""

from collections.abc import Sequence
from typing import Any

from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.okx import rows
from workers.exchange.fronts.okx.door import OkxDoor
from workers.exchange.fronts.okx.lists import page, span
from workers.exchange.fronts.okx.refusals import wrong
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms


class History(Room[OkxDoor]):
    """Lists go from the newest down, in pages below an id."""

    def routes(self) -> Sequence[Route]:
        get = self.door.get
        return [
            get("/trade/order", Operation.ORDER, self._get_order),
            get("/trade/orders-pending", Operation.OPEN_ORDERS, self._pending),
            get("/trade/orders-history", Operation.ORDERS, self._history),
            get("/trade/orders-history-archive", Operation.ORDERS, self._history),
            get("/trade/fills", Operation.FILLS, self._fills),
            get("/trade/fills-history", Operation.FILLS, self._fills),
        ]

    def _get_order(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.instrument(fields)
        report = self.door.named(keys.account, instrument, fields)
        fields.done()
        if report is None:
            raise wrong("51603", "Order does not exist")
        return [self.door.row(keys.account, instrument, report)]

    def _pending(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.kind_and_instrument(fields)
        cut = page(fields, "ordId")
        fields.done()
        reports = self.desk.open_orders(keys.account, instrument.symbol)
        return cut([self.door.row(keys.account, instrument, report) for report in reports])

    def _history(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return closed orders by their time of creation, newest first."""
        instrument = self.door.kind_and_instrument(fields)
        state = fields.optional("state")
        within = span(fields)
        cut = page(fields, "ordId")
        fields.done()
        found = self.desk.orders(keys.account, instrument.symbol, from_ms(0))
        told = [
            self.door.row(keys.account, instrument, each)
            for each in found
            if not each.status.working
        ]
        return cut(
            [row for row in told if within(int(row["cTime"])) and state in (None, row["state"])]
        )

    def _fills(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.kind_and_instrument(fields)
        within = span(fields)
        order_id = fields.optional("ordId")
        cut = page(fields, "billId")
        fields.done()
        found = self.desk.fills(keys.account, instrument.symbol, from_ms(0))
        told = [rows.fill(instrument, each) for each in found]
        return cut(
            [row for row in told if within(int(row["ts"])) and order_id in (None, row["ordId"])]
        )

"""What Bybit tells of orders and fills: the working ones, those that ended, executions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from domain.money import Instrument, Quantity
from domain.orders import OrderReport
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bybit import rows
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.bybit.rows import paged
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import from_ms

REALTIME: Final = "/v5/order/realtime"


class History(Room[BybitDoor]):
    """Lists go from the newest down, in pages by a cursor."""

    #: So many orders that ended are still found by their id among those that work.
    recent: int = 500

    def routes(self) -> Sequence[Route]:
        get = self.door.get
        return [
            get(REALTIME, Operation.OPEN_ORDERS, self._realtime),
            get("/v5/order/history", Operation.ORDERS, self._order_history),
            get("/v5/execution/list", Operation.FILLS, self._executions),
        ]

    def _realtime(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return working orders, or the one that is named: that one for a while longer."""
        instrument = self.door.instrument(self.door.kind(fields), fields)
        fields.choice("openOnly", ("0",), "0")
        first, limit = self.door.page(fields, 50)
        order_id, client_id = fields.optional("orderId"), fields.optional("orderLinkId")
        if order_id is not None or client_id is not None:
            report = self.door.find(keys.account, instrument, order_id, client_id)
            there = report is not None and self._is_kept(keys.account, report)
            reports = [report] if report is not None and there else []
        else:
            reports = list(reversed(self.desk.open_orders(keys.account, instrument.symbol)))
        fields.done()
        found = [self.door.order_row(keys.account, instrument, each) for each in reports]
        return paged(instrument, found, first, limit)

    def _is_kept(self, account: str, report: OrderReport) -> bool:
        every = self.desk.orders(account, report.symbol, from_ms(0))
        ended = [each.order_id for each in every if not each.status.working]
        kept = ended[max(len(ended) - self.recent, 0) :]
        return report.status.working or report.order_id in kept

    def _order_history(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return orders that ended, by the time of their creation, newest first."""
        instrument = self.door.instrument(self.door.kind(fields), fields)
        order_id, client_id = fields.optional("orderId"), fields.optional("orderLinkId")
        status = fields.optional("orderStatus")
        span = self.door.span(fields)
        first, limit = self.door.page(fields, 50)
        fields.done()
        every = self.desk.orders(keys.account, instrument.symbol, from_ms(0))
        ended = [each for each in every if not each.status.working]
        told = [self.door.order_row(keys.account, instrument, each) for each in ended]
        if order_id is not None:
            found = [row for row in told if row["orderId"] == order_id]
        elif client_id is not None:
            found = [row for row in told if row["orderLinkId"] == client_id]
        else:
            found = [row for row in told if span(int(row["createdTime"]))]
        found = [row for row in found if status in (None, row["orderStatus"])]
        found.sort(key=lambda row: int(row["createdTime"]), reverse=True)
        return paged(instrument, found, first, limit)

    def _executions(self, keys: LocalKeys, fields: Fields) -> Any:
        """Return executions, funding among them, newest first."""
        instrument = self.door.instrument(self.door.kind(fields), fields)
        order_id = fields.optional("orderId")
        kind = fields.choice("execType", ("Trade", "Funding", "any"), "any")
        span = self.door.span(fields)
        first, limit = self.door.page(fields, 100)
        fields.done()
        told = self._execution_rows(keys.account, instrument)
        if order_id is not None:
            found = [row for row in told if row["orderId"] == order_id]
        else:
            found = [row for row in told if span(int(row["execTime"]))]
        found = [row for row in found if kind in ("any", row["execType"])]
        found.sort(key=lambda row: (int(row["execTime"]), row["seq"]), reverse=True)
        return paged(instrument, found, first, limit)

    def _execution_rows(self, account: str, instrument: Instrument) -> list[dict[str, Any]]:
        filled: dict[str, int] = {}
        told = []
        ever = self.desk.orders(account, instrument.symbol, from_ms(0))
        reports = {report.order_id: report for report in ever}
        for fill in self.desk.fills(account, instrument.symbol, from_ms(0)):
            count = filled.get(fill.order_id, 0) + fill.quantity.lots
            filled[fill.order_id] = count
            report = reports.get(fill.order_id)
            if report is not None:
                then = replace(report, filled=Quantity(count))
                told.append(rows.execution(instrument, fill, then, self.door.word(account, report)))
        paid = self.desk.funding(account, instrument.symbol, from_ms(0))
        return [*told, *(rows.funding_execution(instrument, each) for each in paid)]

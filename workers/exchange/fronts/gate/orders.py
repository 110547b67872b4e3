"""Orders at Gate: placing and canceling, one by one and in batches, and asking for one."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.money import Instrument, MarketKind
from domain.orders import OrderReport, Refusal
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Fields, Told, WrongError
from workers.exchange.fronts.desk import Duplicate, Scope
from workers.exchange.fronts.gate import requests, rows
from workers.exchange.fronts.gate.door import FUTURES, PERPETUAL, SPOT, Act, GateDoor
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms

_BATCH: Final = 10
_CANCEL_BATCH: Final = 20
#: How long after its end an order is found by its text.
_FOUND_FOR: Final = timedelta(hours=1)
#: Seconds.
_LEAST_COUNTDOWN: Final = 5


class Orders(Room[GateDoor]):
    """What one order is asked for by its id or its text."""

    def routes(self) -> Sequence[Route]:
        canceled = f"{SPOT}/cancel_batch_orders"
        return [
            *self._of(FUTURES, PERPETUAL),
            *self._of(SPOT, MarketKind.SPOT),
            self.door.signed("POST", canceled, Operation.CANCEL_BATCH, self._cancel_batch),
        ]

    def _of(self, root: str, kind: MarketKind) -> Sequence[Route]:
        signed, orders, one = self.door.signed, f"{root}/orders", f"{root}/orders/{{order_id}}"
        return [
            signed("POST", orders, Operation.PLACE, self._place(kind)),
            signed("POST", f"{root}/batch_orders", Operation.PLACE_BATCH, self._batch(kind)),
            signed("GET", one, Operation.ORDER, self._get_order(kind)),
            signed("DELETE", one, Operation.CANCEL, self._cancel(kind)),
            signed(
                "POST", f"{root}/countdown_cancel_all", Operation.DEAD_MAN, self._count_down(kind)
            ),
        ]

    def _count_down(self, kind: MarketKind) -> Act:
        def count_down(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            seconds = fields.whole("timeout")
            named = fields.optional("contract" if kind is PERPETUAL else "currency_pair")
            every = self.desk.instruments(kind)
            chosen = [each for each in every if named in (None, rows.name(each))]
            fields.ignore("settle")  # which ccxt repeats from the path
            fields.done()
            if not chosen or 0 < seconds < _LEAST_COUNTDOWN:
                raise requests.wrong(kind, "INVALID_PARAM_VALUE", f"{named} within {seconds} s")
            account, within = keys.account, timedelta(seconds=seconds)
            self.desk.dead_men.arm(
                ("gate", account, kind, named),
                within,
                lambda: self.desk.cancel_all(account, chosen),
            )
            due = ms(self.desk.now() + within) if seconds else 0
            return {"triggerTime": str(due)}

        return count_down

    def _place(self, kind: MarketKind) -> Act:
        def place(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            return Told(self._take(keys.account, kind, fields), 201)

        return place

    def _batch(self, kind: MarketKind) -> Act:
        def batch(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG001
            orders = asked.json()
            if not isinstance(orders, list) or not 1 <= len(orders) <= _BATCH:
                raise requests.wrong(
                    kind, "INVALID_PARAM_VALUE", f"a batch has 1 to {_BATCH} orders"
                )
            return [self._one_of_batch(keys.account, kind, each) for each in orders]

        return batch

    def _one_of_batch(self, account: str, kind: MarketKind, order: Mapping[str, Any]) -> Any:
        fields = Fields(order, requests.bad_field)
        fields.ignore("settle")  # which ccxt repeats from the path
        try:
            row = self._take(account, kind, fields)
        except WrongError as refusal:
            return {"succeeded": False, "text": order.get("text", ""), **refusal.answer.body}
        if kind is MarketKind.SPOT:
            row |= {"order_id": row["id"], "label": "", "message": ""}
        return {"succeeded": True, **row}

    def _take(self, account: str, kind: MarketKind, fields: Fields) -> dict[str, Any]:
        instrument = self.door.instrument(kind, fields)
        read = requests.future if kind is PERPETUAL else requests.coin
        request, tif = read(instrument, fields, self.desk.new_name)
        outcome = self.desk.place(account, request, scope=Scope.OPEN)
        if isinstance(outcome, Duplicate):
            # The label is not confirmed, nor that the venue looks at all.
            raise requests.wrong(kind, "REPEATED_CREATION", "repeated text")
        if isinstance(outcome, Refusal):
            raise requests.wrong(kind, *requests.refused(kind, outcome.reason))
        self.door.memory.call(account, request.client_id, tif)
        return self.door.row(account, instrument, outcome)

    def _cancel(self, kind: MarketKind) -> Act:
        def cancel(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
            return self._end(keys.account, kind, asked.parts["order_id"], fields)

        return cancel

    def _end(self, account: str, kind: MarketKind, name: str, fields: Fields) -> dict[str, Any]:
        instrument, report = self._named_order(account, kind, name, fields)
        fields.done()
        ended = self.desk.cancel(account, instrument.symbol, report.client_id)
        if ended is None:
            label = "ORDER_FINISHED" if kind is PERPETUAL else "ORDER_CLOSED"
            raise requests.wrong(kind, label, "order is finished")
        return self.door.row(account, instrument, ended)

    def _cancel_batch(self, keys: LocalKeys, asked: Asked, fields: Fields) -> Any:  # noqa: ARG002
        names = asked.json()
        if not isinstance(names, list) or not 1 <= len(names) <= _CANCEL_BATCH:
            text = f"a batch has 1 to {_CANCEL_BATCH} orders"
            raise requests.wrong(MarketKind.SPOT, "INVALID_PARAM_VALUE", text)
        return [self._one_canceled(keys.account, each) for each in names]

    def _one_canceled(self, account: str, named: Mapping[str, Any]) -> Any:
        fields = Fields(named, requests.bad_field)
        name = fields.text("id")
        told = {"currency_pair": named.get("currency_pair"), "id": name}
        try:
            self._end(account, MarketKind.SPOT, name, fields)
        except WrongError as refusal:
            return {**told, "succeeded": False, **refusal.answer.body}
        return {**told, "succeeded": True, "label": "", "message": ""}

    def _get_order(self, kind: MarketKind) -> Act:
        def order(keys: LocalKeys, asked: Asked, fields: Fields) -> Any:
            name = asked.parts["order_id"]
            instrument, report = self._named_order(keys.account, kind, name, fields)
            fields.done()
            return self.door.row(keys.account, instrument, report)

        return order

    def _named_order(
        self, account: str, kind: MarketKind, name: str, fields: Fields
    ) -> tuple[Instrument, OrderReport]:
        """Return an order by its id or its text; an id of contracts names no market."""
        if kind is MarketKind.SPOT:
            fields.choice("account", ("spot",), "spot")
            instruments: Sequence[Instrument] = [self.door.instrument(kind, fields)]
        else:
            fields.ignore("contract", "settle")  # which ccxt repeats
            instruments = self.desk.instruments(kind)
        for instrument in instruments:
            report = self._find(account, instrument, name)
            if report is not None:
                return instrument, report
        known_by_id = kind is PERPETUAL or not name.startswith("t-")
        label = "ORDER_NOT_FOUND" if known_by_id else "CLIENT_ID_NOT_FOUND"
        raise requests.wrong(kind, label, f"Order {name} not found", 404)

    def _find(self, account: str, instrument: Instrument, name: str) -> OrderReport | None:
        if not name.startswith("t-"):
            return self.desk.by_order_id(account, instrument.symbol, f"O{name}")
        report = self.desk.order(account, instrument.symbol, name.removeprefix("t-"))
        if report is None or report.status.working or report.at is None:
            return report
        return report if self.desk.host.exchange.now - report.at <= _FOUND_FOR else None

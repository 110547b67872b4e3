"""Orders at OKX: placing and canceling, one by one and in batches."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.errors import InvalidValueError
from domain.money import EXACT, Instrument, MarketKind, Price, Quantity
from domain.orders import (
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    Refusal,
    Side,
    TimeInForce,
)
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields, WrongError
from workers.exchange.fronts.desk import Duplicate, Scope
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.okx import rows
from workers.exchange.fronts.okx.door import OkxDoor
from workers.exchange.fronts.okx.refusals import bad_field, refused, wrong
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms

_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_TYPES: Final = ("limit", "market", "post_only", "fok", "ioc")


class Orders(Room[OkxDoor]):
    """A result carries its own code; that of an order which was taken carries an id only."""

    def routes(self) -> Sequence[Route]:
        one, batch = self.door.one, self.door.batch
        return [
            one("/trade/order", Operation.PLACE, self._placed),
            one("/trade/cancel-order", Operation.CANCEL, self._canceled),
            batch("/trade/batch-orders", Operation.PLACE_BATCH, self._placed),
            batch("/trade/cancel-batch-orders", Operation.CANCEL_BATCH, self._canceled),
            self.door.post("/trade/cancel-all-after", Operation.DEAD_MAN, self._count_down),
        ]

    def _count_down(self, keys: LocalKeys, fields: Fields) -> Sequence[Any]:
        seconds = fields.whole("timeOut")
        fields.done()
        if seconds and not 10 <= seconds <= 120:
            raise bad_field("timeOut", "malformed")
        every = [each for kind in MarketKind for each in self.desk.instruments(kind)]
        account, within = keys.account, timedelta(seconds=seconds)
        self.desk.dead_men.arm(
            ("okx", account), within, lambda: self.desk.cancel_all(account, every)
        )
        now = self.desk.now()
        due = ms(now + within) if seconds else 0
        return [{"triggerTime": str(due), "tag": "", "ts": str(ms(now))}]

    def _placed(self, account: str, order: Mapping[str, Any]) -> dict[str, Any]:
        client_id = str(order.get("clOrdId", ""))
        try:
            return self._take(account, Fields(order, bad_field))
        except WrongError as refusal:
            body = refusal.answer.body
            return rows.result(client_id, None, body["code"], body["msg"])

    def _take(self, account: str, fields: Fields) -> dict[str, Any]:
        instrument = self.door.instrument(fields)
        request, word = self._request(instrument, fields)
        outcome = self.desk.place(account, request, scope=Scope.OPEN, crossing_is_taken=True)
        if isinstance(outcome, Duplicate):
            raise wrong("51016", "Client order ID already exists.")
        if isinstance(outcome, Refusal):
            raise wrong(*refused(outcome.reason))
        self.door.memory.call(account, request.client_id, word)
        return rows.result(request.client_id, outcome, "0", "Order placed")

    def _request(self, instrument: Instrument, fields: Fields) -> tuple[OrderRequest, str]:
        perpetual = instrument.kind is MarketKind.PERPETUAL
        client_id = fields.optional("clOrdId") or self.desk.new_name()
        if not _ID.fullmatch(client_id):
            raise bad_field("clOrdId", "malformed")
        fields.choice("tdMode", ("cross",) if perpetual else ("cash",))
        word = fields.choice("ordType", _TYPES)
        side = Side(fields.choice("side", ("buy", "sell")))
        reduce_only = False
        if perpetual:
            fields.choice("posSide", ("net",), "net")
            reduce_only = (fields.optional("reduceOnly") or "false").lower() == "true"
        else:
            in_quote = word == "market" and side is Side.BUY
            # In quote it cannot be counted here; of a limit order it is always the base.
            fields.choice("tgtCcy", ("base_ccy",), "quote_ccy" if in_quote else "base_ccy")
            fields.ignore("banAmend")  # an order is never made smaller here
        fields.ignore("tag")
        request = OrderRequest(
            client_id=client_id,
            symbol=instrument.symbol,
            side=side,
            quantity=_quantity(instrument, fields),
            price=None if word == "market" else _price(instrument, fields),
            type=OrderType.MARKET if word == "market" else OrderType.LIMIT,
            time_in_force=TimeInForce(word) if word in ("fok", "ioc") else TimeInForce.GTC,
            post_only=word == "post_only",
            reduce_only=reduce_only,
        )
        fields.done()
        return request, word

    def _canceled(self, account: str, order: Mapping[str, Any]) -> dict[str, Any]:
        client_id = str(order.get("clOrdId", ""))
        try:
            fields = Fields(order, bad_field)
            instrument = self.door.instrument(fields)
            report = self.door.named(account, instrument, fields)
            fields.done()
            return self._end(account, instrument, report)
        except WrongError as refusal:
            body = refusal.answer.body
            return rows.result(client_id, None, body["code"], body["msg"])

    def _end(
        self, account: str, instrument: Instrument, report: OrderReport | None
    ) -> dict[str, Any]:
        if report is None:
            raise wrong("51400", "Cancellation failed as the order does not exist.")
        canceled = self.desk.cancel(account, instrument.symbol, report.client_id)
        if canceled is not None:
            return rows.result(report.client_id, canceled, "0", "")
        if report.status is OrderStatus.FILLED:
            raise wrong("51402", "Cancellation failed as the order is already completed.")
        raise wrong("51401", "Cancellation failed as the order is already canceled.")


def _price(instrument: Instrument, fields: Fields) -> Price:
    try:
        return instrument.exact_price(fields.number("px"), "px")
    except InvalidValueError:
        raise bad_field("px", "malformed") from None


def _quantity(instrument: Instrument, fields: Fields) -> Quantity:
    amount = fields.number("sz")
    steps = EXACT.divide(amount, rows.lot_size(instrument))
    if amount <= 0:
        raise bad_field("sz", "malformed")
    if steps != steps.to_integral_value(context=EXACT):
        raise wrong("51121", "Order quantity must be a multiple of the lot size.")
    return Quantity(int(steps))

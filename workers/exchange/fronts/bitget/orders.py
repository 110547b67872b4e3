"""Orders at Bitget: placing and canceling, one by one and in batches."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import OrderRequest, OrderType, Refusal, RefusalReason, Side, TimeInForce
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields, WrongError
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.desk import Duplicate, Scope
from workers.exchange.fronts.rooms import Room, Route

_ID: Final = re.compile(r"[A-Za-z0-9_#:.\-]{1,50}")
_MOST: Final = 50
#: As the documents write them, and as clients may.
_FORCES: Final = ("gtc", "ioc", "fok", "post_only", "GTC", "IOC", "FOK")
_PERPETUAL, _SPOT = MarketKind.PERPETUAL, MarketKind.SPOT
_UNKNOWN_ORDER: Final = {_PERPETUAL: "40768", _SPOT: "43001"}
_DUPLICATE: Final = {
    _PERPETUAL: ("40786", "Duplicate clientOid"),
    _SPOT: ("43118", "clientOrderId duplicate"),
}


class Orders(Room[BitgetDoor]):
    """Places and cancels; of a batch, who succeeded and who failed stand apart."""

    def routes(self) -> Sequence[Route]:
        post = self.door.post
        mix, spot = "/api/v2/mix/order".__add__, "/api/v2/spot/trade".__add__
        place, batch = Operation.PLACE, Operation.PLACE_BATCH
        cancel, cancels = Operation.CANCEL, Operation.CANCEL_BATCH
        return [
            post(mix("/place-order"), place, self._place(_PERPETUAL)),
            post(spot("/place-order"), place, self._place(_SPOT)),
            post(mix("/batch-place-order"), batch, self._place_batch(_PERPETUAL)),
            post(spot("/batch-orders"), batch, self._place_batch(_SPOT)),
            post(mix("/cancel-order"), cancel, self._cancel(_PERPETUAL)),
            post(spot("/cancel-order"), cancel, self._cancel(_SPOT)),
            post(mix("/batch-cancel-orders"), cancels, self._cancel_batch(_PERPETUAL)),
            post(spot("/batch-cancel-order"), cancels, self._cancel_batch(_SPOT)),
        ]

    def _place(self, kind: MarketKind) -> Callable[[str, dict[str, Any]], Any]:
        def place(account: str, body: dict[str, Any]) -> Any:
            fields = Fields(body, self.door.bad_field)
            instrument = self.door.instrument(kind, fields, coin=True)
            self._margin_mode(kind, fields)
            return self._take(account, instrument, fields)

        return place

    def _place_batch(self, kind: MarketKind) -> Callable[[str, dict[str, Any]], Any]:
        def place(account: str, body: dict[str, Any]) -> Any:
            orders = self._list(body, "orderList")
            fields = Fields(body, self.door.bad_field)
            instrument = self.door.instrument(kind, fields, coin=True)
            self._margin_mode(kind, fields)
            fields.done()
            return self._each(
                orders, lambda order: self._take(account, instrument, self.door.fields(order))
            )

        return place

    def _list(self, body: dict[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
        given = body.pop(name, None)
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise self.door.bad_field(name, "malformed")
        if not 1 <= len(given) <= _MOST:
            raise self.door.wrong(
                "40017", "Parameter verification failed,Number of ordersRange error"
            )
        return given

    def _each(
        self, given: Sequence[Mapping[str, Any]], act: Callable[[Mapping[str, Any]], Any]
    ) -> dict[str, Any]:
        """Return who succeeded and who failed: all that failed stand apart."""
        succeeded, failed = [], []
        for each in given:
            try:
                succeeded.append(act(each))
            except WrongError as refusal:
                body = refusal.answer.body
                named = {"orderId": "", "clientOid": each.get("clientOid", "")}
                failed.append(named | {"errorMsg": body["msg"], "errorCode": body["code"]})
        return {"successList": succeeded, "failureList": failed}

    def _take(self, account: str, instrument: Instrument, fields: Fields) -> dict[str, str]:
        request, word = self._request(instrument, fields)
        # Our own order of an id that ended may not come alive again: the lenient reading is the
        # one that would show it.
        outcome = self.desk.place(account, request, scope=Scope.OPEN, crossing_is_taken=True)
        if isinstance(outcome, Duplicate):
            raise self.door.wrong(*_DUPLICATE[instrument.kind])
        if isinstance(outcome, Refusal):
            if outcome.reason is RefusalReason.INSUFFICIENT_FUNDS and instrument.kind is _SPOT:
                raise self.door.wrong("43012", "Insufficient balance")
            raise WrongError(self.door.refusal(outcome.reason))
        self.door.memory.call(account, request.client_id, word)
        return rows.name(outcome)

    def _request(self, instrument: Instrument, fields: Fields) -> tuple[OrderRequest, rows.Word]:
        type_ = fields.choice("orderType", ("limit", "market"))
        limit = type_ == "limit"
        force = fields.choice("force", _FORCES, "gtc").lower()
        client_id = fields.optional("clientOid") or self.desk.new_name()
        if not _ID.fullmatch(client_id):
            raise self.door.wrong("40305", "client_oid length is not greater than 50")
        side = Side(fields.choice("side", ("buy", "sell")))
        if not limit and side is Side.BUY and instrument.kind is _SPOT:
            raise self.door.wrong("40017", "a market buy by its cost is not spoken here")
        perpetual = instrument.kind is _PERPETUAL
        reduce_only = perpetual and fields.choice("reduceOnly", ("YES", "NO"), "NO") == "YES"
        request = OrderRequest(
            client_id=client_id,
            symbol=instrument.symbol,
            side=side,
            quantity=self._quantity(instrument, fields),
            price=self._price(instrument, fields) if limit else None,
            type=OrderType.LIMIT if limit else OrderType.MARKET,
            time_in_force=TimeInForce(force) if limit and force != "post_only" else TimeInForce.GTC,
            post_only=force == "post_only",
            reduce_only=reduce_only,
        )
        fields.done()
        return request, rows.Word(type_, force)

    def _price(self, instrument: Instrument, fields: Fields) -> Price:
        try:
            return instrument.exact_price(fields.number("price"), "price")
        except InvalidValueError:
            raise self.door.wrong("41103", "param price scale error error") from None

    def _quantity(self, instrument: Instrument, fields: Fields) -> Quantity:
        amount = fields.number("size")
        lots = amount / instrument.lot_size
        if amount <= 0:
            raise self.door.bad_field("size", "malformed")
        if lots != lots.to_integral_value():
            raise self.door.wrong(
                "40808", f"Parameter verification exception size checkBDScale error value={amount}"
            )
        return Quantity(int(lots))

    def _margin_mode(self, kind: MarketKind, fields: Fields) -> None:
        if kind is _PERPETUAL:
            fields.choice("marginMode", ("crossed",))

    def _cancel(self, kind: MarketKind) -> Callable[[str, dict[str, Any]], Any]:
        def cancel(account: str, body: dict[str, Any]) -> Any:
            fields = Fields(body, self.door.bad_field)
            instrument = self.door.instrument(kind, fields, coin=True)
            return self._end(account, instrument, fields)

        return cancel

    def _cancel_batch(self, kind: MarketKind) -> Callable[[str, dict[str, Any]], Any]:
        def cancel(account: str, body: dict[str, Any]) -> Any:
            names = self._list(body, "orderIdList" if kind is _PERPETUAL else "orderList")
            fields = Fields(body, self.door.bad_field)
            instrument = self.door.instrument(kind, fields, coin=True)
            fields.done()
            return self._each(
                names, lambda name: self._end(account, instrument, self.door.fields(name))
            )

        return cancel

    def _end(self, account: str, instrument: Instrument, fields: Fields) -> dict[str, str]:
        report = self.door.named(account, instrument, fields)
        fields.done()
        if report is not None:
            report = self.desk.cancel(account, instrument.symbol, report.client_id)
        if report is None:
            raise self.door.wrong(_UNKNOWN_ORDER[instrument.kind], "Order does not exist")
        return rows.name(report)

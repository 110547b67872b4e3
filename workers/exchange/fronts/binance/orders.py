"""Orders at Binance: placing and canceling, one by one and in batches."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import orjson

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderRequest, OrderType, Refusal, Side, TimeInForce
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields, WrongError
from workers.exchange.fronts.binance import rows
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.binance.refusals import bad_field, duplicate, refused, wrong
from workers.exchange.fronts.desk import Duplicate, Scope
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route

_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")


class Orders(Room[BinanceDoor]):
    """Places and cancels. Spot has no batches."""

    def routes(self) -> Sequence[Route]:
        perpetual, spot, signed = MarketKind.PERPETUAL, MarketKind.SPOT, self.door.signed
        place, cancel, batch = Operation.PLACE, Operation.CANCEL, "/fapi/v1/batchOrders"
        return [
            signed("POST", "/fapi/v1/order", place, self._place(perpetual)),
            signed("POST", "/api/v3/order", place, self._place(spot)),
            signed("DELETE", "/fapi/v1/order", cancel, self._cancel(perpetual)),
            signed("DELETE", "/api/v3/order", cancel, self._cancel(spot)),
            signed("POST", batch, Operation.PLACE_BATCH, self._place_batch),
            signed("DELETE", batch, Operation.CANCEL_BATCH, self._cancel_batch),
            signed("POST", "/fapi/v1/countdownCancelAll", Operation.DEAD_MAN, self._count_down),
        ]

    def _place(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def place(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            return self._take(keys.account, instrument, fields)

        return place

    def _place_batch(self, keys: LocalKeys, fields: Fields) -> Any:
        orders = orjson.loads(fields.text("batchOrders"))
        fields.done()
        if not 1 <= len(orders) <= 5:
            raise wrong(-4082, "Invalid number of batch place orders.")
        return [self._one_of_batch(keys, each) for each in orders]

    def _one_of_batch(self, keys: LocalKeys, order: Mapping[str, Any]) -> Any:
        try:
            fields = Fields(order, bad_field)
            instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
            return self._take(keys.account, instrument, fields)
        except WrongError as refusal:
            return refusal.answer.body

    def _take(self, account: str, instrument: Instrument, fields: Fields) -> Any:
        kind = instrument.kind
        request, word = self._request(instrument, fields)
        outcome = self.desk.place(account, request, scope=Scope.OPEN)
        if isinstance(outcome, Duplicate):
            raise wrong(*duplicate(kind))
        if isinstance(outcome, Refusal):
            raise wrong(*refused(kind, outcome.reason))
        self.door.memory.call(account, request.client_id, word)
        return rows.order(instrument, outcome, word, rows.Purpose.PLACED)

    def _request(self, instrument: Instrument, fields: Fields) -> tuple[OrderRequest, rows.Word]:
        perpetual = instrument.kind is MarketKind.PERPETUAL
        types = ("LIMIT", "MARKET") if perpetual else ("LIMIT", "MARKET", "LIMIT_MAKER")
        kind = fields.choice("type", types)
        limits = ("GTC", "IOC", "FOK", "GTX") if perpetual else ("GTC", "IOC", "FOK")
        in_force = fields.choice("timeInForce", limits) if kind == "LIMIT" else "GTC"
        client_id = fields.optional("newClientOrderId") or self.desk.new_name()
        if not _ID.fullmatch(client_id):
            raise wrong(-4015 if perpetual else -1100, "Client order id is not valid.")
        fields.choice("newOrderRespType", ("ACK", "RESULT", "FULL"), "ACK")
        fields.choice("positionSide", ("BOTH",), "BOTH")
        reduce_only = perpetual and fields.choice("reduceOnly", ("true", "false"), "false")
        request = OrderRequest(
            client_id=client_id,
            symbol=instrument.symbol,
            side=Side(fields.choice("side", ("BUY", "SELL")).lower()),
            quantity=_quantity(instrument, fields),
            price=None if kind == "MARKET" else _price(instrument, fields),
            type=OrderType.MARKET if kind == "MARKET" else OrderType.LIMIT,
            time_in_force=TimeInForce(in_force.lower()) if in_force != "GTX" else TimeInForce.GTC,
            post_only=in_force == "GTX" or kind == "LIMIT_MAKER",
            reduce_only=reduce_only == "true",
        )
        fields.done()
        return request, rows.Word(kind, in_force)

    def _cancel(self, kind: MarketKind) -> Callable[[LocalKeys, Fields], Any]:
        def cancel(keys: LocalKeys, fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            report = self.door.named(keys.account, instrument, fields)
            fields.done()
            return self._end(keys.account, instrument, report)

        return cancel

    def _cancel_batch(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        names = orjson.loads(fields.text("origclientorderidlist"))
        fields.done()
        if not 1 <= len(names) <= 10:
            raise wrong(-4083, "Invalid number of batch cancel orders.")
        answers = []
        for name in names:
            report = self.desk.order(keys.account, instrument.symbol, name)
            try:
                answers.append(self._end(keys.account, instrument, report))
            except WrongError as refusal:
                answers.append(refusal.answer.body)
        return answers

    def _count_down(self, keys: LocalKeys, fields: Fields) -> Any:
        instrument = self.door.instrument(MarketKind.PERPETUAL, fields)
        time = fields.whole("countdownTime")
        fields.done()
        account, name = keys.account, ("binance", keys.account, instrument.symbol)
        within = timedelta(milliseconds=time)
        self.desk.dead_men.arm(name, within, lambda: self.desk.cancel_all(account, [instrument]))
        return {"symbol": rows.symbol(instrument), "countdownTime": str(time)}

    def _end(self, account: str, instrument: Instrument, report: OrderReport | None) -> Any:
        if report is not None:
            report = self.desk.cancel(account, instrument.symbol, report.client_id)
        if report is None:
            raise wrong(-2011, "Unknown order sent.")
        return self.door.row(account, instrument, report, rows.Purpose.CANCELED)


def _price(instrument: Instrument, fields: Fields) -> Price:
    try:
        return instrument.exact_price(fields.number("price"), "price")
    except InvalidValueError:
        if instrument.kind is MarketKind.PERPETUAL:
            raise wrong(-4014, "Price not increased by tick size.") from None
        raise wrong(-1013, "Filter failure: PRICE_FILTER") from None


def _quantity(instrument: Instrument, fields: Fields) -> Quantity:
    amount = fields.number("quantity")
    lots = amount / instrument.lot_size
    if amount <= 0:
        raise wrong(-4003, "Quantity less than or equal to zero.")
    if lots != lots.to_integral_value():
        if instrument.kind is MarketKind.PERPETUAL:
            raise wrong(-1111, "Precision is over the maximum defined for this asset.")
        raise wrong(-1013, "Filter failure: LOT_SIZE")
    return Quantity(int(lots))

"""Orders at Bybit: placing and canceling, one by one and in batches."""

import re
from collections.abc import Sequence
from typing import Any, Final

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import OrderRequest, OrderType, Refusal, Side, TimeInForce
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bybit import dead_man, rows
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.bybit.refusals import absent, duplicate, refused
from workers.exchange.fronts.desk import Duplicate, Scope
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")
_IN_FORCE: Final = ("GTC", "IOC", "FOK", "PostOnly")


class Orders(Room[BybitDoor]):
    """Answers carry ids only: what became of an order is told elsewhere."""

    def routes(self) -> Sequence[Route]:
        post, batch = self.door.post, self.door.batch
        return [
            post("/v5/order/create", Operation.PLACE, self._place),
            batch("/v5/order/create-batch", Operation.PLACE_BATCH, self._place_one),
            post("/v5/order/cancel", Operation.CANCEL, self._cancel),
            batch("/v5/order/cancel-batch", Operation.CANCEL_BATCH, self._end),
            post("/v5/order/disconnected-cancel-all", Operation.DEAD_MAN, self._set_window),
        ]

    def _set_window(self, keys: LocalKeys, fields: Fields) -> Any:
        """Set how long the private connection may be lost; who follows the topic is meant."""
        product = fields.choice("product", tuple(dead_man.PRODUCTS))
        seconds = fields.whole("timeWindow")
        fields.done()
        if not 3 <= seconds <= 300:
            raise self.door.wrong(10001, "params error: timeWindow invalid")
        self.door.dead_man.set_window(keys.account, dead_man.PRODUCTS[product], seconds)
        return {}

    def _place(self, keys: LocalKeys, fields: Fields) -> Any:
        kind = self.door.kind(fields)
        return self._take(keys.account, kind, fields)

    def _place_one(self, account: str, kind: MarketKind, fields: Fields) -> dict[str, Any]:
        return self._take(account, kind, fields) | {"createAt": str(ms(self.desk.now()))}

    def _take(self, account: str, kind: MarketKind, fields: Fields) -> dict[str, Any]:
        instrument = self.door.instrument(kind, fields)
        request, word = self._request(instrument, fields)
        outcome = self.desk.place(account, request, scope=Scope.EVER, crossing_is_taken=True)
        if isinstance(outcome, Duplicate):
            raise self.door.wrong(*duplicate(kind))
        if isinstance(outcome, Refusal):
            raise self.door.wrong(*refused(kind, outcome.reason))
        self.door.memory.call(account, request.client_id, word)
        order_id = rows.id_of(instrument, outcome.order_id)
        return {"orderId": order_id, "orderLinkId": request.client_id}

    def _request(self, instrument: Instrument, fields: Fields) -> tuple[OrderRequest, rows.Word]:
        spot = instrument.kind is MarketKind.SPOT
        kind = fields.choice("orderType", ("Limit", "Market"))
        limited = kind == "Limit"
        in_force = fields.choice("timeInForce", _IN_FORCE, "GTC" if limited else "IOC")
        client_id = fields.optional("orderLinkId") or self.desk.new_name()
        if not _ID.fullmatch(client_id):
            raise self.door.wrong(10001, "params error: OrderLinkId invalid")
        if spot:
            fields.choice("isLeverage", ("0",), "0")
            if not limited:  # else a buy would be counted in quote, which the host cannot
                fields.choice("marketUnit", ("baseCoin",))
        else:
            fields.choice("positionIdx", ("0",), "0")
        reduce_only = fields.choice("reduceOnly", ("True", "False"), "False") == "True"
        request = OrderRequest(
            client_id=client_id,
            symbol=instrument.symbol,
            side=Side(fields.choice("side", ("Buy", "Sell")).lower()),
            quantity=self._quantity(instrument, fields),
            price=self._price(instrument, fields) if limited else None,
            type=OrderType.LIMIT if limited else OrderType.MARKET,
            time_in_force=TimeInForce("gtc" if in_force == "PostOnly" else in_force.lower()),
            post_only=in_force == "PostOnly",
            reduce_only=reduce_only and not spot,
        )
        fields.done()
        return request, rows.Word(kind, in_force)

    def _price(self, instrument: Instrument, fields: Fields) -> Price:
        try:
            return instrument.exact_price(fields.number("price"), "price")
        except InvalidValueError:
            if instrument.kind is MarketKind.SPOT:
                raise self.door.wrong(170134, "Order price has too many decimals.") from None
            raise self.door.wrong(10001, "params error: price invalid") from None

    def _quantity(self, instrument: Instrument, fields: Fields) -> Quantity:
        spot = instrument.kind is MarketKind.SPOT
        amount = fields.number("qty")
        lots = amount / instrument.lot_size
        if amount <= 0:
            raise self.door.wrong(
                *((170136, "Order quantity too low.") if spot else (10001, "Qty invalid"))
            )
        if lots != lots.to_integral_value():
            if spot:
                raise self.door.wrong(170137, "Order quantity has too many decimals.")
            raise self.door.wrong(10001, "Qty invalid")
        return Quantity(int(lots))

    def _cancel(self, keys: LocalKeys, fields: Fields) -> Any:
        kind = self.door.kind(fields)
        return self._end(keys.account, kind, fields)

    def _end(self, account: str, kind: MarketKind, fields: Fields) -> dict[str, Any]:
        instrument = self.door.instrument(kind, fields)
        order_id, client_id = fields.optional("orderId"), fields.optional("orderLinkId")
        fields.choice("orderFilter", ("Order",), "Order")
        fields.done()
        report = self.door.find(account, instrument, order_id, client_id)
        if report is not None:
            report = self.desk.cancel(account, instrument.symbol, report.client_id)
        if report is None:
            raise self.door.wrong(*absent(kind))
        told = rows.id_of(instrument, report.order_id)
        return {"orderId": told, "orderLinkId": report.client_id}

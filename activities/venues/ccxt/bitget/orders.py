"""Bitget's orders: how they are sent and canceled, alone and in batches."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.bitget.base import BATCHES, BitgetBase
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning, NotFoundError, Reply, Verdict
from activities.venues.ccxt.quirks import ORDERS, accepted, from_ms
from activities.venues.ccxt.rest import Call
from domain.errors import NotSentError, RateLimitedError, UnknownOutcomeError, VenueError
from domain.limiter import Priority
from domain.money import EXACT, Rounding
from domain.orders import OrderReport, OrderRequest, OrderType, Side

#: How much above the best offer a market buy on spot may pay.
_BOUND: Final = Decimal("1.01")


class Orders(BitgetBase):
    """What changes orders."""

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        params = self._order_at(market) | await self._order_params(market, request)
        method = self._either(
            "privateMixPostV2MixOrderPlaceOrder", "privateSpotPostV2SpotTradePlaceOrder"
        )
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        told = await self._change(method, params, priority)
        order_id = (told.get("data") or {}).get("orderId")
        if not order_id:
            raise UnknownOutcomeError(f"bitget: the answer to {request.client_id} has no order id")
        return self._accepted(market, request, order_id, told)

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send a batch: it is answered by two lists, of what was taken and of what was not."""
        orders = [await self._order_params(market, each) for each in requests]
        method = self._either(
            "privateMixPostV2MixOrderBatchPlaceOrder", "privateSpotPostV2SpotTradeBatchOrders"
        )
        call = Call(
            method,
            self._order_at(market) | {"orderList": orders},
            {ORDERS: len(orders), BATCHES: 1},
            Priority.PLACE,
            changes=True,
        )
        reply = await self.rest.reply(call)
        verdict = self.verdict(reply)
        if verdict is not None:
            return [verdict] * len(requests)
        data = reply.data["data"] or {}
        taken = {row.get("clientOid"): row for row in data.get("successList") or ()}
        failed = {row.get("clientOid"): row for row in data.get("failureList") or ()}
        results: list[OrderReport | Verdict] = []
        for request in requests:
            name = request.client_id
            if name in taken:
                order_id = taken[name]["orderId"]
                results.append(self._accepted(market, request, order_id, reply.data))
            elif name in failed:
                results.append(self._refused(failed[name], reply))
            else:
                results.append(Verdict(Meaning.UNKNOWN, "", f"the answer names no order {name}"))
        return results

    def _refused(self, row: Mapping[str, Any], reply: Reply) -> Verdict:
        """Return why an order of a batch was not taken."""
        code = str(row.get("errorCode"))
        verdict = self.judge(code, str(row.get("errorMsg") or ""), reply)
        # A code that is in no table came in an answer that says success: still a no.
        return verdict if code in self.codes else replace(verdict, meaning=Meaning.REFUSED)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        self.words.canceled.add(client_id)
        method = self._either(
            "privateMixPostV2MixOrderCancelOrder", "privateSpotPostV2SpotTradeCancelOrder"
        )
        await self._change(method, self._at(market) | {"clientOid": client_id}, Priority.CANCEL)
        return None

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        for each in client_ids:
            self.words.canceled.add(each)
        names = [{"clientOid": each} for each in client_ids]
        method = self._either(
            "privateMixPostV2MixOrderBatchCancelOrders",
            "privateSpotPostV2SpotTradeBatchCancelOrder",
        )
        key = "orderIdList" if self.perpetual else "orderList"
        costs = {ORDERS: len(names), BATCHES: 1}
        params = self._at(market) | {key: names}
        with suppress(NotFoundError):  # none of them works any more
            await self._change(method, params, Priority.CANCEL, costs)

    # ---- requests

    def _at(self, market: Market) -> dict[str, Any]:
        """Return what names a market in an order or a cancel."""
        return self._coin(market) if self.perpetual else self._market(market)

    def _order_at(self, market: Market) -> dict[str, Any]:
        """Return what names a market in an order or a batch of them."""
        return self._at(market) | ({"marginMode": "crossed"} if self.perpetual else {})

    async def _order_params(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "side": str(request.side),
            "orderType": str(request.type),
            "size": market.amount_out(request.quantity),
            "clientOid": request.client_id,
        }
        if request.type is OrderType.LIMIT:
            params["force"] = "post_only" if request.post_only else str(request.time_in_force)
        if request.post_only:
            self.words.post_only.add(request.client_id)
        if request.price is not None:
            params["price"] = market.price_out(request.price)
        if self.perpetual and request.reduce_only:
            params["reduceOnly"] = "YES"
        if self.perpetual:
            return params
        if request.type is OrderType.MARKET and request.side is Side.BUY:
            params |= await self._bounded(market)
            self.words.bounded.add(request.client_id)
        return params

    async def _bounded(self, market: Market) -> Mapping[str, str]:
        """Return how to buy on spot now: a market buy there has a cost and no amount."""
        try:
            (row,) = await self._ask(self._tickers_method, self._market(market))
        except RateLimitedError:
            raise
        except VenueError as error:
            if error.permanent:
                raise
            raise NotSentError(f"bitget: the order was not sent: {error}") from error
        best = EXACT.multiply(decimal(row["askPr"] or row["lastPr"], "askPr"), _BOUND)
        price = market.instrument.price(best, Rounding.DOWN)
        return {"orderType": "limit", "force": "ioc", "price": market.price_out(price)}

    def _accepted(
        self, market: Market, request: OrderRequest, order_id: Any, told: Mapping[str, Any]
    ) -> OrderReport:
        return accepted(market, request, str(order_id), from_ms(told["requestTime"]))

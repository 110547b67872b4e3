"""Binance's orders: how they are sent and canceled, alone and in batches."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from activities.venues.ccxt.binance.base import WEIGHT, BinanceBase
from activities.venues.ccxt.binance.words import order_in
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
from activities.venues.ccxt.quirks import ORDERS
from activities.venues.ccxt.rest import Call
from domain.conditions import Reach
from domain.limiter import Priority
from domain.orders import OrderReport, OrderRequest, OrderType


class Orders(BinanceBase):
    """What changes orders."""

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        method = "fapiPrivatePostOrder" if self.perpetual else "privatePostOrder"
        params = {**self._order_params(market, request), "newOrderRespType": "RESULT"}
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        return order_in(market, await self._change(method, params, priority))

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send a batch: it is answered by a row per order; a refused one has a code instead."""
        orders = [
            {**self._order_params(market, each), "newOrderRespType": "RESULT"} for each in requests
        ]
        call = Call(
            "fapiPrivatePostBatchOrders",
            {"batchOrders": orders},
            {ORDERS: len(orders), WEIGHT: 5},
            Priority.PLACE,
            changes=True,
        )
        reply = await self.rest.reply(call)
        verdict = self.batch_verdict(reply, len(requests))
        if verdict is not None:
            return [verdict] * len(requests)
        rows = reply.data
        by_id = {row.get("clientOrderId"): row for row in rows if "orderId" in row}
        return [
            self._batch_row(market, request, by_id.get(request.client_id), row, reply)
            for request, row in zip(requests, rows, strict=True)
        ]

    def _batch_row(
        self,
        market: Market,
        request: OrderRequest,
        named: Mapping[str, Any] | None,
        row: Mapping[str, Any],
        reply: Reply,
    ) -> OrderReport | Verdict:
        """Return the result of one order: by its id, and only a refusal by its place."""
        if named is not None:
            return order_in(market, named)
        code, message = self.code_of(row)
        if code is None:
            return Verdict(Meaning.UNKNOWN, "", f"the answer names no order {request.client_id}")
        return self.judge(code, message, reply)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        method = "fapiPrivateDeleteOrder" if self.perpetual else "privateDeleteOrder"
        params = {"symbol": market.id, "origClientOrderId": client_id}
        return order_in(market, await self._change(method, params, Priority.CANCEL))

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        call = Call(
            "fapiPrivateDeleteBatchOrders",
            {"symbol": market.id, "origClientOrderIdList": list(client_ids)},
            {ORDERS: len(client_ids), WEIGHT: 1},
            Priority.CANCEL,
            changes=True,
        )
        reply = await self.rest.reply(call)
        if not isinstance(reply.data, list):  # a row per order, else one error for all
            await self._raise(reply, call)

    @property
    def dead_man(self) -> Reach | None:
        """Futures have a countdown for each symbol, spot has none."""
        return Reach.SYMBOL if self.perpetual else None

    async def arm(self, market: Market, within: timedelta) -> Any:
        params = {"symbol": market.id, "countdownTime": within // timedelta(milliseconds=1)}
        costs = {WEIGHT: 10}
        await self._change("fapiPrivatePostCountdownCancelAll", params, Priority.CANCEL, costs)

    def _order_params(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "symbol": market.id,
            "side": request.side.upper(),
            "type": request.type.upper(),
            "quantity": market.amount_out(request.quantity),
            "newClientOrderId": request.client_id,
        }
        if request.price is not None:
            params["price"] = market.price_out(request.price)
        if request.type is OrderType.LIMIT:
            params["timeInForce"] = request.time_in_force.upper()
        if request.post_only and self.perpetual:
            params["timeInForce"] = "GTX"
        elif request.post_only:
            params["type"] = "LIMIT_MAKER"
            del params["timeInForce"]
        if request.reduce_only and self.perpetual:
            params["reduceOnly"] = "true"
        return params

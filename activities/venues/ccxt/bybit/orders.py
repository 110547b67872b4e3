"""Bybit's orders: how they are sent and canceled, alone and in batches."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from activities.venues.ccxt.bybit.base import BybitBase
from activities.venues.ccxt.bybit.words import SIDE_WORDS, rows_of
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
from activities.venues.ccxt.quirks import ORDERS, accepted, from_ms
from activities.venues.ccxt.rest import Call
from domain.conditions import Reach
from domain.limiter import Priority
from domain.orders import OrderReport, OrderRequest, OrderType


class Orders(BybitBase):
    """What changes orders."""

    #: The window that is set; None: none was, by this process.
    _window_set: timedelta | None = None

    @property
    def dead_man(self) -> Reach | None:
        """Bybit counts from when the private connection is lost, for all orders of this kind."""
        return Reach.ACCOUNT

    async def arm(self, market: Market, within: timedelta) -> Any:  # noqa: ARG002 - of all markets
        """Set the window once; to disarm is to follow the topic no longer."""
        product = "DERIVATIVES" if self.perpetual else "SPOT"
        topic = "dcp.future" if self.perpetual else "dcp.spot"
        if not within:
            return {"req_id": "dcp", "op": "unsubscribe", "args": [topic]}
        if self._window_set != within:
            params = {"product": product, "timeWindow": within // timedelta(seconds=1)}
            await self._change("privatePostV5OrderDisconnectedCancelAll", params, Priority.CANCEL)
            self._window_set = within
        return {"req_id": "dcp", "op": "subscribe", "args": [topic]}

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        """Send an order: the answer is its id, and that it was taken."""
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        params = {"category": self.category, **self._order_params(market, request)}
        told = await self._change("privatePostV5OrderCreate", params, priority)
        return accepted(market, request, told["result"]["orderId"], from_ms(told["time"]))

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send a batch: ids are in one list of the answer, and what is wrong in another."""
        orders = [self._order_params(market, each) for each in requests]
        reply = await self.rest.reply(
            Call(
                "privatePostV5OrderCreateBatch",
                {"category": self.category, "request": orders},
                {ORDERS: len(orders)},
                Priority.PLACE,
                changes=True,
            )
        )
        verdict = self.verdict(reply)
        if verdict is not None:
            return [verdict] * len(requests)
        rows = rows_of(reply.data, "result")
        ends = rows_of(reply.data, "retExtInfo")
        if len(rows) != len(requests) or len(ends) != len(requests):
            unreadable = Verdict(Meaning.UNKNOWN, "", "the answer has not a row for each order")
            return [unreadable] * len(requests)
        at = from_ms(reply.data["time"])
        taken = {row.get("orderLinkId"): row["orderId"] for row in rows if row.get("orderId")}
        return [
            accepted(market, request, taken[request.client_id], at)
            if request.client_id in taken
            else self._refused(request, end, reply)
            for request, end in zip(requests, ends, strict=True)
        ]

    def _refused(self, request: OrderRequest, end: Mapping[str, Any], reply: Reply) -> Verdict:
        """Return why an order has no id: only a refusal is told by its place."""
        code = str(end.get("code", ""))
        if code in ("", "0"):
            return Verdict(Meaning.UNKNOWN, "", f"the answer names no order {request.client_id}")
        return self.judge(code, str(end.get("msg", "")), reply)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        """Ask to cancel: that it was taken is all the answer tells."""
        params = {"category": self.category, "symbol": market.id, "orderLinkId": client_id}
        await self._change("privatePostV5OrderCancel", params, Priority.CANCEL)
        return None

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        rows = [{"symbol": market.id, "orderLinkId": client_id} for client_id in client_ids]
        params = {"category": self.category, "request": rows}
        costs = {ORDERS: len(rows)}
        await self._change("privatePostV5OrderCancelBatch", params, Priority.CANCEL, costs)

    def _order_params(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "symbol": market.id,
            "side": SIDE_WORDS[request.side],
            "orderType": "Limit" if request.type is OrderType.LIMIT else "Market",
            "qty": market.amount_out(request.quantity),
            "orderLinkId": request.client_id,
        }
        if request.price is not None:
            params["price"] = market.price_out(request.price)
        if request.type is OrderType.LIMIT:
            in_force = request.time_in_force.upper()
            params["timeInForce"] = "PostOnly" if request.post_only else in_force
        if not self.perpetual:
            params["isLeverage"] = 0  # never with borrowed money
            if request.type is OrderType.MARKET:
                params["marketUnit"] = "baseCoin"  # else a market buy is counted in quote
            return params
        params["positionIdx"] = 0
        if request.reduce_only:
            params["reduceOnly"] = True
        return params

"""OKX's orders: how they are sent and canceled, alone and in batches.

An order is answered with an id only. A client id is taken only while an order of that id works.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
from activities.venues.ccxt.okx.base import SELDOM, OkxBase
from activities.venues.ccxt.quirks import ORDERS, accepted, from_ms
from activities.venues.ccxt.rest import Call
from domain.conditions import Reach
from domain.errors import UnknownOutcomeError
from domain.limiter import Priority
from domain.orders import OrderReport, OrderRequest, OrderType, TimeInForce

#: Codes of an envelope whose rows carry the codes that count: none, all or some failed.
_BY_ROWS: Final = ("0", "1", "2")


class Orders(OkxBase):
    """What changes orders."""

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        params = self._order_params(market, request)
        rows = await self._change("privatePostTradeOrder", params, priority)
        if not rows or not rows[0].get("ordId"):
            raise UnknownOutcomeError(f"okx: the answer names no order {request.client_id}")
        return self._accepted(market, request, rows[0])

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        orders = [self._order_params(market, each) for each in requests]
        costs = {ORDERS: len(orders)}
        call = Call("privatePostTradeBatchOrders", orders, costs, Priority.PLACE, changes=True)
        reply = await self.rest.reply(call)
        rows = await self._batch_rows(reply, call)
        by_id = {row.get("clOrdId"): row for row in rows}
        return [
            self._batched(market, request, by_id.get(request.client_id), reply)
            for request in requests
        ]

    def _batched(
        self,
        market: Market,
        request: OrderRequest,
        row: Mapping[str, Any] | None,
        reply: Reply,
    ) -> OrderReport | Verdict:
        if row is None:
            told = f"the answer names no order {request.client_id}"
            return Verdict(Meaning.UNKNOWN, "", told)
        code = str(row.get("sCode") or "")
        if code == "0":
            return self._accepted(market, request, row)
        return self.judge(code, str(row.get("sMsg", "")), reply)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        params = {"instId": market.id, "clOrdId": client_id}
        await self._change("privatePostTradeCancelOrder", params, Priority.CANCEL)
        return None

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        rows = [{"instId": market.id, "clOrdId": each} for each in client_ids]
        costs = {ORDERS: len(rows)}
        call = Call("privatePostTradeCancelBatchOrders", rows, costs, Priority.CANCEL, changes=True)
        await self._batch_rows(await self.rest.reply(call), call)

    async def _batch_rows(self, reply: Reply, call: Call) -> Sequence[Mapping[str, Any]]:
        """Return the rows of a batch, or raise what its answer as a whole means."""
        data = reply.data
        if reply.status < 400 and isinstance(data, dict) and str(data.get("code")) in _BY_ROWS:
            rows = data.get("data")
            if isinstance(rows, list) and rows:
                return rows
        verdict = self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an answer without rows")
        raise await self.rest.error(verdict, call)

    @property
    def dead_man(self) -> Reach | None:
        """The countdown is of the whole account, of all kinds of market."""
        return Reach.ACCOUNT

    async def arm(self, market: Market, within: timedelta) -> Any:  # noqa: ARG002 - of all markets
        params = {"timeOut": str(within // timedelta(seconds=1))}
        method, costs = "privatePostTradeCancelAllAfter", {SELDOM: 1}
        await self._change(method, params, Priority.CANCEL, costs)

    def _order_params(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        params: dict[str, Any] = {
            "instId": market.id,
            "tdMode": "cross" if self.perpetual else "cash",
            "clOrdId": request.client_id,
            "side": request.side.value,
            "ordType": _order_type(request),
            "sz": market.amount_out(request.quantity),
        }
        if request.price is not None:
            params["px"] = market.price_out(request.price)
        if request.type is OrderType.MARKET and not self.perpetual:
            # Else a market buy is counted in quote, and made smaller if funds are short.
            params |= {"tgtCcy": "base_ccy", "banAmend": True}
        if request.reduce_only and self.perpetual:
            params["reduceOnly"] = True
        return params

    def _accepted(
        self, market: Market, request: OrderRequest, row: Mapping[str, Any]
    ) -> OrderReport:
        at = from_ms(row["ts"]) if row.get("ts") else self._now()
        return accepted(market, request, row["ordId"], at)


def _order_type(request: OrderRequest) -> str:
    if request.type is OrderType.MARKET:
        return "market"
    if request.post_only:
        return "post_only"
    if request.time_in_force is TimeInForce.GTC:
        return "limit"
    return request.time_in_force.value

"""Gate's orders: how they are sent and canceled, alone and in batches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.gate import words
from activities.venues.ccxt.gate.base import GateBase
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
from domain.conditions import Reach
from domain.errors import NotSentError, VenueError
from domain.limiter import Priority
from domain.money import EXACT, Rounding
from domain.orders import OrderReport, OrderRequest, OrderType, Side

#: How much above the last price a market buy of coins may pay.
_SLIPPAGE: Final = Decimal("1.02")


class Orders(GateBase):
    """What changes orders."""

    async def place(self, market: Market, request: OrderRequest) -> OrderReport:
        (params,) = await self._orders_out(market, [request])
        method = "privateFuturesPostSettleOrders" if self.perpetual else "privateSpotPostOrders"
        priority = Priority.REDUCE if request.reduce_only else Priority.PLACE
        return self._placed(market, request, await self._change(method, params, priority))

    async def place_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderReport | Verdict]:
        """Send a batch: each row says whether it succeeded, and is found by its client id."""
        orders = await self._orders_out(market, requests)
        method = (
            "privateFuturesPostSettleBatchOrders"
            if self.perpetual
            else "privateSpotPostBatchOrders"
        )
        call = self._changing(method, orders, Priority.PLACE, len(orders))
        reply = await self.rest.reply(call)
        verdict = self.batch_verdict(reply, len(requests))
        if verdict is not None:
            return [verdict] * len(requests)
        rows = reply.data
        named = {words.id_in(row.get("text")): row for row in rows}
        return [
            self._batch_row(market, request, named.get(request.client_id), row, reply)
            for request, row in zip(requests, rows, strict=True)
        ]

    def _batch_row(
        self,
        market: Market,
        request: OrderRequest,
        named: Mapping[str, Any] | None,
        placed: Mapping[str, Any],
        reply: Reply,
    ) -> OrderReport | Verdict:
        """Return the result of one order: by its id, and only a refusal by its place."""
        row = named if named is not None else placed
        code, message = self.code_of(row)
        if code is not None and (named is not None or not row.get("text")):
            return self.judge(code, message, reply)
        if named is None or not named.get("succeeded", True):
            return Verdict(Meaning.UNKNOWN, "", f"the answer names no order {request.client_id}")
        return self._placed(market, request, named)

    def _placed(self, market: Market, request: OrderRequest, row: Mapping[str, Any]) -> OrderReport:
        # A market buy of coins went out with a limit, which nobody asked for.
        return replace(self.order_in(market, row), price=request.price)

    async def cancel(self, market: Market, client_id: str) -> OrderReport | None:
        method = (
            "privateFuturesDeleteSettleOrdersOrderId"
            if self.perpetual
            else "privateSpotDeleteOrdersOrderId"
        )
        params = {**self._of(market), "order_id": self.id_out(client_id)}
        return self.order_in(market, await self._change(method, params, Priority.CANCEL))

    async def cancel_batch(self, market: Market, client_ids: Sequence[str]) -> None:
        """Coins only: a batch of contracts is not said to take client ids."""
        names = [
            {"currency_pair": market.id, "id": self.id_out(client_id)} for client_id in client_ids
        ]
        call = self._changing(
            "privateSpotPostCancelBatchOrders", names, Priority.CANCEL, len(names)
        )
        reply = await self.rest.reply(call)
        if not isinstance(reply.data, list):  # a row per order, else one error for all
            verdict = self.verdict(reply) or Verdict(Meaning.UNKNOWN, "", "an unreadable answer")
            raise await self.rest.error(verdict, call)

    # ---- the dead-man's switch

    @property
    def dead_man(self) -> Reach | None:
        """A countdown for each market."""
        return Reach.SYMBOL

    async def arm(self, market: Market, within: timedelta) -> Any:
        method = (
            "privateFuturesPostSettleCountdownCancelAll"
            if self.perpetual
            else "privateSpotPostCountdownCancelAll"
        )
        params = {**self._named(market), "timeout": within // timedelta(seconds=1)}
        await self.rest.ask(self._asking(method, params))

    # ---- requests

    async def _orders_out(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> list[dict[str, Any]]:
        if self.perpetual:
            return [self._future_out(market, request) for request in requests]
        limit = None
        if any(each.type is OrderType.MARKET and each.side is Side.BUY for each in requests):
            limit = await self._highest(market)
        return [self._spot_out(market, request, limit) for request in requests]

    def _future_out(self, market: Market, request: OrderRequest) -> dict[str, Any]:
        size = market.amount_out(request.quantity)
        params: dict[str, Any] = {
            **self._settled,
            "contract": market.id,
            "size": size if request.side is Side.BUY else f"-{size}",
            "price": "0" if request.price is None else market.price_out(request.price),
            "tif": self._in_force(request),
            "text": self.id_out(request.client_id),
        }
        if request.reduce_only:
            params["reduce_only"] = True
        return params

    def _spot_out(
        self, market: Market, request: OrderRequest, highest: str | None
    ) -> dict[str, Any]:
        """Return an order of coins.

        A market buy counts quote there, so that its size would be a guess: it goes out with a
        limit, takes what there is up to it, and the rest expires.
        """
        price = None if request.price is None else market.price_out(request.price)
        if request.type is OrderType.MARKET and request.side is Side.BUY:
            price = highest
        params: dict[str, Any] = {
            "currency_pair": market.id,
            "account": "spot",
            "type": "market" if price is None else "limit",
            "side": str(request.side),
            "amount": market.amount_out(request.quantity),
            "time_in_force": self._in_force(request),
            "text": self.id_out(request.client_id),
        }
        if price is not None:
            params["price"] = price
        return params

    def _in_force(self, request: OrderRequest) -> str:
        if request.type is OrderType.MARKET:
            return "ioc"
        return "poc" if request.post_only else str(request.time_in_force)

    async def _highest(self, market: Market) -> str:
        try:
            update = await self.last_price(market)
        except VenueError as error:
            raise NotSentError(f"the price for a market buy was not told: {error}") from error
        if update is None:
            raise NotSentError(f"{market.symbol} has no price yet for a market buy")
        most = EXACT.multiply(market.instrument.price_of(update.price), _SLIPPAGE)
        return market.price_out(market.instrument.price(most, Rounding.UP))

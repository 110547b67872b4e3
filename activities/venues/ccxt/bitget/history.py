"""Bitget's orders and executions, as they are asked for."""

from collections.abc import Sequence
from datetime import datetime

from activities.venues.ccxt.bitget.base import BitgetBase
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import NotFoundError
from activities.venues.ccxt.quirks import OrderName, unique
from domain.orders import Fill, OrderReport


class History(BitgetBase):
    """What was ordered and what came of it."""

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        wanted = {"clientOid": name.client_id} if name.client_id else {"orderId": name.order_id}
        try:
            if self.perpetual:
                params = self._market(market) | wanted
                row = await self._ask("privateMixGetV2MixOrderDetail", params)
            else:
                rows = await self._ask("privateSpotGetV2SpotTradeOrderInfo", wanted)
                row = next((each for each in rows or () if each["symbol"] == market.id), None)
        except NotFoundError:
            return None
        return self.words.order(market, row) if row else None

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        method = self._either(
            "privateMixGetV2MixOrderOrdersPending", "privateSpotGetV2SpotTradeUnfilledOrders"
        )
        rows = await self._pages(method, self._market(market), "entrustedList", "orderId")
        return [self.words.order(market, row) for row in rows]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """By time of creation, not of change; only what has ended."""
        method = self._either(
            "privateMixGetV2MixOrderOrdersHistory", "privateSpotGetV2SpotTradeHistoryOrders"
        )
        rows = await self._history(method, self._market(market), since, "entrustedList", "orderId")
        return [self.words.order(market, row) for row in rows]

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        rows = await self._history(
            self._fills_method, self._market(market), since, "fillList", "tradeId"
        )
        return unique(self.words.fill(market, row) for row in rows)

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        params = self._market(market) | {"orderId": order_id}
        rows = await self._pages(self._fills_method, params, "fillList", "tradeId")
        return unique(self.words.fill(market, row) for row in rows)

    @property
    def _fills_method(self) -> str:
        return self._either("privateMixGetV2MixOrderFills", "privateSpotGetV2SpotTradeFills")

"""Bybit's orders and executions, as they are asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from activities.venues.ccxt.bybit.base import PAGE, BybitBase
from activities.venues.ccxt.bybit.words import TRADES, fill_in, order_in, rows_of
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.quirks import OrderName
from domain.orders import Fill, OrderReport

_FILLS_PAGE: Final = 100


class History(BybitBase):
    """What was ordered and what came of it."""

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        """Look among the orders that work or ended of late, and then in the history."""
        params = {"category": self.category, "symbol": market.id}
        if name.client_id is not None:
            params["orderLinkId"] = name.client_id
        else:
            params["orderId"] = str(name.order_id)
        for method in ("privateGetV5OrderRealtime", "privateGetV5OrderHistory"):
            rows = rows_of(await self._ask(method, params), "result")
            if rows:
                return order_in(market, rows[0])
        return None

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        params = {"category": self.category, "symbol": market.id, "openOnly": 0, "limit": PAGE}
        pages = self._pages("privateGetV5OrderRealtime", params)
        return [order_in(market, row) async for row in pages]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """By time of creation, not of change, and only those that ended."""
        params = {"category": self.category, "symbol": market.id, "limit": PAGE}
        rows = self._history("privateGetV5OrderHistory", params, since)
        return [order_in(market, row) async for row in rows]

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        params = {"category": self.category, "symbol": market.id, "limit": _FILLS_PAGE}
        rows = self._history("privateGetV5ExecutionList", params, since)
        return in_sequence(market, [row async for row in rows])

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        params = {
            "category": self.category,
            "symbol": market.id,
            "orderId": order_id,
            "limit": _FILLS_PAGE,
        }
        rows = self._pages("privateGetV5ExecutionList", params)
        return in_sequence(market, [row async for row in rows])


def in_sequence(market: Market, rows: Sequence[Mapping[str, Any]]) -> Sequence[Fill]:
    """Return fills without repetitions, oldest first: ids are random and tell no order.

    Within a millisecond `seq` tells it, and within one match, which has one `seq`, the list does:
    it is newest first.
    """
    trades = [row for row in reversed(rows) if row["execType"] in TRADES]
    oldest = sorted(trades, key=lambda row: (int(row["execTime"]), int(row.get("seq") or 0)))
    return list({row["execId"]: fill_in(market, row) for row in oldest}.values())

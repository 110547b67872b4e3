"""OKX's orders and executions, as they are asked for.

A canceled order without executions is known for two hours.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import NotFoundError
from activities.venues.ccxt.okx.base import HISTORY_SPAN, QUERY, OkxBase
from activities.venues.ccxt.okx.words import fill_in, older_than, order_in
from activities.venues.ccxt.quirks import OrderName, to_ms, unique
from domain.orders import Fill, OrderReport

_FILLS_SPAN: Final = timedelta(days=3)


class History(OkxBase):
    """What was ordered and what came of it."""

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        row = await self._order(market, name)
        return None if row is None else order_in(market, row)

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        rows = await self._pages("privateGetTradeOrdersPending", self._named(market), "ordId")
        return [order_in(market, row) for row in rows]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """By time of creation; those canceled without an execution for two hours only."""
        methods = ["privateGetTradeOrdersHistory"]
        if older_than(since, self._now(), HISTORY_SPAN):
            methods.append("privateGetTradeOrdersHistoryArchive")
        params = self._since(market, since)
        rows = [row for each in methods for row in await self._pages(each, params, "ordId")]
        return list({row["ordId"]: order_in(market, row) for row in rows}.values())

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        methods = ["privateGetTradeFills"]
        if older_than(since, self._now(), _FILLS_SPAN):
            methods.append("privateGetTradeFillsHistory")
        params = self._since(market, since)
        rows = [row for each in methods for row in await self._pages(each, params, "billId")]
        return unique(fill_in(market, row) for row in rows)

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        """Return the executions: of the last days, and older ones where these are not all."""
        params = {**self._named(market), "ordId": order_id}
        rows = await self._pages("privateGetTradeFills", params, "billId")
        fills = unique(fill_in(market, row) for row in rows)
        order = await self._order(market, OrderName(order_id=order_id))
        filled = market.quantity(order["accFillSz"] or 0, "accFillSz").lots if order else 0
        if sum(fill.quantity.lots for fill in fills) >= filled:
            return fills
        rows += await self._pages("privateGetTradeFillsHistory", params, "billId")
        return unique(fill_in(market, row) for row in rows)

    async def _order(self, market: Market, name: OrderName) -> Mapping[str, Any] | None:
        params = {"instId": market.id}
        if name.client_id is not None:
            params["clOrdId"] = name.client_id
        else:
            params["ordId"] = str(name.order_id)
        try:
            rows = await self._ask("privateGetTradeOrder", params, QUERY)
        except NotFoundError:
            return None
        row: Mapping[str, Any] | None = rows[0] if rows else None
        return row

    def _since(self, market: Market, since: datetime) -> dict[str, str]:
        """Return what asks for rows from a moment on; whether OKX counts that itself is not told.

        The port drops what is too old.
        """
        return {**self._named(market), "begin": str(to_ms(since) - 1)}

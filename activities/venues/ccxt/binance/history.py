"""Binance's orders and executions, as they are asked for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from activities.venues.ccxt.binance.base import PAGE, BinanceBase
from activities.venues.ccxt.binance.words import SIDES, order_in, page_on
from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import NotFoundError
from activities.venues.ccxt.pages import Row, spans
from activities.venues.ccxt.quirks import OrderName, from_ms, to_ms, unique
from domain.orders import Fill, OrderReport, Side

#: The longest span that userTrades, allOrders (futures) and myTrades (spot) look at in one call.
_FUTURES_SPAN: Final = timedelta(days=7)
_SPOT_SPAN: Final = timedelta(hours=24)


class History(BinanceBase):
    """What was ordered and what came of it."""

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        params: dict[str, Any] = {"symbol": market.id}
        if name.client_id is not None:
            params["origClientOrderId"] = name.client_id
        else:
            params["orderId"] = name.order_id
        method = "fapiPrivateGetOrder" if self.perpetual else "privateGetOrder"
        try:
            return order_in(market, await self._ask(method, params, 1 if self.perpetual else 4))
        except NotFoundError:
            return None

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        method = "fapiPrivateGetOpenOrders" if self.perpetual else "privateGetOpenOrders"
        rows = await self._ask(method, {"symbol": market.id}, 1 if self.perpetual else 6)
        return [order_in(market, row) for row in rows]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """By time of creation, not of change."""
        method = "fapiPrivateGetAllOrders" if self.perpetual else "privateGetAllOrders"
        rows = await self._history(method, market, since, "orderId", 5 if self.perpetual else 20)
        return [order_in(market, row) for row in rows]

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        method = "fapiPrivateGetUserTrades" if self.perpetual else "privateGetMyTrades"
        rows = await self._history(method, market, since, "fromId", 5 if self.perpetual else 20)
        return unique(self._fill(market, row) for row in rows)

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        method = "fapiPrivateGetUserTrades" if self.perpetual else "privateGetMyTrades"
        params = {"symbol": market.id, "orderId": order_id, "limit": PAGE}
        rows = await self._ask(method, params, 5 if self.perpetual else 20)
        return unique(self._fill(market, row) for row in rows)

    def _fill(self, market: Market, row: Mapping[str, Any]) -> Fill:
        side = SIDES[row["side"]] if self.perpetual else (Side.BUY if row["isBuyer"] else Side.SELL)
        return Fill(
            fill_id=str(row["id"]),
            client_id="",
            order_id=str(row["orderId"]),
            symbol=market.symbol,
            side=side,
            price=market.price(row["price"], "price"),
            quantity=market.quantity(row["qty"], "qty"),
            fee=decimal(row["commission"], "commission"),
            fee_asset=row["commissionAsset"],
            maker=row["maker"] if self.perpetual else row["isMaker"],
            at=from_ms(row["time"]),
        )

    async def _history(
        self, method: str, market: Market, since: datetime, cursor: str, weight: int
    ) -> list[Row]:
        """Return all rows since a moment: in spans the venue takes, each page after page."""
        longest = _FUTURES_SPAN if self.perpetual else _SPOT_SPAN
        now = from_ms(self.rest.client.milliseconds())
        rows: list[Row] = []
        for begin, end in spans(since, now, longest):
            params = {"symbol": market.id, "startTime": to_ms(begin), "limit": PAGE}
            if end is not None:
                params["endTime"] = to_ms(end) - 1
            rows += await page_on(self._asking(method, weight), params, cursor, PAGE)
        return rows

    def _asking(self, method: str, weight: int) -> Callable[[Mapping[str, Any]], Awaitable[Any]]:
        async def ask(params: Mapping[str, Any]) -> Any:
            return await self._ask(method, params, weight)

        return ask

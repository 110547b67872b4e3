"""Gate's orders and executions, as they are asked for."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from activities.venues.ccxt.gate import words
from activities.venues.ccxt.gate.base import GateBase
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import NotFoundError
from activities.venues.ccxt.quirks import OrderName, unique
from domain.orders import Fill, OrderReport

#: How far back an order is looked for whose client id the venue no longer knows.
_REMEMBERED: Final = timedelta(hours=24)


class History(GateBase):
    """What was ordered and what came of it."""

    async def order(self, market: Market, name: OrderName) -> OrderReport | None:
        """Return an order. The venue forgets the client id of one that ended a while ago."""
        wanted = name.order_id or self.id_out(name.client_id or "")
        method = (
            "privateFuturesGetSettleOrdersOrderId"
            if self.perpetual
            else "privateSpotGetOrdersOrderId"
        )
        try:
            row = await self._ask(method, {**self._of(market), "order_id": wanted})
            return self.order_in(market, row)
        except NotFoundError:
            if name.client_id is None:
                return None
        return await self._forgotten(market, name.client_id)

    async def _forgotten(self, market: Market, client_id: str) -> OrderReport | None:
        """Return an order by its own text, in the lists of what ended or was executed lately."""
        since = words.moment(self.rest.client.nonce()) - _REMEMBERED
        for report in await self.orders_since(market, since):
            if report.client_id == client_id:
                return report
        for fill in await self.fills_since(market, since):
            if fill.client_id == client_id:
                return await self.order(market, OrderName(order_id=fill.order_id))
        return None

    async def open_orders(self, market: Market) -> Sequence[OrderReport]:
        method = "privateFuturesGetSettleOrders" if self.perpetual else "privateSpotGetOrders"
        rows = await self._pages(method, {**self._named(market), "status": "open"}, 100)
        return [self.order_in(market, row) for row in rows]

    async def orders_since(self, market: Market, since: datetime) -> Sequence[OrderReport]:
        """Return those that ended: the port adds those that work."""
        params = {**self._named(market), "from": _seconds(since)}
        if self.perpetual:
            rows = await self._pages("privateFuturesGetSettleOrdersTimerange", params, 100)
        else:
            params["status"] = "finished"
            rows = await self._spanned("privateSpotGetOrders", params, since, 100)
        return [self.order_in(market, row) for row in rows]

    async def fills_since(self, market: Market, since: datetime) -> Sequence[Fill]:
        params = {**self._named(market), "from": _seconds(since)}
        if self.perpetual:
            rows = await self._pages("privateFuturesGetSettleMyTradesTimerange", params, 100)
        else:
            rows = await self._spanned("privateSpotGetMyTrades", params, since, 1000)
        return unique(self.fill_in(market, row) for row in rows)

    async def order_fills(self, market: Market, order_id: str) -> Sequence[Fill]:
        if self.perpetual:
            params = {**self._named(market), "order": order_id}
            rows = await self._pages("privateFuturesGetSettleMyTrades", params, 100)
        else:
            params = {**self._named(market), "order_id": order_id}
            rows = await self._pages("privateSpotGetMyTrades", params, 1000)
        return unique(self.fill_in(market, row) for row in rows)


def _seconds(at: datetime) -> int:
    """Return whole seconds, rounded down: what lies before is dropped by the port."""
    return int(at.timestamp())

"""Orders and executions as they are asked for, with exact totals."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.port.connection import Connection
from activities.venues.ccxt.quirks import OrderName
from domain.errors import VenueUnavailableError
from domain.orders import Fill, OrderReport

#: How long fills, and ends of orders, may lag behind what an order says (seconds, between looks).
LAGS: Final = (0.0, 0.05, 0.15, 0.4, 1.0)


class History(Connection):
    """What was ordered and what came of it."""

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        """Return the order, open or closed; None if there is none.

        Open orders are looked through as well: right after an order was sent a venue may know it
        there and not yet by its name.
        """
        market = await self._market(symbol)
        report = await self._quirks.order(market, OrderName(client_id=client_id))
        if report is None:
            found = await self._quirks.open_orders(market)
            report = next((each for each in found if each.client_id == client_id), None)
        return None if report is None else await self._completed(market, report)

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Return all working orders on *symbol*."""
        market = await self._market(symbol)
        return await self._all_completed(market, await self._quirks.open_orders(market))

    async def orders_since(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Return the orders that changed at or after *since*, oldest first."""
        orders = await self._orders_since(await self._market(symbol), since)
        return [order for order in orders if order.at is None or order.at >= since]

    async def fills_since(self, symbol: str, since: datetime) -> Sequence[Fill]:
        """Return the executions at or after *since*, oldest first."""
        market = await self._market(symbol)
        fills = await self._quirks.fills_since(market, since)
        self._executions.add_listed(fills)
        return [await self._named(market, fill) for fill in fills if fill.at >= since]

    async def _orders_since(self, market: Market, since: datetime) -> list[OrderReport]:
        """Return open orders, those listed since then, and those that were filled since then."""
        listed = [
            *await self._quirks.orders_since(market, since),
            *await self._quirks.open_orders(market),
        ]
        known = {each.order_id: each for each in listed}  # of two, the later answer counts
        fills = await self._quirks.fills_since(market, since)
        self._executions.add_listed(fills)
        for order_id in dict.fromkeys(fill.order_id for fill in fills):
            if order_id not in known:
                report = await self._quirks.order(market, OrderName(order_id=order_id))
                if report is not None:
                    known[order_id] = report
        completed = await self._all_completed(market, known.values())
        return sorted(completed, key=lambda each: (each.at or since, each.order_id))

    # ---- totals

    async def _completed(self, market: Market, report: OrderReport) -> OrderReport:
        """Return *report* with exact totals; fills that are not known are asked for."""
        done = self._executions.complete(report)
        for lag in LAGS:
            if done is not None:
                return done
            await asyncio.sleep(lag)
            fills = await self._quirks.order_fills(market, report.order_id)
            self._executions.add_listed(fills)
            done = self._executions.complete(report)
        if done is None:
            raise VenueUnavailableError(
                f"{self.name}: the fills of order {report.order_id} do not add up to what it says "
                "was filled: they are not listed yet"
            )
        return done

    async def _all_completed(
        self, market: Market, reports: Iterable[OrderReport]
    ) -> list[OrderReport]:
        return [await self._completed(market, report) for report in reports]

    async def _named(self, market: Market, fill: Fill) -> Fill:
        """Return *fill* with its order's client id, where the venue does not tell it."""
        if fill.client_id:
            return fill
        known = self._executions.client_id(fill.order_id)
        if known is None:
            order = await self._quirks.order(market, OrderName(order_id=fill.order_id))
            known = order.client_id if order else ""
            self._executions.name(fill.order_id, known)
        return replace(fill, client_id=known)

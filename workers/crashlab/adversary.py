"""What the market does, of all times, while the one who has just sent an order is dead."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from domain.orders import OrderReport, Side
from workers.crashlab.role import Grid
from workers.exchange.host import Host

#: So far the market is moved by hand, at most, for each half of it.
_EVENTS: Final = 4000
_AT_ONCE: Final = 50


async def fill_and_return(host: Host, grids: Sequence[Grid]) -> None:
    """Move the market until it has filled the newest order, and back to where that would rest.

    Who sends the order a second time now finds nobody that refuses it.
    """
    newest = _newest(host, grids)
    if newest is None:
        return
    grid, order = newest
    account = host.account(grid.account)

    def filled() -> bool:
        report = host.exchange.look_up(account, grid.symbol, order.client_id)
        return report is None or not report.status.working

    def is_back() -> bool:
        last = host.exchange.last_price(grid.symbol)
        if last is None or order.price is None:
            return True
        away = last.price.ticks - order.price.ticks
        return away > 0 if order.side is Side.BUY else away < 0

    await _move_until(host, filled)
    await _move_until(host, is_back)


def _newest(host: Host, grids: Sequence[Grid]) -> tuple[Grid, OrderReport] | None:
    working = [
        (grid, order)
        for grid in grids
        for order in host.exchange.open_orders(host.account(grid.account), grid.symbol)
    ]
    return max(working, key=lambda each: int(each[1].order_id[1:]), default=None)


async def _move_until(host: Host, reached: Callable[[], bool]) -> None:
    for _ in range(_EVENTS // _AT_ONCE):
        if reached():
            return
        host.advance(_AT_ONCE)
        await asyncio.sleep(0)

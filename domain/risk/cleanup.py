"""Which entries to cancel when too many orders rest (rows CL-01 and CL-02, requirements 3.4).

Above the threshold, the farthest entry of the larger side goes (the lowest buy, the highest sell);
of sides of equal size, a buy. Entries that are partly filled stay, exits always do. Every turn
takes one order from those that may go, so the loop ends whatever there is (flaw K-8). Too old is
only an order whose age is known (flaw K-9). What is chosen is canceled by the engine, slot by slot:
nothing is canceled behind its back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from domain.grid.slot import WorkingOrder
from domain.orders import Side
from domain.written import Written


class CleanupSpec(Written):
    """When orders are too many or too old, as a person writes it."""

    threshold: Annotated[int, Field(ge=1, le=1000)] = 50
    """Open orders of a run, exits included, above which entries are canceled."""
    max_age: Annotated[int, Field(ge=60)] | None = None
    """Seconds after which an unfilled entry is canceled; None: at no age."""


def surplus(
    spec: CleanupSpec, orders: Sequence[WorkingOrder], since: Mapping[str, datetime], now: datetime
) -> tuple[str, ...]:
    """Return the client ids of the entries to cancel, in order.

    *since* is when each order was sent, by client id, as far as it is known.
    """
    open_orders = [order for order in orders if not order.canceling]
    may_go = [order for order in open_orders if _may_go(order)]
    far = _farthest(may_go, len(open_orders) - spec.threshold)
    old = [order.client_id for order in may_go if _is_old(spec, since.get(order.client_id), now)]
    return tuple(dict.fromkeys((*far, *old)))


def _may_go(order: WorkingOrder) -> bool:
    """Return whether *order* is an entry that is known to be live and has filled nothing."""
    live = order.rank > 0 and not order.unknown
    return order.entry and live and not order.filled and order.price is not None


def _farthest(orders: Sequence[WorkingOrder], excess: int) -> list[str]:
    buys = sorted((one for one in orders if one.side is Side.BUY), key=_ticks, reverse=True)
    sells = sorted((one for one in orders if one.side is Side.SELL), key=_ticks)
    chosen: list[str] = []
    while len(chosen) < excess and (buys or sells):
        side = buys if len(buys) >= len(sells) else sells
        chosen.append(side.pop().client_id)  # the farthest stands last
    return chosen


def _ticks(order: WorkingOrder) -> int:
    return order.price.ticks if order.price else 0


def _is_old(spec: CleanupSpec, since: datetime | None, now: datetime) -> bool:
    if spec.max_age is None or since is None:
        return False
    return now - since > timedelta(seconds=spec.max_age)

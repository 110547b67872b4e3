"""What a run has at risk: what it holds by its orders, and what of them still works."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, case, func, select

from activities.store.orders import stored_order
from activities.store.records import SENDING, StoredOrder
from activities.store.schema import orders
from domain.orders import OrderStatus, Side

_WORKING: Final = (SENDING, *(each.value for each in OrderStatus if each.working))


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Signed lots that were filled, and the orders that may yet be, those being sent included."""

    lots: int
    working: tuple[StoredOrder, ...]


def at_risk(connection: Connection, tag: str) -> AtRisk:
    """Return what the run of *tag* has at risk."""
    filled = orders.c.filled_lots
    signed = func.sum(case((orders.c.side == Side.BUY.value, filled), else_=-filled))
    of_run = orders.c.run_tag == tag
    lots = connection.execute(select(signed).where(of_run)).scalar()
    rows = connection.execute(select(orders).where(of_run, orders.c.status.in_(_WORKING)))
    return AtRisk(int(lots or 0), tuple(map(stored_order, rows)))

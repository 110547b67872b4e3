"""The state of a run worked out from its orders in the ledger, where the checkpoint is lost.

Levels, totals and holdings come from the engine itself, which is told of every order as if it had
just been found. What only the checkpoint knew is lost: refusals, pauses, an adapted interval.
"""

from collections.abc import Iterable
from dataclasses import replace

from activities.store.records import REFUSED, SENDING, StoredOrder
from domain.correction import Correction
from domain.grid.config import GridConfig
from domain.grid.engine import step
from domain.grid.events import Correct, Corrected, Reported
from domain.grid.state import MOST_UNSEEN, GridState, begin
from domain.order_ids import decode
from domain.orders import OrderReport, OrderStatus


def rebuilt(
    config: GridConfig,
    tag: str,
    orders: Iterable[StoredOrder],
    corrections: Iterable[Correction] = (),
) -> GridState:
    """Return the state of a run that has sent *orders*; its next look at the venue completes it.

    Nothing is to be sent: before the venue has shown its orders the engine decides nothing new.
    """
    state = begin(config, tag)
    sent = sorted(orders, key=_generation)
    for order in sent:
        if order.status not in (SENDING, REFUSED):
            state = step(state, Reported(_report(order))).state
    for each in corrections:
        asked = Correct(each.lots, each.price, each.at, each.why)
        done = Corrected(each.lots, each.price, each.at)
        state = step(replace(state, correcting=asked), done).state
    newest = max([state.generation, *map(_generation, sent)])
    unseen = (*state.unseen, *range(state.generation + 1, newest + 1))
    # An id that has perhaps left must never be given to another order.
    return replace(state, generation=newest, unseen=unseen[-MOST_UNSEEN:])


def _generation(order: StoredOrder) -> int:
    key = decode(order.client_id)
    return key.generation if key else 0


def _report(order: StoredOrder) -> OrderReport:
    return OrderReport(
        order.client_id,
        order.order_id or "",
        order.symbol,
        order.side,
        OrderStatus(order.status),
        order.quantity,
        order.filled,
        order.value,
        order.price,
        order.fees,
        order.reduce_only,
        order.updated_at,
        order.reason,
    )

"""What a comparison of positions does to a grid: nothing, a second look, a correction, or an alarm.

A look at a venue and a fill race each other, and a venue's lists lag behind each other. So nothing
is judged while an order of the run is in doubt or a fill came since the venue was asked, and
nothing is done before a second look some time later shows exactly the same, without a fill in
between (decision 0011).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.correction import spread
from domain.grid.decide import Step, cancel, decide
from domain.grid.events import (
    Alert,
    AlertLevel,
    Correct,
    Corrected,
    GridAction,
    Resynced,
    TellDivergence,
)
from domain.grid.reports import with_slot
from domain.grid.slot import Slot
from domain.grid.state import Doubt, GridState
from domain.money import EXACT, ZERO, Price, Quantity, add
from domain.orders import Side
from domain.position import Holding, Traded, trade
from domain.risk.belief import belief
from domain.risk.divergence import Agreement, PositionVerdict, judge

#: Two looks that are closer than this to each other may be wrong for the same reason.
CONFIRM_AFTER: Final = timedelta(seconds=2)


def compared(
    state: GridState, event: Resynced, *, moved: bool
) -> tuple[GridState, tuple[GridAction, ...]]:
    """Return *state*, which has the orders of *event* in it, after its position was compared.

    *moved* tells that a fill came between the question and this answer.
    """
    if state.correcting is not None:  # decided before the process died, and perhaps not done
        return state, (state.correcting,)
    if event.position is None or event.mark is None or event.asked_at is None:
        return state, ()
    if moved or _is_unsettled(state):
        return state, ()
    known = belief(state)
    verdict = judge(known.instrument, known.held, event.position)
    if verdict.agreement is Agreement.UNSETTLED:
        return state, ()
    if verdict.agreement is Agreement.MATCH:
        return replace(state, doubt=None, told_apart=ZERO), ()
    seen = Doubt(verdict.expected, verdict.found, state.totals.fills, event.asked_at)
    before = state.doubt
    if before is None or not _is_same(before, seen):
        return replace(state, doubt=seen), ()
    if seen.since - before.since < CONFIRM_AFTER:
        return state, ()
    first = not before.confirmed
    return _confirmed(replace(state, doubt=replace(before, confirmed=True)), verdict, event, first)


def _is_unsettled(state: GridState) -> bool:
    """Return whether the run cannot know what it holds: by an order of its own, or of an exit."""
    doubtful = any(order.unknown or not order.rank for order in state.working())
    return doubtful or state.closing is not None or state.handed_over


def is_in_doubt(state: GridState) -> bool:
    """Return whether something will only be known by looking again: an order, or the position."""
    doubted = state.doubt is not None and not state.doubt.confirmed
    return doubted or any(order.unknown for order in state.working())


def _is_same(one: Doubt, other: Doubt) -> bool:
    return replace(one, since=other.since, confirmed=False) == other


def _confirmed(
    state: GridState,
    verdict: PositionVerdict,
    event: Resynced,
    first: bool,  # noqa: FBT001 - private
) -> tuple[GridState, tuple[GridAction, ...]]:
    match verdict.agreement:
        case Agreement.SEVERE:  # told at each look: a breaker cools down only without its cause
            alarm = (Alert(AlertLevel.CRITICAL, verdict.why),) if first else ()
            return state, (_telling(verdict), *alarm)
        case Agreement.CORRECT:
            assert event.mark is not None  # noqa: S101 - nothing is compared without
            at = _moment(state, event)
            action = Correct(verdict.correction, event.mark, at, verdict.why)
            note = Alert(AlertLevel.WARNING, verdict.why)
            return replace(state, doubt=None, correcting=action), (action, note)
        case _:
            return _reported(state, verdict)


def _moment(state: GridState, event: Resynced) -> datetime:
    """Return a name for a correction: in a silent market the venue's time stands still."""
    last = state.corrected_at
    return event.at if last is None or event.at > last else last + timedelta.resolution


def _reported(
    state: GridState, verdict: PositionVerdict
) -> tuple[GridState, tuple[GridAction, ...]]:
    """Tell people once of what is none of the run's, however much the run trades meanwhile."""
    apart = EXACT.subtract(verdict.found, verdict.expected)
    if apart == state.told_apart:
        return state, ()
    note = Alert(AlertLevel.WARNING, verdict.why)
    return replace(state, told_apart=apart), (_telling(verdict), note)


def _telling(verdict: PositionVerdict) -> TellDivergence:
    severe = verdict.agreement is Agreement.SEVERE
    return TellDivergence(verdict.percent, verdict.wrong_side, severe, verdict.why)


# --- corrections -----------------------------------------------------------------------------


def corrected(state: GridState, event: Corrected) -> Step:
    """Return *state* with the correction in what its slots hold, and exits for just that."""
    pending = state.correcting
    if pending is None or pending.at != event.at:
        return Step(state)  # it was taken before
    state = replace(state, correcting=None, corrected_at=event.at)
    if state.residue is not None:
        return decide(_residue_corrected(state, state.residue, event))
    held = {key: slot.holding.lots for key, slot in state.slots.items()}
    for key, lots in spread(held, event.lots).items():
        slot = state.slots.get(key)
        if slot is not None:  # more than is held is never small: it is not corrected
            state = _slot_corrected(state, slot, lots, event.price)
    state, canceled = _fitted(state)
    decided = decide(state)
    return Step(decided.state, (*canceled, *decided.actions))


def _slot_corrected(state: GridState, slot: Slot, lots: int, price: Price) -> GridState:
    done = _moved(state, slot.holding, lots, price)
    slots = with_slot(state.slots, replace(slot, holding=done.holding))
    return replace(_realized(state, done.realized), slots=slots)


def _fitted(state: GridState) -> tuple[GridState, list[GridAction]]:
    """Cancel the exits that are not for what their slots hold; once over, right ones follow."""
    actions: list[GridAction] = []
    for key in sorted(() if state.finished else state.slots):
        slot = state.slots[key]
        order = slot.order
        if order is None or order.entry:
            continue
        if (order.quantity - order.filled).lots != abs(slot.holding.lots):
            state, canceled = cancel(state, slot, order)
            actions += canceled
    return state, actions


def _residue_corrected(state: GridState, residue: Holding, event: Corrected) -> GridState:
    done = _moved(state, residue, event.lots, event.price)
    return replace(_realized(state, done.realized), residue=done.holding)


def _moved(state: GridState, holding: Holding, lots: int, price: Price) -> Traded:
    side = Side.BUY if lots > 0 else Side.SELL
    instrument, quantity = state.config.instrument, Quantity(abs(lots))
    return trade(instrument, holding, side, quantity, price.ticks * quantity.lots)


def _realized(state: GridState, realized: Decimal) -> GridState:
    totals = replace(state.totals, grid_profit=add(state.totals.grid_profit, realized))
    return replace(state, totals=totals)

"""The whole grid strategy: what happened goes in, the new state and what to do about it come out.

`step` is a pure function. The durable runner, the simple runner and the backtest call nothing else,
so they cannot drift apart.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from domain.errors import InvalidValueError
from domain.grid.cleaning import cleaned
from domain.grid.comparing import compared, corrected
from domain.grid.config import GridConfig
from domain.grid.decide import Step, decide
from domain.grid.events import (
    Alert,
    AlertLevel,
    Cancel,
    Corrected,
    FeedChanged,
    GridAction,
    GridEvent,
    LookUp,
    OutcomeUnknown,
    PauseAsked,
    PriceMoved,
    ReconcileAsked,
    ReconfigureAsked,
    Refused,
    Reported,
    ResumeAsked,
    Resync,
    Resynced,
    RiskChanged,
    StopAsked,
    Surfaced,
    TimePassed,
    VolatilityMeasured,
)
from domain.grid.reports import apply, crossed, remember, with_slot
from domain.grid.slot import Slot, WorkingOrder
from domain.grid.spec import GridSpec, StopMode
from domain.grid.state import MOST_UNSEEN, GridState, Phase
from domain.grid.watch import watch
from domain.money import Price, Quantity
from domain.order_ids import decode
from domain.orders import OrderReport, Refusal, RefusalReason, Unknown

#: A close that the venue finds invalid so many times in a row will never be taken.
CLOSE_TRIES: Final = 3


def step(state: GridState, event: GridEvent) -> Step:  # noqa: C901, PLR0911, PLR0912 - one table
    """Return the state after *event*, and what to do about it, in order."""
    match event:
        case PriceMoved(price):
            return _price_moved(state, price)
        case Reported(report):
            return _reported(state, report)
        case Refused(refusal):
            return _refused(state, refusal)
        case OutcomeUnknown(unknown):
            return _outcome_unknown(state, unknown)
        case Surfaced(orders, unsent):
            return _surfaced(state, orders, unsent)
        case Resynced():
            return _resynced(state, event)
        case Corrected():
            return corrected(state, event)
        case TimePassed(now):
            return _time_passed(state, now)
        case _ if state.finished:
            return Step(state)
        case FeedChanged(live):
            return _feed_changed(state, live=live)
        case RiskChanged(halted, _, why):
            return decide(_unblocked(replace(state, halted=halted, halted_why=why)))
        case VolatilityMeasured():
            return _volatility(state, event)
        case PauseAsked():
            paused = state.phase in (Phase.WAITING, Phase.RUNNING)
            return decide(replace(state, phase=Phase.PAUSED)) if paused else Step(state)
        case ResumeAsked():
            return _resume(state)
        case ReconcileAsked():
            return Step(state, (Resync(state.config.symbol),))
        case StopAsked(handed_over=True):
            return decide(_handed_over(state))
        case StopAsked(mode):
            return decide(_stopping(state, mode, "asked"))
        case ReconfigureAsked(config):
            return _reconfigured(state, config)
        case _:
            assert_never(event)


# --- prices ----------------------------------------------------------------------------------


def _price_moved(state: GridState, price: Price) -> Step:
    if watch(state).quiet(price):
        return Step(state)
    state = replace(state, price=price)
    state = _pull_trigger(state, price)
    if not state.triggered:
        return Step(state)
    for alarm in state.config.alarms:
        if alarm.rings(price) and state.phase in (Phase.RUNNING, Phase.PAUSED):
            said = state.config.instrument.price_of(price)
            why = f"{alarm.name} {state.config.instrument.price_of(alarm.price)} reached at {said}"
            stopped = decide(_stopping(_centered(state, price), alarm.mode, why))
            return _with_alert(stopped, AlertLevel.WARNING, why)
    return decide(_unblocked(_centered(state, price)))


def _pull_trigger(state: GridState, price: Price) -> GridState:
    trigger = state.config.trigger
    if state.triggered or trigger is None:
        return state
    above = trigger >= price if state.trigger_above is None else state.trigger_above
    crossed_it = price >= trigger if above else price <= trigger
    phase = Phase.RUNNING if crossed_it and state.phase is Phase.WAITING else state.phase
    return replace(state, trigger_above=above, triggered=crossed_it, phase=phase)


def _centered(state: GridState, price: Price) -> GridState:
    lattice = state.lattice or state.config.lattice(price)
    return _with_center(replace(state, lattice=lattice), lattice.nearest(price))


def _with_center(state: GridState, center: int) -> GridState:
    """Return *state* with another center; levels that were cleaned away may be entered again."""
    cleaned_away = state.cleaned if center == state.center else ()
    return replace(state, center=center, cleaned=cleaned_away)


def _volatility(state: GridState, event: VolatilityMeasured) -> Step:
    price = state.price
    if state.lattice is None or price is None or state.config.interval is None:
        return Step(state)
    interval = state.config.turns_epoch(state.lattice.rise, event.atr_ticks)
    if interval is None:
        return Step(state)
    lattice = state.config.lattice(price, interval)
    state = replace(state, lattice=lattice, epoch=state.epoch + 1)
    return decide(_unblocked(_centered(state, price)))


# --- orders ----------------------------------------------------------------------------------


def _reported(state: GridState, report: OrderReport) -> Step:
    applied = apply(state, report)
    if applied.state is state:
        return Step(state)
    after = applied.state
    if after.totals.fills > state.totals.fills:
        after = _moved_by_fill(after, report)
    return _after(decide(after, applied.freed), _cancels(applied.strays))


def _moved_by_fill(state: GridState, report: OrderReport) -> GridState:
    """Let the center follow a live fill, which tells what a tick at its price would (0001)."""
    center = watch(state).filled(report).center
    if state.lattice is None or center == state.center or report.price is None:
        return state
    return _unblocked(_with_center(replace(state, price=report.price), center))


def _refused(state: GridState, refusal: Refusal) -> Step:
    if state.closing is not None and state.closing.client_id == refusal.client_id:
        return _close_refused(state, state.closing, refusal)
    key = decode(refusal.client_id)
    slot = state.slots.get(key.key) if key and key.run_tag == state.tag else None
    if slot is None or slot.order is None or slot.order.client_id != refusal.client_id:
        return Step(state)
    if not slot.order.may_end_by(refusal):
        return Step(state)
    state = remember(state, slot, slot.order)
    slot = slot.closes()
    if refusal.reason is RefusalReason.WOULD_CROSS:
        slot = crossed(state, slot, refusal.best)
    elif refusal.reason is not RefusalReason.ABSENT:
        slot = replace(slot, blocked=True)
    decided = decide(replace(state, slots=with_slot(state.slots, slot)))
    quiet = (RefusalReason.WOULD_CROSS, RefusalReason.ABSENT, RefusalReason.RISK)
    if refusal.reason in quiet:
        return decided
    return _with_alert(
        decided, AlertLevel.WARNING, f"an order was refused ({refusal.reason}): {refusal.message}"
    )


def _close_refused(state: GridState, order: WorkingOrder, refusal: Refusal) -> Step:
    if not order.may_end_by(refusal):
        return Step(state)
    absent = refusal.reason is RefusalReason.ABSENT
    state = remember(replace(state, closing=None, close_blocked=not absent), None, order)
    if absent:
        return decide(state)
    if refusal.reason is RefusalReason.REDUCE_ONLY:  # the venue has nothing left to close
        gone = "the position was closed by somebody else: the venue has nothing left to close"
        return _with_alert(Step(_ended(state, gone)), AlertLevel.ERROR, gone)
    if refusal.reason is RefusalReason.INVALID and _is_hardly_tradable(state, order.quantity):
        left = _left(state, order, refusal)
        return _with_alert(Step(replace(state, phase=Phase.FINISHED)), AlertLevel.WARNING, left)
    invalid = refusal.reason is RefusalReason.INVALID
    refused = state.close_refused + 1 if invalid else 0
    state = replace(state, close_refused=refused)
    if refused >= CLOSE_TRIES:
        told = f"{_left(state, order, refusal)} (refused {refused} times: trade it by hand)"
        return _with_alert(Step(_ended(state, told)), AlertLevel.ERROR, told)
    return _with_alert(
        decide(state), AlertLevel.ERROR, f"the closing order was refused: {refusal.message}"
    )


def _left(state: GridState, order: WorkingOrder, refusal: Refusal) -> str:
    instrument = state.config.instrument
    return f"{instrument.base_of(order.quantity)} {instrument.base} is left: {refusal.message}"


def _ended(state: GridState, why: str) -> GridState:
    return replace(state, phase=Phase.FINISHED, stop_why=f"{state.stop_why}; {why}")


def _is_hardly_tradable(state: GridState, quantity: Quantity) -> bool:
    """Return whether *quantity* is so close to the venue's minimum that the price decides.

    Worth just enough at the last price that was news, it may be too little at the venue's own.
    """
    half = Quantity(quantity.lots // 2)
    return state.price is not None and not state.config.instrument.accepts(state.price, half)


def _outcome_unknown(state: GridState, unknown: Unknown) -> Step:
    """Doubt an order until a look-up settles it; a person is told once, not at each look-up."""
    marked = Step(_marked_unknown(state, unknown.client_id))
    working = {order.client_id: order for order in state.working()}
    order = working.get(unknown.client_id)
    if order is None or order.unknown:
        return marked
    told = f"order {unknown.client_id} is in doubt and will be looked up: {unknown.message}"
    return _with_alert(marked, AlertLevel.WARNING, told)


def _marked_unknown(state: GridState, client_id: str) -> GridState:
    if state.closing is not None and state.closing.client_id == client_id:
        return replace(state, closing=replace(state.closing, unknown=True))
    for slot in state.slots.values():
        if slot.order is not None and slot.order.client_id == client_id:
            marked = replace(slot, order=replace(slot.order, unknown=True))
            return replace(state, slots=with_slot(state.slots, marked))
    return state


def _surfaced(state: GridState, orders: tuple[OrderReport, ...], unsent: tuple[str, ...]) -> Step:
    for client_id in unsent:
        state = _taken_back(state, client_id)
    keys = [decode(report.client_id) for report in orders]
    found = tuple(key.generation for key in keys if key)
    state = replace(state, unseen=(*state.unseen, *found)[-MOST_UNSEEN:])
    freed: list[Slot] = []
    strays: list[OrderReport] = []
    for report in sorted(orders, key=_generation):
        applied = apply(state, report, fresh=True)
        state = applied.state
        freed += applied.freed
        strays += applied.strays
    return _after(decide(state, tuple(freed)), _cancels(tuple(strays)))


def _taken_back(state: GridState, client_id: str) -> GridState:
    """Forget an intended order that was not sent; its generation is not used again."""
    if state.closing is not None and state.closing.client_id == client_id:
        return remember(replace(state, closing=None), None, state.closing)
    for slot in state.slots.values():
        if slot.order is not None and slot.order.client_id == client_id:
            state = remember(state, slot, slot.order)
            return replace(state, slots=with_slot(state.slots, slot.closes()))
    return state


def _resynced(state: GridState, event: Resynced) -> Step:
    freed: list[Slot] = []
    strays: list[OrderReport] = []
    shown = {report.client_id for report in event.orders}
    missing = [order for order in state.working() if order.client_id not in shown]
    moved = event.fills != state.totals.fills  # since the venue was asked
    for report in sorted(event.orders, key=_generation):
        applied = apply(state, report, fresh=True)
        state = applied.state
        freed += applied.freed
        strays += applied.strays
    if state.finished:
        return Step(state)
    missing = [order for order in missing if _still_works(state, order)]
    for order in missing:
        state = _marked_unknown(state, order.client_id)
    state, found = compared(state, event, moved=moved)
    decided = decide(replace(state, synced=True), tuple(freed))
    return _after(decided, (*_cancels(tuple(strays)), *_look_ups(state, missing), *found))


def _generation(report: OrderReport) -> int:
    key = decode(report.client_id)
    return key.generation if key else 0


def _still_works(state: GridState, order: WorkingOrder) -> bool:
    return any(order.client_id == other.client_id for other in state.working())


def _time_passed(state: GridState, now: datetime) -> Step:
    if state.finished:
        return Step(state)
    doubtful = [order for order in state.working() if order.unknown]
    state = replace(_unblocked(state), close_blocked=False)
    doubted = state.doubt is not None and not state.doubt.confirmed
    again = (Resync(state.config.symbol),) if doubted else ()
    state, canceled = cleaned(state, now)
    return _after(decide(state), (*_look_ups(state, doubtful), *again, *canceled))


def _cancels(strays: tuple[OrderReport, ...]) -> tuple[Cancel, ...]:
    return tuple(Cancel(r.symbol, r.client_id, r.order_id) for r in strays)


def _look_ups(state: GridState, orders: list[WorkingOrder]) -> tuple[LookUp, ...]:
    return tuple(LookUp(state.config.symbol, order.client_id) for order in orders)


def _after(decided: Step, first: tuple[GridAction, ...]) -> Step:
    return Step(decided.state, (*first, *decided.actions))


# --- commands and circumstances --------------------------------------------------------------


def _feed_changed(state: GridState, *, live: bool) -> Step:
    if not live:
        return decide(replace(state, feed_live=False))
    state = replace(_unblocked(state), feed_live=True, synced=False)
    return _after(decide(state), (Resync(state.config.symbol),))


def _resume(state: GridState) -> Step:
    if state.phase is not Phase.PAUSED:
        return Step(state)
    phase = Phase.RUNNING if state.triggered else Phase.WAITING
    return decide(_unblocked(replace(state, phase=phase)))


def _stopping(state: GridState, mode: StopMode, why: str) -> GridState:
    if state.handed_over:
        return state
    if state.phase is Phase.STOPPING and state.residue is not None:
        mode = StopMode.CLOSE  # half closed is not a place to stay
    return replace(state, phase=Phase.STOPPING, stop_mode=mode, stop_why=why)


def _handed_over(state: GridState) -> GridState:
    """Only cancel from now on, also in the middle of a close: the exit closes what is left."""
    why = "an emergency exit took over"
    stopping = replace(state, phase=Phase.STOPPING, stop_mode=StopMode.CANCEL, stop_why=why)
    return replace(stopping, handed_over=True)


def check_reconfigure(state: GridState, config: GridConfig) -> None:
    """Raise InvalidValueError if a running grid cannot take *config*; it changes nothing then."""
    if state.phase in (Phase.STOPPING, Phase.FINISHED):
        raise InvalidValueError(f"a run that is {state.phase} takes no new settings")
    was, new = state.config.spec, config.spec
    for field in ("symbol", "account", "direction", "dead_man_seconds"):
        if getattr(was, field) != getattr(new, field):
            raise InvalidValueError(
                f"{field}: a run keeps its {field} {getattr(was, field)}, was "
                f"{getattr(new, field)}; stop this run and start another"
            )
    for field in ("tick_size", "lot_size"):  # all that is held is counted in them
        old, now = getattr(state.config.instrument, field), getattr(config.instrument, field)
        if old != now:
            raise InvalidValueError(
                f"{field}: a run keeps its {field} {old}, was {now}; stop it and start another"
            )


#: A change of one of these gives the grid other levels.
_LADDER = ("spacing", "interval", "step_percent", "anchor", "range", "adaptive")
#: A change of one of these keeps the levels, but not the entries that rest on them.
_ENTRIES = ("amount", "order_budget")


def _reconfigured(state: GridState, config: GridConfig) -> Step:
    try:
        check_reconfigure(state, config)
    except InvalidValueError as refused:  # it was in order when it was asked for: say so, go on
        return Step(state, (Alert(AlertLevel.WARNING, f"new settings were not taken: {refused}"),))
    was, new = state.config.spec, config.spec
    state = replace(_unblocked(state), config=config)
    if not state.triggered:
        return decide(_trigger_set(state))
    if _differ(was, new, (*_LADDER, *_ENTRIES)):
        state = replace(state, epoch=state.epoch + 1)
    if was.cleanup != new.cleanup:
        state = replace(state, cleaned=())
    if state.price is not None and _differ(was, new, _LADDER):
        state = _centered(replace(state, lattice=config.lattice(state.price)), state.price)
    return decide(state)


def _differ(was: GridSpec, new: GridSpec, names: tuple[str, ...]) -> bool:
    return any(getattr(was, name) != getattr(new, name) for name in names)


def _trigger_set(state: GridState) -> GridState:
    """Wait for the trigger of new settings, from whichever side the next price is on."""
    if state.config.trigger is not None:
        return replace(state, trigger_above=None)
    phase = Phase.RUNNING if state.phase is Phase.WAITING else state.phase
    return replace(state, triggered=True, phase=phase)


def _unblocked(state: GridState) -> GridState:
    """Let every slot that rests after a refusal try again."""
    resting = [s for s in state.slots.values() if s.blocked or (s.refusals and s.order is None)]
    slots = state.slots
    for slot in resting:
        slots = with_slot(slots, replace(slot, blocked=False, refusals=0, best=None))
    return replace(state, slots=slots) if resting else state


def _with_alert(decided: Step, level: AlertLevel, message: str) -> Step:
    return Step(decided.state, (*decided.actions, Alert(level, message)))

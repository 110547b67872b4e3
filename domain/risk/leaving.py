"""The way out of a position: cancel everything, close in steps, and do not end before it is flat.

    canceling  --orders gone-->  checking  --still open-->  closing  -->  checking  -->  flat

Whatever the venue does (refuses, limits, disconnects, fills a part), each step asks anew when time
passes. The size of a step is what is still open, never what was once meant to be closed (flaw D-8),
its id has a generation of its own (flaw A-2), counted for this way out alone, and a step whose
outcome is unknown blocks the next until a look-up settles it: nothing is closed twice. What is
still open is the *debt*, visible all the way, and told again as it ages. Only the venue's own word
ends it, for fills of orders we gave up may still come.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, assert_never

from domain.grid.events import (
    Alert,
    AlertLevel,
    LookUp,
    OutcomeUnknown,
    Place,
    Refused,
    Reported,
    TimePassed,
)
from domain.grid.slot import CLOSED_RANK, WorkingOrder
from domain.money import EXACT, Instrument, MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode
from domain.orders import OrderReport, OrderRequest, OrderType, Refusal, RefusalReason, Side
from domain.risk.leaving_events import (
    AskPosition,
    CancelAll,
    LeavingAction,
    LeavingEvent,
    OrdersCanceled,
    PositionSeen,
)

#: Times that cancels are asked for before the position is closed without waiting for them.
PATIENCE: Final = 3
#: After so long a debt is told again, and then every hour.
_TOLD_AFTER: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_HOUR: Final = timedelta(hours=1)


class Phase(StrEnum):
    """How far along the way out is."""

    CANCELING = "canceling"
    CHECKING = "checking"
    CLOSING = "closing"
    FLAT = "flat"
    LEFT_OVER = "left_over"  # the rest is below what the venue trades


@dataclass(frozen=True, slots=True)
class Leaving:
    """A way out between two events."""

    instrument: Instrument
    #: The tag of the run that is left: its orders belong to the run.
    tag: str
    why: str
    #: Signed lots still open, as far as we know.
    lots: int
    begun_at: datetime
    #: The most lots of one step.
    stride: int
    #: Which way out of the run it is, from 1; stands in the ids of its orders.
    number: int = 1
    #: Signed lots to keep: 0 to leave altogether.
    target: int = 0
    #: The venue may be told that an order only reduces: what it has is this run's alone.
    reduce_only: bool = True
    phase: Phase = Phase.CANCELING
    #: The venue's last price for it.
    mark: Price | None = None
    canceled: bool = False
    #: How often the cancels were asked for.
    asked: int = 1
    generation: int = 0
    order: WorkingOrder | None = None
    #: Refused or unfilled: the next step waits until time passes.
    waiting: bool = False
    #: How often people were told that it takes long.
    told: int = 0

    @property
    def finished(self) -> bool:
        return self.phase in (Phase.FLAT, Phase.LEFT_OVER)

    @property
    def debt(self) -> int:
        """Signed lots that are still to be given back."""
        keep = min(abs(self.target), abs(self.lots)) if self.lots * self.target > 0 else 0
        return (abs(self.lots) - keep) * (1 if self.lots > 0 else -1)

    def debt_at(self, mark: Price) -> Decimal:
        """Return the notional of the debt in quote; negative if short."""
        return self.instrument.notional_of(self.debt * mark.ticks)


@dataclass(frozen=True, slots=True)
class LeavingStep:
    """What came of an event: the new state, and what to do about it, in order."""

    state: Leaving
    actions: tuple[LeavingAction, ...] = ()


def leave(  # noqa: PLR0913 - what to leave, and how
    instrument: Instrument,
    tag: str,
    lots: int,
    at: datetime,
    why: str,
    *,
    number: int = 1,
    steps: int = 1,
    share: Decimal = Decimal(1),
    alone: bool = True,
) -> LeavingStep:
    """Begin to give back *share* of *lots* (signed) in *steps* orders of about the same size.

    *number* counts the ways out of the run that *tag* is of. Not *alone*: others hold some of what
    the venue shows, so no order may be told only to reduce it.
    """
    keep = EXACT.multiply(Decimal(lots), EXACT.subtract(Decimal(1), share))
    target = int(keep.to_integral_value(context=EXACT))
    stride = max(-(-abs(lots - target) // steps), instrument.min_quantity.lots, 1)
    reduces = alone and instrument.kind is MarketKind.PERPETUAL
    state = Leaving(instrument, tag, why, lots, at, stride, number, target, reduces)
    alert = Alert(AlertLevel.CRITICAL, f"leaving {instrument.symbol}: {why}")
    return LeavingStep(state, (alert, CancelAll(instrument.symbol)))


def step(state: Leaving, event: LeavingEvent) -> LeavingStep:
    """Return the state after *event*, and what to do about it, in order."""
    if state.finished:
        return LeavingStep(state)
    match event:
        case OrdersCanceled():
            first = not state.canceled
            state = replace(state, canceled=True)
            return _check(state) if first and state.order is None else LeavingStep(state)
        case PositionSeen(lots, mark):
            return _seen(replace(state, mark=mark or state.mark), lots)
        case Reported(report):
            return _reported(state, report)
        case Refused(refusal):
            return _refused(state, refusal)
        case OutcomeUnknown(unknown):
            order = state.order
            if order is None or order.client_id != unknown.client_id:
                return LeavingStep(state)
            return LeavingStep(replace(state, order=replace(order, unknown=True)))
        case TimePassed(now):
            return _told(_time_passed(state), now)
        case _:
            assert_never(event)


def _check(state: Leaving) -> LeavingStep:
    asking = AskPosition(state.instrument.symbol)
    return LeavingStep(replace(state, phase=Phase.CHECKING), (asking,))


def _seen(state: Leaving, lots: int) -> LeavingStep:
    if state.order is not None:  # as of before that order; it is asked again after
        return LeavingStep(state)
    state = replace(state, lots=lots)
    if state.debt:
        state = replace(state, phase=Phase.CLOSING)
        return LeavingStep(state) if state.waiting else _close(state)
    if not state.canceled:  # an order may still fill
        return LeavingStep(replace(state, phase=Phase.CHECKING))
    done = Alert(AlertLevel.WARNING, f"left {state.instrument.symbol}: {lots} lots are open")
    return LeavingStep(replace(state, phase=Phase.FLAT), (done,))


def _close(state: Leaving) -> LeavingStep:
    if not state.debt:
        return _check(state)
    side = Side.SELL if state.debt > 0 else Side.BUY
    generation, quantity = state.generation + 1, _quantity(state)
    purpose = Purpose.LEAVE_SELL if side is Side.SELL else Purpose.LEAVE_BUY
    request = OrderRequest(
        encode(OrderKey(state.tag, purpose, state.number, generation)),
        state.instrument.symbol,
        side,
        quantity,
        type=OrderType.MARKET,
        reduce_only=state.reduce_only,
        entry=False,
    )
    order = WorkingOrder(request.client_id, side, None, quantity, entry=False)
    state = replace(state, phase=Phase.CLOSING, order=order, generation=generation)
    return LeavingStep(state, (Place(request),))


def _quantity(state: Leaving) -> Quantity:
    """Return the size of the next step; one that would leave too little for another takes all."""
    debt = abs(state.debt)
    rest = debt - state.stride
    return Quantity(debt if rest < state.instrument.min_quantity.lots else state.stride)


def _reported(state: Leaving, report: OrderReport) -> LeavingStep:
    order = state.order
    if order is None or order.client_id != report.client_id or not order.is_news(report):
        return LeavingStep(state)
    lots = _less(state.lots, report.filled.lots - order.filled.lots)
    after = order.after(report)
    if after.rank < CLOSED_RANK:
        return LeavingStep(replace(state, lots=lots, order=after))
    waiting = not report.filled  # nobody was there to trade with
    state = replace(state, lots=lots, order=None, waiting=waiting)
    return LeavingStep(state) if waiting else _close(state)


def _less(lots: int, filled: int) -> int:
    """Return what is open after *filled* more, never the other side: what was seen may count them.

    After a crash an order may be looked up that the position, as it was asked for last, is without.
    """
    left = max(abs(lots) - filled, 0)
    return left if lots > 0 else -left


def _refused(state: Leaving, refusal: Refusal) -> LeavingStep:
    order = state.order
    if order is None or order.client_id != refusal.client_id:
        return LeavingStep(state)
    state = replace(state, order=None)
    if refusal.reason is RefusalReason.ABSENT:
        return _close(state)
    said = Alert(AlertLevel.ERROR, f"a closing order was refused: {refusal.message}")
    if refusal.reason is RefusalReason.INVALID:
        whole = order.quantity.lots == abs(state.debt)
        if state.canceled and whole and _is_tiny(state, order.quantity):
            return LeavingStep(replace(state, phase=Phase.LEFT_OVER), (said,))
        state = replace(state, stride=_other_stride(state, order.quantity))
    checked = _check(replace(state, waiting=True))
    return LeavingStep(checked.state, (said, *checked.actions))


def _is_tiny(state: Leaving, quantity: Quantity) -> bool:
    """Return whether *quantity* is below what the venue trades."""
    if state.mark is None:
        return quantity < state.instrument.min_quantity
    return not state.instrument.accepts(state.mark, quantity)


def _other_stride(state: Leaving, refused: Quantity) -> int:
    """Return another size of steps: all at once if they were too small, else half of them."""
    if _is_tiny(state, refused):
        return abs(state.debt)
    return max(refused.lots // 2, state.instrument.min_quantity.lots, 1)


def _time_passed(state: Leaving) -> LeavingStep:
    symbol, actions = state.instrument.symbol, []
    state = replace(state, waiting=False)
    if not state.canceled:
        state = replace(state, asked=state.asked + 1)
        actions.append(CancelAll(symbol))
    if state.order is not None:
        return LeavingStep(state, (*actions, LookUp(symbol, state.order.client_id)))
    if state.phase is Phase.CANCELING and state.asked <= PATIENCE:
        return LeavingStep(state, tuple(actions))
    checked = _check(state)
    return LeavingStep(checked.state, (*actions, *checked.actions))


def _told(done: LeavingStep, now: datetime) -> LeavingStep:
    """Tell people of a debt that ages."""
    state, age = done.state, now - done.state.begun_at
    if not state.debt or age < _tell_after(state.told):
        return done
    told = state.told
    while age >= _tell_after(told):
        told += 1
    base = state.instrument.base_of(Quantity(abs(state.debt)))
    what = f"{base} {state.instrument.base} of {state.instrument.symbol}"
    alert = Alert(AlertLevel.CRITICAL, f"{what} is still to be closed after {_minutes(age)} min")
    return LeavingStep(replace(state, told=told), (*done.actions, alert))


def _tell_after(told: int) -> timedelta:
    later = told - len(_TOLD_AFTER) + 1
    return _TOLD_AFTER[told] if later <= 0 else later * _HOUR


def _minutes(age: timedelta) -> int:
    return age // timedelta(minutes=1)

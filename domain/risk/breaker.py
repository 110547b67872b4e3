"""A breaker: closed lets openings through, open stops them, half-open tries one.

    closed     -- too much of something, or a person -->  open
    open       -- longer than the cooldown without the cause -->  half-open (or closed)
    open       -- a person -->  closed
    half-open  -- the trial lost, or too much of something -->  open
    half-open  -- the trial did not lose, or a person -->  closed

What was measured is forgotten with every move, so that it takes new evidence to move again. Exits
never ask a breaker. `step` is pure; the state survives a restart as JSON (decision D10, rows R-11
and R-12).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain.risk.breaker_events import (
    BreakerEvent,
    ResetAsked,
    TimePassed,
    TradeClosed,
    TrialBegun,
    TripAsked,
)
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.measures import Cause, Measures, Trip, measure
from domain.risk.scope import Scope

#: Who moved a breaker, when no person did.
ITSELF: Final = "breaker"


class Phase(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerState:
    """A breaker between two events."""

    scope: Scope
    spec: BreakerSpec
    phase: Phase = Phase.CLOSED
    #: Of the last opening; None and empty while closed.
    cause: Cause | None = None
    reason: str = ""
    who: str = ""
    opened_at: datetime | None = None
    #: When the cause was last seen; the cooldown counts from here.
    seen_at: datetime | None = None
    #: When the trial of a half-open breaker was sent; None: it is still to be had.
    trial_at: datetime | None = None
    measures: Measures = field(default_factory=Measures)

    @property
    def lets_through(self) -> bool:
        """Whether an opening may be sent: always, never, or the one trial."""
        trial = self.phase is Phase.HALF_OPEN and self.trial_at is None
        return self.phase is Phase.CLOSED or trial

    @property
    def why(self) -> str:
        """Where the breaker stands, in words."""
        if self.phase is Phase.CLOSED:
            return f"the breaker of {self.scope} is closed"
        since = f"since {self.opened_at:%F %T} by {self.who}: {self.reason}"
        if self.phase is Phase.OPEN:
            return f"the breaker of {self.scope} is open {since}"
        trial = "one trial may go" if self.trial_at is None else "its trial is under way"
        return f"the breaker of {self.scope} is half-open, {trial}; it was opened {since}"


@dataclass(frozen=True, slots=True)
class Transition:
    """A move of a breaker, for the audit log."""

    scope: Scope
    before: Phase
    after: Phase
    reason: str
    who: str
    at: datetime
    cause: Cause | None = None
    numbers: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BreakerStep:
    """What came of an event."""

    state: BreakerState
    transitions: tuple[Transition, ...] = ()


def step(state: BreakerState, event: BreakerEvent) -> BreakerStep:
    """Return the state after *event*, and the move it made, if any."""
    match event:
        case TripAsked(who, why, at):
            return _opened(state, Trip(Cause.MANUAL, why), who, at)
        case ResetAsked(who, why, at):
            return _closed(state, why, who, at)
        case TrialBegun(at):
            trying = state.phase is Phase.HALF_OPEN and state.trial_at is None
            return BreakerStep(replace(state, trial_at=at) if trying else state)
        case _:
            measures, trip = measure(state.spec, state.measures, event)
            state = replace(state, measures=measures)
    if trip is not None:
        return _tripped(state, trip, event.at)
    if isinstance(event, TradeClosed) and state.phase is Phase.HALF_OPEN:
        return _tried(state, event)
    return _cooled(state, event.at) if isinstance(event, TimePassed) else BreakerStep(state)


def _tripped(state: BreakerState, trip: Trip, at: datetime) -> BreakerStep:
    """Open, or if it is open already, let the cooldown begin again."""
    if state.phase is not Phase.OPEN:
        return _opened(state, trip, ITSELF, at)
    return BreakerStep(replace(state, seen_at=at, measures=state.measures.anew()))


def _tried(state: BreakerState, event: TradeClosed) -> BreakerStep:
    """Judge the trial. A gain proves nothing if no trial was sent: it is of an older position."""
    if event.pnl < 0:
        reason = f"the market is not better: a trade of the trial lost {-event.pnl}"
        return _opened(state, Trip(Cause.LOSSES, reason, {"pnl": event.pnl}), ITSELF, event.at)
    if state.trial_at is None:
        return BreakerStep(state)
    return _closed(state, f"the trial closed with {event.pnl}", ITSELF, event.at)


def _cooled(state: BreakerState, now: datetime) -> BreakerStep:
    if state.phase is Phase.HALF_OPEN:
        over = state.trial_at is not None and state.spec.has_cooled(now - state.trial_at)
        return BreakerStep(replace(state, trial_at=None) if over else state)
    seen = state.seen_at
    if seen is None or state.cause is Cause.MANUAL or not state.spec.has_cooled(now - seen):
        return BreakerStep(state)
    reason = f"{state.spec.cooldown} s passed without the cause: {state.reason}"
    if not state.spec.half_open:
        return _closed(state, reason, ITSELF, now)
    after = replace(state, phase=Phase.HALF_OPEN, trial_at=None, measures=state.measures.anew())
    return _moved(state, after, reason, ITSELF, now)


def _opened(state: BreakerState, trip: Trip, who: str, at: datetime) -> BreakerStep:
    after = replace(
        state,
        phase=Phase.OPEN,
        cause=trip.cause,
        reason=trip.reason,
        who=who,
        opened_at=at,
        seen_at=at,
        trial_at=None,
        measures=state.measures.anew(),
    )
    return _moved(state, after, trip.reason, who, at, trip.numbers)


def _closed(state: BreakerState, reason: str, who: str, at: datetime) -> BreakerStep:
    after = BreakerState(state.scope, state.spec, measures=state.measures.anew())
    if state.phase is Phase.CLOSED:
        return BreakerStep(after)
    return _moved(state, after, reason, who, at)


def _moved(
    before: BreakerState,
    after: BreakerState,
    reason: str,
    who: str,
    at: datetime,
    numbers: Mapping[str, Decimal] | None = None,
) -> BreakerStep:
    cause = after.cause or before.cause
    move = Transition(
        before.scope, before.phase, after.phase, reason, who, at, cause, numbers or {}
    )
    return BreakerStep(after, (move,))

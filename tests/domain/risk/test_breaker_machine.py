"""Whatever a breaker is told, in whatever order: it lets through only what it should."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import TypeAdapter

from domain.risk.breaker import ITSELF, BreakerState, Phase, step
from domain.risk.breaker_events import (
    BreakerEvent,
    CallTimed,
    Diverged,
    EquityMeasured,
    ExposureMeasured,
    FeedStale,
    RefusedForFunds,
    ResetAsked,
    TimePassed,
    TradeClosed,
    TrialBegun,
    TripAsked,
)
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.measures import Cause
from domain.risk.scope import OVERALL
from tests.domain.grid.harness import T0

STATES = TypeAdapter(BreakerState)
MOVES = {
    (Phase.CLOSED, Phase.OPEN),
    (Phase.OPEN, Phase.OPEN),  # a person takes over
    (Phase.OPEN, Phase.HALF_OPEN),
    (Phase.OPEN, Phase.CLOSED),
    (Phase.HALF_OPEN, Phase.OPEN),
    (Phase.HALF_OPEN, Phase.CLOSED),
}


class BreakerMachine(RuleBasedStateMachine):
    """A breaker, and a simple model of it beside: who holds it, since when, and the trial."""

    @initialize(cooldown=st.sampled_from([None, 60, 600]), half_open=st.booleans())
    def begins(self, cooldown: int | None, half_open: bool) -> None:
        spec = BreakerSpec(
            consecutive_losses=3,
            latency_p99=1000,
            latency_calls=10,
            stale_feed_after=120,
            exposure=Decimal(1000),
            cooldown=cooldown,
            half_open=half_open,
        )
        self.now = T0
        self.state = BreakerState(OVERALL, spec)
        self.held_by_person = False
        self.losses = 0

    def tell(self, event: BreakerEvent) -> None:
        before = self.state
        decided = step(STATES.validate_json(STATES.dump_json(before)), event)
        self.state = decided.state
        moves = decided.transitions
        assert len(moves) <= 1
        if before.phase is not self.state.phase:
            assert moves, "no move is silent"
        for move in moves:
            assert (move.before, move.after) == (before.phase, self.state.phase)
            assert (move.before, move.after) in MOVES
            assert move.reason
            assert move.at == self.now
            assert (move.who == ITSELF) != isinstance(event, TripAsked | ResetAsked)
        if before.phase is Phase.OPEN and self.state.phase is not Phase.OPEN:
            assert isinstance(event, ResetAsked) or self.has_cooled(before)
        if isinstance(event, TripAsked | ResetAsked):
            self.held_by_person = isinstance(event, TripAsked)
        if self.held_by_person:
            assert (self.state.phase, self.state.cause) == (Phase.OPEN, Cause.MANUAL)

    def has_cooled(self, before: BreakerState) -> bool:
        assert before.seen_at is not None
        assert before.spec.cooldown is not None
        return self.now - before.seen_at > timedelta(seconds=before.spec.cooldown)

    @rule(pnl=st.integers(-10, 3))
    def trade(self, pnl: int) -> None:
        before = self.state
        self.tell(TradeClosed(Decimal(pnl), self.now))
        if before.phase is Phase.HALF_OPEN and pnl < 0:
            assert self.state.phase is Phase.OPEN
        if before.phase is Phase.HALF_OPEN and pnl >= 0:
            tried = before.trial_at is not None
            assert self.state.phase is (Phase.CLOSED if tried else Phase.HALF_OPEN)

    @rule(equity=st.integers(80, 120))
    def equity(self, equity: int) -> None:
        self.tell(EquityMeasured(Decimal(equity), self.now))

    @rule(milliseconds=st.sampled_from([10, 5000]), calls=st.integers(1, 12))
    def calls(self, milliseconds: int, calls: int) -> None:
        for _ in range(calls):
            self.tell(CallTimed(milliseconds, self.now))

    @rule(percent=st.integers(0, 10), wrong_side=st.booleans())
    def divergence(self, percent: int, wrong_side: bool) -> None:
        self.tell(Diverged("BTC/USDT", Decimal(percent), self.now, wrong_side))
        if percent >= 5 or wrong_side:
            assert self.state.phase is Phase.OPEN

    @rule(live=st.booleans(), seconds=st.integers(0, 300))
    def feed(self, live: bool, seconds: int) -> None:
        since = None if live else self.now - timedelta(seconds=seconds)
        self.tell(FeedStale("main", since, self.now))

    @rule(exposure=st.sampled_from([900, 1000, 1001]))
    def exposure(self, exposure: int) -> None:
        self.tell(ExposureMeasured(Decimal(exposure), self.now))

    @rule()
    def refusal(self) -> None:
        self.tell(RefusedForFunds(self.now))

    @rule()
    def trip(self) -> None:
        self.tell(TripAsked("ann", "a reason", self.now))
        assert not self.state.lets_through

    @rule()
    def reset(self) -> None:
        self.tell(ResetAsked("ann", "a reason", self.now))
        assert self.state.phase is Phase.CLOSED

    @rule()
    def trial(self) -> None:
        self.tell(TrialBegun(self.now))
        assert self.state.lets_through == (self.state.phase is Phase.CLOSED)

    @rule(seconds=st.integers(0, 700))
    def time(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.tell(TimePassed(self.now))

    @invariant()
    def what_is_open_says_why_since_when_and_by_whom(self) -> None:
        state = self.state
        if state.phase is Phase.CLOSED:
            assert (state.cause, state.reason, state.opened_at) == (None, "", None)
            return
        assert state.cause is not None
        assert state.opened_at is not None
        assert state.reason in state.why
        assert state.who in state.why

    @invariant()
    def a_closed_breaker_has_no_evidence_against_it(self) -> None:
        if self.state.phase is Phase.CLOSED:
            assert self.state.measures.losses < 3


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from domain.errors import InvalidValueError
from domain.risk.breaker import BreakerState, Phase, Transition, step
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
from domain.risk.scope import Scope, ScopeKind
from domain.written import read
from tests.domain.grid.harness import T0, D

RUN = Scope(ScopeKind.RUN, "btc")
STATES = TypeAdapter(BreakerState)
EVENTS: TypeAdapter[BreakerEvent] = TypeAdapter(BreakerEvent)
OFF = {
    "consecutive_losses": None,
    "drawdown_percent": None,
    "latency_p99": None,
    "stale_feed_after": None,
    "refusals": None,
    "cooldown": None,
}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def only(**fields: Any) -> BreakerState:
    """Return a closed breaker with everything switched off but *fields*."""
    return BreakerState(RUN, read(BreakerSpec, {**OFF, **fields}, "breaker"))


class Told:
    """A breaker that has been told things, and the moves it made."""

    def __init__(self, state: BreakerState) -> None:
        self.state = state
        self.moves: list[Transition] = []

    def tell(self, *events: BreakerEvent) -> "Told":
        for event in events:
            again = EVENTS.validate_json(EVENTS.dump_json(event))
            restored = STATES.validate_json(STATES.dump_json(self.state))
            assert (again, restored) == (event, self.state)
            decided = step(restored, again)
            self.state = decided.state
            self.moves += decided.transitions
        return self

    @property
    def phase(self) -> Phase:
        return self.state.phase


def lost(*seconds: float) -> list[TradeClosed]:
    return [TradeClosed(D(-5), at(second)) for second in seconds]


def fell(seconds: float = 0) -> list[BreakerEvent]:
    return [EquityMeasured(D(100), at(seconds)), EquityMeasured(D(80), at(seconds + 1))]


CAUSES: dict[Cause, tuple[dict[str, Any], Callable[[float], list[BreakerEvent]]]] = {
    Cause.LOSSES: ({"consecutive_losses": 3}, lambda s: [*lost(s, s, s)]),
    Cause.DRAWDOWN: ({"drawdown_percent": 10}, fell),
    Cause.LATENCY: (
        {"latency_p99": 1000, "latency_calls": 10},
        lambda s: [CallTimed(1001, at(s)) for _ in range(10)],
    ),
    Cause.DIVERGENCE: ({}, lambda s: [Diverged("BTC/USDT", D(5), at(s))]),
    Cause.STALE_FEED: ({"stale_feed_after": 60}, lambda s: [FeedStale("main", at(s - 61), at(s))]),
    Cause.REFUSALS: ({"refusals": 3}, lambda s: [RefusedForFunds(at(s))] * 3),
    Cause.EXPOSURE: ({"exposure": 1000}, lambda s: [ExposureMeasured(D(1001), at(s))]),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_k5_every_cause_opens_it_and_the_transition_tells_the_whole_story(cause: Cause) -> None:
    fields, events = CAUSES[cause]
    told = Told(only(**fields)).tell(*events(0))
    (move,) = told.moves
    assert (move.scope, move.before, move.after) == (RUN, Phase.CLOSED, Phase.OPEN)
    assert (move.cause, move.who, move.at) == (cause, "breaker", told.state.opened_at)
    assert move.reason
    assert move.reason in told.state.why
    assert move.numbers
    assert not told.state.lets_through


@pytest.mark.parametrize("cause", CAUSES)
def test_it_opens_again_after_a_reset_and_not_before_there_is_new_evidence(cause: Cause) -> None:
    fields, events = CAUSES[cause]
    told = Told(only(**fields)).tell(*events(0), FeedStale("main", None, at(2)))
    told.tell(ResetAsked("ann", "looked into it", at(10)))
    assert told.state.lets_through
    told.tell(*events(100)[:-1], FeedStale("main", None, at(100)), TimePassed(at(101)))
    assert told.phase is Phase.CLOSED
    assert told.tell(*events(100)).phase is Phase.OPEN
    assert [move.after for move in told.moves] == [Phase.OPEN, Phase.CLOSED, Phase.OPEN]
    assert (told.moves[1].who, told.moves[1].reason) == ("ann", "looked into it")


@pytest.mark.parametrize("cause", CAUSES)
def test_what_is_switched_off_never_opens_it(cause: Cause) -> None:
    _, events = CAUSES[cause]
    phase = Told(only()).tell(*events(0), TimePassed(at(10_000))).phase
    assert (phase is Phase.OPEN) == (cause is Cause.DIVERGENCE)  # which nobody can switch off


# --- the measures


def test_a_trade_that_did_not_lose_ends_the_row() -> None:
    told = Told(only(consecutive_losses=3))
    told.tell(*lost(1, 2), TradeClosed(D(0), at(3)), *lost(4, 5))
    assert told.phase is Phase.CLOSED
    told.tell(*lost(6))
    assert told.moves[0].reason == "3 trades in a row lost 15 together, the limit is 3"


@pytest.mark.parametrize(
    "fields,equities,trips",
    [
        ({"drawdown_percent": 10}, [100, 90.01], False),
        ({"drawdown_percent": 10}, [100, 90], True),
        ({"drawdown_percent": 10}, [50, 100, 95, 90], True),  # from the peak, not from the start
        ({"drawdown_amount": 10}, [1000, 990.5], False),
        ({"drawdown_amount": 10}, [1000, 990], True),
        ({"drawdown_amount": 10}, [-5, 20, 12, 11, 10], True),
        ({"drawdown_percent": 10}, [-5, -6], True),  # there is nothing left to take a share of
        ({"drawdown_percent": 10}, [0, 0], False),
    ],
)
def test_k5_drawdown_is_from_the_peak(
    fields: dict[str, Any], equities: list[float], trips: bool
) -> None:
    told = Told(only(**fields))
    told.tell(*(EquityMeasured(D(str(e)), at(60 * n)) for n, e in enumerate(equities)))
    assert (told.phase is Phase.OPEN) == trips


def test_a_peak_counts_within_its_window_only() -> None:
    fields = {"drawdown_percent": 10, "drawdown_window": 3600}
    peak, low = EquityMeasured(D(100), at(0)), D(90)
    told = Told(only(**fields)).tell(peak, EquityMeasured(D(95), at(100)))
    assert told.tell(EquityMeasured(low, at(3601))).phase is Phase.CLOSED
    assert Told(only(**fields)).tell(peak, EquityMeasured(low, at(3600))).phase is Phase.OPEN


def test_an_equity_that_falls_all_day_is_remembered_in_few_points() -> None:
    state = only(drawdown_percent=100)
    for second in range(0, 86_400, 7):
        state = step(state, EquityMeasured(D(1_000_000 - second), at(second))).state
        assert len(state.measures.peaks) <= 62
    peak, latest = state.measures.peaks[0][1], D(1_000_000 - 86_394)
    assert 3500 <= peak - latest <= 3600  # that of almost an hour ago


def test_the_words_of_a_drawdown_have_the_numbers() -> None:
    told = Told(only(drawdown_percent=10)).tell(*fell())
    assert told.moves[0].reason == (
        "equity fell by 20 (20.00 %) from its peak of 100 within 1:00:00 to 80, the limit is 10 %"
    )
    assert told.moves[0].numbers["drawdown"] == 20
    amount = Told(only(drawdown_amount=20)).tell(*fell())
    assert amount.moves[0].reason.endswith("the limit is 20")


@pytest.mark.parametrize("slow,trips", [(1, False), (2, True)])
def test_p99_is_the_nearest_rank_of_the_last_calls(slow: int, trips: bool) -> None:
    told = Told(only(latency_p99=1000, latency_calls=100))
    told.tell(*(CallTimed(9000, at(0)) for _ in range(50)))  # too few to say anything
    assert told.phase is Phase.CLOSED
    told = Told(only(latency_p99=1000, latency_calls=100))
    told.tell(*(CallTimed(1000, at(0)) for _ in range(300)))
    told.tell(*(CallTimed(9000, at(0)) for _ in range(slow)))
    assert (told.phase is Phase.OPEN) == trips


@pytest.mark.parametrize(
    "event,trips",
    [
        (Diverged("BTC/USDT", D("4.999"), T0), False),
        (Diverged("BTC/USDT", D(5), T0), True),
        (Diverged("BTC/USDT", D(1), T0, wrong_side=True), True),
    ],
)
def test_divergence_opens_at_its_limit_and_the_wrong_side_always(
    event: Diverged, trips: bool
) -> None:
    told = Told(only()).tell(event)
    assert (told.phase is Phase.OPEN) == trips
    assert ("on the wrong side" in told.state.reason) == (trips and event.wrong_side)


def test_a_feed_may_be_silent_for_so_long_and_time_alone_tells() -> None:
    told = Told(only(stale_feed_after=60)).tell(FeedStale("main", at(0), at(1)))
    told.tell(FeedStale("other", at(30), at(31)), TimePassed(at(60)))
    assert told.phase is Phase.CLOSED
    told.tell(TimePassed(at(61)))
    assert told.state.reason == "main is silent for 61 s, the limit is 60 s"
    live = Told(only(stale_feed_after=60)).tell(FeedStale("main", at(0), at(1)))
    assert live.tell(FeedStale("main", None, at(50)), TimePassed(at(999))).phase is Phase.CLOSED


def test_a_feed_that_is_still_silent_opens_it_again_after_a_reset() -> None:
    told = Told(only(stale_feed_after=60)).tell(FeedStale("main", at(0), at(70)))
    told.tell(ResetAsked("ann", "let us see", at(80)))
    assert told.tell(TimePassed(at(81))).phase is Phase.OPEN


def test_refusals_count_within_their_time() -> None:
    told = Told(only(refusals=3, refusals_within=60))
    told.tell(*(RefusedForFunds(at(second)) for second in (0, 30, 60)))
    assert told.phase is Phase.CLOSED
    told.tell(RefusedForFunds(at(61), "insufficient margin"))
    assert told.state.reason.endswith("were refused for insufficient funds: insufficient margin")


def test_exposure_may_reach_its_limit() -> None:
    assert Told(only(exposure=1000)).tell(ExposureMeasured(D(1000), T0)).phase is Phase.CLOSED


# --- cooldown and trial


def test_the_cooldown_must_be_strictly_exceeded() -> None:
    told = Told(only(cooldown=600)).tell(Diverged("BTC/USDT", D(9), at(0)))
    assert told.tell(TimePassed(at(600))).phase is Phase.OPEN
    assert told.tell(TimePassed(at(600.001))).phase is Phase.HALF_OPEN
    assert told.moves[-1].reason.startswith("600 s passed without the cause: the position in")
    assert (told.moves[-1].cause, told.moves[-1].who) == (Cause.DIVERGENCE, "breaker")


def test_without_a_cooldown_only_a_person_closes_it() -> None:
    told = Told(only()).tell(Diverged("BTC/USDT", D(9), at(0)), TimePassed(at(10**8)))
    assert told.phase is Phase.OPEN


def test_the_cooldown_begins_when_the_cause_was_last_seen() -> None:
    told = Told(only(cooldown=600)).tell(Diverged("BTC/USDT", D(9), at(0)))
    told.tell(Diverged("BTC/USDT", D(9), at(500)), TimePassed(at(700)))
    assert (told.phase, len(told.moves)) == (Phase.OPEN, 1)
    assert told.tell(TimePassed(at(1101))).phase is Phase.HALF_OPEN


def test_one_more_loss_while_open_is_no_new_evidence() -> None:
    told = Told(only(cooldown=600, consecutive_losses=3)).tell(*lost(0, 0, 0), *lost(500))
    assert told.tell(TimePassed(at(601))).phase is Phase.HALF_OPEN
    told = Told(only(cooldown=600, consecutive_losses=3)).tell(*lost(0, 0, 0), *lost(1, 2, 500))
    assert told.tell(TimePassed(at(601))).phase is Phase.OPEN


def half_open(**fields: Any) -> Told:
    told = Told(only(cooldown=600, consecutive_losses=3, **fields)).tell(*lost(0, 0, 0))
    return told.tell(TimePassed(at(601)))


def test_a_half_open_breaker_lets_one_trial_through() -> None:
    told = half_open()
    assert told.state.lets_through
    assert "one trial may go" in told.state.why
    told.tell(TrialBegun(at(602)))
    assert not told.state.lets_through
    assert "its trial is under way" in told.state.why
    before = told.state
    assert told.tell(TrialBegun(at(603))).state == before


def test_a_trial_that_did_not_lose_closes_it_and_the_losses_are_forgotten() -> None:
    told = half_open().tell(TrialBegun(at(602)), TradeClosed(D(2), at(700)))
    assert told.phase is Phase.CLOSED
    assert told.moves[-1].reason == "the trial closed with 2"
    assert told.tell(*lost(701, 702)).phase is Phase.CLOSED
    assert told.tell(*lost(703)).phase is Phase.OPEN


def test_a_trial_that_lost_opens_it_again_for_another_cooldown() -> None:
    told = half_open().tell(TrialBegun(at(602)), *lost(700))
    assert (told.phase, told.moves[-1].numbers) == (Phase.OPEN, {"pnl": D(-5)})
    assert told.tell(TimePassed(at(1300))).phase is Phase.OPEN
    told.tell(TimePassed(at(1301)))
    assert told.state.lets_through


def test_the_gain_of_an_older_position_is_no_trial() -> None:
    assert half_open().tell(TradeClosed(D(2), at(602))).phase is Phase.HALF_OPEN


def test_a_trial_that_never_closes_makes_way_for_another() -> None:
    told = half_open().tell(TrialBegun(at(602)), TimePassed(at(1202)))
    assert not told.state.lets_through
    assert told.tell(TimePassed(at(1203))).state.lets_through
    assert told.phase is Phase.HALF_OPEN
    assert told.tell(TimePassed(at(5000))).state.lets_through


def test_without_half_open_the_cooldown_closes_it() -> None:
    assert half_open(half_open=False).phase is Phase.CLOSED


def test_any_cause_opens_a_half_open_breaker() -> None:
    told = half_open().tell(Diverged("BTC/USDT", D(9), at(602)))
    assert (told.phase, told.state.cause) == (Phase.OPEN, Cause.DIVERGENCE)


def test_a_trial_is_had_of_a_half_open_breaker_only() -> None:
    state = only()
    assert step(state, TrialBegun(T0)).state == state


# --- people


def test_a_person_opens_it_and_only_a_person_closes_it_again() -> None:
    told = Told(only(cooldown=600)).tell(TripAsked("ann", "news", at(0)))
    assert told.state.why == (
        "the breaker of run btc is open since 2024-08-08 00:00:00 by ann: news"
    )
    told.tell(TimePassed(at(10**7)), Diverged("BTC/USDT", D(9), at(10**7)))
    assert (told.phase, told.state.cause, len(told.moves)) == (Phase.OPEN, Cause.MANUAL, 1)
    told.tell(ResetAsked("bob", "the news was nothing", at(10**7)))
    assert told.state == replace(only(cooldown=600), measures=told.state.measures)
    assert told.state.why == "the breaker of run btc is closed"


def test_a_person_may_hold_open_what_opened_by_itself() -> None:
    told = Told(only(cooldown=600)).tell(Diverged("BTC/USDT", D(9), at(0)))
    told.tell(TripAsked("ann", "I want to look", at(1)), TimePassed(at(9999)))
    assert (told.phase, told.state.who) == (Phase.OPEN, "ann")
    assert (told.moves[-1].before, told.moves[-1].after) == (Phase.OPEN, Phase.OPEN)


def test_a_reset_of_a_closed_breaker_forgets_what_was_measured() -> None:
    told = Told(only(consecutive_losses=3)).tell(*lost(0, 1), ResetAsked("ann", "new day", at(2)))
    assert told.tell(*lost(3, 4)).moves == []


@pytest.mark.parametrize("ask", [TripAsked, ResetAsked])
@pytest.mark.parametrize("who,why", [("", "why"), ("ann", " ")])
def test_nobody_moves_it_without_a_name_and_a_reason(
    ask: type[TripAsked], who: str, why: str
) -> None:
    with pytest.raises(InvalidValueError, match="by somebody for a reason"):
        ask(who, why, T0)


def test_scopes_have_names_for_people() -> None:
    assert [str(Scope(ScopeKind.OVERALL)), str(RUN)] == ["overall", "run btc"]

"""Cleanup in the engine: slot by slot, by one clock, and never in circles."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.grid.events import Cancel, GridAction, ReconfigureAsked, Reported, TimePassed
from domain.order_ids import decode
from domain.orders import Side
from tests.domain.grid.harness import T0, Runner, configured


def passes(run: Runner, seconds: float) -> list[GridAction]:
    run.now += timedelta(seconds=seconds)
    return run.tell(TimePassed(run.now))


def canceled(actions: list[GridAction]) -> int:
    return sum(isinstance(action, Cancel) for action in actions)


def cleaned(**cleanup: Any) -> dict[str, Any]:
    return {"cleanup": {"threshold": 50, **cleanup}}


def reconfigured(run: Runner, **fields: Any) -> list[GridAction]:
    return run.tell(ReconfigureAsked(configured(**fields), T0))


def test_no_more_is_placed_than_a_cleanup_would_leave() -> None:
    run = Runner(configured(buy_window=8, **cleaned(threshold=5)))
    assert run.ladder()["buy"] == [9_500, 9_600, 9_700, 9_800, 9_900]
    assert passes(run, 60) == []


def test_the_farthest_entries_go_once_there_are_too_many_and_their_slots_know() -> None:
    run = Runner(configured(buy_window=8))
    run.fills(Side.BUY, 9_900)
    reconfigured(run, buy_window=8, **cleaned(threshold=4))
    assert len(run.venue.working()) == 9
    assert canceled(passes(run, 1)) == 5
    assert run.ladder() == {"buy": [9_600, 9_700, 9_800], "sell": [10_000]}
    assert {slot.entry.ticks for slot in run.state.slots.values() if slot.order} == {
        9_600,
        9_700,
        9_800,
        9_900,
    }
    assert passes(run, 60) == []
    run.books_agree()


def test_k8_partly_filled_entries_stay_whatever_their_number() -> None:
    floor = {"lower": "970"}
    run = Runner(configured(bounds=floor))
    for ticks in (9_900, 9_800, 9_700):
        run.fills(Side.BUY, ticks, 1)
    reconfigured(run, bounds=floor, **cleaned(threshold=1))
    for _ in range(3):
        assert passes(run, 60) == []
    assert run.ladder()["buy"] == [9_700, 9_800, 9_900]


def test_k9_what_is_old_is_told_by_our_clock_from_when_it_was_first_seen() -> None:
    """The venue of this test tells no times at all; to the old cleaner all was of 1970."""
    run = Runner(configured(**cleaned(max_age=60)))
    run.now = T0 + timedelta(days=1000)
    assert passes(run, 0) == []
    assert passes(run, 60) == []
    assert canceled(passes(run, 1)) == 3
    assert run.ladder()["buy"] == []
    assert run.state.slots == {}


def test_a_level_that_was_cleaned_rests_until_the_center_moves() -> None:
    run = Runner(configured(**cleaned(max_age=60)))
    for seconds in (0, 61):
        passes(run, seconds)
    for _ in range(3):
        assert passes(run, 61) == []
    run.moves(10_050)
    assert run.ladder()["buy"] == []
    run.moves(10_100)
    assert run.ladder()["buy"] == [9_800, 9_900, 10_000]


def test_other_settings_let_all_levels_be_entered_again() -> None:
    run = Runner(configured(**cleaned(max_age=60)))
    for seconds in (0, 61):
        passes(run, seconds)
    reconfigured(run, **cleaned(max_age=120))
    assert run.ladder()["buy"] == [9_700, 9_800, 9_900]


def test_an_entry_that_comes_back_is_young_again() -> None:
    run = Runner(configured(**cleaned(max_age=60)))
    passes(run, 0)
    passes(run, 50)
    run.fills(Side.BUY, 9_900)
    run.moves(10_000)  # out, and in again
    passes(run, 5)
    assert canceled(passes(run, 10)) == 2
    assert run.ladder()["buy"] == [9_600, 9_900]


def test_without_a_cleanup_time_changes_nothing() -> None:
    run = Runner(configured())
    before = run.state
    passes(run, 10_000_000)
    assert run.state == before


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(9_300, 10_700)),
        st.tuples(st.just("fill"), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(1, 200)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(
    steps=STEPS,
    threshold=st.integers(1, 12),
    max_age=st.one_of(st.none(), st.integers(60, 300)),
    direction=st.sampled_from(["long", "neutral", "short"]),
    budget=st.integers(1, 14),
)
def test_in_a_market_that_stands_still_it_ends(
    steps: list[tuple[str, int]], threshold: int, max_age: int | None, direction: str, budget: int
) -> None:
    fields: dict[str, Any] = {
        "direction": direction,
        "buy_window": 6,
        "sell_window": 6,
        "order_budget": budget,
    }
    run = Runner(configured(**fields))
    for number, (kind, value) in enumerate(steps):
        if number == len(steps) // 2:
            reconfigured(run, **fields, **cleaned(threshold=threshold, max_age=max_age))
        _happens(run, kind, value)
    reconfigured(run, **fields, **cleaned(threshold=threshold, max_age=max_age))
    passes(run, 1)  # what was refused, and rests, tries again
    waits = [passes(run, 301) for _ in range(28)]
    gone = Counter(level for wait in waits for level in _cleaned(wait))
    assert max(gone.values(), default=0) <= 1, "what was cleaned away came back"
    # Twelve levels, one after the other at worst, each seen at one wait and too old at the next.
    assert all(wait == [] for wait in waits[25:])
    working = run.state.working()
    may_go = [order for order in working if order.entry and not order.filled]
    assert len(working) <= threshold or not may_go
    assert not may_go or max_age is None
    run.books_agree()


def _cleaned(actions: list[GridAction]) -> list[int]:
    keys = [decode(action.client_id) for action in actions if isinstance(action, Cancel)]
    return [key.key for key in keys if key]


def _happens(run: Runner, kind: str, value: int) -> None:
    if kind == "move":
        run.moves(value)
    elif kind == "wait":
        passes(run, value)
    elif working := run.venue.working():
        order = working[value % len(working)]
        run.tell(Reported(run.venue.fill(order, max(order.leaves // 2, 1))))


def test_times_come_from_events_only() -> None:
    one, other = (Runner(configured(**cleaned(max_age=60))) for _ in range(2))
    for run in (one, other):
        passes(run, 0)
        passes(run, 61)
    assert one.state == other.state
    assert isinstance(one.now, datetime)

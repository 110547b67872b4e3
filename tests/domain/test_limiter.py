"""The limiter: no window is ever overfull, and the important go first."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValueError
from domain.limiter import Limiter, Priority, Rate, Waiting, released

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def limiter(amount: int = 2) -> Limiter:
    return Limiter({"orders": Rate(amount, SECOND), "weight": Rate(100, SECOND)})


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="rate"):
        Rate(0, SECOND)


def test_a_full_window_makes_the_next_one_wait_until_the_first_has_left_it() -> None:
    limits = limiter()
    limits.take({"orders": 1}, after(0))
    limits.take({"orders": 1}, after(0.4))
    assert limits.wait({"orders": 1}, after(0.5)) == timedelta(seconds=0.5)
    assert limits.wait({"orders": 2}, after(0.5)) == timedelta(seconds=0.9)
    assert limits.wait({"weight": 1}, after(0.5)) == timedelta(0)
    assert limits.wait({"orders": 1}, after(1)) <= timedelta(0)


def test_a_cost_above_the_amount_gets_an_empty_window_and_not_for_ever_nothing() -> None:
    limits = limiter()
    limits.take({"orders": 1}, after(0))
    assert limits.wait({"orders": 5}, after(0.2)) == timedelta(seconds=0.8)
    assert limits.wait({"orders": 5}, after(1.1)) <= timedelta(0)


def test_a_pause_holds_everything_back() -> None:
    limits = limiter()
    limits.pause(after(3))
    limits.pause(after(2))
    assert limits.wait({"weight": 1}, after(1)) == timedelta(seconds=2)


def test_the_venues_own_count_makes_room_for_others() -> None:
    limits = limiter()
    limits.told("weight", 98, after(0))
    assert limits.wait({"weight": 2}, after(0)) <= timedelta(0)
    assert limits.wait({"weight": 3}, after(0)) == SECOND
    limits.told("unknown", 5, after(0))


def test_a_cancel_overtakes_and_a_query_of_another_bucket_is_not_held_up() -> None:
    limits = limiter(amount=1)
    waiting = [
        Waiting(Priority.PLACE, 1, {"orders": 1}),
        Waiting(Priority.PLACE, 2, {"orders": 1}),
        Waiting(Priority.QUERY, 3, {"weight": 1}),
        Waiting(Priority.REDUCE, 4, {"orders": 1}),
        Waiting(Priority.CANCEL, 5, {"orders": 1}),
    ]
    leaving, wait = released(limits, waiting, after(0))
    assert [each.number for each in leaving] == [5, 3]
    assert wait == SECOND
    rest = [each for each in waiting if each not in leaving]
    order = []
    for step in range(1, 4):
        leaving, _ = released(limits, rest, after(step))
        order += [each.number for each in leaving]
        rest = [each for each in rest if each not in leaving]
    assert order == [4, 1, 2]


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 3)), max_size=60),
    st.integers(1, 5),
)
def test_no_span_of_a_windows_length_ever_has_more_than_its_amount(
    asked: list[tuple[int, int]], amount: int
) -> None:
    limits = Limiter({"orders": Rate(amount, SECOND)})
    now, left = T0, []
    for gap, cost in asked:
        now += timedelta(milliseconds=gap)
        wait = limits.wait({"orders": cost}, now)
        now = max(now, now + wait)
        assert limits.wait({"orders": cost}, now) <= timedelta(0)
        limits.take({"orders": cost}, now)
        left.append((now, cost))
    for at, _ in left:
        span = [cost for then, cost in left if at <= then < at + SECOND]
        assert sum(span) <= max(amount, *span)


def test_what_was_used_is_told_of_the_span_that_ends_now() -> None:
    limits = limiter()
    limits.take({"orders": 1, "weight": 40}, T0)
    limits.take({"orders": 1}, after(0.5))
    assert [(each.bucket, each.used) for each in limits.usage(after(0.9))] == [
        ("orders", 2),
        ("weight", 40),
    ]
    assert [each.used for each in limits.usage(after(1.2))] == [1, 0]


def test_a_pause_is_told_until_it_is_over() -> None:
    limits = limiter()
    assert limits.paused(T0) == timedelta(0)
    limits.pause(after(3))
    assert limits.paused(after(1)) == timedelta(seconds=2)
    assert limits.paused(after(4)) == timedelta(0)

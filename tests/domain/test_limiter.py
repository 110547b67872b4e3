"""The limiter: no window is ever overfull, and the important go first."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValueError
from domain.limiter import Costs, Limiter, Priority, Rate, Waiting, released

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def limiter(amount: int = 2) -> Limiter:
    return Limiter({"orders": Rate(amount, SECOND), "weight": Rate(100, SECOND)})


def send(limits: Limiter, costs: Costs, at: datetime, answered: datetime | None = None) -> None:
    limits.take(costs)
    limits.land(costs, answered or at)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="rate"):
        Rate(0, SECOND)


def test_a_full_window_makes_the_next_one_wait_until_the_first_has_left_it() -> None:
    limits = limiter()
    send(limits, {"orders": 1}, after(0))
    send(limits, {"orders": 1}, after(0.4))
    assert limits.wait({"orders": 1}, after(0.5)) == timedelta(seconds=0.5)
    assert limits.wait({"orders": 2}, after(0.5)) == timedelta(seconds=0.9)
    assert limits.wait({"weight": 1}, after(0.5)) == timedelta(0)
    assert limits.wait({"orders": 1}, after(1)) <= timedelta(0)


def test_a_request_counts_from_its_leaving_until_a_window_after_its_answer() -> None:
    limits = limiter()
    limits.take({"orders": 2})
    assert limits.wait({"orders": 1}, after(60)) == SECOND  # nobody knows; ask again then
    limits.land({"orders": 2}, after(60))
    assert limits.wait({"orders": 1}, after(60.5)) == timedelta(seconds=0.5)
    assert limits.wait({"orders": 1}, after(61)) <= timedelta(0)


def test_a_cost_above_the_amount_never_fits() -> None:
    limits = limiter()
    assert limits.fits({"orders": 2, "weight": 100}, T0)
    assert not limits.fits({"orders": 3}, T0)
    assert limits.wait({"orders": 3}, T0) > timedelta(0)


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
        limits.land({"orders": 1}, after(step - 1))
        leaving, _ = released(limits, rest, after(step))
        order += [each.number for each in leaving]
        rest = [each for each in rest if each not in leaving]
    assert order == [4, 1, 2]


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 3), st.integers(0, 2500), st.floats(0, 1)),
        max_size=60,
    ),
    st.integers(3, 5),
)
def test_no_more_arrives_in_any_window_however_long_requests_take(
    asked: list[tuple[int, int, int, float]], amount: int
) -> None:
    """Each leaves as soon as it may, arrives somewhere on its way, and is answered later."""
    limits = Limiter({"orders": Rate(amount, SECOND)})
    now, arrived = T0, []
    under_way: list[tuple[datetime, int]] = []
    for gap, cost, takes, fraction in asked:
        now += timedelta(milliseconds=gap)
        while limits.wait({"orders": cost}, now) > timedelta(0):
            now += timedelta(milliseconds=20)
            for each in [each for each in under_way if each[0] <= now]:
                under_way.remove(each)
                limits.land({"orders": each[1]}, each[0])
        limits.take({"orders": cost})
        way = timedelta(milliseconds=takes)
        under_way.append((now + way, cost))
        arrived.append((now + way * fraction, cost))
    for at, _ in arrived:
        assert sum(cost for then, cost in arrived if at <= then < at + SECOND) <= amount


def test_what_was_used_is_told_of_the_span_that_ends_now() -> None:
    limits = limiter()
    send(limits, {"orders": 1, "weight": 40}, T0)
    send(limits, {"orders": 1}, after(0.5))
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


def test_a_smaller_part_counts_at_once_and_a_larger_one_when_others_have_stopped() -> None:
    limits = limiter(amount=10)
    limits.allot("orders", 5, None, after(0))
    assert limits.most("orders", after(0)) == 5
    limits.allot("orders", 10, None, after(1))
    assert limits.most("orders", after(2.4)) == 5
    assert limits.most("orders", after(2.6)) == 10
    limits.allot("orders", 10, None, after(3))  # nothing new
    assert limits.most("orders", after(3)) == 10


def test_what_the_venue_counts_itself_may_be_used_at_once() -> None:
    limits = Limiter({"weight": Rate(100, SECOND, reported=True)})
    limits.allot("weight", 0, None, after(0))
    limits.allot("weight", 50, None, after(1))
    limits.told("weight", 80, after(1))
    assert limits.wait({"weight": 20}, after(1)) <= timedelta(0)
    assert limits.wait({"weight": 21}, after(1)) == SECOND
    assert not limits.fits({"weight": 51}, after(1))


def test_the_venues_count_holds_own_requests_and_those_of_others() -> None:
    limits = limiter()
    send(limits, {"weight": 30}, after(0))
    limits.take({"weight": 20})
    limits.told("weight", 60, after(0.5))  # ten of others
    assert limits.usage(after(0.5))[1].used == 60
    limits.land({"weight": 20}, after(0.6))
    assert limits.wait({"weight": 41}, after(0.6)) == timedelta(seconds=0.4)


def test_nothing_leaves_after_the_lease() -> None:
    limits = limiter()
    limits.allot("orders", 2, after(10), after(0))
    assert limits.wait({"orders": 1}, after(9.9)) <= timedelta(0)
    assert limits.wait({"orders": 1}, after(10)) > timedelta(0)
    assert limits.wait({"weight": 1}, after(10)) <= timedelta(0)

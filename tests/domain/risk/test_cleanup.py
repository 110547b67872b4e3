from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.grid.slot import WorkingOrder
from domain.money import Price, Quantity
from domain.orders import Side
from domain.risk.cleanup import CleanupSpec, surplus
from tests.domain.grid.harness import T0


def order(name: str) -> WorkingOrder:
    """Return a live entry: `b95` buys at 95, `s105` sells at 105."""
    side = Side.BUY if name[0] == "b" else Side.SELL
    return WorkingOrder(name, side, Price(int(name[1:])), Quantity(10), entry=True, rank=1)


def chosen(threshold: int, *orders: WorkingOrder, max_age: int | None = None) -> list[str]:
    spec = CleanupSpec(threshold=threshold, max_age=max_age)
    return list(surplus(spec, orders, {}, T0))


def named(*names: str) -> list[WorkingOrder]:
    return [order(name) for name in names]


@pytest.mark.parametrize(
    "threshold,names,gone",
    [
        (5, "b99 b98 b97 b96 b95 b94 b93 b92 b91 b90", "b90 b91 b92 b93 b94"),
        (4, "b99 b98 b97 s101 s102 s103", "b97 s103"),
        (4, "b99 b98 b97 b96 b95 s101", "b95 b96"),
        (4, "s101 s102 s103 s104 s105 b99", "s105 s104"),
        (3, "b99 b98 b97 s101 s102 s103", "b97 s103 b98"),
        (6, "b99 b98 b97 s101 s102 s103", ""),
        (1, "b99 s101", "b99"),
        (50, "", ""),
    ],
)
def test_the_farthest_of_the_larger_side_go_first(threshold: int, names: str, gone: str) -> None:
    orders = named(*names.split())
    assert chosen(threshold, *orders) == gone.split()
    assert chosen(threshold, *reversed(orders)) == gone.split()


def test_k8_partly_filled_entries_stay_and_the_loop_ends() -> None:
    partly = [replace(one, filled=Quantity(1)) for one in named("b99", "b98", "b97", "s101")]
    assert chosen(1, *partly) == []
    assert chosen(1, *partly, order("s102")) == ["s102"]


def test_exits_and_what_is_not_known_to_be_live_stay_but_count() -> None:
    exit_order = replace(order("s101"), entry=False)
    pending = replace(order("b90"), rank=0)
    doubtful = replace(order("b91"), unknown=True)
    market = replace(order("b92"), price=None)
    kept = [exit_order, pending, doubtful, market]
    assert chosen(1, *kept) == []
    assert chosen(4, *kept, order("b99")) == ["b99"]


def test_what_is_being_canceled_is_not_canceled_again_and_makes_room() -> None:
    going = replace(order("b95"), canceling=True)
    assert chosen(2, order("b99"), order("b98"), going) == []


def test_k9_only_an_order_whose_age_is_known_can_be_too_old() -> None:
    orders = named("b99", "b98", "s101")
    since = {"b99": T0 - timedelta(seconds=600), "b98": T0 - timedelta(seconds=601)}
    aging = CleanupSpec(threshold=50, max_age=600)
    assert surplus(aging, orders, since, T0) == ("b98",)
    assert surplus(CleanupSpec(threshold=50), orders, since, T0) == ()
    assert surplus(aging, orders, {}, T0) == ()


def test_an_order_that_is_far_and_old_goes_once() -> None:
    old = {"b98": T0 - timedelta(days=1)}
    spec = CleanupSpec(threshold=1, max_age=600)
    assert surplus(spec, named("b99", "b98"), old, T0) == ("b98",)


@given(
    st.lists(
        st.builds(
            WorkingOrder,
            st.uuids().map(str),
            st.sampled_from(Side),
            st.integers(1, 200).map(Price),
            st.just(Quantity(10)),
            st.booleans(),
            filled=st.integers(0, 1).map(Quantity),
            rank=st.integers(0, 1),
            canceling=st.booleans(),
        ),
        max_size=30,
    ),
    st.integers(1, 20),
)
def test_it_goes_down_to_the_threshold_or_as_far_as_it_may(
    orders: list[WorkingOrder], threshold: int
) -> None:
    gone = set(chosen(threshold, *orders))
    by_id = {one.client_id: one for one in orders}
    assert all(by_id[name].entry and not by_id[name].filled for name in gone)
    left = [one for one in orders if not one.canceling and one.client_id not in gone]
    may_go = [one for one in left if one.entry and not one.filled and one.rank]
    assert len(left) <= threshold or not may_go
    if gone:
        assert len(left) >= threshold
    for side in Side:
        far = [one.price.ticks * -side.sign for one in may_go if one.side is side and one.price]
        went = [by_id[name] for name in gone if by_id[name].side is side]
        assert all(
            one.price.ticks * -side.sign >= max(far, default=-999) for one in went if one.price
        )

"""The ladder: levels in whole ticks that never drift, and the nearest of them (decision D1)."""

from decimal import Context, Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValueError
from domain.grid.lattice import Lattice, arithmetic, even_range, geometric, geometric_range
from domain.money import Price

D = Decimal
INTERVALS = st.integers(1, 10_000)
RATIOS = st.decimals("1.001", "1.5", places=4)


@given(INTERVALS, st.integers(1, 10**9))
def test_the_center_is_the_price_rounded_half_up_to_an_interval(interval: int, ticks: int) -> None:
    level = arithmetic(interval).nearest(Price(ticks))
    assert level * interval == (2 * ticks + interval) // (2 * interval) * interval


@pytest.mark.parametrize(
    "interval,price,center",
    [(10, 104, 10), (10, 105, 11), (10, 95, 10), (10, 94, 9), (7, 24, 3), (7, 25, 4), (1, 5, 5)],
)
def test_halves_go_up(interval: int, price: int, center: int) -> None:
    assert arithmetic(interval).nearest(Price(price)) == center


@given(INTERVALS, st.integers(1, 10**6))
def test_levels_never_drift(interval: int, level: int) -> None:
    lattice = arithmetic(interval)
    assert lattice.ticks(level) == level * interval
    assert lattice.ticks(level + 1) - lattice.ticks(level) == interval


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(2, 401))
def test_a_range_has_exact_ends_and_even_steps(lower: int, width: int, levels: int) -> None:
    width = max(width, levels - 1)
    lattice = even_range(Price(lower), Price(lower + width), levels)
    prices = [lattice.ticks(level) for level in range(levels)]
    assert (prices[0], prices[-1]) == (lower, lower + width)
    steps = [high - low for low, high in pairwise(prices)]
    assert max(steps) - min(steps) <= 1
    assert not lattice.has(-1)
    assert not lattice.has(levels)


@given(st.integers(1_000, 10**7), st.integers(1_000, 10**7), st.integers(2, 401))
def test_a_geometric_range_has_exact_ends_and_only_rises(
    lower: int, width: int, levels: int
) -> None:
    lattice = geometric_range(Price(lower), Price(lower + width), levels)
    prices = [lattice.ticks(level) for level in range(levels)]
    assert (prices[0], prices[-1]) == (lower, lower + width)
    assert prices == sorted(prices)


@given(st.integers(1_000, 10**7), RATIOS, st.integers(-50, 60))
def test_geometric_levels_only_rise_and_hang_on_their_anchor(
    anchor: int, ratio: Decimal, level: int
) -> None:
    lattice = geometric(Price(anchor), ratio)
    assert lattice.ticks(0) == anchor
    assert lattice.ticks(level) <= lattice.ticks(level + 1)
    wide = Context(prec=60)
    exact = wide.multiply(D(anchor), wide.power(ratio, level))
    assert abs(wide.subtract(D(lattice.ticks(level)), exact)) <= D("0.5001")


LATTICES = st.one_of(
    st.builds(arithmetic, INTERVALS),
    st.builds(geometric, st.builds(Price, st.integers(1_000, 10**6)), RATIOS),
    st.builds(
        lambda low, width, levels: even_range(Price(low), Price(low + width), levels),
        st.integers(1, 10**5),
        st.integers(400, 10**5),
        st.integers(2, 100),
    ),
    st.builds(
        lambda low, width, levels: geometric_range(Price(low), Price(low + width), levels),
        st.integers(10**3, 10**5),
        st.integers(10**3, 10**5),
        st.integers(2, 100),
    ),
)
PRICES = st.builds(Price, st.integers(1, 10**6))


@given(LATTICES, PRICES)
def test_the_level_below_is_the_highest_not_above(lattice: Lattice, price: Price) -> None:
    level = lattice.at_or_below(price)
    assert lattice.ticks(level) <= price.ticks < lattice.ticks(level + 1)


@given(LATTICES, PRICES)
def test_nearest_is_nearest(lattice: Lattice, price: Price) -> None:
    level = lattice.nearest(price)
    away = abs(lattice.ticks(level) - price.ticks)
    for other in (level - 1, level + 1):
        if lattice.has(other):
            assert away <= abs(lattice.ticks(other) - price.ticks)


@given(LATTICES, PRICES)
def test_a_price_lies_inside_the_band_of_its_own_center(lattice: Lattice, price: Price) -> None:
    center = lattice.nearest(price)
    falls, rises = lattice.falls_at(center), lattice.rises_at(center)
    steps = lattice.ticks(center + 1) > lattice.ticks(center) > lattice.ticks(center - 1)
    if steps:  # levels of less than a tick have no inside
        assert falls is None or falls < price.ticks
        assert rises is None or price.ticks < rises


@given(LATTICES, PRICES)
def test_a_center_gives_way_when_the_next_level_is_reached(lattice: Lattice, price: Price) -> None:
    center = lattice.nearest(price)
    rises, falls = lattice.rises_at(center), lattice.falls_at(center)
    if rises is not None:
        assert rises == lattice.ticks(center + 1)
        assert lattice.nearest(Price(rises)) > center
    if falls is not None and lattice.ticks(center) > falls:
        assert falls == lattice.ticks(center - 1)
        assert lattice.nearest(Price(falls)) < center


def test_the_ends_of_a_range_hold_the_center() -> None:
    lattice = even_range(Price(100), Price(200), 11)
    assert lattice.nearest(Price(1)) == 0
    assert lattice.nearest(Price(10**6)) == 10
    assert lattice.falls_at(0) is None
    assert lattice.rises_at(10) is None


def test_there_are_no_levels_at_or_below_nothing() -> None:
    lattice = arithmetic(100)
    assert not lattice.has(0)
    assert lattice.has(1)
    assert lattice.falls_at(1) is None
    with pytest.raises(InvalidValueError, match="at least one tick, was 0"):
        lattice.price(0)


def test_levels_less_than_a_tick_apart_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="at least one tick apart, were 5/10 ticks"):
        even_range(Price(100), Price(105), 11)

"""Neutrality and liquidation distance, with the sums beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.gauges import liquidation_distance, neutrality
from domain.market import Position
from domain.money import Price
from tests.domain.arbitrage.market import D


@pytest.mark.parametrize(
    "one, other, share",
    [
        ("1", "-1", "1"),  # 1 - 0 / 2
        ("-1", "1", "1"),
        ("1", "0", "0"),  # 1 - 1 / 1
        ("1", "1", "0"),  # 1 - 2 / 2: no hedge at all
        ("1", "-0.6", "0.75"),  # 1 - 0.4 / 1.6
    ],
)
def test_neutrality_is_of_signed_sizes(one: str, other: str, share: str) -> None:
    assert neutrality(D(one), D(other)) == D(share)


def test_nothing_is_not_neutral() -> None:
    assert neutrality(D("0"), D("0")) is None


sizes = st.decimals("-1000", "1000", places=4)


@given(sizes, sizes)
def test_neutrality_is_a_share_and_knows_no_first_leg(one: object, other: object) -> None:
    found = neutrality(D(str(one)), D(str(other)))
    assert found == neutrality(D(str(other)), D(str(one)))
    assert found is None or 0 <= found <= 1


def position(lots: int, mark: int | None, liquidation: int | None) -> Position:
    prices = [None if ticks is None else Price(ticks) for ticks in (mark, liquidation)]
    return Position("X", lots, 0, mark=prices[0], liquidation=prices[1])


@pytest.mark.parametrize(
    "lots, mark, liquidation, share",
    [
        (5, 1000, 800, "0.2"),  # (1000 - 800) / 1000
        (-5, 1000, 1050, "0.05"),  # (1050 - 1000) / 1000
        (5, 1000, 1000, "0"),
        (5, 1000, 1100, "-0.1"),  # beyond it
        (-5, 1000, 900, "-0.1"),
    ],
)
def test_the_distance_is_a_share_of_the_mark(
    lots: int, mark: int, liquidation: int, share: str
) -> None:
    assert liquidation_distance(position(lots, mark, liquidation)) == D(share)


@pytest.mark.parametrize("told", [(0, 1000, 800), (5, None, 800), (5, 1000, None)])
def test_a_distance_that_is_not_told_is_not_far(told: tuple[int, int | None, int | None]) -> None:
    assert liquidation_distance(position(*told)) is None

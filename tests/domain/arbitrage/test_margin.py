"""Health, what-if and headroom of an account, and which changes may go ahead; sums beside them."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from domain.arbitrage.margin import (
    LegChange,
    MarginAccount,
    MarginSpec,
    Obstacle,
    Weighed,
    admit,
    what_if,
)
from domain.arbitrage.rebalance import Change, Kind
from domain.errors import InvalidValueError
from domain.money import MarketKind
from tests.domain.arbitrage.market import T0, D

SPEC = MarginSpec()
SPOT, PERPETUAL = MarketKind.SPOT, MarketKind.PERPETUAL


def account(equity: str = "10000", maintenance: str = "1000") -> MarginAccount:
    return MarginAccount(D(equity), D(maintenance), T0)


@pytest.mark.parametrize(
    "equity, maintenance, health, liquidates",
    [
        ("10000", "1000", "0.88", False),  # 1 - 1000 * 1.2 / 10 000
        ("10000", "2500", "0.7", False),
        ("6000", "2500", "0.5", False),
        ("1200", "1000", "0", False),  # 1 - 1, and not beyond
        ("1199", "1000", "0", True),
        ("10000", "0", "1", False),
        ("0", "0", "0", False),
        ("0", "1", "0", True),
        ("-5", "0", "0", True),
    ],
)
def test_health_is_what_the_buffered_maintenance_leaves(
    equity: str, maintenance: str, health: str, liquidates: bool
) -> None:
    found = account(equity, maintenance)
    assert found.health(SPEC) == D(health)
    assert found.liquidates(SPEC) is liquidates


@pytest.mark.parametrize(
    "equity, maintenance, headroom, use",
    [
        ("10000", "1000", "7200", "0.1"),  # 9000 * 0.8
        ("1000", "1000", "0", "1"),
        ("1000", "2000", "0", "2"),
        ("0", "0", "0", None),
        ("-10", "5", "0", None),
    ],
)
def test_headroom_and_use(equity: str, maintenance: str, headroom: str, use: str | None) -> None:
    found = account(equity, maintenance)
    assert found.headroom(SPEC) == D(headroom)
    assert found.use == (None if use is None else D(use))


def test_maintenance_is_not_negative() -> None:
    with pytest.raises(InvalidValueError, match="maintenance margin is not negative, was -1"):
        account(maintenance="-1")


# ---- what if


@pytest.mark.parametrize(
    "leg, equity, maintenance",
    [
        # |−0.5| - |−0.2| = 0.3; 0.3 * 50 000 * 0.05 = 750
        (LegChange(PERPETUAL, D("-0.2"), D("-0.5"), D("50000")), "10000", "1750"),
        # the venue's own rate: 0.3 * 50 000 * 0.004 = 60
        (LegChange(PERPETUAL, D("0.2"), D("0.5"), D("50000"), D("0.004")), "10000", "1060"),
        # turned around: 0.2 - 0.5
        (LegChange(PERPETUAL, D("-0.5"), D("0.2"), D("50000")), "10000", "250"),
        (LegChange(PERPETUAL, D("-0.5"), D("0"), D("50000")), "10000", "0"),  # not below 0
        # 0.1 * 50 000 * (0.95 - 1) = -250
        (LegChange(SPOT, D("0"), D("0.1"), D("50000"), haircut=D("0.95")), "9750", "1000"),
        # not told: worth nothing as margin, 0.1 * 50 000 * (0 - 1) = -5000
        (LegChange(SPOT, D("0"), D("0.1"), D("50000")), "5000", "1000"),
        # sold again: +250
        (LegChange(SPOT, D("0.1"), D("0"), D("50000"), haircut=D("0.95")), "10250", "1000"),
    ],
)
def test_a_leg_moves_equity_or_maintenance(leg: LegChange, equity: str, maintenance: str) -> None:
    assert what_if(SPEC, account(), [leg]) == account(equity, maintenance)


def test_the_legs_of_one_account_add_up() -> None:
    legs = [
        LegChange(SPOT, D("0"), D("0.1"), D("50000"), haircut=D("0.95")),
        LegChange(PERPETUAL, D("0"), D("-0.1"), D("50000")),
    ]
    found = what_if(SPEC, account(), legs)
    assert found == account("9750", "1250")  # 1000 + 0.1 * 50 000 * 0.05
    assert found.health(SPEC).quantize(D("1e-9")) == D("0.846153846")  # 1 - 1500 / 9750


def test_a_fall_of_what_is_held_lowers_the_equity_by_its_haircut() -> None:
    # 0.4 * (47 500 - 50 000) * 0.95 = -950
    found = account().marked(D("0.4"), D("50000"), D("47500"), D("0.95"))
    assert found == account("9050", "1000")
    # a short of 0.4 counts in full: +1000
    both = found.marked(D("-0.4"), D("50000"), D("47500"), D("1"))
    assert both == account("10050", "1000")


# ---- what may go ahead

ADD = Change(Kind.ADD, "A", D("0"), D("10000"))
RESIZE = Change(Kind.RESIZE, "B", D("5000"), D("15000"))
REDUCE = Change(Kind.REDUCE, "C", D("5000"), D("1000"))
REMOVE = Change(Kind.REMOVE, "D", D("5000"), D("0"))


def weighed(change: Change, *accounts: str, size: str = "-0.2") -> Weighed:
    """A change that sells *size* more of a perpetual on each account: 500 of maintenance each."""
    leg = LegChange(PERPETUAL, D("0"), D(size), D("50000"))
    return Weighed(change, dict.fromkeys(accounts, (leg,)))


def test_a_change_is_seen_after_those_before_it() -> None:
    # 1000 + 500 = 1500: 1 - 1800 / 10 000 = 0.82; 2000: 0.76, under 0.8
    found = admit(SPEC, [weighed(RESIZE, "one"), weighed(ADD, "one")], {"one": account()}, T0)
    assert found.changes == (RESIZE,)
    assert found.held_back == ((ADD, Obstacle.HEALTH),)


def test_a_change_that_is_held_back_uses_no_margin() -> None:
    changes = [weighed(RESIZE, "one", size="-2"), weighed(ADD, "one")]
    found = admit(SPEC, changes, {"one": account()}, T0)
    assert found.changes == (ADD,)
    assert found.held_back == ((RESIZE, Obstacle.HEALTH),)


@pytest.mark.parametrize(
    "maintenance, passes",
    [("1166", True), ("1167", False)],  # + 500: 1 - 1666 * 1.2 / 10 000 = 0.80008; 0.79996
)
def test_an_entry_leaves_a_health_of_four_fifths(maintenance: str, passes: bool) -> None:
    accounts = {"one": account(maintenance=maintenance)}
    assert bool(admit(SPEC, [weighed(ADD, "one")], accounts, T0).changes) is passes


def test_both_accounts_must_bear_it() -> None:
    accounts = {"one": account(), "two": account(maintenance="4000")}
    found = admit(SPEC, [weighed(ADD, "one", "two")], accounts, T0)
    assert found.held_back == ((ADD, Obstacle.HEALTH),)


AGO = timedelta(seconds=30)


@pytest.mark.parametrize(
    "accounts, after, obstacle",
    [
        ({}, timedelta(0), Obstacle.UNKNOWN),
        ({"one": account()}, AGO, None),
        ({"one": account()}, AGO + timedelta(milliseconds=1), Obstacle.STALE),
    ],
)
def test_an_account_must_be_seen_lately_before_it_expands(
    accounts: Mapping[str, MarginAccount], after: timedelta, obstacle: Obstacle | None
) -> None:
    found = admit(SPEC, [weighed(ADD, "one")], accounts, T0 + after)
    assert found.held_back == (() if obstacle is None else ((ADD, obstacle),))


def test_a_change_whose_legs_are_not_told_is_not_harmless() -> None:
    found = admit(SPEC, [Weighed(ADD, {})], {"one": account()}, T0)
    assert found.held_back == ((ADD, Obstacle.UNKNOWN),)


def test_nothing_that_shrinks_is_held_back() -> None:
    changes = [weighed(REMOVE, "nowhere"), weighed(REDUCE, "one")]
    ruined = {"one": account("-1", "5000")}
    found = admit(SPEC, changes, ruined, T0 + timedelta(days=1))
    assert found.changes == (REMOVE, REDUCE)
    assert found.held_back == ()


@pytest.mark.parametrize(
    "maintenance, equity, excess",
    [
        ("6500", "10000", "0"),  # 0.65 is not above it
        ("8000", "10000", "0.1875"),  # 1 - 6500 / 8000
        ("6500", "5000", "0.5"),
        ("1", "0", "1"),  # no equity to take a share of
        ("1", "-5", "1"),
        ("0", "0", "0"),  # nothing needs margin
        ("0", "-5", "0"),
    ],
)
def test_the_excess_is_what_brings_the_use_to_its_limit(
    maintenance: str, equity: str, excess: str
) -> None:
    assert account(equity, maintenance).excess(SPEC) == D(excess)


def test_nothing_grows_on_a_strained_account() -> None:
    loose = MarginSpec(entry_health=D("0.3"))  # 1 - 6501 * 1.2 / 10 000 is below it, 6000 is not
    held = {"one": account(maintenance="6501")}
    assert admit(loose, [weighed(ADD, "one")], held, T0).held_back == ((ADD, Obstacle.STRAINED),)


def test_a_pair_may_not_grow_to_where_it_has_to_give_back() -> None:
    told = "relief_above must be above the use up to which pairs may grow"
    with pytest.raises(ValueError, match=told):
        MarginSpec(relief_above=D("0.1"))  # (1 - 0.8) / 1.2 = 0.1667
    assert MarginSpec(relief_above=D("0.1"), entry_health=D("0.9")).relief_above == D("0.1")

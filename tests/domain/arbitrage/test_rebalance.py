"""Which differences are worth trading, and in what order the changes come."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.allocation import AllocationSpec, Listing
from domain.arbitrage.rebalance import Change, Kind, RebalanceSpec, done, plan, propose, worth_it
from domain.arbitrage.universe import Exclusion, Ranked, Ranking, ScanFailed
from domain.money import Price, Quantity
from tests.domain.arbitrage.market import PERPETUAL, D

SPEC = RebalanceSpec()
ZERO = Decimal(0)


@pytest.mark.parametrize(
    "current, target, worth",
    [
        # 0.003 * 2.5 = 0.0075, less than 0.05; of 9999 + 1 that is 75
        ("9999", "10074", False),
        ("9999", "10074.01", True),
        ("9999", "9924", False),
        ("9999", "9923.99", True),
        ("0", "0.0075", False),
        ("0", "0.0076", True),
        ("9999", "9999", False),
    ],
)
def test_a_difference_must_be_worth_its_trades(current: str, target: str, worth: bool) -> None:
    assert worth_it(SPEC, D(current), D(target)) is worth


def test_the_drift_decides_where_trading_is_dear() -> None:
    dear = RebalanceSpec(cost=D("0.04"))  # 0.04 * 2.5 = 0.1, more than 0.05
    assert not worth_it(dear, D("9999"), D("10499"))  # 0.05 * 10 000 = 500
    assert worth_it(dear, D("9999"), D("10499.01"))


def test_what_gives_back_comes_first() -> None:
    held = {"GONE": D("500"), "LESS": D("1000"), "MORE": D("1000"), "SAME": D("1000")}
    wanted = {"NEW": D("700"), "MORE": D("2000"), "LESS": D("400"), "SAME": D("1001")}
    assert plan(SPEC, wanted, held) == (
        Change(Kind.REMOVE, "GONE", D("500"), ZERO),
        Change(Kind.REDUCE, "LESS", D("1000"), D("400")),
        Change(Kind.RESIZE, "MORE", D("1000"), D("2000")),
        Change(Kind.ADD, "NEW", ZERO, D("700")),
    )


def test_equals_come_by_name() -> None:
    wanted = {pair: D("1") for pair in "DBCA"}
    assert [change.pair for change in plan(SPEC, wanted, {})] == list("ABCD")
    assert [change.pair for change in plan(SPEC, {}, wanted)] == list("ABCD")


def test_a_pair_that_has_not_entered_yet_is_removed_too() -> None:
    assert plan(SPEC, {}, {"A": ZERO}) == (Change(Kind.REMOVE, "A", ZERO, ZERO),)


books = st.dictionaries(st.sampled_from("ABCDEF"), st.decimals("0", "10000", places=2), max_size=6)


@given(books, books)
def test_a_plan_that_is_carried_out_leaves_nothing_to_plan(
    wanted: dict[str, Decimal], held: dict[str, Decimal]
) -> None:
    changes = plan(SPEC, wanted, held)
    assert len({change.pair for change in changes}) == len(changes)
    assert [change.kind for change in changes] == sorted(change.kind for change in changes)
    after = held
    for change in changes:
        after = dict(done(after, change, change.target))
    assert after.keys() == wanted.keys()
    assert plan(SPEC, wanted, after) == ()


def test_a_difference_in_quote_becomes_lots_at_a_price() -> None:
    change = Change(Kind.RESIZE, "A", D("2500"), D("10000"))
    # 7500 / 50 000 = 0.15 BTC = 150 lots of 0.001
    assert change.quantity(PERPETUAL, Price(500_000)) == Quantity(150)
    down = Change(Kind.REDUCE, "A", D("10000"), D("2549"))
    assert down.quantity(PERPETUAL, Price(500_000)) == Quantity(149)  # 7451 / 50: rounded down


# ---- what a scan advises

ALLOCATION = AllocationSpec()
EQUITY = Decimal(10_000)
LISTINGS = {pair: Listing(("one", "two")) for pair in "AB"}
HELD = {"A": D("7500")}
BEST_IS_B = (Ranked("B", D("1"), D("0.2")),)


def test_a_scan_moves_what_is_held_to_what_is_best() -> None:
    changes = propose(ALLOCATION, SPEC, Ranking(BEST_IS_B, {}), EQUITY, HELD, LISTINGS)
    assert changes == (
        Change(Kind.REMOVE, "A", D("7500"), ZERO),
        Change(Kind.ADD, "B", ZERO, D("7500")),  # 10 000 * 3 * 0.25
    )


def test_a_failed_scan_changes_nothing() -> None:
    failed = ScanFailed("one", "503 Service Unavailable")
    assert propose(ALLOCATION, SPEC, failed, EQUITY, HELD, LISTINGS) == ()


@pytest.mark.parametrize("why", list(Exclusion))
def test_a_pair_of_which_nothing_is_known_stays_as_it_is(why: Exclusion) -> None:
    ranking = Ranking(BEST_IS_B, {"A": why})
    changes = propose(ALLOCATION, SPEC, ranking, EQUITY, HELD, LISTINGS)
    kinds = [change.kind for change in changes]
    assert kinds == ([Kind.ADD] if why.unknown else [Kind.REMOVE, Kind.ADD])

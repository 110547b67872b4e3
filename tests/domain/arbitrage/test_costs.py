"""Fees, slippage, interest and what they come to, with the sums beside them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.costs import (
    Role,
    RoundTrip,
    Trade,
    carry,
    interest,
    mid,
    passes_fee_guard,
    pays,
    round_trip,
    slippage,
)
from domain.errors import InvalidValueError
from domain.money import EXACT, Price, Quantity
from domain.orders import Side
from tests.domain.arbitrage.market import HOUR, PERPETUAL, SPOT, D, instrument

TAKER, MAKER = Role.TAKER, Role.MAKER


# ---- fees and the round trip


@pytest.mark.parametrize(
    "roles, fees",
    [
        # spot taker 0.001, maker 0.0008; perpetual taker 0.0005, maker 0.0002
        ((TAKER, TAKER, TAKER, TAKER), "0.003"),  # 0.001 + 0.0005 + 0.001 + 0.0005
        ((MAKER, TAKER, MAKER, TAKER), "0.0026"),  # 0.0008 + 0.0005 + 0.0008 + 0.0005
        ((MAKER, MAKER, MAKER, MAKER), "0.002"),  # 0.0008 + 0.0002 + 0.0008 + 0.0002
        ((MAKER, TAKER, TAKER, TAKER), "0.0028"),  # 0.0008 + 0.0005 + 0.001 + 0.0005
    ],
)
def test_the_fees_of_a_round_trip_are_those_of_four_trades(
    roles: tuple[Role, Role, Role, Role], fees: str
) -> None:
    legs = (SPOT, PERPETUAL, SPOT, PERPETUAL)
    trades = [Trade(leg, role) for leg, role in zip(legs, roles, strict=True)]
    assert round_trip(trades).fees == D(fees)


def test_a_rebate_lowers_the_fees() -> None:
    rebate = instrument(maker="-0.0001")
    assert round_trip([Trade(rebate, MAKER)] * 4).fees == D("-0.0004")


def test_slippage_is_that_of_all_four() -> None:
    trades = [Trade(PERPETUAL, TAKER, D(f"0.000{n}")) for n in (1, 2, 3, 4)]
    trip = round_trip(trades)
    assert trip.slippage == D("0.001")  # 0.0001 + 0.0002 + 0.0003 + 0.0004
    assert trip.once == D("0.003")  # 4 * 0.0005 + 0.001


def test_three_trades_are_no_round_trip() -> None:
    with pytest.raises(InvalidValueError, match="four trades, two in and two out, was 3"):
        round_trip([Trade(SPOT, TAKER)] * 3)


@pytest.mark.parametrize(
    "held, cost",
    [
        (timedelta(0), "0.003"),
        (timedelta(minutes=1), "0.00301"),  # an hour that began is charged
        (HOUR, "0.00301"),
        (24 * HOUR, "0.00324"),  # 0.003 + 24 * 0.00001
        (timedelta(hours=24, seconds=1), "0.00325"),
    ],
)
def test_interest_on_borrowed_spot_is_charged_by_the_hour_begun(held: timedelta, cost: str) -> None:
    trip = RoundTrip(D("0.0025"), D("0.0005"), D("0.00001"))
    assert trip.cost(held) == D(cost)


def test_a_negative_holding_time_or_borrow_rate_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="holding time"):
        interest(D("0.00001"), -HOUR)
    with pytest.raises(InvalidValueError, match="borrow_hourly"):
        RoundTrip(D("0.003"), borrow_hourly=D("-0.00001"))


# ---- break-even and entry


@pytest.mark.parametrize(
    "hourly, borrow, hours",
    [
        ("0.000025", "0", 120),  # 0.003 / 0.000025 = 120
        ("0.0001", "0", 30),
        ("0.00007", "0", 43),  # 42.86: the 43rd whole hour
        ("0.000035", "0.00001", 120),  # 0.003 / (0.000035 - 0.00001)
        ("0.00001", "0.00001", None),  # all of it goes to the lender
        ("0", "0", None),
        ("-0.0001", "0", None),
    ],
)
def test_a_pair_breaks_even_after_whole_hours_or_never(
    hourly: str, borrow: str, hours: int | None
) -> None:
    assert RoundTrip(D("0.003"), borrow_hourly=D(borrow)).break_even_hours(D(hourly)) == hours


def test_a_round_trip_that_costs_nothing_is_even_at_once() -> None:
    assert RoundTrip(D("-0.0004")).break_even_hours(D("0")) == 0


shares = st.decimals("0.000001", "0.01", places=7)


@given(shares, shares, st.decimals("0", "0.01", places=7))
def test_break_even_is_the_first_hour_in_which_the_carry_covers_the_cost(
    once: Decimal, hourly: Decimal, borrow: Decimal
) -> None:
    trip = RoundTrip(once, borrow_hourly=borrow)
    hours = trip.break_even_hours(hourly)
    if hours is None:
        assert hourly <= borrow
        return
    assert carry(hourly, hours * HOUR) >= trip.cost(hours * HOUR)
    assert carry(hourly, (hours - 1) * HOUR) < trip.cost((hours - 1) * HOUR)


@pytest.mark.parametrize(
    "hourly, hours, enters",
    [
        ("0.000025", 120, False),  # 0.003 is not more than 0.003
        ("0.000025", 121, True),  # 0.003025
        ("0.0001", 29, False),  # 0.0029
        ("-0.0001", 500, False),
    ],
)
def test_an_entry_must_earn_more_than_it_costs(hourly: str, hours: int, enters: bool) -> None:
    held = hours * HOUR
    assert pays(carry(D(hourly), held), RoundTrip(D("0.003")).cost(held)) is enters


@pytest.mark.parametrize(
    "hourly, passes",
    [
        ("0.0001875", True),  # * 8 = 0.0015 = 0.001 + 0.0005
        ("0.0001874", False),  # * 8 = 0.0014992
        ("-0.001", False),
    ],
)
def test_the_fee_guard_wants_a_taker_fee_of_each_leg(hourly: str, passes: bool) -> None:
    assert passes_fee_guard(D(hourly), SPOT, PERPETUAL) is passes


def test_the_fee_guard_of_equal_fees_is_twice_the_taker_fee() -> None:
    assert passes_fee_guard(D("0.000125"), PERPETUAL, PERPETUAL)  # 0.001 = 2 * 0.0005
    assert not passes_fee_guard(D("0.000124"), PERPETUAL, PERPETUAL)
    assert passes_fee_guard(D("0.001"), PERPETUAL, PERPETUAL, span=HOUR)


# ---- slippage

ASKS = [(Price(1000), Quantity(5)), (Price(1010), Quantity(5)), (Price(1030), Quantity(10))]
BIDS = [(Price(998), Quantity(5)), (Price(990), Quantity(5))]


@pytest.mark.parametrize(
    "side, lots, reference, share",
    [
        (Side.BUY, 5, "1000", "0"),
        (Side.BUY, 10, "1000", "0.005"),  # (5 * 1000 + 5 * 1010) / 10 = 1005
        (Side.BUY, 20, "1000", "0.0175"),  # (5000 + 5050 + 10300) / 20 = 1017.5
        (Side.BUY, 8, "1000", "0.00375"),  # (5000 + 3 * 1010) / 8 = 1003.75
        (Side.SELL, 10, "1000", "0.006"),  # (5 * 998 + 5 * 990) / 10 = 994
        (Side.SELL, 5, "990", "-0.008080808"),  # 998 is better than 990 by 8 / 990
    ],
)
def test_slippage_is_the_average_fill_against_the_reference(
    side: Side, lots: int, reference: str, share: str
) -> None:
    levels = ASKS if side is Side.BUY else BIDS
    found = slippage(side, levels, Quantity(lots), D(reference))
    assert found is not None
    assert found.quantize(D("1e-9"), context=EXACT) == D(share)


@pytest.mark.parametrize("levels, lots", [(ASKS, 21), ([], 1)])
def test_what_lies_beyond_the_depth_shown_is_unknown(
    levels: list[tuple[Price, Quantity]], lots: int
) -> None:
    assert slippage(Side.BUY, levels, Quantity(lots), D("1000")) is None


def test_the_middle_needs_both_sides() -> None:
    assert mid(BIDS, ASKS) == 999
    assert mid([(Price(999), Quantity(1))], ASKS) == D("999.5")
    assert mid([], ASKS) is None
    assert mid(BIDS, []) is None


@pytest.mark.parametrize("side, levels", [(Side.SELL, BIDS[::-1]), (Side.BUY, ASKS[::-1])])
def test_levels_in_the_wrong_order_are_refused(
    side: Side, levels: list[tuple[Price, Quantity]]
) -> None:
    with pytest.raises(InvalidValueError, match="best price first"):
        slippage(side, levels, Quantity(20), D("1000"))


def test_slippage_of_nothing_or_against_no_price_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="at least one lot"):
        slippage(Side.BUY, ASKS, Quantity(0), D("1000"))
    with pytest.raises(InvalidValueError, match="reference"):
        slippage(Side.BUY, ASKS, Quantity(1), D("0"))


@given(st.integers(1, 20), st.integers(1, 20))
def test_a_larger_order_never_slips_less(one: int, other: int) -> None:
    small, large = sorted((one, other))
    first = slippage(Side.BUY, ASKS, Quantity(small), D("1000"))
    second = slippage(Side.BUY, ASKS, Quantity(large), D("1000"))
    assert first is not None
    assert second is not None
    assert first <= second

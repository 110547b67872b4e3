"""Rates of any interval, spread, basis, freshness and payments, with the sums beside them."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.funding import (
    Direction,
    LegFunding,
    Staleness,
    basis,
    direction,
    expected_carry,
    payment,
    prorated,
    spot,
    spread,
    staleness,
)
from domain.errors import InvalidValueError
from domain.money import EXACT
from tests.domain.arbitrage.market import HOUR, PERPETUAL, T0, D, perpetual

TTL = timedelta(minutes=5)
rates = st.decimals("-0.01", "0.01", places=8)


# ---- rates of an hour and of a year


@pytest.mark.parametrize(
    "rate, hours, hourly, apr",
    [
        ("0.0008", 1, "0.0008", "7.008"),  # 0.0008 / 1; 0.0008 * 8760
        ("0.0008", 4, "0.0002", "1.752"),  # 0.0008 / 4; 0.0008 * 2190
        ("0.0008", 8, "0.0001", "0.876"),  # 0.0008 / 8; 0.0008 * 1095
        ("0.0002", 8, "0.000025", "0.219"),  # the earlier system's figure: 0.0002 * 1095
        ("-0.0004", 4, "-0.0001", "-0.876"),
        ("0", 8, "0", "0"),
    ],
)
def test_a_rate_counts_by_the_real_interval(rate: str, hours: int, hourly: str, apr: str) -> None:
    funding = perpetual(rate, hours)
    assert funding.hourly == D(hourly)
    assert funding.apr == D(apr)


@pytest.mark.parametrize("hours", [0, -8])
def test_an_interval_of_no_length_is_refused_and_not_a_rate_of_zero(hours: int) -> None:
    with pytest.raises(InvalidValueError, match="interval of funding must be positive"):
        LegFunding(D("0.0001"), T0, hours * HOUR, T0 + HOUR)
    with pytest.raises(InvalidValueError, match="interval of funding must be positive"):
        prorated(D("0.0001"), hours * HOUR, HOUR)


@given(rates, st.sampled_from([1, 4, 8]))
def test_the_same_hourly_rate_is_the_same_apr_whatever_the_interval(
    rate: Decimal, hours: int
) -> None:
    told = LegFunding(EXACT.multiply(rate, Decimal(hours)), T0, hours * HOUR, T0 + HOUR)
    assert told.apr == EXACT.multiply(rate, Decimal(8760))


@pytest.mark.parametrize("interval, due", [(8 * HOUR, None), (None, T0 + HOUR)])
def test_half_a_perpetual_is_refused(interval: timedelta | None, due: datetime | None) -> None:
    with pytest.raises(InvalidValueError, match="belong together"):
        LegFunding(D("0"), T0, interval, due)


def test_a_rate_without_an_interval_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="rate of spot must be 0"):
        LegFunding(D("0.0001"), T0)


def test_times_are_utc() -> None:
    with pytest.raises(InvalidValueError, match="received_at of funding must be in UTC"):
        spot(T0.replace(tzinfo=None))
    with pytest.raises(InvalidValueError, match="settles_at of funding must be in UTC"):
        LegFunding(D("0"), T0, HOUR, T0.astimezone(timezone(timedelta(hours=8))))


# ---- two legs


@pytest.mark.parametrize(
    "long, short, earned",
    [
        (spot(T0), perpetual("0.0002", 8), "0.219"),  # 0.0002 * 1095 - 0
        (perpetual("-0.0002", 8), spot(T0), "0.219"),  # 0 - (-0.0002 * 1095)
        (perpetual("0.0001", 8), perpetual("0.0001", 4), "0.1095"),  # 0.219 - 0.1095
        (perpetual("0.0001", 1), perpetual("0.0003", 8), "-0.5475"),  # 0.3285 - 0.876
        (perpetual("0.0001", 4), perpetual("0.0002", 8), "0"),  # 0.219 - 0.219
    ],
)
def test_the_spread_is_that_of_a_year_whatever_the_two_intervals(
    long: LegFunding, short: LegFunding, earned: str
) -> None:
    assert spread(long, short) == D(earned)
    assert spread(short, long) == -D(earned)


@pytest.mark.parametrize(
    "first, second, stands",
    [
        (spot(T0), perpetual("0.0001"), Direction.POSITIVE),  # long spot, short perpetual
        (spot(T0), perpetual("-0.0001"), Direction.NEGATIVE),  # short spot, long perpetual
        (perpetual("0.0001", 1), perpetual("0.0003", 8), Direction.NEGATIVE),
        (spot(T0), perpetual("0"), None),
    ],
)
def test_the_leg_that_pays_more_is_short(
    first: LegFunding, second: LegFunding, stands: Direction | None
) -> None:
    assert direction(first, second) is stands


@pytest.mark.parametrize(
    "dear, share",
    [("50100", "0.002"), ("49975", "-0.0005"), ("50000", "0")],  # 100 / 50000; -25 / 50000
)
def test_the_basis_is_a_share_of_the_spot_price(dear: str, share: str) -> None:
    assert basis(D("50000"), D(dear)) == D(share)


@pytest.mark.parametrize("prices", [("0", "50000"), ("50000", "0"), ("-1", "1")])
def test_a_basis_without_a_price_is_refused(prices: tuple[str, str]) -> None:
    with pytest.raises(InvalidValueError, match="must be positive"):
        basis(D(prices[0]), D(prices[1]))


# ---- what is due


@pytest.mark.parametrize(
    "hours, until, times",
    [
        (8, 7, 0),
        (8, 8, 1),  # up to and including
        (8, 24, 3),
        (4, 24, 6),
        (1, 24, 24),
    ],
)
def test_settlements_until_a_time_are_counted(hours: int, until: int, times: int) -> None:
    assert perpetual("0.0001", hours).settlements(T0, T0 + until * HOUR) == times


def test_settlements_that_are_over_do_not_count() -> None:
    funding = perpetual("0.0001", 8)
    due = T0 + 8 * HOUR
    assert funding.settlements(due, due + 7 * HOUR) == 0
    assert funding.settlements(due - HOUR, due) == 1
    assert funding.settlements(due + HOUR, due) == 0
    assert funding.next_settlement(due) == due + 8 * HOUR
    assert funding.next_settlement(T0) == due


def test_spot_is_never_settled() -> None:
    assert spot(T0).settlements(T0, T0 + 24 * HOUR) == 0
    assert spot(T0).next_settlement(T0) is None
    assert spot(T0).expected(T0, T0 + 24 * HOUR) == 0


def test_the_first_settlement_is_at_the_rate_and_later_ones_at_the_predicted_one() -> None:
    funding = perpetual("0.0001", 8, predicted="0.0003")
    assert funding.expected(T0, T0 + 24 * HOUR) == D("0.0007")  # 0.0001 + 2 * 0.0003
    unknown = perpetual("0.0001", 8)
    assert unknown.expected(T0, T0 + 24 * HOUR) == D("0.0003")  # 3 * 0.0001
    assert funding.expected(T0 + 9 * HOUR, T0 + 24 * HOUR) == D("0.0006")  # the first is over


def test_what_a_pair_expects_counts_each_leg_at_its_own_settlements() -> None:
    long, short = perpetual("0.0001", 1), perpetual("0.0012", 8)
    assert expected_carry(long, short, T0, T0 + 7 * HOUR) == D("-0.0007")  # -7 * 0.0001
    assert expected_carry(long, short, T0, T0 + 8 * HOUR) == D("0.0004")  # 0.0012 - 8 * 0.0001
    assert expected_carry(spot(T0), short, T0, T0 + 8 * HOUR) == D("0.0012")


# ---- freshness


@pytest.mark.parametrize(
    "after, ttl, said",
    [
        (timedelta(0), TTL, None),
        (TTL, TTL, None),
        (TTL + timedelta(microseconds=1), TTL, Staleness.OLD),
        (8 * HOUR - timedelta(microseconds=1), 9 * HOUR, None),
        (8 * HOUR, 9 * HOUR, Staleness.SETTLED),
        (9 * HOUR, TTL, Staleness.SETTLED),
    ],
)
def test_a_perpetual_is_stale_by_age_and_by_settlement(
    after: timedelta, ttl: timedelta, said: Staleness | None
) -> None:
    assert staleness(perpetual("0.0001", 8), T0 + after, ttl) is said


def test_each_leg_has_a_ttl_of_its_own() -> None:
    slow, quick = perpetual("0.0001", 8), perpetual("0.0001", 1)
    now = T0 + timedelta(minutes=20)
    assert staleness(slow, now, timedelta(minutes=30)) is None
    assert staleness(quick, now, timedelta(minutes=10)) is Staleness.OLD


def test_a_leg_never_heard_of_is_missing_and_not_zero() -> None:
    assert staleness(None, T0, TTL) is Staleness.MISSING


# ---- payments


@pytest.mark.parametrize(
    "lots, rate, received",
    [
        (-200, "0.0001", "1"),  # short 0.2 BTC * 50000 * 0.0001
        (200, "0.0001", "-1"),
        (200, "-0.0001", "1"),  # negative funding: shorts pay longs
        (-200, "-0.0001", "-1"),
        (0, "0.0001", "0"),
    ],
)
def test_shorts_receive_a_positive_rate_of_their_notional(
    lots: int, rate: str, received: str
) -> None:
    assert payment(PERPETUAL, lots, D("50000"), D(rate)) == D(received)


@given(st.integers(-(10**9), 10**9), rates)
def test_two_opposite_positions_pay_each_other_to_the_last_digit(lots: int, rate: Decimal) -> None:
    mark = D("43210.123456789")
    paid, received = (payment(PERPETUAL, side, mark, rate) for side in (lots, -lots))
    assert EXACT.add(paid, received) == 0


def test_a_settlement_without_a_mark_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="mark of a settlement must be positive, was 0"):
        payment(PERPETUAL, -200, D("0"), D("0.0001"))

"""What is read off settled rates: by time, oldest first, and None where nothing is known."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.history import FundingHistory, Settled, history_of, spread_history
from domain.conditions import FundingRate
from domain.errors import InvalidValueError
from domain.money import EXACT, add
from tests.domain.arbitrage.market import DAY, HOUR, T0, D


def every(hours: int, rates: Sequence[Decimal | str]) -> FundingHistory:
    """Settled every *hours*, the first of *rates* that long after T0."""
    step = hours * HOUR
    return FundingHistory(
        tuple(Settled(T0 + (n + 1) * step, Decimal(rate), step) for n, rate in enumerate(rates))
    )


def split(hours: int, eight_hourly: Sequence[Decimal]) -> FundingHistory:
    """The funding of 8-hourly rates, settled every *hours* in equal parts."""
    parts = 8 // hours
    return every(
        hours, [EXACT.divide(one, Decimal(parts)) for one in eight_hourly for _ in range(parts)]
    )


# ---- order


def test_the_newest_first_is_refused() -> None:
    rates = every(8, ["0.0001", "0.0002"]).settled
    with pytest.raises(InvalidValueError, match="oldest first and each time once"):
        FundingHistory(rates[::-1])
    with pytest.raises(InvalidValueError, match="oldest first and each time once"):
        FundingHistory((rates[0], rates[0]))


def test_a_rate_of_no_time_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="interval of funding must be positive"):
        Settled(T0, D("0.0001"), timedelta(0))


def test_a_rate_was_for_the_time_since_the_one_before() -> None:
    times = (0, 8, 16, 20)  # the venue went from 8 to 4 hours
    told = [FundingRate("X", D(f"0.000{n}"), T0 + hours * HOUR) for n, hours in enumerate(times, 1)]
    assert history_of(told).settled == (
        Settled(T0 + 8 * HOUR, D("0.0002"), 8 * HOUR),
        Settled(T0 + 16 * HOUR, D("0.0003"), 8 * HOUR),
        Settled(T0 + 20 * HOUR, D("0.0004"), 4 * HOUR),
    )
    with pytest.raises(InvalidValueError, match="oldest first"):
        history_of(told[::-1])
    assert history_of(told[:1]).settled == ()


# ---- averages


def test_a_mean_is_of_the_hours_in_its_window() -> None:
    # a day of 0.0002 before a day of 0.0004, 0.0006, 0.0008
    history = every(8, ["0.0002"] * 3 + ["0.0004", "0.0006", "0.0008"])
    now = T0 + 2 * DAY
    assert history.mean(now, DAY) == D("0.000075")  # 0.0018 / 24
    assert history.mean(now, 2 * DAY) == D("0.00005")  # 0.0024 / 48
    assert history.mean(now + 4 * HOUR, DAY) == D("0.000075")  # the same three
    assert history.mean(now - DAY, DAY) == D("0.000025")  # 0.0006 / 24


@pytest.mark.parametrize("days", [1, 7, 30])
@pytest.mark.parametrize("hours", [1, 4, 8])
def test_the_same_funding_has_the_same_mean_whatever_the_interval(hours: int, days: int) -> None:
    eight_hourly = [Decimal(n % 7) / 10000 for n in range(90)]
    now = T0 + 30 * DAY
    by_hand = add(*eight_hourly[-3 * days :]) / (24 * days)
    found = split(hours, eight_hourly).mean(now, days * DAY)
    assert found is not None
    assert abs(found - by_hand) < Decimal("1e-25")
    assert found == split(8, eight_hourly).mean(now, days * DAY)


def test_a_mixed_history_weighs_each_rate_by_its_hours() -> None:
    settled = [(8, "0.0008"), (16, "0.0008"), (20, "0.0008"), (24, "0.0008")]
    before, rates = 0, []
    for hour, rate in settled:
        rates.append(Settled(T0 + hour * HOUR, D(rate), (hour - before) * HOUR))
        before = hour
    # 4 * 0.0008 / 24, and not the 0.000125 or so of four hourly rates on an equal footing
    mean = FundingHistory(tuple(rates)).mean(T0 + DAY, DAY)
    assert mean is not None
    assert mean.quantize(D("1e-12")) == D("0.000133333333")


def test_a_short_or_old_history_has_no_mean() -> None:
    history = every(8, ["0.0001"] * 3)
    assert history.mean(T0 + DAY, DAY) is not None
    assert history.mean(T0 + DAY, 7 * DAY) is None
    assert history.mean(T0 + 2 * DAY, DAY) is None
    assert FundingHistory(()).mean(T0, DAY) is None


def test_nine_tenths_of_a_window_speak_for_it() -> None:
    now = T0 + 30 * DAY
    assert every(8, ["0.0001"] * 90).mean(now - 3 * DAY, 30 * DAY) is not None  # 27 days known
    assert every(8, ["0.0001"] * 80).mean(now - 3 * DAY, 30 * DAY) is None  # 26 2/3 days


# ---- stability, signs and momentum


@pytest.mark.parametrize(
    "rates, stability",
    [
        (["0.0001", "0.0003"], "2"),  # mean 0.0002, deviation 0.0001
        (["-0.0001", "-0.0003"], "2"),
        (["0.0001", "-0.0001"], "0"),
        (["0.0001"] * 5, "10"),  # no deviation
        (["0", "0"], "10"),
    ],
)
def test_stability_is_the_mean_over_the_deviation(rates: list[str], stability: str) -> None:
    found = every(8, rates).stability
    assert found is not None
    assert found.quantize(D("1e-20")) == D(stability)


@pytest.mark.parametrize(
    "rates, flips, age, positive",
    [
        (["1", "1", "1"], 0, 24, "1"),
        (["1", "-1", "1"], 2, 8, "0.6666666667"),
        (["-1", "1", "1", "1"], 1, 24, "0.75"),
        (["1", "0", "1"], 0, 8, "0.6666666667"),  # a zero is no sign, and ends a regime
        (["1", "0", "-1", "-1"], 1, 16, "0.25"),
        (["1", "1", "0"], 0, 0, "0.6666666667"),
        (["-1"], 0, 8, "0"),
    ],
)
def test_signs_are_counted_and_regimes_timed(
    rates: list[str], flips: int, age: int, positive: str
) -> None:
    history = every(8, rates)
    assert history.flips == flips
    assert history.regime_age == age * HOUR
    assert history.positive is not None
    assert history.positive.quantize(D("1e-10")) == D(positive)


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_signs_and_stability_are_by_time(hours: int) -> None:
    eight_hourly = [D("0.0008"), D("-0.0008"), D("0.0016"), D("0.0024")]
    history = split(hours, eight_hourly)
    assert history.flips == 2
    assert history.regime_age == 16 * HOUR
    assert history.positive == D("0.75")
    # hourly 1, -1, 2, 3 (e-4): mean 1.25, squares 0.0625 + 5.0625 + 0.5625 + 3.0625 = 8.75 / 4
    assert history.stability is not None
    assert history.stability.quantize(D("1e-9")) == D("0.845154255")  # 1.25 / 1.479019946


@pytest.mark.parametrize(
    "hours, rates, momentum",
    [
        (8, ["0.0001", "0.0002", "0.0003"], "0.0001"),
        (8, ["0.0003", "0.0002", "0.0001"], "-0.0001"),
        (8, ["9"] * 5 + [f"0.000{n}" for n in range(10)], "0.0001"),  # the newest ten only
        # 4-hourly rates as 8-hourly ones: 0.0002, 0.0004; 0.0002 in half of 8 hours
        (4, ["0.0001", "0.0002"], "0.0004"),
    ],
)
def test_momentum_is_the_growth_of_the_8_hourly_rate_in_8_hours(
    hours: int, rates: list[str], momentum: str
) -> None:
    assert every(hours, rates).momentum == D(momentum)


def test_nothing_is_known_of_an_empty_history() -> None:
    empty = FundingHistory(())
    assert (empty.stability, empty.positive, empty.momentum) == (None, None, None)
    assert (empty.flips, empty.regime_age) == (0, timedelta(0))


def test_the_other_side_of_a_perpetual_has_the_opposite_history() -> None:
    history = every(8, ["0.0001", "-0.0002"])
    assert history.negated() == every(8, ["-0.0001", "0.0002"])


rates = st.lists(st.decimals("-0.01", "0.01", places=6), min_size=3, max_size=12)


@given(rates, st.sampled_from([1, 2, 4]))
def test_a_split_of_every_rate_changes_no_figure_but_momentum(
    eight_hourly: list[Decimal], hours: int
) -> None:
    whole, parts = split(8, eight_hourly), split(hours, eight_hourly)
    now = T0 + len(eight_hourly) * 8 * HOUR
    assert parts.mean(now, DAY) == whole.mean(now, DAY)
    assert (parts.flips, parts.regime_age) == (whole.flips, whole.regime_age)
    assert parts.positive == whole.positive
    assert parts.stability is not None
    assert whole.stability is not None
    assert abs(parts.stability - whole.stability) < D("1e-20")


# ---- two perpetuals


def test_a_spread_is_what_was_earned_between_common_settlements() -> None:
    long = every(4, ["0.0001", "0.0002", "0.0003", "-0.0001"])
    short = every(8, ["0.0005", "0.0004"])
    # 0.0005 - (0.0001 + 0.0002), 0.0004 - (0.0003 - 0.0001)
    assert spread_history(long, short) == every(8, ["0.0002", "0.0002"])
    assert spread_history(short, long) == every(8, ["-0.0002", "-0.0002"])


def test_the_delay_of_a_venues_records_parts_nothing() -> None:
    late = timedelta(milliseconds=7)
    times = [T0 + n * 8 * HOUR for n in range(3)]
    long = history_of([FundingRate("X", D("0.0001"), at + late) for at in times])
    short = history_of([FundingRate("Y", D("0.0003"), at) for at in times])
    assert spread_history(long, short) == every(8, ["0.0002", "0.0002"])


def test_legs_without_a_common_time_have_no_spread() -> None:
    assert spread_history(every(8, []), every(8, ["0.0001"])).settled == ()

"""Entries wait after a settlement that would have paid, unless the next one pays for everything."""

from datetime import timedelta

import pytest

from domain.arbitrage.funding import LegFunding, spot
from domain.arbitrage.window import may_enter, window_open
from domain.errors import InvalidValueError
from tests.domain.arbitrage.market import HOUR, T0, D, perpetual

EIGHT = 8 * HOUR
QUIET = HOUR
COSTS = D("0.003")


@pytest.mark.parametrize(
    "to_settlement, expected, opens",
    [
        (EIGHT, "0.0001", False),  # 0 h since the last: 0 < 1
        (timedelta(hours=7, seconds=1), "0.0001", False),  # 59 min 59 s since
        (timedelta(hours=7), "0.0001", True),  # 1 h since
        (timedelta(0), "0.0001", True),
        (EIGHT, "0.003", False),  # as much as it costs is not more
        (EIGHT, "0.0031", True),  # one payment pays for everything
    ],
)
def test_the_window_opens_when_the_quiet_time_is_over_or_the_payment_pays(
    to_settlement: timedelta, expected: str, opens: bool
) -> None:
    assert window_open(EIGHT, to_settlement, QUIET, D(expected), COSTS) is opens


@pytest.mark.parametrize("to_settlement", [timedelta(seconds=-1), EIGHT + timedelta(seconds=1)])
def test_a_time_outside_the_interval_is_refused(to_settlement: timedelta) -> None:
    with pytest.raises(InvalidValueError, match="to_settlement must lie within"):
        window_open(EIGHT, to_settlement, QUIET, D("0"), COSTS)


def test_a_negative_quiet_time_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="quiet must not be negative"):
        window_open(EIGHT, EIGHT, -QUIET, D("0"), COSTS)


SETTLED = T0 + timedelta(minutes=30)  # half an hour after the settlement at T0


@pytest.mark.parametrize(
    "long, short, enters",
    [
        (spot(T0), perpetual("0.0001", 8), False),  # the short earned at T0, and again in 7.5 h
        (spot(T0), perpetual("0.004", 8), True),  # 0.004 > 0.003
        (perpetual("-0.0001", 8), spot(T0), False),  # the same the other way round
        (perpetual("0.0001", 8), perpetual("0.0002", 8, due=T0 + HOUR * 5), True),  # 3.5 h since
        # The long leg pays every hour: entering just after that costs nothing.
        (perpetual("0.0001", 1), perpetual("0.002", 8, due=T0 + HOUR * 2), True),  # 6.5 h since
        # One payment of 0.0035 is more than 0.003, but eight of 0.0001 go off it: 0.0027.
        (perpetual("0.0001", 1), perpetual("0.0035", 8), False),
    ],
)
def test_a_pair_waits_for_the_legs_that_earn(
    long: LegFunding, short: LegFunding, enters: bool
) -> None:
    assert may_enter(long, short, SETTLED, quiet=QUIET, costs=COSTS) is enters

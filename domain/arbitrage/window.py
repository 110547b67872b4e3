"""When in a funding interval a pair may be entered.

Just after a settlement the next one is a whole interval away: until then a pair costs its entry,
carries the risk of its legs and earns nothing. So entries wait for the *quiet* time after a
settlement that would have paid the pair, unless the next payments alone earn more than the round
trip costs.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from domain.arbitrage.funding import LegFunding, expected_carry
from domain.errors import InvalidValueError


def window_open(
    interval: timedelta,
    to_settlement: timedelta,
    quiet: timedelta,
    expected: Decimal,
    costs: Decimal,
) -> bool:
    """Return whether a pair may be entered *to_settlement* before its next settlement.

    *expected* is what that settlement is expected to bring, *costs* those of the round trip, both
    as shares of the notional.
    """
    if not timedelta(0) <= to_settlement <= interval:
        raise InvalidValueError(
            f"to_settlement must lie within the interval of {interval}, was {to_settlement}"
        )
    if quiet < timedelta(0):
        raise InvalidValueError(f"quiet must not be negative, was {quiet}")
    return interval - to_settlement >= quiet or expected > costs


def may_enter(
    long: LegFunding, short: LegFunding, now: datetime, *, quiet: timedelta, costs: Decimal
) -> bool:
    """Return whether every leg that earns leaves the pair's window open at *now*.

    A settlement at which the pair pays closes nothing: just after it is the best time to enter.
    """
    return all(
        window_open(interval, due - now, quiet, expected_carry(long, short, now, due), costs)
        for interval, due in _earning(long, short, now)
    )


def _earning(
    long: LegFunding, short: LegFunding, now: datetime
) -> list[tuple[timedelta, datetime]]:
    """Return interval and next settlement of the legs that are paid for being held."""
    earning = []
    for leg, earns in ((long, long.rate < 0), (short, short.rate > 0)):
        due = leg.next_settlement(now)
        if earns and due is not None and leg.interval is not None:
            earning.append((leg.interval, due))
    return earning

"""What funding was: settled rates, oldest first, and what is read off them.

    mean         sum of rates / sum of hours              per hour, over a window
    stability    |mean| / standard deviation, 10 if that is 0
    positive     hours with a rate above 0 / all hours
    flips        changes of sign; a rate of 0 has none
    regime age   how long the newest sign has lasted
    momentum     least-squares slope of the newest 10     8-hourly rate per 8 hours

(requirements 3.6.) Everything is weighted by time, so that the same funding gives the same figures
whether it is settled every 1, 4 or 8 hours. The order is part of the type: times grow strictly, the
oldest is first, and anything else is refused (flaw A-8: there the newest was taken to be first
while the venue told the oldest first). What is not known is None, never 0.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from domain.arbitrage.funding import HOUR, prorated
from domain.arbitrage.series import deviation, slope
from domain.conditions import FundingRate
from domain.errors import InvalidValueError
from domain.money import EXACT, ZERO, add

DAY: Final = timedelta(days=1)
#: The time that the formulas of the score were written for: one settlement on most venues.
PERIOD: Final = timedelta(hours=8)
#: A mean speaks for its window if at least so many tenths of it are known.
_TENTHS: Final = 9
_STEADY: Final = Decimal(10)
_NEWEST: Final = 10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Settled:
    """A rate that was settled at `at`, for the time of `interval` before."""

    at: datetime
    rate: Decimal
    interval: timedelta

    def __post_init__(self) -> None:
        if self.interval <= timedelta(0):
            raise InvalidValueError(f"interval of funding must be positive, was {self.interval}")

    @property
    def hourly(self) -> Decimal:
        return prorated(self.rate, self.interval, HOUR)

    @property
    def sign(self) -> int:
        return (self.rate > 0) - (self.rate < 0)


@dataclass(frozen=True, slots=True)
class FundingHistory:
    """Settled rates, oldest first, at strictly increasing times."""

    settled: tuple[Settled, ...]

    def __post_init__(self) -> None:
        _require_oldest_first([one.at for one in self.settled])

    def mean(self, now: datetime, window: timedelta) -> Decimal | None:
        """Return the mean hourly rate of the *window* before *now*.

        None if more than a tenth of the window is not known: a short history is no low rate.
        """
        within = [one for one in self.settled if now - window < one.at <= now]
        if _time(within) * 10 < window * _TENTHS:
            return None
        return _mean(within)

    @property
    def stability(self) -> Decimal | None:
        """Return |mean| / standard deviation of the hourly rates; None for an empty history."""
        if not self.settled:
            return None
        spread = deviation([(one.hourly, _in(HOUR, one.interval)) for one in self.settled])
        return _STEADY if spread == 0 else EXACT.divide(EXACT.abs(_mean(self.settled)), spread)

    @property
    def positive(self) -> Decimal | None:
        """Return the share of the time in which the rate was above 0; None if empty."""
        if not self.settled:
            return None
        return _in(_time(self.settled), _time([one for one in self.settled if one.sign > 0]))

    @property
    def flips(self) -> int:
        """Return how often the sign changed; a time without funding between is no change."""
        signs = [one.sign for one in self.settled if one.sign]
        return sum(before != after for before, after in pairwise(signs))

    @property
    def regime_age(self) -> timedelta:
        """Return how long the newest sign has lasted without another; 0 if the newest rate is 0."""
        age = timedelta(0)
        newest = self.settled[-1].sign if self.settled else 0
        for one in reversed(self.settled):
            if not newest or one.sign != newest:
                break
            age += one.interval
        return age

    @property
    def momentum(self) -> Decimal | None:
        """Return how the 8-hourly rate grows in 8 hours, over the newest ten; None if under two."""
        newest = self.settled[-_NEWEST:]
        if len(newest) < 2:
            return None
        points = [
            (_in(PERIOD, one.at - newest[0].at), prorated(one.rate, one.interval, PERIOD))
            for one in newest
        ]
        return slope(points)

    def negated(self) -> "FundingHistory":
        """Return what the same rates are to who is on the other side of them."""
        return FundingHistory(
            tuple(Settled(one.at, EXACT.minus(one.rate), one.interval) for one in self.settled)
        )


def history_of(rates: Sequence[FundingRate]) -> FundingHistory:
    """Return the history of the settled *rates* of one perpetual, oldest first as venues tell them.

    Each was for the time since the one before, so a change of the venue's interval needs no notice.
    The first rate only tells when the time of the second one began.
    """
    _require_oldest_first([one.at for one in rates])
    return FundingHistory(
        tuple(Settled(one.at, one.rate, one.at - before.at) for before, one in pairwise(rates))
    )


def spread_history(long: FundingHistory, short: FundingHistory) -> FundingHistory:
    """Return what a pair of two perpetuals earned between the times at which both settled.

    Settlements are on the full hour; what venues add to that is the delay of their records.
    """
    paid, received = _running(long), _running(short)
    common = sorted(paid.keys() & received.keys())
    earned = [EXACT.subtract(received[hour], paid[hour]) for hour in common]
    return FundingHistory(
        tuple(
            Settled(hour, EXACT.subtract(after, before), hour - start)
            for (start, hour), (before, after) in zip(
                pairwise(common), pairwise(earned), strict=True
            )
        )
    )


def _running(history: FundingHistory) -> dict[datetime, Decimal]:
    """Return the sum of the rates up to each full hour at which one was settled."""
    if not history.settled:
        return {}
    first, total = history.settled[0], ZERO
    sums = {_full_hour(first.at - first.interval): ZERO}
    for one in history.settled:
        total = EXACT.add(total, one.rate)
        sums[_full_hour(one.at)] = total
    return sums


def _full_hour(at: datetime) -> datetime:
    return _EPOCH + (at - _EPOCH + HOUR / 2) // HOUR * HOUR


def _require_oldest_first(times: Sequence[datetime]) -> None:
    for before, after in pairwise(times):
        if after <= before:
            raise InvalidValueError(
                "a funding history is told oldest first and each time once, was "
                f"{after.isoformat()} after {before.isoformat()}"
            )


def _time(settled: Iterable[Settled]) -> timedelta:
    return sum((one.interval for one in settled), timedelta(0))


def _mean(settled: Sequence[Settled]) -> Decimal:
    return prorated(add(*(one.rate for one in settled)), _time(settled), HOUR)


def _in(unit: timedelta, span: timedelta) -> Decimal:
    """Return how many *unit* there are in *span*."""
    return prorated(Decimal(1), unit, span)

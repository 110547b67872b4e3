"""What the two legs of a pair are paid: funding rates, their real intervals, and when they are due.

    hourly    r / h                               r: rate of one settlement, h: hours between two
    APR       r * 8760 / h                        simple, not compounded
    spread    APR(short leg) - APR(long leg)      what a pair earns in a year, before costs
    basis     (perpetual - spot) / spot
    payment   -(lots * lot size) * mark * r       lots signed: for r > 0 longs pay shorts

(requirements 3.5, rows R-40 to R-42 and R-48; flaws A-7 and A-8.) The interval is what the venue
says, never assumed. Spot is paid nothing, whatever its age: its rate cannot go stale.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain.errors import InvalidValueError
from domain.money import EXACT, ZERO, Instrument, add

YEAR: Final = timedelta(hours=8760)
HOUR: Final = timedelta(hours=1)
_TICK: Final = timedelta(microseconds=1)


#: How late venues write a settlement down.
LATE: Final = timedelta(minutes=5)


class Direction(StrEnum):
    """Which leg of a pair is long: the first is the spot leg, or the first of two perpetuals."""

    POSITIVE = "positive"
    """Long the first leg, short the second: earns while the second pays more."""
    NEGATIVE = "negative"
    """Short the first leg (spot is borrowed on margin), long the second."""


class Staleness(StrEnum):
    """Why a leg's funding cannot be decided upon."""

    MISSING = "missing"  # nothing was heard of it yet
    OLD = "old"  # heard too long ago
    SETTLED = "settled"  # it is of a settlement that is over; the next one is not known yet


@dataclass(frozen=True, slots=True)
class LegFunding:
    """The funding of one leg as its venue told it.

    `rate` is the share of the notional that longs pay shorts at `settles_at` (UTC), `predicted` the
    one after that, where the venue tells it. Spot has neither interval nor settlement: see `spot`.
    """

    rate: Decimal
    received_at: datetime
    interval: timedelta | None = None
    settles_at: datetime | None = None
    predicted: Decimal | None = None

    def __post_init__(self) -> None:
        _require_aware("received_at", self.received_at)
        if self.interval is None or self.settles_at is None:
            self._require_spot()
            return
        _require_aware("settles_at", self.settles_at)
        if self.interval <= timedelta(0):
            raise InvalidValueError(
                f"interval of funding must be positive, was {self.interval}: "
                "tell the time between two settlements at this venue"
            )

    def _require_spot(self) -> None:
        if (self.interval, self.settles_at) != (None, None):
            raise InvalidValueError(
                "interval and settles_at belong together: a perpetual has both and spot neither, "
                f"was {self.interval} and {self.settles_at}"
            )
        if self.rate != 0 or self.predicted is not None:
            raise InvalidValueError(
                f"rate of spot must be 0 and not predicted, was {self.rate} and {self.predicted}: "
                "a perpetual needs interval and settles_at"
            )

    @property
    def hourly(self) -> Decimal:
        """Return the rate of one hour, a share of the notional."""
        return self._over(HOUR)

    @property
    def apr(self) -> Decimal:
        """Return the rate of a year of 8760 hours, a share (0.1: 10 %), without compounding."""
        return self._over(YEAR)

    def _over(self, span: timedelta) -> Decimal:
        return ZERO if self.interval is None else prorated(self.rate, self.interval, span)

    def settlements(self, now: datetime, until: datetime) -> int:
        """Return how often funding is settled after *now*, up to and including *until*.

        A settlement that is over though the venue has not told the next one (see `staleness`) is
        followed by others an interval apart.
        """
        return max(self._settled(until) - self._settled(now), 0)

    def _settled(self, at: datetime) -> int:
        if self.interval is None or self.settles_at is None:
            return 0
        return (at - self.settles_at) // self.interval + 1

    def next_settlement(self, now: datetime) -> datetime | None:
        """Return the first settlement after *now*; None for spot."""
        if self.interval is None or self.settles_at is None:
            return None
        return self.settles_at + self._settled(now) * self.interval

    def expected(self, now: datetime, until: datetime) -> Decimal:
        """Return what a long is expected to pay after *now* up to *until*, a share of the notional.

        The settlement that is due costs `rate`, any later one `predicted`, or `rate` again.
        """
        later = self.rate if self.predicted is None else self.predicted
        times = self.settlements(now, until)
        due = min(times, 1) if self._settled(now) <= 0 else 0
        return add(_times(self.rate, due), _times(later, times - due))


def spot(received_at: datetime) -> LegFunding:
    """Return the funding of a spot leg: none, and known for good."""
    return LegFunding(ZERO, received_at)


def prorated(rate: Decimal, interval: timedelta, span: timedelta) -> Decimal:
    """Return *rate* per *interval* as a rate per *span*."""
    if interval <= timedelta(0):
        raise InvalidValueError(f"interval of funding must be positive, was {interval}")
    return EXACT.divide(_times(rate, span // _TICK), Decimal(interval // _TICK))


def staleness(funding: LegFunding | None, now: datetime, ttl: timedelta) -> Staleness | None:
    """Return why *funding* says nothing of *now*; None if it is fresh.

    *ttl* is how old news of this leg may be. Spot is always fresh (flaw A-7): it has no stream, and
    nothing that could be heard would change its rate.
    """
    if ttl <= timedelta(0):
        raise InvalidValueError(f"ttl of funding must be positive, was {ttl}: it is always stale")
    if funding is None:
        return Staleness.MISSING
    if funding.settles_at is None:
        return None
    if now >= funding.settles_at:
        return Staleness.SETTLED
    return Staleness.OLD if now - funding.received_at > ttl else None


# ---- two legs


def lacks_one(before: datetime, last: datetime, due: datetime, now: datetime) -> bool:
    """Return whether a settlement has just been that the venue has not written down yet.

    It tells of two, *before* and *last*, and of the one that is *due*. If that is later than one
    interval after *last*, either the interval has changed, or one is missing between them: then the
    time from *last* to *due* would pass for the interval. Venues are late by `LATE` at most; where
    they settle very often, by an eighth of the interval.
    """
    interval = last - before
    expected = last + interval
    is_later = due - expected > interval / 8
    return is_later and expected <= now < expected + min(LATE, interval / 8)


def spread(long: LegFunding, short: LegFunding) -> Decimal:
    """Return what a pair earns in a year before costs, a share of the notional of one leg."""
    return EXACT.subtract(short.apr, long.apr)


def direction(first: LegFunding, second: LegFunding) -> Direction | None:
    """Return how to stand in the two legs so that funding is earned; None if there is none."""
    earned = spread(first, second)
    if earned == 0:
        return None
    return Direction.POSITIVE if earned > 0 else Direction.NEGATIVE


def expected_carry(long: LegFunding, short: LegFunding, now: datetime, until: datetime) -> Decimal:
    """Return what the settlements after *now* up to *until* are expected to bring the pair.

    A share of the notional of one leg; negative if the pair pays.
    """
    return EXACT.subtract(short.expected(now, until), long.expected(now, until))


def basis(spot_price: Decimal, perpetual_price: Decimal) -> Decimal:
    """Return how much dearer the perpetual is, as a share of the spot price."""
    for name, price in (("spot", spot_price), ("perpetual", perpetual_price)):
        if price <= 0:
            raise InvalidValueError(f"the {name} price of a basis must be positive, was {price}")
    return EXACT.divide(EXACT.subtract(perpetual_price, spot_price), spot_price)


def payment(instrument: Instrument, lots: int, mark: Decimal, rate: Decimal) -> Decimal:
    """Return what a position of signed *lots* receives (negative: pays) at a settlement, in quote.

    *mark* is the venue's mark price at that moment, in quote per base.
    """
    if mark <= 0:
        raise InvalidValueError(f"mark of a settlement must be positive, was {mark}")
    base = _times(instrument.lot_size, -lots)
    return EXACT.multiply(EXACT.multiply(base, mark), rate)


def _times(amount: Decimal, count: int) -> Decimal:
    return EXACT.multiply(amount, Decimal(count))


def _require_aware(name: str, at: datetime) -> None:
    if at.utcoffset() != timedelta(0):
        raise InvalidValueError(f"{name} of funding must be in UTC, was {at.isoformat()}")

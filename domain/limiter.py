"""How fast requests may leave: sliding windows that are never overfull, and priorities.

Pure: the caller says what time it is. How a window counts is told in `domain.windows`; how several
processes share one, in `domain.sharing`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from domain.errors import InvalidValueError
from domain.windows import Window

_NO_WAIT: Final = timedelta(0)


class Priority(IntEnum):
    """Who goes first (decision D11)."""

    CANCEL = 0
    REDUCE = 1
    PLACE = 2
    QUERY = 3


class Counted(StrEnum):
    """Whose requests a venue counts together."""

    USER_MARKET = "user_market"  # one user's, of one kind of market
    USER = "user"  # one user's, of both kinds
    ADDRESS_MARKET = "address_market"  # all users' of one IP address, of one kind of market
    ADDRESS = "address"  # all users' of one IP address, of both kinds


ONE_USER: Final = (Counted.USER_MARKET, Counted.USER)
ONE_MARKET: Final = (Counted.USER_MARKET, Counted.ADDRESS_MARKET)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most *amount* in any span of length *per*, of those that are *counted* together."""

    amount: int
    per: timedelta
    counted: Counted = Counted.USER_MARKET
    #: The venue tells with each answer how much of it was used.
    reported: bool = False

    def __post_init__(self) -> None:
        if self.amount < 1 or self.per <= _NO_WAIT:
            raise InvalidValueError(f"a rate is at least 1 per some time, was {self}")


#: What a call takes from which bucket.
Costs = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a bucket's rate was used in the span of time that ends now."""

    bucket: str
    used: int
    rate: Rate


class Limiter:
    """The buckets of one account at one venue."""

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self.rates: Final = dict(rates)
        self._windows = {name: Window(rate.amount, rate.per) for name, rate in rates.items()}
        self._paused_until: datetime | None = None

    def wait(self, costs: Costs, now: datetime) -> timedelta:
        """Return how long a call must wait; nothing if it may leave now."""
        waits = [self._windows[name].wait(cost, now) for name, cost in costs.items()]
        return max([*waits, self.paused(now)])

    def fits(self, costs: Costs, now: datetime) -> bool:
        """Return whether a call could leave if it were alone. With no part at all, later: yes."""
        return all(cost <= (self.most(name, now) or cost) for name, cost in costs.items())

    def take(self, costs: Costs) -> None:
        """Count a call that leaves."""
        for name, cost in costs.items():
            self._windows[name].leave(cost)

    def land(self, costs: Costs, now: datetime) -> None:
        """Count the end of a call that left: it was answered, or given up."""
        for name, cost in costs.items():
            self._windows[name].land(cost, now)

    def pause(self, until: datetime) -> None:
        """Let nothing leave before *until*: the venue asked for it."""
        self._paused_until = max(until, self._paused_until or until)

    def paused(self, now: datetime) -> timedelta:
        """Return how long the venue wants nothing to leave; nothing if it may."""
        return max((self._paused_until or now) - now, _NO_WAIT)

    def told(self, bucket: str, used: int, now: datetime) -> None:
        """Count what the venue says was used beyond our own count: others share the limit."""
        if bucket in self._windows:
            self._windows[bucket].told(used, now)

    def usage(self, now: datetime) -> Sequence[Usage]:
        """Return what of each bucket was used."""
        return [
            Usage(name, window.total(now), self.rates[name])
            for name, window in self._windows.items()
        ]

    # ---- shared with other processes

    def most(self, bucket: str, now: datetime) -> int:
        """Return how much of a bucket's amount may be used here, now."""
        return self._windows[bucket].part(now)

    def allot(self, bucket: str, part: int, until: datetime | None, now: datetime) -> None:
        """Use *part* of a bucket's amount from now on and nothing after *until*: see `Window`."""
        reported = self.rates[bucket].reported
        self._windows[bucket].allot(part, until, now, at_once=reported)

    def settled(self, bucket: str, now: datetime) -> bool:
        """Return whether no more was used than the part that there is now."""
        return self._windows[bucket].used(now) <= self.most(bucket, now)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that wants to leave. *number* keeps the order among equals."""

    priority: Priority
    number: int
    costs: Costs


def released(
    limiter: Limiter, waiting: Sequence[Waiting], now: datetime
) -> tuple[list[Waiting], timedelta | None]:
    """Return who may leave now, counted, and how long until to ask again (None: nobody waits).

    Nobody overtakes someone more important who waits for one of the same buckets.
    """
    leaving: list[Waiting] = []
    taken: set[str] = set()
    shortest: timedelta | None = None
    for each in sorted(waiting, key=lambda one: (one.priority, one.number)):
        if taken & each.costs.keys():
            continue
        wait = limiter.wait(each.costs, now)
        if wait <= _NO_WAIT:
            limiter.take(each.costs)
            leaving.append(each)
            continue
        taken |= each.costs.keys()
        shortest = wait if shortest is None else min(shortest, wait)
    return leaving, shortest

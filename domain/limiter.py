"""How fast requests may leave: sliding windows that are never overfull, and priorities.

Pure: the caller says what time it is. A window counts what left during its length, so that in no
span of that length more than its amount leaves, wherever the span begins.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from domain.errors import InvalidValueError

_NO_WAIT: Final = timedelta(0)


class Priority(IntEnum):
    """Who goes first (decision D11)."""

    CANCEL = 0
    REDUCE = 1
    PLACE = 2
    QUERY = 3


@dataclass(frozen=True, slots=True)
class Rate:
    """At most *amount* in any span of length *per*."""

    amount: int
    per: timedelta

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


@dataclass(slots=True)
class _Window:
    rate: Rate
    left_at: deque[tuple[datetime, int]] = field(default_factory=deque)
    used: int = 0

    def forget(self, now: datetime) -> None:
        while self.left_at and self.left_at[0][0] <= now - self.rate.per:
            self.used -= self.left_at.popleft()[1]

    def wait(self, cost: int, now: datetime) -> timedelta:
        """Return how long until *cost* fits; a cost above the amount fits an empty window."""
        self.forget(now)
        over = self.used + min(cost, self.rate.amount) - self.rate.amount
        for at, amount in self.left_at:
            if over <= 0:
                break
            over -= amount
            if over <= 0:
                return at + self.rate.per - now
        return _NO_WAIT

    def take(self, cost: int, now: datetime) -> None:
        if cost:
            self.left_at.append((now, cost))
            self.used += cost


class Limiter:
    """The buckets of one account at one venue."""

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._windows = {name: _Window(rate) for name, rate in rates.items()}
        self._paused_until: datetime | None = None

    def wait(self, costs: Costs, now: datetime) -> timedelta:
        """Return how long a call must wait; nothing if it may leave now."""
        waits = [self._windows[name].wait(cost, now) for name, cost in costs.items()]
        if self._paused_until is not None:
            waits.append(self._paused_until - now)
        return max(waits, default=_NO_WAIT, key=lambda wait: max(wait, _NO_WAIT))

    def take(self, costs: Costs, now: datetime) -> None:
        """Count a call that leaves now."""
        for name, cost in costs.items():
            self._windows[name].take(cost, now)

    def pause(self, until: datetime) -> None:
        """Let nothing leave before *until*: the venue asked for it."""
        self._paused_until = max(until, self._paused_until or until)

    def told(self, bucket: str, used: int, now: datetime) -> None:
        """Count what the venue says was used beyond our own count: others share the limit."""
        window = self._windows.get(bucket)
        if window is not None:
            window.forget(now)
            window.take(max(0, min(used, window.rate.amount) - window.used), now)

    def usage(self, now: datetime) -> Sequence[Usage]:
        """Return what of each bucket was used."""
        for window in self._windows.values():
            window.forget(now)
        return [Usage(name, each.used, each.rate) for name, each in self._windows.items()]

    def paused(self, now: datetime) -> timedelta:
        """Return how long the venue wants nothing to leave; nothing if it may."""
        return max((self._paused_until or now) - now, _NO_WAIT)


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
            limiter.take(each.costs, now)
            leaving.append(each)
            continue
        taken |= each.costs.keys()
        shortest = wait if shortest is None else min(shortest, wait)
    return leaving, shortest

"""What arrived at the fronts and when: whoever tests a client's limits counts here."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked

#: How many of the newest requests are remembered one by one; all are counted.
_KEPT: Final = 100_000
#: What counts as an order for the limits of every venue.
_OF_ORDERS: Final = (
    Operation.PLACE,
    Operation.PLACE_BATCH,
    Operation.CANCEL,
    Operation.CANCEL_BATCH,
)
#: The method of a request that no route is there for.
UNKNOWN: Final = "rest.unknown"
#: The status of a request that is not answered, or never was.
UNANSWERED: Final = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """What is counted together. `method` is that of fault rules, such as `rest.place`."""

    venue: str
    method: str
    account: str
    status: int


@dataclass(slots=True)
class Arrival:
    """One request, before any fault. *at* is in seconds of a clock that never jumps.

    `operation` is None where no route is there for it; `client_ids` are those it names, and
    `status` is that of its answer, once there is one.
    """

    operation: Operation | None
    asked: Asked
    venue: str = ""
    account: str = ""
    client_ids: Sequence[str] = ()
    status: int = UNANSWERED
    at: float = field(default_factory=time.monotonic)
    came_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def orders(self) -> int:
        """How many orders it names."""
        return len(set(self.client_ids))

    @property
    def of_orders(self) -> bool:
        """Whether it places or cancels."""
        return self.operation in _OF_ORDERS

    @property
    def kind(self) -> Kind:
        """What it is counted with."""
        method = UNKNOWN if self.operation is None else f"rest.{self.operation}"
        return Kind(self.venue, method, self.account, self.status)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests are meant; None is all, and `method` a pattern with * and ?."""

    venue: str | None = None
    method: str = "*"
    account: str | None = None
    status: int | None = None

    def takes(self, kind: Kind) -> bool:
        """Return whether requests of *kind* are meant."""
        return (
            self.venue in (None, kind.venue)
            and self.account in (None, kind.account)
            and self.status in (None, kind.status)
            and fnmatchcase(kind.method, self.method)
        )


@dataclass(frozen=True, slots=True)
class Most:
    """The most that came within a span of time, and when that span began; None if nothing came."""

    count: int
    began_at: datetime | None


class Arrivals:
    """The newest requests, in the order in which they arrived, and how many came in all."""

    def __init__(self) -> None:
        self._kept: deque[Arrival] = deque(maxlen=_KEPT)
        self._answered: Counter[Kind] = Counter()
        self._orders: Counter[Kind] = Counter()

    def note(self, arrival: Arrival) -> None:
        """Note a request that arrives now."""
        self._kept.append(arrival)

    def close(self, arrival: Arrival) -> None:
        """Count a request that was answered, or is given up."""
        self._answered[arrival.kind] += 1
        self._orders[arrival.kind] += arrival.orders

    def clear(self) -> None:
        """Begin at zero."""
        for each in (self._kept, self._answered, self._orders):
            each.clear()

    def all(self) -> list[Arrival]:
        """Return what was kept, oldest first."""
        return list(self._kept)

    def counts(self, wanted: Filter) -> Iterator[tuple[Kind, int, int]]:
        """Yield each kind with its requests that are done, and the orders they named."""
        for kind, requests in self._answered.items():
            if wanted.takes(kind):
                yield kind, requests, self._orders[kind]

    def most_requests(self, within: timedelta, wanted: Filter) -> Most:
        """Return the most requests that came in any span as long as *within*."""
        return self._most(within, wanted, lambda _: 1)

    def most_orders(self, within: timedelta, wanted: Filter) -> Most:
        """Return the most orders that requests of any span as long as *within* named."""
        return self._most(within, wanted, lambda each: each.orders)

    def _most(self, within: timedelta, wanted: Filter, weight: Callable[[Arrival], int]) -> Most:
        came = [each for each in self._kept if wanted.takes(each.kind)]
        return _fullest(came, within.total_seconds(), weight)


def _fullest(came: Sequence[Arrival], within: float, weight: Callable[[Arrival], int]) -> Most:
    """Slide a span, which does not count its own end, over requests in order of time."""
    most, inside, first = Most(0, None), 0, 0
    for last in came:
        inside += weight(last)
        while came[first].at <= last.at - within:
            inside -= weight(came[first])
            first += 1
        if inside > most.count:
            most = Most(inside, came[first].came_at)
    return most

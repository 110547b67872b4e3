"""One bucket of a limiter: a sliding window that is never overfull where the venue counts it.

A request arrives some time between its leaving and its answer. It counts from its leaving until a
window's length after its answer: so in no span of that length more than the amount *arrives*,
wherever the span begins and however long anything takes on its way.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

_NO_WAIT: Final = timedelta(0)
#: What a process sent just before it ended is at the venue after this long.
_ON_ITS_WAY: Final = timedelta(seconds=0.5)


@dataclass(slots=True)
class _Log:
    entries: deque[tuple[datetime, int]] = field(default_factory=deque)
    total: int = 0

    def add(self, at: datetime, cost: int) -> None:
        if cost:
            self.entries.append((at, cost))
            self.total += cost

    def forget(self, until: datetime) -> None:
        while self.entries and self.entries[0][0] <= until:
            self.total -= self.entries.popleft()[1]


class Window:
    """Counts what one process sends under a rate, of which perhaps only a part is its own."""

    def __init__(self, amount: int, per: timedelta) -> None:
        """Take the whole rate: *amount* in any span of *per*; all of it is ours until `allot`."""
        self._amount = amount
        self._per = per
        self._flying = 0
        self._landed = _Log()
        self._elsewhere = _Log()
        self._parts: deque[tuple[datetime | None, int]] = deque([(None, amount)])
        self._until: datetime | None = None

    # ---- what leaves

    def wait(self, cost: int, now: datetime) -> timedelta:
        """Return how long until *cost* fits, at the longest until it is worth asking again."""
        self._forget(now)
        if self._until is not None and now >= self._until:
            return self._per
        ours = self._flying + self._landed.total + cost
        own = self._relief(self._landed.entries, ours - self.part(now), now)
        if not self._elsewhere.total:
            return own
        everybody = sorted([*self._landed.entries, *self._elsewhere.entries])
        over = ours + self._elsewhere.total - self._amount
        return max(own, self._relief(everybody, over, now))

    def leave(self, cost: int) -> None:
        """Count a request that leaves."""
        self._flying += cost

    def land(self, cost: int, now: datetime) -> None:
        """Count the end of a request: it was answered, or given up."""
        self._flying -= cost
        self._landed.add(now, cost)

    def told(self, used: int, now: datetime) -> None:
        """Count what the venue says was used beyond our own count: others share the limit."""
        more = min(used, self._amount) - self.total(now)
        self._elsewhere.add(now, max(more, 0))

    def used(self, now: datetime) -> int:
        """Return how much of ours is under way or was answered within the window's length."""
        self._forget(now)
        return self._flying + self._landed.total

    def total(self, now: datetime) -> int:
        """Return what was used, by us and as the venue tells by others."""
        return self.used(now) + self._elsewhere.total

    # ---- what of it is ours

    def allot(
        self, part: int, until: datetime | None, now: datetime, *, at_once: bool = False
    ) -> None:
        """Use *part* of the amount from now on, and nothing at all after *until*.

        A larger part than before counts a window's length after the last request of whoever had it
        has arrived. *at_once*: the venue's own count takes care of that.
        """
        self._until = until
        if at_once:
            self._parts.clear()
        if not self._parts or self._parts[-1][1] != part:
            self._parts.append((now, part))

    def part(self, now: datetime) -> int:
        """Return the smallest part there was for as long as others may have used more."""
        before = now - self._per - _ON_ITS_WAY
        while len(self._parts) > 1 and _at_or_before(self._parts[1][0], before):
            self._parts.popleft()
        return min(part for _, part in self._parts)

    # ---- how

    def _forget(self, now: datetime) -> None:
        self._landed.forget(now - self._per)
        self._elsewhere.forget(now - self._per)

    def _relief(
        self, entries: Iterable[tuple[datetime, int]], over: int, now: datetime
    ) -> timedelta:
        """Return how long until *over* of *entries* is forgotten; what flies may take for ever."""
        if over <= 0:
            return _NO_WAIT
        for at, cost in entries:
            over -= cost
            if over <= 0:
                return at + self._per - now
        return self._per


def _at_or_before(since: datetime | None, at: datetime) -> bool:
    return since is None or since <= at

"""How the processes of one account share its rates: each has a part, and all fit into the rate.

Each process keeps a row that the others read: who came when, whom it leaves room for, and a lease
that it renews. The parts follow from the rows alone; nobody hands them out.

- Who comes and finds nobody uses all at once. Who finds others uses nothing until each of them has
  seen it, and has used no more than its smaller part for a window's length.
- A smaller part counts at once, a larger one after a window's length: whoever had it may have used
  it just now.
- Who could not renew its lease sends nothing once it has ended, by its own clock. The others take
  its part only when it has ended by theirs, which may be `CLOCKS_APART`.

So whoever may send is in the rows that everybody else's part was reckoned from, and sums of parts
that were reckoned from more rows are only smaller. Pure: rows and times are arguments.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.limiter import Limiter

#: How often a lease is renewed, which is also how soon a newcomer is seen.
RENEWED_EVERY: Final = timedelta(seconds=1)
#: How long one is good for. Longer than a database may be busy, and as long as a killed process
#: keeps its part if nobody can tell that it is dead.
LEASE: Final = timedelta(seconds=10)
#: How far the clocks of two machines may be apart; venues do not allow more either.
CLOCKS_APART: Final = timedelta(seconds=1)
#: How long a row that has ended still matters: longer than any window that is not reported.
_REMEMBERED: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process's row. *number* counts who came; no later one is lower."""

    number: int
    #: The newest one that this one leaves room for.
    seen: int
    renewed_at: datetime
    #: It will send nothing more: it said so, or is known to be dead.
    ended: bool = False
    #: The venue wants nothing from the account before this.
    paused_until: datetime | None = None

    def gone(self, now: datetime) -> bool:
        """Return whether it sends nothing any more."""
        return self.ended or now > self.renewed_at + LEASE + CLOCKS_APART

    def forgotten(self, now: datetime) -> bool:
        """Return whether nothing depends on the row any more."""
        lease = CLOCKS_APART if self.ended else LEASE + CLOCKS_APART
        over = now > self.renewed_at + lease + _REMEMBERED
        return over and (self.paused_until is None or now > self.paused_until)


@dataclass(frozen=True, slots=True)
class Standing:
    """One of *of*, and before it came *rank* others."""

    rank: int
    of: int

    def part(self, amount: int) -> int:
        """Return its part of *amount*; what cannot be divided goes to those who came first."""
        return (amount - self.rank + self.of - 1) // self.of


def standing(number: int, holders: Sequence[Holder], now: datetime) -> Standing | None:
    """Return where holder *number* stands; None until all others leave room for it."""
    others = [each for each in holders if each.number != number and not each.gone(now)]
    if any(each.seen < number for each in others):
        return None
    return Standing(sum(each.number < number for each in others), len(others) + 1)


class Share:
    """One process's part in the buckets that are counted together with those of others.

    *now* is the wall clock's, which the rows have; *at* and *asked* are the limiter's, which never
    jumps.
    """

    def __init__(self, limiter: Limiter, buckets: Collection[str]) -> None:
        self._limiter = limiter
        self._buckets = buckets
        self.number = 0
        #: What the row is to say next.
        self.seen = 0
        self.standing: Standing | None = None
        self._leased_until: datetime | None = None

    def lapsed(self, at: datetime) -> bool:
        """Return whether others may have taken its part: it has to come anew."""
        return self._leased_until is None or at >= self._leased_until

    def come(self, number: int, others: Sequence[Holder], asked: datetime, at: datetime) -> None:
        """Begin as holder *number*, beside *others*; the row was written after *asked*."""
        self.number = number
        self.seen = number
        self.standing = None if others else Standing(0, 1)
        self._allot(asked + LEASE, at)

    def renewed(
        self, others: Sequence[Holder], now: datetime, asked: datetime, at: datetime
    ) -> None:
        """Go by what the others' rows say; the own one was renewed after *asked*."""
        self.standing = standing(self.number, others, now)
        self._allot(asked + LEASE, at)
        if all(self._limiter.settled(bucket, at) for bucket in self._buckets):
            self.seen = max([self.seen, *(each.number for each in others)])

    def waited_for(self, others: Sequence[Holder]) -> bool:
        """Return whether a newcomer waits for this one to use no more than its smaller part."""
        return any(each.number > self.seen for each in others)

    def lose(self, at: datetime) -> None:
        """Use nothing any more: the row is not there."""
        self.standing = None
        self._leased_until = None
        self._allot(None, at)

    def cut_off(self, at: datetime) -> None:
        """Go on with the last part although nobody can be asked."""
        self._leased_until = None
        for bucket in self._buckets:
            self._limiter.allot(bucket, self._limiter.most(bucket, at), None, at)

    def _allot(self, until: datetime | None, at: datetime) -> None:
        self._leased_until = until
        for bucket in self._buckets:
            amount = self._limiter.rates[bucket].amount
            part = 0 if self.standing is None else self.standing.part(amount)
            self._limiter.allot(bucket, part, until, at)

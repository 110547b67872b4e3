"""From what a portfolio holds to what it should hold: the changes, and their order.

    worth it  |d| > min(drift, cost * buffer) * (current + 1)     d = target - current, in quote
    order     remove < reduce < resize < add, by name among equals

(requirements 3.7, row R-38.) Two thresholds stand there, of which the lower one decides. What gives
back comes first: it frees the margin for what comes after it, and what cannot be done is dropped
from the end. No change follows from a scan that failed, and none for a pair of which the scan could
say neither yes nor no (flaw P-3).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Annotated

from pydantic import Field

from domain.arbitrage.allocation import AllocationSpec, Listing, targets
from domain.arbitrage.universe import Scan, ScanFailed
from domain.money import EXACT, ZERO, Instrument, Price, Quantity
from domain.written import Exact, Positive, Written


class RebalanceSpec(Written):
    """When a difference is worth trading, as a person writes it."""

    drift: Positive = Decimal("0.05")
    """A share of what is held."""
    cost: Annotated[Exact, Field(ge=0)] = Decimal("0.003")
    """What the trades of a change cost, as a share of the notional."""
    buffer: Annotated[Exact, Field(ge=1)] = Decimal("2.5")
    """How many times that a difference must be."""


class Kind(IntEnum):
    """What is done to a pair; the number is its turn."""

    REMOVE = 0
    REDUCE = 1
    RESIZE = 2
    ADD = 3

    @property
    def expands(self) -> bool:
        """Return whether it takes on a larger position: the other kinds are never held back."""
        return self in (Kind.RESIZE, Kind.ADD)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of one pair, in quote: the notional of one leg, before and after.

    A removal closes the position first. The pair is forgotten when nothing is left: `done`.
    """

    kind: Kind
    pair: str
    current: Decimal
    target: Decimal

    def quantity(self, instrument: Instrument, price: Price) -> Quantity:
        """Return the lots of a leg that the difference in quote buys at *price* (flaw P-1)."""
        difference = EXACT.abs(EXACT.subtract(self.target, self.current))
        return instrument.affordable(difference, price)


def worth_it(spec: RebalanceSpec, current: Decimal, target: Decimal) -> bool:
    """Return whether the difference is worth its trades; both are notionals in quote."""
    share = min(spec.drift, EXACT.multiply(spec.cost, spec.buffer))
    difference = EXACT.abs(EXACT.subtract(target, current))
    return difference > EXACT.multiply(share, EXACT.add(current, Decimal(1)))


def plan(
    spec: RebalanceSpec, wanted: Mapping[str, Decimal], held: Mapping[str, Decimal]
) -> tuple[Change, ...]:
    """Return the changes from *held* to *wanted* (notionals by pair) in the order of their turn.

    One change for each pair at most. Whoever is held without being wanted is removed, also if its
    notional is 0: it may be about to enter.
    """
    changes = [_change(spec, pair, held.get(pair), wanted.get(pair)) for pair in {**held, **wanted}]
    due = (change for change in changes if change is not None)
    return tuple(sorted(due, key=lambda change: (change.kind, change.pair)))


def _change(
    spec: RebalanceSpec, pair: str, current: Decimal | None, target: Decimal | None
) -> Change | None:
    if target is None:
        return Change(Kind.REMOVE, pair, current or ZERO, ZERO)
    if current is None:
        return Change(Kind.ADD, pair, ZERO, target)
    if not worth_it(spec, current, target):
        return None
    return Change(Kind.REDUCE if target < current else Kind.RESIZE, pair, current, target)


def propose(
    allocation: AllocationSpec,
    rebalance: RebalanceSpec,
    scan: Scan,
    equity: Decimal,
    held: Mapping[str, Decimal],
    listings: Mapping[str, Listing],
    *,
    bound: Collection[str] = (),
) -> tuple[Change, ...]:
    """Return the changes that *scan* advises to who holds *held* (notionals by pair).

    None is for the pairs that are *bound*, such as one that is being closed: they use up room.
    """
    if isinstance(scan, ScanFailed):
        return ()
    fixed = scan.unknown | frozenset(bound)
    kept = {pair: notional for pair, notional in held.items() if pair in fixed}
    best = targets(allocation, equity, scan.ranked, listings, kept)
    wanted = {target.pair: target.notional for target in best}
    return plan(rebalance, wanted | kept, held)


def done(held: Mapping[str, Decimal], change: Change, left: Decimal) -> Mapping[str, Decimal]:
    """Return what is held after *change* has left a notional of *left*.

    A removal that left anything forgets nothing: the next plan removes the pair again (flaw P-2).
    """
    others = {pair: notional for pair, notional in held.items() if pair != change.pair}
    forgotten = change.kind is Kind.REMOVE and left == 0
    return others if forgotten else {**others, change.pair: left}

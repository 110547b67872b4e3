"""How much of the equity each pair gets.

    weight    w = score / sum of scores, of the best pairs, rounded down
    capped    by the pair, then by what is left of its group, its venues and the whole
    notional  equity * leverage * w                                           in quote

(requirements 3.7, row R-38.) The best pair is served first; what a cap cuts off is not given to
others. Without a group a pair is a group of its own: nothing is known of what it has in common with
others (flaw P-5: all of them shared one group, and its cap).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Annotated, Final

from pydantic import Field

from domain.arbitrage.universe import Ranked
from domain.errors import InvalidValueError
from domain.money import EXACT, ZERO, add
from domain.written import Exact, Positive, Written

Share = Annotated[Exact, Field(gt=0, le=1)]
_GRAIN: Final = Decimal("1e-9")
_WHOLE: Final = Decimal(1)


class AllocationSpec(Written):
    """How a portfolio is spread, as a person writes it. Caps are shares of the whole."""

    pairs: Annotated[int, Field(ge=1, le=20)] = 10
    """How many pairs are held at most."""
    leverage: Positive = Decimal(3)
    """Notional of all pairs together, in equities; that of a pair is the one of a single leg."""
    pair_cap: Share = Decimal("0.25")
    group_cap: Share = Decimal("0.3")
    """A group is what falls together, such as a sector."""
    venue_cap: Share = Decimal(1)
    """Counts the pairs with at least one leg at the venue."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a pair trades, and what it belongs to."""

    venues: tuple[str, str]
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a pair should be. `notional` is that of one leg, in quote: never a quantity (P-1)."""

    pair: str
    weight: Decimal
    notional: Decimal


def group_of(pair: str, listing: Listing) -> str:
    """Return the group of *pair*: one of its own if none is known."""
    return listing.group or f"unknown ({pair})"


def targets(
    spec: AllocationSpec,
    equity: Decimal,
    ranked: Iterable[Ranked],
    listings: Mapping[str, Listing],
    kept: Mapping[str, Decimal] | None = None,
) -> tuple[Target, ...]:
    """Return what each of the best pairs should be, the best first; pairs without room are absent.

    *kept* are pairs that stay as they are, with their notional: they use up room, and no score.
    """
    if equity <= 0:
        raise InvalidValueError(f"equity must be positive to be allocated, was {equity}")
    whole = EXACT.multiply(equity, spec.leverage)
    kept = kept or {}
    rooms = _Rooms(spec, listings)
    for pair, notional in kept.items():
        rooms.use(pair, EXACT.divide(notional, whole))
    places = max(spec.pairs - len(kept), 0)
    best = [one for one in ranked if one.score > 0 and one.pair not in kept][:places]
    total = add(*(one.score for one in best))
    weights = ((one.pair, rooms.take(one.pair, EXACT.divide(one.score, total))) for one in best)
    return tuple(
        Target(pair, weight, EXACT.multiply(whole, weight)) for pair, weight in weights if weight
    )


class _Rooms:
    """What is left of the caps, while the pairs are served one after the other."""

    def __init__(self, spec: AllocationSpec, listings: Mapping[str, Listing]) -> None:
        self._caps = {"whole": _WHOLE, "group": spec.group_cap, "venue": spec.venue_cap}
        self._pair_cap = spec.pair_cap
        self._listings = listings
        self._used: defaultdict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)

    def take(self, pair: str, fair: Decimal) -> Decimal:
        """Return how much of its *fair* weight a pair gets, and count it as used."""
        left = min(self._left(kind, name) for kind, name in _shared(pair, self._listings))
        weight = max(min(fair, self._pair_cap, left), ZERO).quantize(_GRAIN, ROUND_DOWN, EXACT)
        self.use(pair, weight)
        return weight

    def use(self, pair: str, weight: Decimal) -> None:
        for room in _shared(pair, self._listings):
            self._used[room] = EXACT.add(self._used[room], weight)

    def _left(self, kind: str, name: str) -> Decimal:
        return EXACT.subtract(self._caps[kind], self._used[kind, name])


def _shared(pair: str, listings: Mapping[str, Listing]) -> list[tuple[str, str]]:
    """Return the kinds and names of the rooms that a pair shares with others."""
    if pair not in listings:
        raise InvalidValueError(f"{pair} has no listing: its venues are needed for their caps")
    listing = listings[pair]
    venues = [("venue", name) for name in sorted(set(listing.venues))]
    return [("whole", ""), ("group", group_of(pair, listing)), *venues]

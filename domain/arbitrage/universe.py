"""Which pairs are worth holding: the liquid ones, ranked, and when to change from one to another.

    liquid   24 h quote volume >= the minimum, on the venue of each leg
    alike    |price of one leg / price of the other - 1| <= the most basis: coins may share a name
    listed   liquid, alike, APR >= the least, score > 0
    ranked   by score, the highest first; equal scores by the pair's name
    switch   (APR new - APR old) * hold / 365 d > cost * buffer

(requirements 3.6, rows R-36 and R-37.) What is not known is left out and said so, and never taken
for 0. A scan that failed is a value, `ScanFailed`, of which nothing follows: no pair is left for
want of an answer (flaw P-3).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.arbitrage.score import Score
from domain.errors import InvalidValueError
from domain.money import EXACT
from domain.written import Exact, Positive, Written

NotNegative = Annotated[Exact, Field(ge=0)]


class UniverseSpec(Written):
    """Which pairs come into question, as a person writes it."""

    min_quote_volume: NotNegative = Decimal(10_000_000)
    """Traded in 24 hours on each of the two venues, in quote; 0: volume does not matter."""
    least_apr: NotNegative = Decimal("0.01")
    """A share of the notional in a year, the mean of 7 days."""
    most_basis: Positive = Decimal("0.1")
    """Legs whose prices are further apart, as a share, are taken for different coins."""
    hold_days: Positive = Decimal(7)
    """How long a better pair is expected to stay better."""
    switch_cost: NotNegative = Decimal("0.003")
    """What leaving one pair and entering another costs, as a share of the notional."""
    switch_buffer: Annotated[Exact, Field(ge=1)] = Decimal("1.5")
    """How many times its cost a switch must gain."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair that a scan saw, with the 24 h quote volume of each leg. None: not known.

    `basis` is by how much the second leg is dearer than the first, a share.
    """

    pair: str
    volumes: tuple[Decimal | None, Decimal | None]
    score: Score | None
    basis: Decimal | None = None


class Exclusion(StrEnum):
    """Why a pair is not ranked."""

    VOLUME_UNKNOWN = "volume_unknown"
    SCORE_UNKNOWN = "score_unknown"
    ILLIQUID = "illiquid"
    UNLIKE = "unlike"
    LOW_APR = "low_apr"
    WORTHLESS = "worthless"

    @property
    def unknown(self) -> bool:
        """Return whether something was not told: no reason to leave a pair that is held.

        Nor are prices that are far apart: they may be a moment's, and the pair was one coin before.
        """
        return self in (Exclusion.VOLUME_UNKNOWN, Exclusion.SCORE_UNKNOWN, Exclusion.UNLIKE)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A pair worth holding."""

    pair: str
    score: Decimal
    apr: Decimal


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a scan found: the best first, and why the others are left out, by name."""

    ranked: tuple[Ranked, ...]
    left_out: Mapping[str, Exclusion]

    @property
    def unknown(self) -> frozenset[str]:
        """Return the pairs of which the scan can say neither yes nor no."""
        return frozenset(pair for pair, why in self.left_out.items() if why.unknown)


@dataclass(frozen=True, slots=True)
class ScanFailed:
    """A scan that did not hear from every venue it asked.

    `lasting`: it will not by being asked again, a person must act.
    """

    venue: str
    why: str
    lasting: bool = False


Scan = Ranking | ScanFailed


def rank(spec: UniverseSpec, candidates: Iterable[Candidate]) -> Ranking:
    """Return the pairs that are worth holding, the best first, and why the others are not."""
    ranked: list[Ranked] = []
    left_out: dict[str, Exclusion] = {}
    seen: set[str] = set()
    for one in candidates:
        if one.pair in seen:
            raise InvalidValueError(f"each pair stands in a scan once, was twice: {one.pair}")
        seen.add(one.pair)
        found = judge(spec, one)
        if isinstance(found, Ranked):
            ranked.append(found)
        else:
            left_out[one.pair] = found
    ranked.sort(key=lambda pair: pair.pair)
    ranked.sort(key=lambda pair: pair.score, reverse=True)  # stable: equal scores keep their names
    return Ranking(tuple(ranked), dict(sorted(left_out.items())))


def judge(spec: UniverseSpec, candidate: Candidate) -> Ranked | Exclusion:
    """Return *candidate* as it is ranked, or why it is not. A known fault goes before a gap."""
    volumes, found, least = candidate.volumes, candidate.score, spec.min_quote_volume
    if any(volume is not None and volume < least for volume in volumes):
        return Exclusion.ILLIQUID
    if candidate.basis is not None and abs(candidate.basis) > spec.most_basis:
        return Exclusion.UNLIKE
    if found is not None and found.apr < spec.least_apr:
        return Exclusion.LOW_APR
    if found is not None and found.value <= 0:
        return Exclusion.WORTHLESS
    if least > 0 and None in volumes:
        return Exclusion.VOLUME_UNKNOWN
    if found is None:
        return Exclusion.SCORE_UNKNOWN
    return Ranked(candidate.pair, found.value, found.apr)


# ---- one pair at a time


@dataclass(frozen=True, slots=True)
class Switch:
    """Leave the pair that is held for another; None: for none.

    `forced`: the pair that is held is worth holding no longer, whatever the change costs.
    """

    to: str | None
    forced: bool = False


def gains(spec: UniverseSpec, old_apr: Decimal, new_apr: Decimal) -> bool:
    """Return whether the better yield of the holding time pays for the change, and more."""
    better = EXACT.multiply(EXACT.subtract(new_apr, old_apr), spec.hold_days)
    wanted = EXACT.multiply(spec.switch_cost, spec.switch_buffer)
    return better > EXACT.multiply(wanted, Decimal(365))


def switch(spec: UniverseSpec, scan: Scan, held: str | None) -> Switch | None:
    """Return the change that *scan* advises to who holds the pair *held*; None: stay."""
    if isinstance(scan, ScanFailed):
        return None
    best = scan.ranked[0] if scan.ranked else None
    if held is None:
        return None if best is None else Switch(best.pair)
    listed = next((one for one in scan.ranked if one.pair == held), None)
    if listed is None:
        forced = Switch(None if best is None else best.pair, forced=True)
        return None if held in scan.unknown else forced
    if best is None or best.pair == held or not gains(spec, listed.apr, best.apr):
        return None
    return Switch(best.pair)

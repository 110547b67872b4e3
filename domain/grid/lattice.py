"""The ladder of prices: which tick level k is, and which level a price is nearest to (decision D1).

Arithmetic levels have no anchor: level k is k intervals, so a restart can never shift the grid. A
range spreads its levels evenly in whole ticks. Geometric levels hang on an anchor that is part of
the state. Everything is integers; powers of the ratio are taken in a context of their own.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Final

from domain.errors import InvalidValueError
from domain.money import Price

_POWERS: Final = Context(prec=40)


@dataclass(frozen=True, slots=True)
class Lattice:
    """Level k is `anchor + k x rise / run` ticks, or `anchor x ratio^k`; both rounded half up.

    `first` and `last` bound the levels of a fixed range; None where the grid trails without end.
    """

    anchor: int
    rise: int = 0
    run: int = 1
    ratio: Decimal | None = None
    first: int | None = None
    last: int | None = None
    top: int | None = None

    def __post_init__(self) -> None:
        if self.ratio is None and self.rise < self.run:
            raise InvalidValueError(
                f"levels must lie at least one tick apart, were {self.rise}/{self.run} ticks"
            )

    def ticks(self, level: int) -> int:
        """Return the price of *level* in ticks; zero or less where there is no such price."""
        if self.ratio is not None:
            if self.top is not None and level == self.last:
                return self.top  # a rounded ratio may miss the upper end by a tick
            return _geometric(self.anchor, self.ratio, level)
        return self.anchor + (2 * level * self.rise + self.run) // (2 * self.run)

    def has(self, level: int) -> bool:
        """Return whether *level* is one of this lattice."""
        if self.first is not None and level < self.first:
            return False
        if self.last is not None and level > self.last:
            return False
        return self.ticks(level) > 0

    def price(self, level: int) -> Price:
        """Return the price of *level*, or raise InvalidValueError where there is none."""
        return Price(self.ticks(level))

    def at_or_below(self, price: Price) -> int:
        """Return the highest level whose price is not above *price*, range or not."""
        level = self._estimate(price.ticks)
        while self.ticks(level) > price.ticks:
            level -= 1
        while self.ticks(level + 1) <= price.ticks:
            level += 1
        return level

    def nearest(self, price: Price) -> int:
        """Return the level nearest to *price*, halves upwards, clamped to the range."""
        below = self.at_or_below(price)
        up = 2 * price.ticks >= self.ticks(below) + self.ticks(below + 1)
        return self._clamped(below + 1 if up else below)

    def rises_at(self, level: int) -> int | None:
        """Return the lowest tick at which *level* stops being the center, going up.

        That is the next level itself: a center lives until the price has traveled a whole step, so
        it moves just when an order at that level fills, and one event tells both.
        """
        if self.last is not None and level >= self.last:
            return None
        return self.ticks(level + 1)

    def falls_at(self, level: int) -> int | None:
        """Return the highest tick at which *level* stops being the center, going down."""
        if (self.first is not None and level <= self.first) or self.ticks(level - 1) <= 0:
            return None
        return self.ticks(level - 1)

    def _estimate(self, ticks: int) -> int:
        if self.ratio is None:
            return (ticks - self.anchor) * self.run // self.rise
        share = _POWERS.divide(Decimal(ticks), Decimal(self.anchor))
        return int(_POWERS.divide(_POWERS.ln(share), _POWERS.ln(self.ratio)))

    def _clamped(self, level: int) -> int:
        low = level if self.first is None else max(level, self.first)
        return low if self.last is None else min(low, self.last)


def arithmetic(interval: int) -> Lattice:
    """Return the lattice of multiples of *interval* ticks."""
    return Lattice(anchor=0, rise=interval)


def even_range(lower: Price, upper: Price, levels: int) -> Lattice:
    """Return *levels* prices evenly spread from *lower* to *upper*."""
    return Lattice(lower.ticks, upper.ticks - lower.ticks, levels - 1, first=0, last=levels - 1)


def geometric(anchor: Price, ratio: Decimal) -> Lattice:
    """Return the lattice of *anchor* x *ratio*^k."""
    return Lattice(anchor.ticks, ratio=ratio)


def geometric_range(lower: Price, upper: Price, levels: int) -> Lattice:
    """Return *levels* prices from *lower* to *upper*, each the same ratio above the one before."""
    share = _POWERS.divide(Decimal(upper.ticks), Decimal(lower.ticks))
    ratio = _POWERS.power(share, _POWERS.divide(Decimal(1), Decimal(levels - 1)))
    return Lattice(lower.ticks, ratio=ratio, first=0, last=levels - 1, top=upper.ticks)


@lru_cache(maxsize=8192)
def _geometric(anchor: int, ratio: Decimal, level: int) -> int:
    power = _POWERS.power(ratio, Decimal(level))
    return int(_POWERS.multiply(Decimal(anchor), power).to_integral_value(ROUND_HALF_UP, _POWERS))

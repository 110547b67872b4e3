"""Statistics of a series: deviation, slope, and the volatility of daily closes.

Roots and logarithms cannot be exact. They are taken in the context `ROUNDED`, where the decimal
specification fixes every digit: the same on every machine and in every replay.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from itertools import pairwise
from typing import Final

from domain.errors import InvalidValueError
from domain.market import Candle
from domain.money import EXACT, add

#: Thirty digits: far more than a rate has, and cheap.
ROUNDED: Final = Context(
    prec=30, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)

#: A value and what it weighs, or a time and a value.
Point = tuple[Decimal, Decimal]


def deviation(weighted: Sequence[Point]) -> Decimal:
    """Return the standard deviation of (value, weight): of these, not of what they may sample.

    sqrt(sum of w (x - mean)^2 / sum of w), mean = sum of w x / sum of w
    """
    total = add(*(weight for _, weight in weighted))
    mean = EXACT.divide(add(*(EXACT.multiply(*point) for point in weighted)), total)
    squares = (
        EXACT.multiply(EXACT.power(EXACT.subtract(value, mean), 2), weight)
        for value, weight in weighted
    )
    return EXACT.divide(add(*squares), total).sqrt(ROUNDED)


def slope(points: Sequence[Point]) -> Decimal:
    """Return the least-squares slope of (x, y): (n Sxy - Sx Sy) / (n Sxx - Sx^2)."""
    count = Decimal(len(points))
    sum_x, sum_y = (add(*column) for column in zip(*points, strict=True))
    products = add(*(EXACT.multiply(x, y) for x, y in points))
    squares = add(*(EXACT.multiply(x, x) for x, _ in points))
    rise = EXACT.subtract(EXACT.multiply(count, products), EXACT.multiply(sum_x, sum_y))
    run = EXACT.subtract(EXACT.multiply(count, squares), EXACT.multiply(sum_x, sum_x))
    return EXACT.divide(rise, run)


def volatility(candles: Sequence[Candle]) -> Decimal | None:
    """Return the standard deviation of the log returns ln(close / close before).

    Of closed candles, oldest first; None for less than three of them: one return deviates from
    nothing, and that is no calm.
    """
    for before, after in pairwise(candles):
        if after.opened_at <= before.opened_at:
            raise InvalidValueError(
                "candles are told oldest first and each time once, was "
                f"{after.opened_at.isoformat()} after {before.opened_at.isoformat()}"
            )
    closes = [Decimal(candle.close.ticks) for candle in candles if candle.closed]
    if len(closes) < 3:
        return None
    returns = [EXACT.divide(after, before).ln(ROUNDED) for before, after in pairwise(closes)]
    return deviation([(value, Decimal(1)) for value in returns])

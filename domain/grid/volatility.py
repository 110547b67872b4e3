"""The average true range, and what it makes of a grid's interval (D2, DY-01 to DY-03)."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

from domain.grid.spec import Adaptive
from domain.market import Candle
from domain.money import EXACT


def average_true_range(candles: Sequence[Candle], period: int) -> Decimal | None:
    """Return the mean true range of the newest *period* closed candles, in ticks; None if too few.

    TR = max(high - low, |high - previous close|, |low - previous close|), Wilder 1978, with a plain
    mean. Only closed candles count, so *period* + 1 of them are needed.
    """
    closed = [candle for candle in candles if candle.closed][-(period + 1) :]
    if len(closed) <= period:
        return None
    ranges = 0
    for before, candle in pairwise(closed):
        high, low, close = candle.high.ticks, candle.low.ticks, before.close.ticks
        ranges += max(high - low, abs(high - close), abs(low - close))
    return EXACT.divide(Decimal(ranges), Decimal(period))


def new_interval(
    adaptive: Adaptive | None, least: int, current: int, atr_ticks: Decimal
) -> int | None:
    """Return the interval in ticks of a new epoch, or None while the *current* one stands.

    The interval is scale x ATR, never under *least*; an epoch turns only when that differs from the
    current one by more than the hysteresis.
    """
    if adaptive is None or not adaptive.enabled:
        return None
    wide = EXACT.multiply(adaptive.scale, atr_ticks).to_integral_value(context=EXACT)
    new = max(least, int(wide))
    share = EXACT.multiply(adaptive.hysteresis, Decimal(current))
    return new if abs(new - current) > share else None

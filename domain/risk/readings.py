"""One symbol's candles, and what the latest of them say: anomalous, normal, or too few to tell.

    anomalous:  close < mean close of the N closed candles before it
                and volume > multiplier x their mean volume
    normal:     close > that mean and volume < multiplier x that mean volume

(rows RK-02 and RK-05, requirements 3.3). Whole ticks and lots are compared: N x close against the
sum of closes, and so on, so that nothing is rounded.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.market import Candle
from domain.money import EXACT
from domain.risk.monitor_spec import MonitorSpec

_PLACES: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class SymbolCandles:
    """The newest closed candles of a symbol, oldest first, and the one that forms."""

    closed: tuple[Candle, ...] = ()
    forming: Candle | None = None

    @property
    def newest(self) -> datetime | None:
        """The opening of the newest candle."""
        latest = self.forming or (self.closed[-1] if self.closed else None)
        return latest.opened_at if latest else None


def take(known: SymbolCandles, candle: Candle, keep: int) -> SymbolCandles:
    """Return *known* with *candle*; unchanged if it is repeated, late or an older form of one.

    A closed candle is final, and one that arrives late takes its place among the others.
    """
    if not candle.closed:
        late = bool(known.closed) and candle.opened_at <= known.closed[-1].opened_at
        return known if late or _is_older(candle, known.forming) else replace(known, forming=candle)
    if any(other.opened_at == candle.opened_at for other in known.closed):
        return known
    closed = sorted((*known.closed, candle), key=lambda one: one.opened_at)[-keep:]
    forming = known.forming
    if forming is not None and forming.opened_at <= closed[-1].opened_at:
        forming = None
    return SymbolCandles(tuple(closed), forming)


def _is_older(candle: Candle, known: Candle | None) -> bool:
    """Return whether *candle* was formed before *known*: the volume of a candle only grows."""
    if known is None:
        return False
    return (candle.opened_at, candle.volume) < (known.opened_at, known.volume)


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of one candle against the closed ones before it; ticks and lots."""

    symbol: str
    opened_at: datetime
    closed: bool
    price: int
    average_price: Decimal
    volume: int
    average_volume: Decimal
    anomalous: bool
    normal: bool

    def __str__(self) -> str:
        change = EXACT.subtract(Decimal(self.price), self.average_price)
        percent = _rounded(EXACT.multiply(abs(change), Decimal(100)), self.average_price)
        where = f"{percent} % {'below' if change < 0 else 'above'} its average price"
        if not self.average_volume:
            return f"{self.symbol} {where}, volume {self.volume} lots after none"
        times = _rounded(Decimal(self.volume), self.average_volume)
        return f"{self.symbol} {where}, volume {times} x its average"


def readings(spec: MonitorSpec, known: SymbolCandles) -> tuple[Reading, ...]:
    """Return what the latest closed and the forming candle say, where they can be judged."""
    pairs = [(known.closed[-1], known.closed[:-1])] if known.closed else []
    if known.forming is not None:
        pairs.append((known.forming, known.closed))
    found = (_reading(spec, candle, before) for candle, before in pairs)
    return tuple(reading for reading in found if reading is not None)


def _reading(spec: MonitorSpec, candle: Candle, before: tuple[Candle, ...]) -> Reading | None:
    window = before[-spec.window :]
    if len(window) < spec.window or window[0].opened_at < candle.opened_at - spec.reach:
        return None
    prices = sum(one.close.ticks for one in window)
    volumes = Decimal(sum(one.volume.lots for one in window))
    price, volume = candle.close.ticks * spec.window, candle.volume.lots * spec.window
    limit = EXACT.multiply(spec.multiplier, volumes)
    size = Decimal(spec.window)
    return Reading(
        candle.symbol,
        candle.opened_at,
        candle.closed,
        candle.close.ticks,
        EXACT.divide(Decimal(prices), size),
        candle.volume.lots,
        EXACT.divide(volumes, size),
        anomalous=price < prices and volume > limit,
        normal=price > prices and volume < limit,
    )


def missing(spec: MonitorSpec, symbol: str, known: SymbolCandles, now: datetime) -> str:
    """Return what stands against judging *symbol* at *now*; nothing if it can be judged.

    Freshness is told by the time of the candles: a feed that repeats old ones is dead too.
    """
    late = timedelta(seconds=spec.stale_after)
    if len(known.closed) < spec.preload:
        return f"{symbol} has {len(known.closed)} of {spec.preload} closed candles"
    last, ahead = known.closed[-1].opened_at, known.forming
    if last + spec.length > now + late or (ahead is not None and ahead.opened_at > now + late):
        return f"{symbol} has a candle from the future ({known.newest:%F %T}): check the clock"
    if last + 2 * spec.length + late < now:
        return f"{symbol} is stale: its last closed candle opened at {last:%F %T}"
    there = sum(one.opened_at >= last - spec.reach for one in known.closed[:-1])
    if there < spec.window:
        return (
            f"{symbol} misses {spec.window - there} of the {spec.window} candles before {last:%T}"
        )
    if not any(one.volume.lots for one in known.closed):
        return f"{symbol} has no volume in {len(known.closed)} candles: its feed tells none"
    return ""


def _rounded(part: Decimal, whole: Decimal) -> Decimal:
    return EXACT.divide(part, whole).quantize(_PLACES, context=EXACT)

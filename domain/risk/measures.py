"""What a breaker measures, and when that is too much.

    losses      trades closed in a row with pnl < 0; one that did not lose ends the row
    drawdown    peak - equity, peak = highest equity within the window; percent = drawdown / peak
    latency     p99 of the last N calls, nearest rank: the ceil(0.99 N)-th smallest
    divergence  as `domain.risk.reconcile` measures it; the wrong side is always too much
    stale feed  now - since
    refusals    for insufficient funds, within their window
    exposure    sum of sizes

(rows R-11 and EX-03, requirements 3.4; the drawdown there was measured from zero, flaw K-5). A
limit is passed when it is reached; a feed must be silent for longer than its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, assert_never

from domain.money import EXACT, ZERO
from domain.risk.breaker_events import (
    CallTimed,
    Diverged,
    EquityMeasured,
    ExposureMeasured,
    FeedStale,
    Measured,
    RefusedForFunds,
    TimePassed,
    TradeClosed,
)
from domain.risk.breaker_spec import BreakerSpec

_HUNDRED: Final = Decimal(100)
_PLACES: Final = Decimal("0.01")
#: The window is remembered in this many slices, so that the state stays small.
_SLICES: Final = 60


class Cause(StrEnum):
    """What opened a breaker."""

    LOSSES = "losses"
    DRAWDOWN = "drawdown"
    LATENCY = "latency"
    DIVERGENCE = "divergence"
    STALE_FEED = "stale_feed"
    REFUSALS = "refusals"
    EXPOSURE = "exposure"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Trip:
    """Too much of something: what, in words, and in numbers."""

    cause: Cause
    reason: str
    numbers: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured since the breaker last moved."""

    losses: int = 0
    lost: Decimal = ZERO
    #: Equities that may still be the peak of their window: older ones are higher.
    peaks: tuple[tuple[datetime, Decimal], ...] = ()
    calls: tuple[int, ...] = ()
    refusals: tuple[datetime, ...] = ()
    #: Silent feeds, and since when. A condition, not history: it outlives any change of phase.
    stale: Mapping[str, datetime] = field(default_factory=dict)

    def anew(self) -> "Measures":
        """Return the measures without their history."""
        return Measures(stale=self.stale)


def measure(spec: BreakerSpec, before: Measures, event: Measured) -> tuple[Measures, Trip | None]:
    """Return the measures after *event*, and what was too much, if anything."""
    match event:
        case TradeClosed(pnl):
            return _trade(spec, before, pnl)
        case EquityMeasured(equity, at):
            return _equity(spec, before, equity, at)
        case CallTimed(milliseconds):
            return _call(spec, before, milliseconds)
        case RefusedForFunds(at, message):
            return _refusal(spec, before, at, message)
        case FeedStale(feed, since, at):
            others = {name: then for name, then in before.stale.items() if name != feed}
            stale = others if since is None else {**others, feed: since}
            return _silence(spec, replace(before, stale=stale), at)
        case TimePassed(at):
            return _silence(spec, before, at)
        case Diverged():
            return before, _divergence(spec, event)
        case ExposureMeasured(exposure):
            return before, _exposure(spec, exposure)
        case _:
            assert_never(event)


def _trade(spec: BreakerSpec, before: Measures, pnl: Decimal) -> tuple[Measures, Trip | None]:
    if pnl >= 0:
        return replace(before, losses=0, lost=ZERO), None
    losses, lost = before.losses + 1, EXACT.subtract(before.lost, pnl)
    after = replace(before, losses=losses, lost=lost)
    if spec.consecutive_losses is None or losses < spec.consecutive_losses:
        return after, None
    reason = f"{losses} trades in a row lost {lost} together, the limit is {losses}"
    return after, Trip(Cause.LOSSES, reason, {"losses": Decimal(losses), "lost": lost})


def _equity(
    spec: BreakerSpec, before: Measures, equity: Decimal, at: datetime
) -> tuple[Measures, Trip | None]:
    peaks = _peaks(before.peaks, equity, at, spec.window)
    after, peak = replace(before, peaks=peaks), peaks[0][1]
    drawdown = EXACT.subtract(peak, equity)
    percent = _percent(drawdown, peak)
    amount_limit, percent_limit = spec.drawdown_amount, spec.drawdown_percent
    by_amount = amount_limit is not None and drawdown >= amount_limit
    by_percent = percent_limit is not None and drawdown > 0 and percent >= percent_limit
    if not (by_amount or by_percent):
        return after, None
    limit = f"{amount_limit}" if by_amount else f"{percent_limit} %"
    reason = (
        f"equity fell by {drawdown} ({percent.quantize(_PLACES, context=EXACT)} %) from its peak "
        f"of {peak} within {spec.window} to {equity}, the limit is {limit}"
    )
    numbers = {"peak": peak, "equity": equity, "drawdown": drawdown, "percent": percent}
    return after, Trip(Cause.DRAWDOWN, reason, numbers)


def _peaks(
    peaks: tuple[tuple[datetime, Decimal], ...], equity: Decimal, at: datetime, window: timedelta
) -> tuple[tuple[datetime, Decimal], ...]:
    """Return the candidates for the peak: those that a later one exceeds never will be it."""
    kept = [(then, was) for then, was in peaks if then >= at - window and was > equity]
    if kept and at - kept[-1][0] < window / _SLICES:
        return tuple(kept)  # lower, and hardly younger than the last
    return (*kept, (at, equity))


def _percent(drawdown: Decimal, peak: Decimal) -> Decimal:
    """Return the share of the peak; all of it if there is no peak to take a share of."""
    return EXACT.divide(EXACT.multiply(drawdown, _HUNDRED), peak) if peak > 0 else _HUNDRED


def _call(spec: BreakerSpec, before: Measures, milliseconds: int) -> tuple[Measures, Trip | None]:
    calls = (*before.calls, milliseconds)[-spec.latency_calls :]
    after = replace(before, calls=calls)
    if spec.latency_p99 is None or len(calls) < spec.latency_calls:
        return after, None
    p99 = sorted(calls)[-(-99 * len(calls) // 100) - 1]
    if p99 <= spec.latency_p99:
        return after, None
    reason = (
        f"the p99 of the last {len(calls)} calls was {p99} ms, the limit is {spec.latency_p99} ms"
    )
    return after, Trip(Cause.LATENCY, reason, {"p99_ms": Decimal(p99)})


def _refusal(
    spec: BreakerSpec, before: Measures, at: datetime, message: str
) -> tuple[Measures, Trip | None]:
    if spec.refusals is None:
        return before, None
    within = timedelta(seconds=spec.refusals_within)
    times = tuple(then for then in before.refusals if then > at - within)
    after = replace(before, refusals=(*times, at)[-spec.refusals :])
    if len(after.refusals) < spec.refusals:
        return after, None
    reason = f"{spec.refusals} orders within {within} were refused for insufficient funds"
    told = f"{reason}: {message}" if message else reason
    return after, Trip(Cause.REFUSALS, told, {"refusals": Decimal(spec.refusals)})


def _silence(spec: BreakerSpec, after: Measures, now: datetime) -> tuple[Measures, Trip | None]:
    if spec.stale_feed_after is None or not after.stale:
        return after, None
    feed, since = min(after.stale.items(), key=lambda item: (item[1], item[0]))
    silent = now - since
    if silent <= timedelta(seconds=spec.stale_feed_after):
        return after, None
    seconds = Decimal(silent // timedelta(seconds=1))
    reason = f"{feed} is silent for {seconds} s, the limit is {spec.stale_feed_after} s"
    return after, Trip(Cause.STALE_FEED, reason, {"seconds": seconds})


def _divergence(spec: BreakerSpec, event: Diverged) -> Trip | None:
    if event.percent < spec.divergence_percent and not event.wrong_side:
        return None
    what = " and is on the wrong side" if event.wrong_side else ""
    reason = (
        f"the position in {event.symbol} diverges by "
        f"{event.percent.quantize(_PLACES, context=EXACT)} %{what}, "
        f"the limit is {spec.divergence_percent} %"
    )
    return Trip(Cause.DIVERGENCE, reason, {"percent": event.percent})


def _exposure(spec: BreakerSpec, exposure: Decimal) -> Trip | None:
    if spec.exposure is None or exposure <= spec.exposure:
        return None
    reason = f"the exposure is {exposure}, the limit is {spec.exposure}"
    return Trip(Cause.EXPOSURE, reason, {"exposure": exposure})

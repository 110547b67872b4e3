"""When to leave everything: near liquidation, in bad health, after a deep fall, or when told to.

    distance  = (mark - liquidation) / mark   of a long position
              = (liquidation - mark) / mark   of a short one
    health    = 1 - 1 / ratio, where the venue tells adjusted equity / maintenance margin
              = 1 - share, where it tells maintenance margin / equity, or both of them
                       clamped to 0 .. 1; 0 without any equity; 1 where no margin is needed

(requirements 3.5, rows R-32 and R-33.) A distance below its limit or a health below 0.5 means to
exit, a health below 0.7 to reduce. What is unknown starts nothing: it halts openings elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from domain.market import Position
from domain.money import EXACT, ZERO
from domain.written import Exact, Written

_ONE: Final = Decimal(1)
_PLACES: Final = Decimal("0.0001")
Share = Annotated[Exact, Field(gt=0, lt=1)]


class EmergencySpec(Written):
    """When to leave and how, as a person writes it."""

    enabled: bool = False
    """Whether positions are looked at, and runs leave by themselves. A person can always ask."""
    every: Annotated[int, Field(ge=1, le=3600)] = 10
    """Seconds between two looks at positions and health."""
    liquidation_distance: Share = Decimal("0.1")
    """Exit when the mark price is nearer to the liquidation price than this share of it."""
    health_exit: Share = Decimal("0.5")
    health_reduce: Share = Decimal("0.7")
    drawdown_percent: Annotated[Exact, Field(gt=0, le=100)] | None = None
    """Exit when the equity has fallen this far from its peak; None: the breaker is enough."""
    steps: Annotated[int, Field(ge=1, le=50)] = 3
    """Orders that the way out is cut into."""

    @model_validator(mode="after")
    def _reduces_first(self) -> Self:
        if self.health_reduce < self.health_exit:
            raise ValueError(
                f"health_reduce lies above health_exit ({self.health_exit}), "
                f"was {self.health_reduce}"
            )
        return self


class Urgency(StrEnum):
    """What an emergency asks for."""

    NONE = "none"
    REDUCE = "reduce"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class Danger:
    """What is known of the danger an account is in. None: not known, or there is no such thing."""

    positions: tuple[Position, ...] = ()
    health: Decimal | None = None
    drawdown_percent: Decimal | None = None
    #: Who asked to leave, and why.
    asked_by: str = ""
    asked_why: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What to do, why in words, and the numbers behind it."""

    urgency: Urgency
    why: str
    numbers: Mapping[str, Decimal] = field(default_factory=dict)


def assess(spec: EmergencySpec, danger: Danger) -> Alarm:
    """Return the most urgent thing that *danger* asks for."""
    if danger.asked_by:
        return Alarm(Urgency.EXIT, f"{danger.asked_by} asked for it: {danger.asked_why}")
    for position in danger.positions:
        near = distance(position)
        if near is not None and near < spec.liquidation_distance:
            return _exit(
                f"{position.symbol} is {_shown(near)} of its price away from liquidation, "
                f"the limit is {spec.liquidation_distance}",
                {"distance": near},
            )
    fallen = danger.drawdown_percent
    if fallen is not None and spec.drawdown_percent is not None and fallen >= spec.drawdown_percent:
        why = f"the equity fell by {_shown(fallen)} %, the limit is {spec.drawdown_percent} %"
        return _exit(why, {"drawdown_percent": fallen})
    return _by_health(spec, danger.health)


def distance(position: Position) -> Decimal | None:
    """Return how far the mark is from liquidation, as a share of it; None if that is not told."""
    if position.mark is None or position.liquidation is None or not position.lots:
        return None
    away = position.mark.ticks - position.liquidation.ticks
    signed = away if position.lots > 0 else -away
    return EXACT.divide(Decimal(signed), Decimal(position.mark.ticks))


def health_of_ratio(ratio: Decimal) -> Decimal:
    """Return the health for adjusted equity / maintenance margin (Binance uniMMR, OKX mgnRatio)."""
    return _clamped(EXACT.subtract(_ONE, EXACT.divide(_ONE, ratio))) if ratio > 0 else ZERO


def health_of_share(share: Decimal) -> Decimal:
    """Return the health for maintenance margin / equity (Bybit accountMMRate).

    A share below zero is that of an account which owes more than it has.
    """
    return _clamped(EXACT.subtract(_ONE, share)) if share >= 0 else ZERO


def health_of_margin(maintenance: Decimal, equity: Decimal) -> Decimal:
    """Return the health for the sums themselves (Binance futures, Gate), in one currency."""
    if maintenance <= 0:
        return _ONE
    return health_of_share(EXACT.divide(maintenance, equity)) if equity > 0 else ZERO


def _by_health(spec: EmergencySpec, health: Decimal | None) -> Alarm:
    if health is None or health >= spec.health_reduce:
        return Alarm(Urgency.NONE, "nothing asks to leave")
    numbers = {"health": health}
    if health < spec.health_exit:
        return _exit(f"the account's health is {_shown(health)}, below {spec.health_exit}", numbers)
    why = f"the account's health is {_shown(health)}, below {spec.health_reduce}"
    return Alarm(Urgency.REDUCE, why, numbers)


def _exit(why: str, numbers: Mapping[str, Decimal]) -> Alarm:
    return Alarm(Urgency.EXIT, why, numbers)


def _clamped(health: Decimal) -> Decimal:
    return min(max(health, ZERO), _ONE)


def _shown(value: Decimal) -> Decimal:
    return value.quantize(_PLACES, context=EXACT)

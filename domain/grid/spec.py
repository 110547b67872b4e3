"""What a person writes to describe a grid: checked field by field, in the venue's human units."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from domain.risk.cleanup import CleanupSpec
from domain.written import Exact, Positive, Written, read

Window = Annotated[int, Field(ge=1, le=200)]


class Direction(StrEnum):
    """Which way the grid earns: buys first, sells first, or both around the price."""

    LONG = "long"
    NEUTRAL = "neutral"
    SHORT = "short"


class Spacing(StrEnum):
    """Levels an equal distance apart, or an equal ratio."""

    ARITHMETIC = "arithmetic"
    GEOMETRIC = "geometric"


class StopMode(StrEnum):
    """What becomes of the orders and the position when a run is stopped."""

    KEEP = "keep"  # leave all orders and the position at the venue
    CANCEL = "cancel"  # cancel the orders, keep the position
    CLOSE = "close"  # cancel the orders and trade the position back at the market


class LevelRange(Written):
    """A fixed grid: *levels* prices from *lower* to *upper*, both included."""

    lower: Positive
    upper: Positive
    levels: Annotated[int, Field(ge=2, le=401)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError(f"lower must be below upper, was {self.lower} and {self.upper}")
        return self


class Bounds(Written):
    """A trailing grid opens nothing outside these prices."""

    lower: Positive | None = None
    upper: Positive | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lower and self.upper and self.lower >= self.upper:
            raise ValueError(f"lower must be below upper, was {self.lower} and {self.upper}")
        return self


class PriceExit(Written):
    """At *price* the run ends: its orders are canceled and the position is closed or kept."""

    price: Positive
    then: Literal["close", "keep"] = "close"


class Adaptive(Written):
    """Widen the interval with the market's average true range."""

    enabled: bool = True
    scale: Annotated[Exact, Field(gt=0, le=100)] = Decimal(1)
    """The interval is at least this many times the ATR."""
    period: Annotated[int, Field(ge=2, le=200)] = 14
    """Closed candles the ATR is averaged over."""
    candle: Literal["1m", "3m", "5m", "15m", "1h"] = "1m"
    hysteresis: Annotated[Exact, Field(gt=0, le=1)] = Decimal("0.2")
    """A new interval starts only when it differs by more than this share (decision D2)."""


class Skew(Written):
    """Shift the window of entries against the inventory."""

    factor: Annotated[Exact, Field(ge=0, le=1)] = Decimal("0.25")
    """Levels to shift for each level held."""
    max_levels: Annotated[int, Field(ge=0, le=100)] = 5


class PostOnly(Written):
    """Only make, never take: what to do when the venue says that an order would take."""

    enabled: bool = True
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    then: Literal["pause", "taker"] = "pause"


CANDLE_LENGTHS: Final[Mapping[str, timedelta]] = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
}


class GridSpec(Written):
    """A grid as a person writes it. Prices are quote per base; amounts are quote."""

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9]+/[A-Z0-9]+(:[A-Z0-9]+)?$", max_length=40)]
    """Unified name: BTC/USDT is spot, BTC/USDT:USDT a perpetual settled in USDT."""
    account: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = "paper"
    direction: Direction = Direction.LONG
    spacing: Spacing = Spacing.ARITHMETIC
    interval: Positive | None = None
    """Distance of two levels, for a trailing arithmetic grid."""
    step_percent: Annotated[Exact, Field(gt=0, le=50)] | None = None
    """Distance of two levels in percent, for a trailing geometric grid."""
    anchor: Positive | None = None
    """A level of a trailing geometric grid; the first price if absent."""
    range: LevelRange | None = None
    """A fixed grid; neither interval nor step_percent then."""
    bounds: Bounds = Bounds()
    amount: Positive
    """Quote spent per level; the quantity is rounded down to the venue's lot."""
    buy_window: Window = 10
    sell_window: Window = 10
    trigger_price: Positive | None = None
    take_profit: PriceExit | None = None
    stop_loss: PriceExit | None = None
    adaptive: Adaptive | None = None
    skew: Skew | None = None
    post_only: PostOnly = PostOnly()
    shared: bool = False
    """Others trade this perpetual on the same account too, so exits go without reduce-only."""
    order_budget: Annotated[int, Field(ge=1, le=500)] = 100
    cleanup: CleanupSpec | None = None
    """Cancel entries when too many orders rest, or too old ones."""
    reconcile_every: Annotated[int, Field(ge=5, le=3600)] = 60
    """Seconds between two comparisons with the venue."""
    dead_man_seconds: Annotated[int, Field(ge=10, le=120)] | None = None
    """The venue cancels the orders when it has not heard of the run for so long; None: never."""

    @model_validator(mode="after")
    def _one_spacing(self) -> Self:
        steps = {"interval": self.interval, "step_percent": self.step_percent, "range": self.range}
        given = [name for name, value in steps.items() if value is not None]
        wanted = "interval" if self.spacing is Spacing.ARITHMETIC else "step_percent"
        if given not in ([wanted], ["range"]):
            was = " and ".join(given) or "neither"
            raise ValueError(f"an {self.spacing} grid takes {wanted} or range, was {was}")
        if self.anchor is not None and (self.range or self.spacing is Spacing.ARITHMETIC):
            raise ValueError(f"anchor is for a trailing geometric grid only, was {self.anchor}")
        if self.range and (self.bounds.lower or self.bounds.upper):
            raise ValueError("bounds are for a trailing grid; a range has its own")
        return self

    @model_validator(mode="after")
    def _adaptive_needs_an_interval(self) -> Self:
        if self.adaptive and self.adaptive.enabled and self.interval is None:
            raise ValueError("adaptive widens an interval: give interval (arithmetic, trailing)")
        return self

    @model_validator(mode="after")
    def _exits_on_the_right_sides(self) -> Self:
        if not (self.take_profit and self.stop_loss):
            return self
        gain, loss = self.take_profit.price, self.stop_loss.price
        upside_down = gain >= loss if self.direction is Direction.SHORT else gain <= loss
        if upside_down:
            where = "below" if self.direction is Direction.SHORT else "above"
            raise ValueError(
                f"take_profit of a {self.direction} grid lies {where} stop_loss, "
                f"was {gain} and {loss}"
            )
        return self


def parse_spec(data: Mapping[str, Any]) -> GridSpec:
    """Return *data* as a GridSpec, or raise InvalidValueError naming every field that is wrong."""
    return read(GridSpec, data, "grid")

"""The market monitor as a person writes it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from domain.written import Exact, Written

_LENGTHS: Final[Mapping[str, timedelta]] = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
}


class Mode(StrEnum):
    """How many symbols make a storm."""

    ALL = "all"
    ANY = "any"


class MonitorSpec(Written):
    """The market monitor as a person writes it. Every number has a default: none is ever unset."""

    enabled: bool = True
    symbols: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    interval: Literal["1m", "3m", "5m"] = "1m"
    window: Annotated[int, Field(ge=5, le=100)] = 20
    """Closed candles that the averages are made of."""
    multiplier: Annotated[Exact, Field(gt=1, le=100)] = Decimal(3)
    mode: Mode = Mode.ALL
    recovery: Annotated[int, Field(ge=1, le=10)] | None = None
    """Symbols that must be normal before the storm is over; more than half of them if absent."""
    stale_after: Annotated[int, Field(ge=1, le=600)] = 30
    """Seconds that a closed candle may be late."""
    gaps: Annotated[int, Field(ge=0, le=50)] = 0
    """Candles that may be missing in a window: some venues make none for a minute without trade."""

    @model_validator(mode="after")
    def _symbols_are_enough(self) -> Self:
        if len(set(self.symbols)) < len(self.symbols):
            raise ValueError(f"symbols must differ, was {', '.join(self.symbols)}")
        if self.recovery is not None and self.recovery > len(self.symbols):
            raise ValueError(
                f"recovery is at most the number of symbols ({len(self.symbols)}), "
                f"was {self.recovery}: the storm would never end"
            )
        return self

    @property
    def length(self) -> timedelta:
        return _LENGTHS[self.interval]

    @property
    def preload(self) -> int:
        """Closed candles to fetch for each symbol before anything can be said of it."""
        return self.window + 1

    @property
    def quorum(self) -> int:
        """Symbols that must be normal before the storm is over."""
        return self.recovery or len(self.symbols) // 2 + 1

    @property
    def reach(self) -> timedelta:
        """How far back the candles of one window may lie."""
        return self.length * (self.window + self.gaps)

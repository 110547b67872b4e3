"""How a debt is worked off: patiently at first, then at any price (architecture 4).

    passive   post-only at the touch: the cheapest, and perhaps nobody comes
    cross     through the spread, within a narrow band of it
    wide      the same within a wide band
    market    whatever there is

How far the ladder is climbed depends on the age of the debt alone, so it is the same whoever asks,
and however often.
"""

from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import IntEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.money import EXACT, Price
from domain.orders import Side
from domain.written import Exact, Written

Seconds = Annotated[int, Field(ge=0, le=3600)]
Band = Annotated[Exact, Field(ge=0, lt=1)]


class Rung(IntEnum):
    """How much is paid for being done soon."""

    PASSIVE = 0
    CROSS = 1
    WIDE = 2
    MARKET = 3


class HedgeSpec(Written):
    """How patient a pair is, as a person writes it."""

    passive_for: Seconds = 3
    """Seconds that an order waits at the touch; 0: it crosses at once."""
    cross_for: Seconds = 5
    wide_for: Seconds = 10
    band: Band = Decimal("0.0005")
    """How far through the touch an order goes at most, as a share of the price."""
    wide_band: Band = Decimal("0.005")
    reprice_every: Annotated[int, Field(ge=1, le=60)] = 1
    """Seconds that a passive order stays where it is, at least."""
    silent_after: Annotated[int, Field(ge=1, le=60)] = 2
    """Seconds without a price after which a venue is taken for down: no lead trades into that, and
    a debt is worked off on the other leg."""
    alert_after: Annotated[int, Field(ge=1)] = 10
    """Seconds after which people hear of a debt; again after twice as long, and so on."""

    @model_validator(mode="after")
    def _widens(self) -> Self:
        if self.wide_band < self.band:
            raise ValueError(f"wide_band is at least band ({self.band}), was {self.wide_band}")
        return self

    def rung(self, age: timedelta) -> Rung:
        """Return how far the ladder is climbed for a debt of *age*."""
        ends = (self.passive_for, self.cross_for, self.wide_for)
        seconds = 0
        for number, lasts in enumerate(ends):
            seconds += lasts
            if age < timedelta(seconds=seconds):
                return Rung(number)
        return Rung.MARKET

    def limit(self, rung: Rung, side: Side, bid: Price, ask: Price) -> Price | None:
        """Return the limit of an order on *rung*; None: it has none."""
        if rung is Rung.MARKET:
            return None
        if rung is Rung.PASSIVE:
            return bid if side is Side.BUY else ask
        touch, band = (ask if side is Side.BUY else bid), self.band
        if rung is Rung.WIDE:
            band = self.wide_band
        worse = EXACT.fma(
            Decimal(touch.ticks), EXACT.multiply(band, side.sign), Decimal(touch.ticks)
        )
        mode = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
        return Price(max(int(worse.to_integral_value(mode, EXACT)), 1))

"""What a person writes to describe a pair: two legs, when to hold them, and when to leave them."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from domain.arbitrage.hedging import HedgeSpec
from domain.written import Exact, Positive, Written, read

Share = Annotated[Exact, Field(gt=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]


class Lead(StrEnum):
    """Which leg of an entry trades first; the other hedges what it gets."""

    THIN = "thin"  # the one with the wider spread: what is hard to get is got first
    FIRST = "first"
    SECOND = "second"


class LegSpec(Written):
    """Where one leg is held."""

    account: Name
    symbol: Name


class ArbSpec(Written):
    """A pair as a person writes it. Yields are shares of a leg's notional in a year (0.1: 10 %)."""

    first: LegSpec
    """The spot leg, or the first of two perpetuals."""
    second: LegSpec
    """A perpetual: short while the pair earns in the positive direction."""
    amount: Positive
    """What one leg is worth when the pair is entered, in quote."""
    entry_apr: Positive = Decimal("0.10")
    """The pair is entered above this."""
    exit_apr: Exact = Decimal("0.01")
    """The pair is left below this; lower than `entry_apr`, or it would come and go."""
    hold_hours: Annotated[int, Field(ge=1)] = 168
    """How long a pair is expected to be held: its carry of so long must exceed what it costs."""
    both_ways: bool = False
    """Enter the negative direction too: spot is borrowed and sold."""
    quiet: Annotated[int, Field(ge=0)] = 0
    """Seconds after a settlement in which no pair is entered, unless the next one alone pays."""
    funding_ttl: Annotated[int, Field(ge=1)] = 600
    """Seconds after which a rate that was heard says nothing any more."""
    quote_ttl: Annotated[int, Field(ge=1)] = 10
    """Seconds after which a price says nothing any more."""
    toxic_basis: Annotated[Exact, Field(lt=0)] | None = None
    """The pair is left if the basis is below this at `toxic_after` settlements in a row."""
    toxic_after: Annotated[int, Field(ge=1)] = 3
    liquidation_distance: Share = Decimal("0.10")
    """The pair is left if a leg's mark may move no further than this before it is liquidated."""
    reduce_below: Share = Decimal("0.7")
    """An account of this health gives back `reduce_by` of the pair."""
    exit_below: Share = Decimal("0.5")
    reduce_by: Share = Decimal("0.5")
    drift: Share = Decimal("0.02")
    """What the legs may be apart, as a share of the larger one, before that one is trimmed."""
    cool_off: Annotated[int, Field(ge=0)] = 3600
    """Seconds without an entry after a forced exit, or an entry that came to nothing."""
    lead: Lead = Lead.THIN
    lead_for: Annotated[int, Field(ge=1, le=3600)] = 30
    """Seconds that the lead of an entry tries; what it has by then is what the pair gets."""
    look_every: Annotated[int, Field(ge=1, le=3600)] = 20
    """Seconds between two looks at funding, prices and accounts."""
    hedge: HedgeSpec = HedgeSpec()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.first == self.second:
            raise ValueError(f"the legs of a pair differ, both were {self.first.symbol}")
        if self.exit_apr >= self.entry_apr:
            raise ValueError(
                f"exit_apr must be below entry_apr ({self.entry_apr}), was {self.exit_apr}"
            )
        if self.exit_below >= self.reduce_below:
            raise ValueError(
                f"exit_below must be below reduce_below ({self.reduce_below}), "
                f"was {self.exit_below}"
            )
        return self

    @property
    def legs(self) -> tuple[LegSpec, LegSpec]:
        """Both legs, the first one first."""
        return self.first, self.second

    @property
    def hold(self) -> timedelta:
        """How long a pair is expected to be held."""
        return timedelta(hours=self.hold_hours)


def parse_spec(data: Mapping[str, Any]) -> ArbSpec:
    """Return the spec in *data*, or raise InvalidValueError naming every field that is wrong."""
    return read(ArbSpec, data, "pair")

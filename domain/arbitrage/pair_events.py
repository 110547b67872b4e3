"""What can happen to a pair that trades, and what it asks for. `kind` tells them apart."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from domain.grid.events import (
    Alert,
    Cancel,
    LookUp,
    OutcomeUnknown,
    Place,
    Refused,
    Reported,
    TimePassed,
)
from domain.money import Price

OrderEvent = Annotated[Reported | Refused | OutcomeUnknown, Field(discriminator="kind")]
OrderAction = Annotated[Place | Cancel | LookUp, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class LegTold:
    """The venue of a leg said something of an order."""

    leg: int
    event: OrderEvent
    kind: Literal["leg_told"] = field(default="leg_told", kw_only=True)


@dataclass(frozen=True, slots=True)
class QuoteSeen:
    """The best prices of a leg's market."""

    leg: int
    bid: Price
    ask: Price
    at: datetime
    kind: Literal["quote_seen"] = field(default="quote_seen", kw_only=True)


@dataclass(frozen=True, slots=True)
class AbortAsked:
    """Somebody wants no more of this trade: what was done is hedged or undone."""

    at: datetime
    why: str
    kind: Literal["abort_asked"] = field(default="abort_asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class LegHalted:
    """Risk halted what opens on a leg, or cleared it. Either leg keeps the pair from opening."""

    leg: int
    halted: bool
    at: datetime
    why: str = ""
    kind: Literal["leg_halted"] = field(default="leg_halted", kw_only=True)


PairEvent = Annotated[
    LegTold | QuoteSeen | TimePassed | AbortAsked | LegHalted, Field(discriminator="kind")
]


@dataclass(frozen=True, slots=True)
class OnLeg:
    """Something to be done at the venue of a leg."""

    leg: int
    action: OrderAction
    kind: Literal["on_leg"] = field(default="on_leg", kw_only=True)


PairAction = Annotated[OnLeg | Alert, Field(discriminator="kind")]

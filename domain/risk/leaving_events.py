"""What can happen on the way out of a position, and what it asks for. `kind` tells them apart."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from domain.grid.events import Alert, LookUp, OutcomeUnknown, Place, Refused, Reported, TimePassed
from domain.money import Price


@dataclass(frozen=True, slots=True)
class OrdersCanceled:
    """No order works on the symbol any more."""

    kind: Literal["orders_canceled"] = field(default="orders_canceled", kw_only=True)


@dataclass(frozen=True, slots=True)
class PositionSeen:
    """The venue said what is still open, in signed lots."""

    lots: int
    mark: Price | None = None
    kind: Literal["position_seen"] = field(default="position_seen", kw_only=True)


LeavingEvent = Annotated[
    OrdersCanceled | PositionSeen | Reported | Refused | OutcomeUnknown | TimePassed,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancel every order on the symbol; the answer comes as `OrdersCanceled`."""

    symbol: str
    kind: Literal["cancel_all"] = field(default="cancel_all", kw_only=True)


@dataclass(frozen=True, slots=True)
class AskPosition:
    """Ask the venue what is still open; the answer comes as `PositionSeen`."""

    symbol: str
    kind: Literal["ask_position"] = field(default="ask_position", kw_only=True)


LeavingAction = Annotated[
    CancelAll | AskPosition | LookUp | Place | Alert, Field(discriminator="kind")
]

"""What a breaker is told. Each event carries its time; `kind` tells them apart as JSON."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from domain.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class TradeClosed:
    """A position was given back, wholly or in part, for this profit after fees, in quote."""

    pnl: Decimal
    at: datetime
    kind: Literal["trade_closed"] = field(default="trade_closed", kw_only=True)


@dataclass(frozen=True, slots=True)
class EquityMeasured:
    """What everything in the scope is worth, in quote."""

    equity: Decimal
    at: datetime
    kind: Literal["equity_measured"] = field(default="equity_measured", kw_only=True)


@dataclass(frozen=True, slots=True)
class CallTimed:
    """A call of the venue was answered, or given up, after so long."""

    milliseconds: int
    at: datetime
    kind: Literal["call_timed"] = field(default="call_timed", kw_only=True)


@dataclass(frozen=True, slots=True)
class Diverged:
    """A position was not the one we believe in; `wrong_side`: long where it should be short."""

    symbol: str
    percent: Decimal
    at: datetime
    wrong_side: bool = False
    kind: Literal["diverged"] = field(default="diverged", kw_only=True)


@dataclass(frozen=True, slots=True)
class FeedStale:
    """A feed has been silent since then; None: it is live again."""

    feed: str
    since: datetime | None
    at: datetime
    kind: Literal["feed_stale"] = field(default="feed_stale", kw_only=True)


@dataclass(frozen=True, slots=True)
class RefusedForFunds:
    """The venue refused an order because the account cannot pay for it."""

    at: datetime
    message: str = ""
    kind: Literal["refused_for_funds"] = field(default="refused_for_funds", kw_only=True)


@dataclass(frozen=True, slots=True)
class ExposureMeasured:
    """What moves with the market in the scope, in quote, sizes added up."""

    exposure: Decimal
    at: datetime
    kind: Literal["exposure_measured"] = field(default="exposure_measured", kw_only=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    who: str
    why: str
    at: datetime

    def __post_init__(self) -> None:
        for name in ("who", "why"):
            if not getattr(self, name).strip():
                raise InvalidValueError(f"{name}: a breaker is moved by somebody for a reason")


@dataclass(frozen=True, slots=True)
class TripAsked(_Asked):
    """A person opens the breaker. It stays open until a person resets it."""

    kind: Literal["trip_asked"] = field(default="trip_asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class ResetAsked(_Asked):
    """A person closes the breaker; everything is measured anew from here."""

    kind: Literal["reset_asked"] = field(default="reset_asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class TrialBegun:
    """The one opening that a half-open breaker lets through has been sent."""

    at: datetime
    kind: Literal["trial_begun"] = field(default="trial_begun", kw_only=True)


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A while went by."""

    at: datetime
    kind: Literal["time_passed"] = field(default="time_passed", kw_only=True)


#: What is measured, as opposed to what is asked.
Measured = (
    TradeClosed
    | EquityMeasured
    | CallTimed
    | Diverged
    | FeedStale
    | RefusedForFunds
    | ExposureMeasured
    | TimePassed
)
BreakerEvent = Annotated[
    Measured | TripAsked | ResetAsked | TrialBegun, Field(discriminator="kind")
]

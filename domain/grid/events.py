"""What can happen to a grid (past tense) and what it can ask for (imperative).

Both are plain values: the same lists, in the same order, whoever runs the engine. `kind` tells them
apart where they are stored as JSON.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from domain.grid.config import GridConfig
from domain.grid.spec import StopMode
from domain.money import Price
from domain.orders import OrderReport, OrderRequest, Refusal, Unknown
from domain.risk.divergence import PositionShown


@dataclass(frozen=True, slots=True)
class PriceMoved:
    """The price left the quiet band of the watch (or is the first one)."""

    price: Price
    at: datetime
    kind: Literal["price_moved"] = field(default="price_moved", kw_only=True)


@dataclass(frozen=True, slots=True)
class Reported:
    """The venue said how an order of ours stands."""

    report: OrderReport
    kind: Literal["reported"] = field(default="reported", kw_only=True)


@dataclass(frozen=True, slots=True)
class Refused:
    """An order was definitely not taken, by the venue or by the last gate."""

    refusal: Refusal
    kind: Literal["refused"] = field(default="refused", kw_only=True)


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Nobody knows yet whether an order arrived; its slot waits for a look-up."""

    unknown: Unknown
    kind: Literal["outcome_unknown"] = field(default="outcome_unknown", kw_only=True)


@dataclass(frozen=True, slots=True)
class Surfaced:
    """Orders of this run came to light that were sent by a decision nobody remembers.

    The runner died between sending and remembering, and then decided differently. `orders` are what
    the venue says of them now; `unsent` are the client ids of the decision that was made instead:
    they were not sent and never will be.
    """

    orders: tuple[OrderReport, ...]
    unsent: tuple[str, ...]
    kind: Literal["surfaced"] = field(default="surfaced", kw_only=True)


@dataclass(frozen=True, slots=True)
class Resynced:
    """The venue showed all orders with our tag that are open or changed since the watermark.

    An order we believe to be working and that is *not* among them is looked up one by one: silence
    proves nothing (decisions D7, D14).
    """

    orders: tuple[OrderReport, ...]
    at: datetime
    #: The position of the same moment, and the price there; None: nobody can tell it.
    position: PositionShown | None = None
    mark: Price | None = None
    #: When the venue was asked, by our clock, and how many fills the engine knew of then: one that
    #: came meanwhile may or may not be in the answer.
    asked_at: datetime | None = None
    fills: int = 0
    #: The ledger knows the run. One that was lost must be told of it anew.
    recorded: bool = True
    kind: Literal["resynced"] = field(default="resynced", kw_only=True)


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction is in the ledger: what the run holds is from now on what the venue shows.

    `at` names the correction; `lots` are signed and come in, or go, at `price`.
    """

    lots: int
    price: Price
    at: datetime
    kind: Literal["corrected"] = field(default="corrected", kw_only=True)


@dataclass(frozen=True, slots=True)
class FeedChanged:
    """The account's streams went live or stale. Entries need a live feed."""

    live: bool
    at: datetime
    why: str = ""
    kind: Literal["feed_changed"] = field(default="feed_changed", kw_only=True)


@dataclass(frozen=True, slots=True)
class RiskChanged:
    """Risk halted entries, or cleared them."""

    halted: bool
    at: datetime
    why: str = ""
    kind: Literal["risk_changed"] = field(default="risk_changed", kw_only=True)


@dataclass(frozen=True, slots=True)
class VolatilityMeasured:
    """A closed candle gave a new average true range, in ticks."""

    atr_ticks: Decimal
    at: datetime
    kind: Literal["volatility_measured"] = field(default="volatility_measured", kw_only=True)


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A while went by; orders of unknown outcome are looked up again."""

    now: datetime
    kind: Literal["time_passed"] = field(default="time_passed", kw_only=True)


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """Somebody asked for a pause: entries are canceled, exits go on."""

    at: datetime
    kind: Literal["pause_asked"] = field(default="pause_asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """Somebody asked to go on."""

    at: datetime
    kind: Literal["resume_asked"] = field(default="resume_asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class ReconcileAsked:
    """Somebody asked for a comparison with the venue, now."""

    at: datetime
    kind: Literal["reconcile_asked"] = field(default="reconcile_asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody asked for the end of the run."""

    mode: StopMode
    at: datetime
    #: An emergency exit gives back what the run holds: the run must not.
    handed_over: bool = False
    kind: Literal["stop_asked"] = field(default="stop_asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class ReconfigureAsked:
    """Somebody gave the run other settings, already checked against its instrument."""

    config: GridConfig
    at: datetime
    kind: Literal["reconfigure_asked"] = field(default="reconfigure_asked", kw_only=True)


GridEvent = Annotated[
    PriceMoved
    | Reported
    | Refused
    | OutcomeUnknown
    | Surfaced
    | Resynced
    | Corrected
    | FeedChanged
    | RiskChanged
    | VolatilityMeasured
    | TimePassed
    | PauseAsked
    | ResumeAsked
    | ReconcileAsked
    | StopAsked
    | ReconfigureAsked,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class Place:
    """Send an order. Its id is already part of the state it was decided with."""

    request: OrderRequest
    kind: Literal["place"] = field(default="place", kw_only=True)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a live order."""

    symbol: str
    client_id: str
    order_id: str
    kind: Literal["cancel"] = field(default="cancel", kw_only=True)


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find out what became of an order of unknown outcome."""

    symbol: str
    client_id: str
    kind: Literal["look_up"] = field(default="look_up", kw_only=True)


@dataclass(frozen=True, slots=True)
class Resync:
    """Ask the venue for everything that concerns the run; the answer comes as `Resynced`."""

    symbol: str
    kind: Literal["resync"] = field(default="resync", kw_only=True)


@dataclass(frozen=True, slots=True)
class Correct:
    """Put a small divergence into the ledger; done, it comes back as `Corrected`.

    It may be asked for more than once: `at`, the venue's time of the comparison, names it.
    """

    lots: int
    price: Price
    at: datetime
    why: str
    kind: Literal["correct"] = field(default="correct", kw_only=True)


@dataclass(frozen=True, slots=True)
class TellDivergence:
    """Tell the breakers of a *severe* divergence, or only the log of another one."""

    percent: Decimal
    wrong_side: bool
    severe: bool
    why: str
    kind: Literal["tell_divergence"] = field(default="tell_divergence", kw_only=True)


#: What is told to the books of the run; everything else is an order, or needs no telling.
BookAction = Annotated[Correct | TellDivergence, Field(discriminator="kind")]


class AlertLevel(StrEnum):
    """How loudly to say it."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alert:
    """Tell a person."""

    level: AlertLevel
    message: str
    kind: Literal["alert"] = field(default="alert", kw_only=True)


GridAction = Annotated[
    Cancel | LookUp | Resync | Place | Alert | Correct | TellDivergence,
    Field(discriminator="kind"),
]

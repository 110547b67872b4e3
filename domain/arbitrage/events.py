"""What can happen to a pair that is watched, and what it asks for. `kind` tells them apart."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from domain.arbitrage.funding import LegFunding
from domain.arbitrage.pair import PairTrade
from domain.arbitrage.pair_events import LegHalted, QuoteSeen
from domain.arbitrage.spec import ArbSpec
from domain.grid.events import Alert, PauseAsked, ResumeAsked, TimePassed
from domain.market import Position
from domain.money import ZERO


@dataclass(frozen=True, slots=True)
class FundingTold:
    """The venue of a leg told its rate. Legs are numbered 1 and 2."""

    leg: int
    funding: LegFunding
    kind: Literal["funding_told"] = field(default="funding_told", kw_only=True)


@dataclass(frozen=True, slots=True)
class PositionTold:
    """The venue of a perpetual leg told what is held, with its mark and its liquidation price."""

    leg: int
    position: Position
    at: datetime
    kind: Literal["position_told"] = field(default="position_told", kw_only=True)


@dataclass(frozen=True, slots=True)
class HealthTold:
    """The health of the account of a leg, 1 to 0: see `MarginAccount.health`."""

    leg: int
    health: Decimal
    at: datetime
    kind: Literal["health_told"] = field(default="health_told", kw_only=True)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a trade did on one leg: signed base after fees, and signed quote before fees."""

    leg: int
    base: Decimal
    quote: Decimal
    #: The part of `base` that somebody else has traded: no order of ours has filled for it.
    elsewhere: Decimal = ZERO
    #: What it cost more than at the prices it was decided at, in quote; None: not known.
    slippage: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TradeEnded:
    """The trade that was in flight has ended; nothing of it is naked."""

    tag: str
    moved: tuple[Moved, Moved]
    at: datetime
    #: How many orders the run has made by then.
    generation: int
    #: Why it did less than it should have; empty: it did all.
    gave_up: str = ""
    kind: Literal["trade_ended"] = field(default="trade_ended", kw_only=True)


@dataclass(frozen=True, slots=True)
class TradeLost:
    """The trade that was in flight is over and has not told what it did: somebody ended it.

    What the legs hold then is told by their books.
    """

    tag: str
    at: datetime
    kind: Literal["trade_lost"] = field(default="trade_lost", kw_only=True)


@dataclass(frozen=True, slots=True)
class FundingPaid:
    """Settlements have brought a leg *total* of quote so far; negative: it has paid."""

    leg: int
    total: Decimal
    at: datetime
    kind: Literal["funding_paid"] = field(default="funding_paid", kw_only=True)


@dataclass(frozen=True, slots=True)
class BooksTold:
    """What the fills of a leg come to, all of them: signed base, and signed quote before fees.

    It says nothing while orders work.
    """

    leg: int
    base: Decimal
    cash: Decimal
    at: datetime
    kind: Literal["books_told"] = field(default="books_told", kw_only=True)


@dataclass(frozen=True, slots=True)
class ExitAsked:
    """Somebody wants the pair closed; it is watched on, or the run ends with it."""

    at: datetime
    why: str
    ends: bool = False
    kind: Literal["exit_asked"] = field(default="exit_asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class SpecChanged:
    """Other settings; the legs stay what they are."""

    spec: ArbSpec
    at: datetime
    kind: Literal["spec_changed"] = field(default="spec_changed", kw_only=True)


ArbEvent = Annotated[
    FundingTold
    | QuoteSeen
    | PositionTold
    | HealthTold
    | TradeEnded
    | TradeLost
    | FundingPaid
    | BooksTold
    | TimePassed
    | LegHalted
    | PauseAsked
    | ResumeAsked
    | ExitAsked
    | SpecChanged,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class StartTrade:
    """Trade both legs; one trade at a time."""

    trade: PairTrade
    why: str
    kind: Literal["start_trade"] = field(default="start_trade", kw_only=True)


@dataclass(frozen=True, slots=True)
class AbortTrade:
    """Want no more of the entry in flight: what was done is hedged or undone."""

    tag: str
    why: str
    kind: Literal["abort_trade"] = field(default="abort_trade", kw_only=True)


ArbAction = Annotated[StartTrade | AbortTrade | Alert, Field(discriminator="kind")]

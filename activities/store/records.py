"""What the ledger keeps besides orders and fills, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from domain.accounting import VenueView
from domain.grid.events import AlertLevel
from domain.money import Instrument, Price, Quantity
from domain.orders import OrderStatus, OrderType, RefusalReason, Side

#: A send marker: the request is about to leave or has left, and no answer is recorded yet.
SENDING: Final = "sending"
#: The venue, or a look-up, said that the order does not exist and never will.
REFUSED: Final = "refused"


class RunStatus(StrEnum):
    """Where a run stands, as the ledger's readers need it."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


#: What the ledger says of a run that may still trade.
OPEN: Final = (RunStatus.RUNNING, RunStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one strategy. `tag` is the run tag in its client order ids.

    `instrument` is as it was at the start: every fill of the run is valued by it. `opening` is what
    the venue said the account held then; None if nobody asked.
    """

    run_id: str
    tag: str
    kind: str
    account: str
    venue: str
    symbol: str
    spec: Mapping[str, Any]
    instrument: Instrument
    opened_at: datetime
    opening: VenueView | None = None
    status: RunStatus = RunStatus.RUNNING
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """When a run was open; `closed_at` is None while it is."""

    run_id: str
    symbol: str
    opened_at: datetime
    closed_at: datetime | None

    def covers(self, at: datetime) -> bool:
        """Return whether the run was open at *at*."""
        return self.opened_at <= at and (self.closed_at is None or at <= self.closed_at)


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order of ours as the ledger knows it. `status` is SENDING, REFUSED or an OrderStatus."""

    client_id: str
    account: str
    run_tag: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Quantity
    price: Price | None
    status: str
    order_id: str | None
    filled: Quantity
    value: int
    fees: Mapping[str, Decimal]
    reduce_only: bool
    sent_at: datetime | None
    updated_at: datetime | None
    reason: RefusalReason | None
    message: str
    decided: Decimal | None = None

    @property
    def settled(self) -> bool:
        """Whether the order is known to be over: nothing more can come of it."""
        if self.status == SENDING:
            return False
        return self.status == REFUSED or not OrderStatus(self.status).working


@dataclass(frozen=True, slots=True)
class Marked:
    """What came of marking orders as about to be sent.

    `before` are the ids that had a marker or a report already: perhaps sent, so look them up.
    `lost` are orders that were sent by a decision nobody remembers; if any, nothing was marked.
    """

    before: frozenset[str] = frozenset()
    lost: tuple[StoredOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """What the feed of an account has to watch for a run, and whom to tell."""

    run_id: str
    account: str
    symbol: str
    workflow_id: str
    what: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EquityRecord:
    """The money of a run at one moment, as `domain.accounting` worked it out. Amounts in quote."""

    run_id: str
    at: datetime
    mark: Price
    grid_profit: Decimal
    floating: Decimal
    funding: Decimal
    fees: Decimal
    transfers: Decimal
    equity: Decimal | None = None
    residual: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which run, from where and why, and what it changed."""

    at: datetime
    who: str
    source: str
    command: str
    run_id: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class RiskEvent:
    """Something risk did or saw: a trigger, a recovery, a breaker, a refused entry."""

    at: datetime
    kind: str
    account: str
    run_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewAlert:
    """Something that people should hear of. The same `key` says that it is about the same thing."""

    at: datetime
    level: AlertLevel
    key: str
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert in the outbox, and how far it was told."""

    id: int
    at: datetime
    level: AlertLevel
    key: str
    message: str
    fields: Mapping[str, str]
    #: How often it was said, while it was too soon to tell it again.
    times: int
    #: How often somebody tried to tell it.
    attempts: int
    #: When every channel that wants it had it; None: not yet.
    delivered_at: datetime | None
    #: Why the last attempt failed, by channel; only these channels are tried again.
    errors: Mapping[str, str]

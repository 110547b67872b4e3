"""Orders as every floor speaks of them: what we ask for, what a venue reports, what it refuses.

A report carries *cumulative* figures, so a duplicate, an old or a reordered one changes nothing and
a missed one is made good by the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.money import NOTHING, ZERO, Price, Quantity


class Side(StrEnum):
    """Buy or sell."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: what a fill does to a position."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """At this price or better, or at whatever price there is."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order may work."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class OrderStatus(StrEnum):
    """Where an order stands at its venue."""

    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def working(self) -> bool:
        return self in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


class RefusalReason(StrEnum):
    """Why a venue, or our own last gate, did not take an order. What to do follows from it."""

    WOULD_CROSS = "would_cross"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INVALID = "invalid"
    REDUCE_ONLY = "reduce_only"
    RISK = "risk"
    ABSENT = "absent"  # a look-up proved that the order never arrived and no longer can
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What we ask a venue for. `price` is None for a market order."""

    client_id: str
    symbol: str
    side: Side
    quantity: Quantity
    price: Price | None = None
    type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    #: An entry may be held back by risk, pause and windows; anything else always passes.
    entry: bool = True
    #: The price, in quote, that what it is a part of was decided at; None: not known, or of no use.
    decided: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of part or all of an order."""

    fill_id: str
    client_id: str
    order_id: str
    symbol: str
    side: Side
    price: Price
    quantity: Quantity
    fee: Decimal
    fee_asset: str
    maker: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What a venue says of one order, in running totals.

    `value` is the sum of ticks x lots over all fills, so that an average is never needed and
    nothing is rounded. `fees` are running totals by asset (negative: a rebate). `fill` is the
    execution that caused the report, where the venue tells it.
    """

    client_id: str
    order_id: str
    symbol: str
    side: Side
    status: OrderStatus
    quantity: Quantity
    filled: Quantity = NOTHING
    value: int = 0
    price: Price | None = None
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    reduce_only: bool = False
    at: datetime | None = None
    #: Why it ended, where the venue tells: a post-only order that was accepted and then canceled.
    reason: RefusalReason | None = None
    fill: Fill | None = None

    @property
    def leaves(self) -> Quantity:
        """What may still be filled."""
        return self.quantity - self.filled if self.status.working else NOTHING

    def fee_in(self, asset: str) -> Decimal:
        return self.fees.get(asset, ZERO)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A definite no: the order does not exist and never will under this id."""

    client_id: str
    reason: RefusalReason
    message: str = ""
    #: A price that would not have crossed, where the venue or the book tells one.
    best: Price | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer came: the order may exist. Only a look-up settles it."""

    client_id: str
    message: str = ""


Outcome = OrderReport | Refusal | Unknown

"""The life of one slot: what may happen to its order, in one table.

Two rules: whatever moves a slot from state to state stands in `TRANSITIONS`, and an event without a
row is an error that changes nothing. "Filled" is no state: a slot has a holding beside its order,
so that a partial fill is simply a fact (decision D3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain.errors import IllegalTransitionError
from domain.money import EXACT, NOTHING, ZERO, Instrument, Price, Quantity
from domain.orders import OrderReport, OrderStatus, Refusal, RefusalReason, Side
from domain.position import EMPTY, Holding


class SlotState(StrEnum):
    """Where the slot's one order stands."""

    FREE = "free"  # no order; one may be sent
    PENDING = "pending"  # sent, or about to be; the outcome is not known
    LOCKED = "locked"  # live at the venue; it may be canceled


class SlotEvent(StrEnum):
    """What can happen to the order of a slot."""

    INTENDED = "intended"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


TRANSITIONS: Final[Mapping[tuple[SlotState, SlotEvent], SlotState]] = {
    (SlotState.FREE, SlotEvent.INTENDED): SlotState.PENDING,
    (SlotState.PENDING, SlotEvent.ACKNOWLEDGED): SlotState.LOCKED,
    (SlotState.PENDING, SlotEvent.CLOSED): SlotState.FREE,  # filled at once, refused, or absent
    (SlotState.LOCKED, SlotEvent.ACKNOWLEDGED): SlotState.LOCKED,  # a part was filled
    (SlotState.LOCKED, SlotEvent.CLOSED): SlotState.FREE,  # filled, canceled, rejected, expired
}


def transition(state: SlotState, event: SlotEvent) -> SlotState:
    """Return the state after *event*, or raise IllegalTransitionError if there is none."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"slot is {state}: {event} cannot happen") from None


_RANK: Final = {OrderStatus.OPEN: 1, OrderStatus.PARTIALLY_FILLED: 2}
CLOSED_RANK: Final = 3
#: The epoch of a slot that is no level of the present lattice; its entries are canceled.
OTHER_EPOCH: Final = -1


def rank(status: OrderStatus) -> int:
    """Return how far along its life an order is; a report never leads backwards."""
    return _RANK.get(status, CLOSED_RANK)


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """The order of a slot, as far as we know it. `rank` 0: no report of it has come yet."""

    client_id: str
    side: Side
    price: Price | None
    quantity: Quantity
    entry: bool
    order_id: str = ""
    filled: Quantity = NOTHING
    value: int = 0
    fees: tuple[tuple[str, Decimal], ...] = ()
    rank: int = 0
    canceling: bool = False
    unknown: bool = False

    def is_news(self, report: OrderReport) -> bool:
        """Return whether *report* tells more: more filled, further along, or later fees."""
        if report.filled != self.filled:
            return report.filled > self.filled
        return rank(report.status) > self.rank or self.owes_fees(report)

    def owes_fees(self, report: OrderReport) -> bool:
        """Return whether *report*, of the same fills, knows of more fees or rebates."""
        known = dict(self.fees)
        return report.filled == self.filled and any(
            abs(fee) > abs(known.get(asset, ZERO)) for asset, fee in report.fees.items()
        )

    def may_end_by(self, refusal: Refusal) -> bool:
        """Return whether the order can be over by *refusal*: not once it was seen alive.

        Unless we asked because it was missing, or canceled it: venues forget what is long over.
        """
        asked = self.unknown or self.canceling
        return self.rank == 0 or (refusal.reason is RefusalReason.ABSENT and asked)

    def after(self, report: OrderReport) -> "WorkingOrder":
        """Return the order as *report* tells it."""
        return replace(
            self,
            order_id=report.order_id or self.order_id,
            filled=report.filled,
            value=report.value if report.filled > self.filled else self.value,
            # A look-up may leave out fees that a stream has told: what is known stays known.
            fees=tuple(sorted({**dict(self.fees), **report.fees}.items())),
            rank=max(self.rank, rank(report.status)),
            unknown=False,
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """One level of the grid: what it holds, where that leaves, and at most one working order.

    `entry` is the key: the entry price. `exit` was fixed when the slot was made and outlives any
    change of the interval. `refusals` counts post-only refusals in a row; `blocked` holds the slot
    still until the center moves or time passes.
    """

    entry: Price
    exit: Price
    side: Side
    epoch: int
    state: SlotState = SlotState.FREE
    holding: Holding = EMPTY
    order: WorkingOrder | None = None
    refusals: int = 0
    blocked: bool = False
    best: Price | None = None
    #: When its entry was first seen to rest, by our clock; only where entries may become too old.
    since: datetime | None = None

    @property
    def entering(self) -> bool:
        return self.order is not None and self.order.entry

    @property
    def exiting(self) -> bool:
        return self.order is not None and not self.order.entry

    @property
    def spent(self) -> bool:
        """Nothing is held, works or is remembered: the slot can be forgotten."""
        resting = self.blocked or self.refusals > 0
        return self.order is None and self.holding == EMPTY and not resting

    def leaving(self, instrument: Instrument) -> Quantity:
        """Return what an exit order would be for: all whole lots held; nothing under a minimum."""
        held = self.holding.lots * self.side.sign
        if held <= 0:
            return NOTHING
        quantity = Quantity(held)
        return quantity if instrument.accepts(self.exit, quantity) else NOTHING

    def sends(self, order: WorkingOrder) -> "Slot":
        """Return the slot with *order* about to be sent."""
        return replace(self, state=transition(self.state, SlotEvent.INTENDED), order=order)

    def works(self, order: WorkingOrder) -> "Slot":
        """Return the slot with its order known to be live."""
        return replace(self, state=transition(self.state, SlotEvent.ACKNOWLEDGED), order=order)

    def closes(self) -> "Slot":
        """Return the slot without its order, which is over."""
        state = transition(self.state, SlotEvent.CLOSED)
        return replace(self, state=state, order=None, since=None)


@dataclass(frozen=True, slots=True)
class ClosedOrder:
    """An order that is over, remembered for a while: a late fill of it still counts once.

    `exit` and `epoch` are those of its slot, which may be forgotten by then (decision D2).
    """

    key: int
    order: WorkingOrder
    exit: Price | None = None
    epoch: int = 0

    @property
    def entry_side(self) -> Side:
        """The side that its slot enters on."""
        return self.order.side if self.order.entry else self.order.side.opposite


def new_fees(before: tuple[tuple[str, Decimal], ...], report: OrderReport) -> dict[str, Decimal]:
    """Return what was charged since *before*, by asset."""
    known = dict(before)
    return {
        asset: EXACT.subtract(total, known.get(asset, ZERO))
        for asset, total in sorted(report.fees.items())
        if total != known.get(asset, ZERO)
    }

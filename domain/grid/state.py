"""The whole state of a grid run: one frozen value that is stored, carried over and compared.

Whatever the engine needs to decide is here, so a run continues from this value anywhere: it is the
argument of a continued workflow, the payload of a checkpoint, and what the tests compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from domain.grid.config import GridConfig
from domain.grid.events import Correct
from domain.grid.lattice import Lattice
from domain.grid.slot import ClosedOrder, Slot, WorkingOrder
from domain.grid.spec import StopMode
from domain.money import ZERO, Price, add
from domain.orders import Side
from domain.position import Holding

#: Orders that are over and still remembered. Reports later than this many orders do not happen.
REMEMBERED: Final = 64
#: Lost generations that are still waited for: more than a run sends between two flushes to disk.
MOST_UNSEEN: Final = 512
#: The key of orders that close the whole run.
WHOLE_RUN: Final = 0


class Phase(StrEnum):
    """What a run is doing."""

    WAITING = "waiting"  # for its trigger price
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"  # orders are being canceled, the position perhaps closed
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Totals:
    """Running sums of a run, in quote unless told otherwise."""

    grid_profit: Decimal = ZERO
    fees: Decimal = ZERO
    #: Fees in assets that are neither base nor quote, by asset.
    other_fees: tuple[tuple[str, Decimal], ...] = ()
    volume: Decimal = ZERO
    #: Round trips completed: exits that left their slot without a sellable holding.
    cycles: int = 0
    #: Reports that filled something.
    fills: int = 0


@dataclass(frozen=True, slots=True)
class Doubt:
    """A comparison of positions that did not agree. What a second one confirms is acted upon.

    `expected` and `found` are base; `fills` is how many fills the run knew of.
    """

    expected: Decimal
    found: Decimal
    fills: int
    #: When the venue was asked, by our clock.
    since: datetime
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class GridState:
    """A grid run between two events."""

    config: GridConfig
    #: Stands in every client order id; unique for one start of one run.
    tag: str
    phase: Phase = Phase.RUNNING
    #: Counts every order ever intended; stored before the order is sent (decision D6).
    generation: int = 0
    #: Generations below it that were never seen here: power was lost after they were stored.
    unseen: tuple[int, ...] = ()
    lattice: Lattice | None = None
    epoch: int = 0
    center: int = 0
    #: The last price that was an event.
    price: Price | None = None
    slots: Mapping[int, Slot] = field(default_factory=dict)
    #: The trigger lies above the first price seen; None before the first price.
    trigger_above: bool | None = None
    triggered: bool = False
    feed_live: bool = False
    #: The venue has shown its orders since the feed last went live.
    synced: bool = False
    halted: bool = False
    halted_why: str = ""
    stop_mode: StopMode | None = None
    stop_why: str = ""
    #: An emergency exit gives back what is held; the run only cancels its orders.
    handed_over: bool = False
    #: What is left to trade back while closing, merged from all slots, and the order that does it.
    residue: Holding | None = None
    closing: WorkingOrder | None = None
    #: A refused close is tried again when time passes, not at once.
    close_blocked: bool = False
    #: How often in a row the venue found a close invalid.
    close_refused: int = 0
    closed: tuple[ClosedOrder, ...] = ()
    totals: Totals = Totals()
    #: Levels in ticks whose entries were cleaned away: they rest until the center moves.
    cleaned: tuple[int, ...] = ()
    #: The position is not as believed, or was not at the last look.
    doubt: Doubt | None = None
    #: By how much the position at the venue was last told to people to be none of the run's.
    told_apart: Decimal = ZERO
    #: A correction that is decided, and perhaps in the ledger already.
    correcting: Correct | None = None
    #: Of the last correction that took effect.
    corrected_at: datetime | None = None

    @property
    def finished(self) -> bool:
        return self.phase is Phase.FINISHED

    @property
    def position_lots(self) -> int:
        """The signed position in lots."""
        held = sum(slot.holding.lots for slot in self.slots.values())
        return held + (self.residue.lots if self.residue else 0)

    def working(self) -> list[WorkingOrder]:
        """Return every order that may be live, by slot from the lowest price up."""
        orders = [slot.order for _, slot in sorted(self.slots.items()) if slot.order]
        return [*orders, self.closing] if self.closing else orders

    def entries(self, side: Side) -> list[Slot]:
        """Return the slots with a working entry on *side*, from the lowest price up."""
        return [s for _, s in sorted(self.slots.items()) if s.entering and s.side is side]

    def floating(self, at: Price | None = None) -> Decimal:
        """Return the PnL of what is open, in quote, at *at* or else the last price."""
        mark = at or self.price
        if mark is None:
            return ZERO
        holdings = [slot.holding for slot in self.slots.values()]
        if self.residue:
            holdings.append(self.residue)
        instrument = self.config.instrument
        return add(*(holding.unrealized(instrument, mark) for holding in holdings))


def begin(config: GridConfig, tag: str) -> GridState:
    """Return the state of a run before its first event."""
    waiting = config.trigger is not None
    phase = Phase.WAITING if waiting else Phase.RUNNING
    return GridState(config, tag, phase, triggered=not waiting)

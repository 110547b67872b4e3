"""What must agree in the end: the venue's own record, the ledger and the run."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from temporalio.client import WorkflowHandle

from activities.store.ledger import Ledger
from domain.grid.view import GridStatus, SlotView
from domain.money import Instrument
from domain.order_ids import decode
from domain.orders import Fill, OrderReport
from domain.ports import Venue

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Books:
    """One look at all three."""

    instrument: Instrument
    orders: list[OrderReport]
    fills: list[Fill]
    lots: int
    stored: list[Fill]
    status: GridStatus
    slots: list[SlotView]

    @classmethod
    async def read(cls, venue: Venue, ledger: Ledger, run: WorkflowHandle[Any, Any]) -> "Books":
        status = await run.query("status", result_type=GridStatus)
        view = await venue.account_view(status.symbol, EPOCH)
        return cls(
            await venue.instrument(status.symbol),
            list(view.orders),
            list(view.fills),
            sum(position.lots for position in view.positions),
            await ledger.fills_of_run(run.id),
            status,
            await run.query("slots", result_type=list[SlotView]),
        )

    @property
    def working(self) -> set[str]:
        return {order.client_id for order in self.orders if order.status.working}

    @property
    def owned(self) -> set[str]:
        return {slot.client_id for slot in self.slots if slot.client_id}

    @property
    def position(self) -> Decimal:
        return self.lots * self.instrument.lot_size

    @property
    def volume(self) -> Decimal:
        ticks = sum(fill.price.ticks * fill.quantity.lots for fill in self.fills)
        return self.instrument.notional_of(ticks)

    def settled(self) -> bool:
        """Return whether the run has heard of everything that happened at the venue."""
        same = self.working == self.owned and self.status.volume == self.volume
        return same and len(self.stored) == len(self.fills)

    def check(self) -> None:
        """Every order exists once and is owned, every fill is counted once."""
        twice = [each for each, n in Counter(o.client_id for o in self.orders).items() if n > 1]
        assert twice == []
        keys = [decode(order.client_id) for order in self.orders]
        assert None not in keys
        generations = Counter(key.generation for key in keys if key is not None)
        doubled = [
            str(order)
            for order, key in zip(self.orders, keys, strict=True)
            if key and generations[key.generation] > 1
        ]
        assert doubled == [], doubled
        assert self.working == self.owned
        per_slot = Counter(
            key.key
            for order, key in zip(self.orders, keys, strict=True)
            if key is not None and order.status.working
        )
        assert all(times == 1 for times in per_slot.values()), per_slot
        venue = {fill.fill_id: fill for fill in self.fills}
        ledger = {fill.fill_id: fill for fill in self.stored}
        assert (len(venue), len(ledger)) == (len(self.fills), len(self.stored))
        assert ledger == venue
        assert self.status.volume == self.volume
        assert self.status.position == self.position
        assert sum((slot.held for slot in self.slots), Decimal(0)) == self.position

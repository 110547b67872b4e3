"""What must agree once everything is quiet: the exchange's own books, the ledger and the run.

The exchange is asked directly, by nobody's gateway. It knows each order and each fill for ever.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from activities.store.ledger import Ledger
from domain.accounting import VenueView, residual
from domain.correction import Correction
from domain.grid.view import GridStatus, SlotView
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from domain.order_ids import OrderKey, decode
from domain.orders import Fill, OrderReport
from workers.crashlab.role import Grid
from workers.exchange.host import Host

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: The exchange keeps a second order of one client id under the id with this and a number.
_AGAIN: Final = "~"
#: A fill as both sides tell it: whose, for how much, at which price.
_Execution = tuple[str, Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class View:
    """What a run says of itself."""

    status: GridStatus
    slots: Sequence[SlotView]

    @property
    def owned(self) -> set[str]:
        """The client ids of the orders that slots have."""
        return {slot.client_id for slot in self.slots if slot.client_id}


@dataclass(frozen=True, slots=True)
class Books:
    """One look at one grid."""

    instrument: Instrument
    orders: Sequence[OrderReport]
    fills: Sequence[Fill]
    #: Of a perpetual; None on spot.
    position_lots: int | None
    #: As the ledger has them, in its own instrument's lots and ticks.
    stored: Sequence[Fill]
    stored_instrument: Instrument
    #: None before the books of the run were opened.
    residual: Decimal | None
    #: What was written off of the position: nobody but the run trades here, so nothing ever may be.
    corrections: Sequence[Correction]
    view: View

    @classmethod
    async def read(cls, grid: Grid, host: Host, ledger: Ledger, view: View) -> "Books":
        """Read all three; raises a StoreError if the ledger cannot be asked."""
        account, exchange = host.account(grid.account), host.exchange
        positions = exchange.positions(account, grid.symbol)
        instrument = host.instrument(grid.symbol)
        run = await ledger.run(grid.name)
        stored = await ledger.fills_of_run(grid.name) if run else []
        written_off = await ledger.corrections_of_run(grid.name)
        left = None
        if run is not None and run.opening is not None:
            price = exchange.last_price(grid.symbol)
            if price is None:
                raise AssertionError("the lab's market has a price")
            now = VenueView.of(instrument, exchange.balances(account), positions)
            left = residual([await ledger.account_of_run(grid.name)], run.opening, now, price.price)
        return cls(
            instrument,
            exchange.orders_since(account, grid.symbol, _EPOCH),
            exchange.fills_since(account, grid.symbol, _EPOCH),
            sum(each.lots for each in positions) if grid.perpetual else None,
            stored,
            run.instrument if run else instrument,
            left,
            written_off,
            view,
        )

    @property
    def working(self) -> set[str]:
        """The client ids of the orders that rest at the exchange."""
        return {order.client_id for order in self.orders if order.status.working}

    @property
    def volume(self) -> Decimal:
        """What was traded at the exchange, in quote."""
        ticks = sum(fill.price.ticks * fill.quantity.lots for fill in self.fills)
        return self.instrument.notional_of(ticks)

    @property
    def position(self) -> Decimal:
        """What the exchange's fills leave, in base: on spot without the fees taken in base."""
        traded = sum(fill.side.sign * fill.quantity.lots for fill in self.fills)
        kept = EXACT.multiply(self.instrument.lot_size, Decimal(traded))
        if self.instrument.kind is MarketKind.PERPETUAL:
            return kept
        base = self.instrument.base
        return add(kept, *(-fill.fee for fill in self.fills if fill.fee_asset == base))

    def agree(self) -> bool:
        """Return whether nothing is wrong, and everybody has heard of everything."""
        return len(self.stored) == len(self.fills) and not self.violations()

    def conclusive(self) -> list[str]:
        """Return what is broken and no waiting mends; it may be asked at any time."""
        return [*orders_exist_once(self.orders), *self._nothing_was_written_off()]

    def violations(self) -> list[str]:
        """Return every promise that is broken; to be asked when things are quiet."""
        return [
            *self.conclusive(),
            *self._orders_are_owned(),
            *self._fills_count_once(),
            *self._position_and_money_agree(),
        ]

    def _nothing_was_written_off(self) -> Iterator[str]:
        for each in self.corrections:
            yield f"correction: {each.lots} lots of the position at {each.at:%T} ({each.why})"

    def _orders_are_owned(self) -> Iterator[str]:
        for name in sorted(self.working - self.view.owned):
            yield f"orphan: order {name} rests at the exchange, and no slot owns it"
        for name in sorted(self.view.owned - self.working):
            yield f"lost order: a slot owns {name}, which does not rest at the exchange"
        slots = Counter(key.key for key in map(_key, sorted(self.working)) if key)
        for slot, times in slots.items():
            if times > 1:
                yield f"duplicate: {times} orders rest for slot {slot}"

    def _fills_count_once(self) -> Iterator[str]:
        yield from fills_are_known(self.fills, self.instrument, self.stored, self.stored_instrument)
        if self.view.status.volume != self.volume:
            yield (
                f"fills counted wrongly: the run traded {self.view.status.volume}, "
                f"the exchange {self.volume}"
            )

    def _position_and_money_agree(self) -> Iterator[str]:
        held = add(ZERO, *(slot.held for slot in self.view.slots))
        if held != self.position:
            yield f"position: the slots hold {held}, the exchange's fills leave {self.position}"
        if self.position_lots is not None:
            there = EXACT.multiply(self.instrument.lot_size, Decimal(self.position_lots))
            if there != self.view.status.position:
                yield f"position: the run has {self.view.status.position}, the exchange {there}"
        if self.residual is not None and self.residual != 0:
            yield f"cash: the residual is {self.residual}"


def orders_exist_once(orders: Sequence[OrderReport]) -> Iterator[str]:
    """Yield what is wrong with the names of an exchange's orders."""
    names = [order.client_id.partition(_AGAIN)[0] for order in orders]
    for name, times in Counter(names).items():
        if times > 1:
            yield f"duplicate: the exchange has {times} orders of client id {name}"
    keys = {name: decode(name) for name in names}
    for name, key in keys.items():
        if key is None:
            yield f"foreign: order {name} is nobody's"
    generations = Counter(key.generation for key in keys.values() if key)
    for generation, times in generations.items():
        if times > 1:
            yield f"duplicate: {times} orders are of generation {generation}"


def fills_are_known(
    fills: Sequence[Fill],
    instrument: Instrument,
    stored: Sequence[Fill],
    stored_instrument: Instrument,
) -> Iterator[str]:
    """Yield every fill that is not once at the exchange and once in the ledger."""
    there = Counter(_executions(fills, instrument))
    known = Counter(_executions(stored, stored_instrument))
    for execution in (there - known).elements():
        yield f"lost fill: {_told(execution)} is not in the ledger"
    for execution in (known - there).elements():
        yield f"doubled fill: {_told(execution)} is in the ledger and not at the exchange"


def _key(client_id: str) -> OrderKey | None:
    return decode(client_id.partition(_AGAIN)[0])


def _executions(fills: Sequence[Fill], instrument: Instrument) -> list[_Execution]:
    return [
        (
            fill.client_id.partition(_AGAIN)[0],
            instrument.price_of(fill.price),
            fill.side.sign * instrument.base_of(fill.quantity),
        )
        for fill in fills
    ]


def _told(execution: _Execution) -> str:
    client_id, price, quantity = execution
    return f"{quantity} at {price} of {client_id}"

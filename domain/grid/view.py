"""A grid run as a person or a program reads it: decimals in the venue's units, no internals."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from domain.grid.slot import Slot, WorkingOrder
from domain.grid.state import GridState
from domain.grid.watch import ENDLESS, watch
from domain.money import EXACT, ZERO, Price, add
from domain.order_ids import decode


@dataclass(frozen=True, slots=True)
class SlotView:
    """One slot: FREE, PENDING or LOCKED, what it holds and what works there."""

    level: Decimal
    exit: Decimal
    state: str
    held: Decimal
    #: What the order is: `entry buy`, `exit sell`, ...; empty without one.
    order: str = ""
    order_price: Decimal | None = None
    quantity: Decimal = ZERO
    filled: Decimal = ZERO
    client_id: str = ""
    order_id: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class GridStatus:
    """What a run is doing, in one screen. Amounts are quote unless named otherwise."""

    symbol: str
    account: str
    direction: str
    phase: str
    risk: str
    feed: str
    price: Decimal | None
    center: Decimal | None
    interval: Decimal | None
    working_orders: int
    slots_held: int
    position: Decimal
    grid_profit: Decimal
    floating: Decimal
    fees: Decimal
    total: Decimal
    volume: Decimal
    cycles: int
    fills: int
    why: str = ""
    #: The prices between which nothing is decided.
    quiet_low: Decimal | None = None
    quiet_high: Decimal | None = None


def status(state: GridState, at: Price | None = None) -> GridStatus:
    """Return *state* for reading; *at* is a newer price for the floating PnL, if there is one."""
    instrument, totals = state.config.instrument, state.totals
    price = at or state.price
    floating = state.floating(price)
    low, high = _band(state)
    slots = state.slots.values()
    return GridStatus(
        state.config.symbol,
        state.config.spec.account,
        state.config.spec.direction,
        state.phase,
        f"halted: {state.halted_why}" if state.halted else "clear",
        "live" if state.feed_live else "stale",
        instrument.price_of(price) if price else None,
        _center(state),
        _step(state),
        len(state.working()),
        sum(1 for slot in slots if slot.holding.lots),
        EXACT.multiply(Decimal(state.position_lots), instrument.lot_size),
        totals.grid_profit,
        floating,
        totals.fees,
        add(totals.grid_profit, floating, -totals.fees),
        totals.volume,
        totals.cycles,
        totals.fills,
        state.stop_why,
        low,
        high,
    )


def slots(state: GridState) -> tuple[SlotView, ...]:
    """Return the slots of *state*, from the highest price down, as a ladder is read."""
    return tuple(_slot(state, state.slots[key]) for key in sorted(state.slots, reverse=True))


_HEAD: Final = ("level", "state", "holds", "order", "at", "filled")


def table(state: GridState) -> str:
    """Return the slots as an aligned table in a code block: the details pane of a run shows it."""
    rows = [
        (
            str(view.level),
            view.state.upper(),
            _text(view.held),
            view.order,
            "" if view.order_price is None else str(view.order_price),
            f"{_text(view.filled)}/{_text(view.quantity)}" if view.order else "",
        )
        for view in slots(state)
    ]
    widths = [max(len(cell) for cell in column) for column in zip(_HEAD, *rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEAD, *rows)
    ]
    return "\n".join(["```text", *lines, "```"])


def _slot(state: GridState, slot: Slot) -> SlotView:
    instrument, order = state.config.instrument, slot.order
    view = (
        instrument.price_of(slot.entry),
        instrument.price_of(slot.exit),
        slot.state.value,
        slot.holding.base(instrument),
    )
    note = "waits for the price to move" if slot.blocked else ""
    if order is None:
        return SlotView(*view, note=note)
    return SlotView(
        *view,
        f"{'entry' if order.entry else 'exit'} {order.side}",
        instrument.price_of(order.price) if order.price else None,
        instrument.base_of(order.quantity),
        instrument.base_of(order.filled),
        order.client_id,
        order.order_id,
        _note(order) or note,
    )


def _note(order: WorkingOrder) -> str:
    if order.unknown:
        return "outcome unknown, being looked up"
    return "being canceled" if order.canceling else ""


def _center(state: GridState) -> Decimal | None:
    ladder = state.lattice
    if ladder is None or not ladder.has(state.center):  # under half an interval it is no price
        return None
    return state.config.instrument.price_of(ladder.price(state.center))


def _step(state: GridState) -> Decimal | None:
    if state.lattice is None:
        return None
    ticks = state.lattice.ticks(state.center + 1) - state.lattice.ticks(state.center)
    return EXACT.multiply(Decimal(ticks), state.config.instrument.tick_size)


def _band(state: GridState) -> tuple[Decimal | None, Decimal | None]:
    band = None if state.finished else watch(state).band()
    if band is None:
        return None, None
    instrument, (low, high) = state.config.instrument, band
    return (
        instrument.price_of(Price(low)) if low > 0 else None,
        instrument.price_of(Price(high)) if high < ENDLESS - 1 else None,
    )


def _text(value: Decimal) -> str:
    return f"{value:f}" if value else "·"


def exits(state: GridState) -> int:
    """Return how many orders of *state* wait to give back what it holds."""
    keys = [decode(order.client_id) for order in state.working()]
    return sum(key is not None and not key.purpose.is_entry for key in keys)

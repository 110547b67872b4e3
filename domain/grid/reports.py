"""What an order report does to the state: counted once, whenever and however often it comes.

Reports are applied by cumulative filled quantity and status rank. A duplicate, an old or a
reordered one changes nothing; a missed one is made good by the next; one that comes after its order
was believed over still counts, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain.grid.slot import CLOSED_RANK, OTHER_EPOCH, ClosedOrder, Slot, WorkingOrder, new_fees
from domain.grid.spec import StopMode
from domain.grid.state import MOST_UNSEEN, REMEMBERED, WHOLE_RUN, GridState, Phase, Totals
from domain.money import EXACT, NOTHING, ZERO, Price, add
from domain.order_ids import OrderKey, decode
from domain.orders import OrderReport, OrderStatus, RefusalReason, Side
from domain.position import EMPTY, Holding, trade


@dataclass(frozen=True, slots=True)
class Applied:
    """The state after a report; the slots an exit has emptied; orders that no slot owns."""

    state: GridState
    freed: tuple[Slot, ...] = ()
    strays: tuple[OrderReport, ...] = ()


def apply(state: GridState, report: OrderReport, *, fresh: bool = False) -> Applied:
    """Return *state* after *report*. `fresh` says that the venue was asked just now.

    A report of somebody else's order changes nothing, nor does one of the emergency exit that took
    over what the run held.
    """
    key = decode(report.client_id)
    if key is None or key.run_tag != state.tag or key.purpose.leaves:
        return Applied(state)
    if state.closing is not None and state.closing.client_id == report.client_id:
        return _apply_to_close(state, state.closing, report)
    slot = state.slots.get(key.key)
    if slot is not None and slot.order is not None and slot.order.client_id == report.client_id:
        return _apply_to_slot(state, slot, slot.order, report, fresh=fresh)
    for known in state.closed:
        if known.order.client_id == report.client_id:
            return _apply_late(state, known, report, fresh=fresh)
    if key.generation > state.generation or key.generation in state.unseen:
        return _adopt(state, key, report)
    stray = fresh and report.status.working
    return Applied(state, strays=(report,) if stray else ())


def _apply_to_slot(
    state: GridState, slot: Slot, order: WorkingOrder, report: OrderReport, *, fresh: bool
) -> Applied:
    if fresh and _is_cut(order, report):
        order = replace(order, quantity=report.quantity)
        slot = replace(slot, order=order)
        state = _with_slot(state, slot)
    if not order.is_news(report):
        if not _shows_alive(order, report, fresh=fresh):
            return Applied(state)
        return Applied(_with_slot(state, slot.works(_alive(order))))
    filled = report.filled > order.filled
    holding, totals = _book(state, slot.holding, order, report)
    after = order.after(report)
    slot = replace(slot, holding=holding, refusals=0 if filled else slot.refusals)
    if after.rank < CLOSED_RANK:
        after = _alive(after) if fresh or order.unknown else after
        return Applied(_with_slot(replace(state, totals=totals), slot.works(after)))
    slot = _ended(state, slot.closes(), order, report)
    full = report.status is OrderStatus.FILLED and not order.entry
    emptied = full and not slot.leaving(state.config.instrument)
    if emptied:
        totals = replace(totals, cycles=totals.cycles + 1)
    state = remember(replace(state, totals=totals), slot, after)
    return Applied(_with_slot(state, slot), freed=(slot,) if emptied else ())


def _is_cut(order: WorkingOrder, report: OrderReport) -> bool:
    """Return whether the venue has cut an exit: some do when the position shrinks under it."""
    return not order.entry and report.status.working and report.quantity < order.quantity


def _shows_alive(order: WorkingOrder, report: OrderReport, *, fresh: bool) -> bool:
    """Return whether *report*, which is no news, settles a doubt: the order works after all."""
    doubtful = order.unknown or (fresh and order.canceling)
    return doubtful and report.status.working and report.filled == order.filled


def _alive(order: WorkingOrder) -> WorkingOrder:
    """Return *order* as the venue shows it on being asked; a cancel was lost, if one was sent."""
    return replace(order, unknown=False, canceling=False)


def _ended(state: GridState, slot: Slot, order: WorkingOrder, report: OrderReport) -> Slot:
    """Decide what an order's end means for the next one of its slot."""
    if report.status is OrderStatus.FILLED:
        return replace(slot, best=None)
    if report.reason is RefusalReason.WOULD_CROSS:
        return crossed(state, slot, None)
    # An end nobody here asked for is not fought: the slot rests until something moves.
    return slot if order.canceling else replace(slot, blocked=True)


def crossed(state: GridState, slot: Slot, best: Price | None) -> Slot:
    """Return *slot* after a post-only order of it would have taken (decision D12)."""
    policy = state.config.spec.post_only
    refusals = slot.refusals + 1
    tired = refusals > policy.retries and policy.then == "pause"
    return replace(slot, refusals=refusals, best=best, blocked=slot.blocked or tired)


def _apply_late(
    state: GridState, known: ClosedOrder, report: OrderReport, *, fresh: bool
) -> Applied:
    """Count what is new of an order that was believed over, and end it if it lives."""
    order = known.order
    alive = fresh and report.status.working and order.rank < CLOSED_RANK
    strays = (report,) if alive else ()
    if report.filled <= order.filled and not order.owes_fees(report):
        return Applied(state, strays=strays)
    memory = tuple(
        replace(other, order=order.after(report)) if other is known else other
        for other in state.closed
    )
    state = replace(state, closed=memory)
    if known.key == WHOLE_RUN or state.residue is not None:  # the slots were merged already
        holding, totals = _book(state, state.residue or EMPTY, order, report)
        state = replace(state, totals=totals, residue=holding, close_refused=0)
        return Applied(state, strays=strays)
    slot = state.slots.get(known.key) or _remembered_slot(state, known)
    holding, totals = _book(state, slot.holding, order, report)
    slot = replace(slot, holding=holding)
    return Applied(_with_slot(replace(state, totals=totals), slot), strays=strays)


def _adopt(state: GridState, key: OrderKey, report: OrderReport) -> Applied:
    """Take in an order of ours that our state does not know: power was lost after it was sent."""
    lost = range(max(state.generation + 1, key.generation - MOST_UNSEEN), key.generation)
    unseen = tuple(g for g in (*state.unseen, *lost) if g != key.generation)[-MOST_UNSEEN:]
    state = replace(state, generation=max(state.generation, key.generation), unseen=unseen)
    order = WorkingOrder(
        report.client_id,
        report.side,
        report.price,
        report.quantity,
        entry=key.purpose.is_entry,
        canceling=not report.status.working,  # whatever ended it, it was long ago
    )
    if key.key == WHOLE_RUN:
        return _adopt_close(state, order, report)
    entry_side = report.side if order.entry else report.side.opposite
    slot = state.slots.get(key.key) or _slot_for(state, Price(key.key), entry_side)
    if slot.order is not None or state.residue is not None:
        state = remember(state, slot, order)
        return _apply_late(state, state.closed[-1], report, fresh=True)
    slot = replace(slot.sends(order), blocked=False)
    return _apply_to_slot(_with_slot(state, slot), slot, order, report, fresh=True)


def _adopt_close(state: GridState, order: WorkingOrder, report: OrderReport) -> Applied:
    """Go on closing: the order to close was sent, only the memory of it was lost."""
    if state.phase is not Phase.FINISHED:
        why = state.stop_why or "a close was under way"
        state = replace(state, phase=Phase.STOPPING, stop_mode=StopMode.CLOSE, stop_why=why)
    if state.closing is None:
        return _apply_to_close(replace(state, closing=order), order, report)
    state = remember(state, None, order)
    return _apply_late(state, state.closed[-1], report, fresh=True)


def _apply_to_close(state: GridState, order: WorkingOrder, report: OrderReport) -> Applied:
    if not order.is_news(report):
        if not _shows_alive(order, report, fresh=False):
            return Applied(state)
        return Applied(replace(state, closing=_alive(order)))
    holding, totals = _book(state, state.residue or EMPTY, order, report)
    state = replace(state, residue=holding, totals=totals, close_refused=0)
    after = order.after(report)
    if after.rank < CLOSED_RANK:
        return Applied(replace(state, closing=after))
    blocked = report.status is not OrderStatus.FILLED and not order.canceling
    state = replace(state, closing=None, close_blocked=blocked)
    return Applied(remember(state, None, after))


def _book(
    state: GridState, holding: Holding, order: WorkingOrder, report: OrderReport
) -> tuple[Holding, Totals]:
    """Count what *report* adds to *order*: quantity, value and fees."""
    instrument, totals = state.config.instrument, state.totals
    quantity = report.filled - order.filled if report.filled > order.filled else NOTHING
    value = report.value - order.value if quantity else 0
    fees = new_fees(order.fees, report)
    spot_fee = fees.pop(instrument.base, ZERO)
    quote_fee = fees.pop(instrument.quote, ZERO)
    done = trade(
        instrument,
        holding,
        order.side,
        quantity,
        value,
        base_fee=spot_fee,
        quote_fee=quote_fee,
    )
    other = dict(totals.other_fees)
    for asset, fee in fees.items():
        other[asset] = add(other.get(asset, ZERO), fee)
    return done.holding, Totals(
        add(totals.grid_profit, done.realized),
        add(totals.fees, done.fee),
        tuple(sorted(other.items())),
        EXACT.add(totals.volume, instrument.notional_of(value)),
        totals.cycles,
        totals.fills + bool(quantity),
    )


def remember(state: GridState, slot: Slot | None, order: WorkingOrder) -> GridState:
    """Keep *order* of *slot* (None: it closed the run), which is over, among the last ones."""
    if slot is None:
        last = ClosedOrder(WHOLE_RUN, order)
    else:
        last = ClosedOrder(slot.entry.ticks, order, slot.exit, slot.epoch)
    return replace(state, closed=(*state.closed, last)[-REMEMBERED:])


def _remembered_slot(state: GridState, known: ClosedOrder) -> Slot:
    entry = Price(known.key)
    if known.exit is None:
        return _slot_for(state, entry, known.entry_side)
    return Slot(entry, known.exit, known.entry_side, known.epoch)


def _slot_for(state: GridState, entry: Price, side: Side) -> Slot:
    """Return a slot for an *entry* of which nothing is remembered: one step of now to its exit."""
    lattice = state.lattice or state.config.lattice(entry)
    level = lattice.at_or_below(entry)
    if state.lattice is not None and lattice.ticks(level) == entry.ticks:
        return Slot(entry, Price(max(lattice.ticks(level + side.sign), 1)), side, state.epoch)
    leave = entry.ticks + side.sign * (lattice.ticks(level + 1) - lattice.ticks(level))
    return Slot(entry, Price(max(leave, 1)), side, OTHER_EPOCH)


def _with_slot(state: GridState, slot: Slot) -> GridState:
    return replace(state, slots=with_slot(state.slots, slot))


def with_slot(slots: Mapping[int, Slot], slot: Slot) -> Mapping[int, Slot]:
    """Return *slots* with *slot* in its place; a spent one is forgotten (flaw S-12)."""
    changed = {key: value for key, value in slots.items() if key != slot.entry.ticks}
    if not slot.spent:
        changed[slot.entry.ticks] = slot
    return changed

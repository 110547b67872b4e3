"""What a grid does about its state: the difference between what should work and what does.

The order of the actions is part of the contract, so that two runners fed the same events produce
the same list: cancels from the lowest price up, then exits, then entries from the center outwards.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from domain.grid.config import GridConfig
from domain.grid.events import Alert, AlertLevel, Cancel, GridAction, Place
from domain.grid.lattice import Lattice
from domain.grid.reports import with_slot
from domain.grid.slot import Slot, SlotState, WorkingOrder
from domain.grid.spec import Direction, StopMode
from domain.grid.state import WHOLE_RUN, GridState, Phase
from domain.money import EXACT, MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode
from domain.orders import OrderRequest, OrderType, Side
from domain.position import EMPTY, Holding, merged

#: Entries are canceled only this many levels beyond the window's edge (decision D16).
SLACK = 1
_PURPOSES = {
    (True, Side.BUY): Purpose.ENTRY_BUY,
    (True, Side.SELL): Purpose.ENTRY_SELL,
    (False, Side.BUY): Purpose.EXIT_BUY,
    (False, Side.SELL): Purpose.EXIT_SELL,
}


@dataclass(frozen=True, slots=True)
class Step:
    """What came of an event: the new state, and what to do about it, in order."""

    state: GridState
    actions: tuple[GridAction, ...] = ()


def decide(state: GridState, freed: tuple[Slot, ...] = ()) -> Step:
    """Return *state* with every order it now intends, and the actions that bring them about.

    *freed* are slots that an exit has just emptied: they are entered again at once, whatever the
    stored center says (decision D17).
    """
    if state.phase is Phase.FINISHED:
        return Step(state)
    if state.phase is Phase.STOPPING:
        return _stop(state)
    state, actions = _cancel(state)
    if not state.synced:
        return Step(state, tuple(actions))
    state, exits = _leave(state)
    state, entries = _enter(state, freed)
    return Step(state, (*actions, *exits, *entries))


def may_enter(state: GridState) -> bool:
    """Return whether new entries may be sent: running, triggered, live, not halted."""
    return state.phase is Phase.RUNNING and state.feed_live and state.synced and not state.halted


def skewed_center(state: GridState) -> int:
    """Return the center moved against the inventory: down when long, up when short (row DY-04)."""
    skew = state.config.skew
    if skew is None:
        return state.center
    held = sum((s.holding.lots > 0) - (s.holding.lots < 0) for s in state.slots.values())
    shift = int(EXACT.multiply(skew.factor, Decimal(abs(held))))
    return state.center - min(shift, skew.max_levels) * (1 if held > 0 else -1)


# --- cancels ---------------------------------------------------------------------------------


def _cancel(state: GridState) -> tuple[GridState, list[GridAction]]:
    actions: list[GridAction] = []
    for key in sorted(state.slots):
        slot = state.slots[key]
        if slot.order is None or not _is_unwanted(state, slot):
            continue
        state, canceled = cancel(state, slot, slot.order)
        actions += canceled
    return state, actions


def cancel(state: GridState, slot: Slot, order: WorkingOrder) -> tuple[GridState, list[GridAction]]:
    """Cancel a live order once; one whose outcome is unknown must be known first (row GR-10)."""
    if slot.state is not SlotState.LOCKED or order.canceling or order.unknown:
        return state, []
    slot = replace(slot, order=replace(order, canceling=True))
    action = Cancel(state.config.symbol, order.client_id, order.order_id)
    return replace(state, slots=with_slot(state.slots, slot)), [action]


def _is_unwanted(state: GridState, slot: Slot) -> bool:
    if not slot.entering:
        return False
    if state.phase is not Phase.RUNNING or state.halted or slot.epoch != state.epoch:
        return True
    if state.lattice is None:  # an order was adopted before the first price
        return False
    outside = not _in_bounds(state.config, slot.entry)
    return outside or _is_far(state, slot) or _is_left_behind(state, slot)


def _is_far(state: GridState, slot: Slot) -> bool:
    lattice = _lattice(state)
    reach = state.config.window(slot.side) + SLACK
    edge = lattice.ticks(skewed_center(state) - slot.side.sign * reach)
    return (edge - slot.entry.ticks) * slot.side.sign > 0


def _is_left_behind(state: GridState, slot: Slot) -> bool:
    """Return whether a part was filled and the price has reached the exit that must go out now."""
    if not slot.leaving(state.config.instrument):
        return False
    center = _lattice(state).ticks(state.center)
    return (center - slot.exit.ticks) * slot.side.sign >= 0


# --- exits -----------------------------------------------------------------------------------


def _leave(state: GridState) -> tuple[GridState, list[GridAction]]:
    actions: list[GridAction] = []
    for key in sorted(state.slots):
        slot = state.slots[key]
        if slot.state is not SlotState.FREE or slot.blocked:
            continue
        quantity = slot.leaving(state.config.instrument)
        if quantity:
            state, request = _intend(state, slot, quantity, entry=False)
            actions.append(Place(request))
    return state, actions


# --- entries ---------------------------------------------------------------------------------


def _enter(state: GridState, freed: tuple[Slot, ...]) -> tuple[GridState, list[GridAction]]:
    actions: list[GridAction] = []
    if state.lattice is None or not may_enter(state) or _has_old_entries(state):
        return state, actions
    room = _budget(state.config) - len(state.working())
    taken = _exit_prices(state)
    for side, level in _wanted(state, freed):
        if room <= 0:
            break
        slot = _entry_slot(state, side, level, taken)
        if slot is None:
            continue
        quantity = _entry_quantity(state.config, slot)
        if quantity:
            state, request = _intend(state, slot, quantity, entry=True)
            actions.append(Place(request))
            room -= 1
    return state, actions


def _budget(config: GridConfig) -> int:
    """Return how many orders may work: none is placed that a cleanup would cancel at once."""
    spec = config.spec
    return min(spec.order_budget, spec.cleanup.threshold) if spec.cleanup else spec.order_budget


def _wanted(state: GridState, freed: tuple[Slot, ...]) -> Iterator[tuple[Side, int]]:
    """Yield the levels that should carry an entry, nearest first, buys before sells."""
    lattice, skewed = _lattice(state), skewed_center(state)
    for slot in sorted(freed, key=lambda slot: slot.entry):
        level, side = lattice.at_or_below(slot.entry), slot.side
        inside = (level - skewed) * side.sign >= -(state.config.window(side) + SLACK)
        if lattice.ticks(level) == slot.entry.ticks and inside:
            yield side, level
    buys, sells = state.config.window(Side.BUY), state.config.window(Side.SELL)
    for distance in range(1, max(buys, sells) + 1 + abs(state.center - skewed)):
        level = state.center - distance
        if skewed - buys <= level <= skewed - 1:
            yield Side.BUY, level
        level = state.center + distance
        if skewed + 1 <= level <= skewed + sells:
            yield Side.SELL, level


def _entry_slot(
    state: GridState, side: Side, level: int, taken: frozenset[tuple[Side, int]]
) -> Slot | None:
    """Return the slot of *level* if an entry may be sent there now."""
    lattice, config = _lattice(state), state.config
    there = state.slots.get(lattice.ticks(level))
    if there is not None and there.state is not SlotState.FREE:
        return None  # as on most levels: the rest need not be asked
    if not (lattice.has(level) and lattice.has(level + side.sign)):
        return None
    entry, leave = lattice.price(level), lattice.price(level + side.sign)
    resting = (side, entry.ticks) in taken or entry.ticks in state.cleaned
    if resting or not _in_bounds(config, entry) or entry == leave:
        return None
    slot = state.slots.get(entry.ticks)
    if slot is None:
        if _is_crowded(state, lattice, level):
            return None
        return Slot(entry, leave, side, state.epoch)
    idle = slot.state is SlotState.FREE and not slot.blocked and slot.side is side
    if not idle or slot.leaving(config.instrument):
        return None
    return replace(slot, epoch=state.epoch, exit=leave)


def _entry_quantity(config: GridConfig, slot: Slot) -> Quantity | None:
    """Return what *slot* may buy or sell: nothing that its venue would not take, in or out."""
    lower = min(_order_price(slot, entry=True), slot.exit)
    quantity = config.instrument.affordable(config.spec.amount, slot.entry)
    return quantity if config.instrument.accepts(lower, quantity) else None


def _in_bounds(config: GridConfig, price: Price) -> bool:
    low = config.lower is None or price >= config.lower
    return low and (config.upper is None or price <= config.upper)


def _exit_prices(state: GridState) -> frozenset[tuple[Side, int]]:
    """Return where exits wait: such a price carries no entry of the same side besides."""
    return frozenset(
        (slot.side.opposite, slot.exit.ticks)
        for slot in state.slots.values()
        if slot.leaving(state.config.instrument)
    )


def _has_old_entries(state: GridState) -> bool:
    """While entries of an older lattice work, new ones would add up to too much (flaw G-5)."""
    return any(s.entering and s.epoch != state.epoch for s in state.slots.values())


def _is_crowded(state: GridState, lattice: Lattice, level: int) -> bool:
    """Return whether a slot of an older lattice less than half a step away stands for it."""
    at = lattice.ticks(level)
    step = lattice.ticks(level + 1) - at
    return any(
        2 * abs(key - at) < step and slot.leaving(state.config.instrument)
        for key, slot in state.slots.items()
        if slot.epoch != state.epoch
    )


# --- intents ---------------------------------------------------------------------------------


def _intend(
    state: GridState, slot: Slot, quantity: Quantity, *, entry: bool
) -> tuple[GridState, OrderRequest]:
    """Fix an order in the state: from here on its id exists, whatever becomes of the sending."""
    side = slot.side if entry else slot.side.opposite
    generation = state.generation + 1
    key = OrderKey(state.tag, _PURPOSES[entry, side], slot.entry.ticks, generation)
    policy = state.config.spec.post_only
    request = OrderRequest(
        encode(key),
        state.config.symbol,
        side,
        quantity,
        _order_price(slot, entry=entry),
        post_only=policy.enabled and slot.refusals <= policy.retries,
        reduce_only=_only_reduces(state) and not entry and not _nets(state),
        entry=entry,
    )
    order = WorkingOrder(request.client_id, side, request.price, quantity, entry)
    slots = with_slot(state.slots, slot.sends(order))
    return replace(state, generation=generation, slots=slots), request


def _order_price(slot: Slot, *, entry: bool) -> Price:
    """Return the level's price, or a better one the venue has named as not crossing."""
    target, side = (slot.entry, slot.side) if entry else (slot.exit, slot.side.opposite)
    if slot.best is None:
        return target
    return min(target, slot.best) if side is Side.BUY else max(target, slot.best)


def _only_reduces(state: GridState) -> bool:
    """Return whether the account's position is this run's alone, so that no exit may outgrow it."""
    perpetual = state.config.instrument.kind is MarketKind.PERPETUAL
    return perpetual and not state.config.spec.shared


def _nets(state: GridState) -> bool:
    """Return whether slots may be long and short at once: what they hold nets at the venue.

    An exit of one may then turn the position, and reduce-only all of them would be refused when the
    sum is nothing, with nobody left to change it.
    """
    return state.config.spec.direction is Direction.NEUTRAL


def _lattice(state: GridState) -> Lattice:
    assert state.lattice is not None  # noqa: S101 - entries exist only on a lattice
    return state.lattice


# --- the end ---------------------------------------------------------------------------------


def _stop(state: GridState) -> Step:
    actions: list[GridAction] = []
    if state.stop_mode is StopMode.KEEP:
        return Step(replace(state, phase=Phase.FINISHED))
    for key in sorted(state.slots):
        slot = state.slots[key]
        if slot.order is not None:
            state, canceled = cancel(state, slot, slot.order)
            actions += canceled
    asking = state.feed_live and not state.synced  # the venue may yet show an order of ours
    if state.working() or asking:
        return Step(state, tuple(actions))
    if state.stop_mode is StopMode.CANCEL:
        return Step(replace(state, phase=Phase.FINISHED), tuple(actions))
    return _close(state, actions)


def _close(state: GridState, actions: list[GridAction]) -> Step:
    """Trade back what is held, as one position, until nothing the venue would take is left."""
    instrument = state.config.instrument
    state, residue = _merged(state)
    quantity = Quantity(abs(residue.lots))
    if not _is_tradable(state, quantity):
        if not residue.flat:
            left = f"{residue.base(instrument)} {instrument.base}"
            note = Alert(AlertLevel.WARNING, f"{left} is left: below what the venue trades")
            actions.append(note)
        return Step(replace(state, phase=Phase.FINISHED), tuple(actions))
    if state.close_blocked or not state.synced:
        return Step(state, tuple(actions))
    state, request = _closing_order(state, residue, quantity)
    return Step(state, (*actions, Place(request)))


def _merged(state: GridState) -> tuple[GridState, Holding]:
    """Merge all slots into the residue; what buys and sells made of each other is realized."""
    instrument = state.config.instrument
    held = [slot.holding for slot in state.slots.values()]
    whole = merged(instrument, [*held, state.residue or EMPTY])
    totals = state.totals
    if whole.flat:
        profit = EXACT.subtract(totals.grid_profit, whole.cost)
        totals, whole = replace(totals, grid_profit=profit), EMPTY
    return replace(state, residue=whole, slots={}, totals=totals), whole


def _is_tradable(state: GridState, quantity: Quantity) -> bool:
    instrument = state.config.instrument
    if state.price is None:  # stopped before the first price: the venue will say
        return bool(quantity) and quantity >= instrument.min_quantity
    return instrument.accepts(state.price, quantity)


def _closing_order(
    state: GridState, residue: Holding, quantity: Quantity
) -> tuple[GridState, OrderRequest]:
    side = Side.SELL if residue.lots > 0 else Side.BUY
    generation = state.generation + 1
    purpose = Purpose.CLOSE_SELL if side is Side.SELL else Purpose.CLOSE_BUY
    request = OrderRequest(
        encode(OrderKey(state.tag, purpose, WHOLE_RUN, generation)),
        state.config.symbol,
        side,
        quantity,
        type=OrderType.MARKET,
        reduce_only=_only_reduces(state),
        entry=False,
    )
    order = WorkingOrder(request.client_id, side, None, quantity, entry=False)
    return replace(state, generation=generation, closing=order), request

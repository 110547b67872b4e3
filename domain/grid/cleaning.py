"""Cleanup of a grid's entries when too many orders rest, or too old ones (rows CL-01, CL-02).

It comes with `TimePassed`, and is done slot by slot: what is canceled is known to its slot. Two
rules keep it from going round in circles. Above the threshold no entry is placed, so what was
canceled leaves no room for another one. And a level that was cleaned rests until the center of the
grid moves: a market that stands still sees each entry canceled once at most.
"""

from dataclasses import replace
from datetime import datetime

from domain.grid.decide import cancel
from domain.grid.events import GridAction
from domain.grid.reports import with_slot
from domain.grid.slot import Slot
from domain.grid.state import GridState
from domain.risk.cleanup import surplus


def cleaned(state: GridState, now: datetime) -> tuple[GridState, list[GridAction]]:
    """Return *state* with the entries in surplus being canceled, and what does it."""
    spec = state.config.spec.cleanup
    if spec is None:
        return state, []
    state = _seen(state, now)
    entries = [slot for _, slot in sorted(state.slots.items()) if slot.entering]
    since = {slot.order.client_id: slot.since for slot in entries if slot.order and slot.since}
    gone = set(surplus(spec, state.working(), since, now))
    actions: list[GridAction] = []
    for slot in entries:
        if slot.order is None or slot.order.client_id not in gone:
            continue
        state, canceled = cancel(state, slot, slot.order)
        state = replace(state, cleaned=tuple(sorted({*state.cleaned, slot.entry.ticks})))
        actions += canceled
    return state, actions


def _seen(state: GridState, now: datetime) -> GridState:
    """Note when an entry was first seen to rest: by our clock, whatever the venue's says."""
    new = [slot for slot in state.slots.values() if slot.entering and _is_new(slot)]
    slots = state.slots
    for slot in new:
        slots = with_slot(slots, replace(slot, since=now))
    return replace(state, slots=slots) if new else state


def _is_new(slot: Slot) -> bool:
    return slot.since is None and slot.order is not None and slot.order.rank > 0

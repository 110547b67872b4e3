"""Corrections: a position that was not quite the venue's is put right, at a price, slot by slot.

The engine and the ledger spread a correction over the slots by the same function, so that what a
slot holds is the same in both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.money import Price

#: The slot of what belongs to the run as a whole.
_WHOLE_RUN = 0


@dataclass(frozen=True, slots=True)
class Correction:
    """Signed lots that a run turned out to hold more (negative: less), valued at `price`.

    `at` is the venue's time of what the position was compared with; a run has one for each time.
    """

    lots: int
    price: Price
    at: datetime
    why: str = ""


def spread(held: Mapping[int, int], lots: int) -> dict[int, int]:
    """Return by how many lots to change each slot; *held* are the lots by entry price in ticks.

    The slot that would leave last gives first, and takes all that is to be added: the highest of a
    long position, the lowest of a short one. So what is nearest to be sold is the last to change.
    """
    sign = 1 if sum(held.values()) >= 0 else -1
    last_first = sorted((key for key in held if held[key] * sign > 0), reverse=sign > 0)
    if lots * sign > 0 and last_first:
        return {last_first[0]: lots}
    changes: dict[int, int] = {}
    left = abs(lots)
    for key in last_first:
        taken = min(left, abs(held[key]))
        if taken:
            changes[key] = -sign * taken
            left -= taken
    if left:  # more than is held at all: the run as a whole owes it
        changes[_WHOLE_RUN] = changes.get(_WHOLE_RUN, 0) + (left if lots > 0 else -left)
    return changes

"""What arrived at the fronts and when: whoever tests a client's limits counts here."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked

_KEPT: Final = 100_000
#: What counts as an order for the limits of every venue.
_OF_ORDERS: Final = (
    Operation.PLACE,
    Operation.PLACE_BATCH,
    Operation.CANCEL,
    Operation.CANCEL_BATCH,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request, before any fault or answer. *at* is in seconds of a clock that never jumps."""

    at: float
    operation: Operation
    asked: Asked

    @property
    def of_orders(self) -> bool:
        """Whether it places or cancels."""
        return self.operation in _OF_ORDERS


class Arrivals:
    """The newest requests, in the order in which they arrived."""

    def __init__(self) -> None:
        self._kept: deque[Arrival] = deque(maxlen=_KEPT)

    def note(self, operation: Operation, asked: Asked) -> None:
        """Note a request that arrives now."""
        self._kept.append(Arrival(time.monotonic(), operation, asked))

    def all(self) -> list[Arrival]:
        """Return what was kept, oldest first."""
        return list(self._kept)

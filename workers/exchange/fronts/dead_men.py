"""The dead-man's switches of the venues: orders are canceled when their owner is not heard of.

Each counts by wall time, as a venue would, whatever the market's clock says. They live as long as
the process.
"""

import asyncio
from collections.abc import Callable, Hashable
from datetime import timedelta


class DeadMen:
    """Countdowns, each by the name of what it is for."""

    def __init__(self) -> None:
        self._counting: dict[Hashable, asyncio.TimerHandle] = {}

    def arm(self, name: Hashable, within: timedelta, fire: Callable[[], None]) -> None:
        """Call *fire* unless this is called again for *name* within that time; zero: never."""
        self.disarm(name)
        if within:
            loop = asyncio.get_running_loop()
            self._counting[name] = loop.call_later(within.total_seconds(), fire)

    def disarm(self, name: Hashable) -> None:
        """Forget the countdown of *name*, if there is one."""
        handle = self._counting.pop(name, None)
        if handle is not None:
            handle.cancel()

    def close(self) -> None:
        """Forget all countdowns: the exchange ends."""
        for name in list(self._counting):
            self.disarm(name)

"""Looks that several askers share: who asks gets one that began after the question, never before.

An answer that was on its way when the question came may have left before what the question is
about. So those who ask during a look wait for its end, and share the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from domain.market import AccountView
from domain.money import Price

#: A venue's clock and ours differ, and its lists lag: each look reaches back this far.
OVERLAP: Final = timedelta(seconds=60)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Look:
    """What the venue shows of an account on one symbol, its orders and fills from `since` on."""

    view: AccountView
    mark: Price
    since: datetime


class SharedLooks(Generic[T]):
    """One look at a time at each thing that has a name."""

    def __init__(self, look: Callable[[str], Awaitable[T]]) -> None:
        self._look = look
        self._under_way: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    async def at(self, name: str) -> T:
        """Return what a look at *name* shows that begins after now. Raises what it raises."""
        task = self._next.get(name)
        if task is None:
            task = asyncio.create_task(self._after(name, self._under_way.get(name)))
            task.add_done_callback(_noticed)
            self._next[name] = task
        return await asyncio.shield(task)  # others may wait for it too

    async def _after(self, name: str, before: "asyncio.Task[T] | None") -> T:
        if before is not None:
            await asyncio.wait({before})
        self._under_way[name] = self._next.pop(name)
        return await self._look(name)


def _noticed(task: asyncio.Task[T]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()

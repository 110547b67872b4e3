"""The exit that takes over from a grid of the simple runner, once somebody asks for it."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from activities.exits import Exits
from activities.leaving import LeavingDesk
from activities.store.checkpoint import CheckpointStore
from domain.risk.leaving import Leaving
from domain.risk.way_out import WayOut
from workers.patience import patiently
from workers.simple_exit import SimpleExit
from workers.wiring import Desks


class Handover:
    """One exit at most, beside the run of this process; *over* tells that its grid has ended.

    It waits until the orders of the grid are gone. *news* is called when it has ended.
    """

    def __init__(
        self,
        run_id: str,
        desks: Desks,
        store: CheckpointStore,
        clock: Callable[[], datetime],
        *,
        over: Callable[[], bool],
        news: Callable[[], None],
    ) -> None:
        self._run_id = run_id
        self._desks = desks
        self._store = store
        self._clock = clock
        self._over = over
        self._news = news
        self._exits = Exits(desks.ledger, desks.risk, clock)
        self.task: asyncio.Task[Leaving] | None = None

    @property
    def begun(self) -> bool:
        return self.task is not None

    @property
    def left(self) -> bool:
        """Whether it has ended, or failed, which `result` tells."""
        return self.task is not None and self.task.done() and not self.task.cancelled()

    def begin(self, way: WayOut) -> None:
        """Begin *way*, unless one is under way."""
        if self.task is None:
            self.task = asyncio.create_task(self._leave(way))
            self.task.add_done_callback(lambda _: self._news())

    async def resume(self) -> "asyncio.Task[Leaving]":
        """Return the exit; begin what was asked for if this process has not yet."""
        if self.task is None:
            asked = await patiently(self._run_id, lambda: self._exits.of([self._run_id]))
            self.begin(asked[self._run_id])
        assert self.task is not None  # noqa: S101 - it was begun
        return self.task

    def result(self) -> Leaving | None:
        """Return how it ended, or raise what it failed of; None while it has not."""
        return self.task.result() if self.task is not None and self.left else None

    async def _leave(self, way: WayOut) -> Leaving:
        desks = self._desks
        desk = LeavingDesk(desks.venue, desks.orders, desks.books, self._exits, self._is_over)
        with self._store.beside("exit") as store:
            leaving = SimpleExit(way, desk, store, self._clock)
            state = await leaving.run(lambda: patiently(self._run_id, lambda: desk.begin(way)))
            await patiently(self._run_id, lambda: desk.finish(way, state))
        return state

    async def _is_over(self, _: WayOut) -> bool:
        return self._over()

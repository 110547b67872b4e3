"""A whole system of its own: an exchange with its wire, the servers, and a worker that lives again.

The exchange is in the lab's process and is never killed: its books are what everything is judged
by. All the rest dies whenever `strike` says so, and comes back by itself.
"""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from temporalio.client import Client

from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from domain.grid.spec import StopMode
from workers.crashlab.forks import Nursery, Worker
from workers.crashlab.market import LabMarket, exchange_settings
from workers.crashlab.processes import Postgres, TemporalServer, upgraded
from workers.crashlab.role import WINDOW, Grid, Role
from workers.crashlab.steps import Runner, Victim
from workers.crashlab.trap import Trap
from workers.crashlab.wire import Wire
from workers.exchange.host import Host
from workers.exchange.server import Running, running
from workers.wiring import TASK_TIMEOUT
from workflows.messages import GridRunInput
from workflows.names import GRID_RUN, account_queue

_log: Final = logging.getLogger(__name__)
_AGAIN_AFTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """What a system is made of."""

    runner: Runner
    grids: tuple[Grid, ...]
    seed: int
    directory: Path
    #: Whether the ledger is in PostgreSQL; else it is a SQLite file.
    postgres: bool
    look_up: bool = True


class System:
    """Everything that one scenario needs. A context manager; nothing of it outlives it."""

    def __init__(self, plan: Plan, nursery: Nursery) -> None:
        self.plan = plan
        self.trap = Trap(plan.directory / "trap")
        self.deaths_of_its_own = 0
        self._nursery = nursery
        self._worker: Worker | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stop: StopMode | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @property
    def host(self) -> Host:
        """The exchange itself: its books, its market."""
        return self.exchange.host

    @property
    def ledger(self) -> Ledger:
        """The ledger, read from outside."""
        return self._ledger

    @property
    def client(self) -> Client:
        """A client of Temporal, of the durable runner."""
        if self._client is None:
            raise AssertionError("the simple runner has no Temporal")
        return self._client

    # ---- start

    async def _start(self, stack: AsyncExitStack) -> None:
        plan = self.plan
        settings = exchange_settings(
            plan.directory / "exchange", plan.seed, sorted({grid.venue for grid in plan.grids})
        )
        self.exchange: Running = await stack.enter_async_context(
            running(settings, LabMarket(settings))
        )
        if self.exchange.fronts is None:
            raise AssertionError("the lab's exchange has fronts")
        fronts = self.exchange.fronts
        for dialect in fronts.dialects:
            if dialect.window is not None:
                dialect.window = min(dialect.window, WINDOW)
        self.wire = await stack.enter_async_context(Wire(fronts.host, fronts.port))
        url = await self._start_ledger(stack)
        self._ledger = await stack.enter_async_context(Ledger.open(url))
        await self._start_temporal(stack)
        self._role = Role(
            plan.runner,
            plan.grids,
            plan.directory,
            url,
            self.wire.address,
            fronts.authority,
            self._temporal.address,
            look_up=plan.look_up,
        )
        stack.push_async_callback(self._end_worker)
        await self.start_worker()

    async def _start_ledger(self, stack: AsyncExitStack) -> str:
        url = sqlite_url(self.plan.directory / "ledger.db")
        if self.plan.postgres:
            self._postgres = Postgres()
            stack.push_async_callback(self._postgres.end)
            return await self._postgres.start()
        await upgraded(url)
        return url

    async def _start_temporal(self, stack: AsyncExitStack) -> None:
        self._temporal = TemporalServer(self.plan.directory)
        self._client = None
        if self.plan.runner is Runner.SIMPLE:
            await upgraded(sqlite_url(self.plan.directory / "simple.db"))
            return
        stack.push_async_callback(self._temporal.kill)
        await self._temporal.start()
        self._client = await self._temporal.client()
        for grid in self.plan.grids:
            await self._client.start_workflow(
                GRID_RUN,
                GridRunInput(grid.spec),
                id=grid.name,
                task_queue=account_queue(grid.account),
                task_timeout=TASK_TIMEOUT,
            )

    # ---- the worker

    async def start_worker(self, stop: StopMode | None = None) -> None:
        """Start the worker; from now on it is started again when it dies, as `opensqt up` does."""
        self._stop = stop
        self._worker = await self._nursery.fork(replace(self._role, stop=stop))
        self._keeper = asyncio.create_task(self._keep_alive(self._worker))

    async def kill_worker(self) -> None:
        """Kill the worker; nobody starts it again."""
        await self._end_worker()

    async def worker_ended(self) -> int:
        """Return what the worker ended with, once it has done so by itself."""
        if self._worker is None:
            raise AssertionError("there is no worker")
        return await self._worker.gone()

    async def _keep_alive(self, worker: Worker) -> None:
        code = await worker.gone()
        if code == 0:
            return
        self.deaths_of_its_own += 1
        _log.warning("a worker of %s ended with code %d", self.plan.directory.name, code)
        await asyncio.sleep(_AGAIN_AFTER)
        await self.start_worker(self._stop)

    async def _end_worker(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._worker is not None:
            await self._worker.kill()

    # ---- kills

    async def strike(self, victim: Victim) -> None:
        """Kill *victim*; it stays down."""
        match victim:
            case Victim.WORKER | Victim.SIMPLE:
                await self.kill_worker()
            case Victim.TEMPORAL:
                await self._temporal.kill()
            case Victim.CONNECTION:
                self.wire.cut()
            case Victim.POSTGRES:
                await self._postgres.kill()

    async def revive(self, victim: Victim) -> None:
        """Start *victim* again; it need not answer yet."""
        match victim:
            case Victim.WORKER | Victim.SIMPLE:
                await self.start_worker()
            case Victim.TEMPORAL:
                await self._temporal.start()
            case Victim.CONNECTION:
                self.wire.mend()
            case Victim.POSTGRES:
                await self._postgres.start_again()

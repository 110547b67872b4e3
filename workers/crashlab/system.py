"""A whole system of its own: an exchange with its wire, the servers, and a worker that lives again.

The exchange is in the lab's process and is never killed: its books are what everything is judged
by. All the rest dies whenever `strike` says so, and comes back by itself.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from temporalio.client import Client

from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from domain.grid.spec import StopMode
from workers.crashlab.forks import Kept, Nursery
from workers.crashlab.market import LabMarket, exchange_settings
from workers.crashlab.processes import Postgres, TemporalServer, upgraded
from workers.crashlab.role import WINDOW, Grid, Role
from workers.crashlab.steps import Runner, Victim
from workers.crashlab.trap import Trap
from workers.crashlab.wire import Wire
from workers.exchange.host import Host
from workers.exchange.server import Running, running
from workflows.messages import GridRunInput
from workflows.names import GRID_RUN, account_queue
from workflows.timing import TASK_TIMEOUT

#: Trades of the market before the grids begin: enough minutes for the guard's averages.
_HISTORY: Final = 8000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a system is made of."""

    runner: Runner
    grids: tuple[Grid, ...]
    seed: int
    directory: Path
    #: Whether the ledger is in PostgreSQL; else it is a SQLite file.
    postgres: bool
    #: Whether there is a worker of services, whose guard watches the market.
    services: bool = False
    look_up: bool = True


class System:
    """Everything that one scenario needs. A context manager; nothing of it outlives it."""

    def __init__(self, plan: Plan, nursery: Nursery) -> None:
        self.plan = plan
        self.trap = Trap(plan.directory / "trap")
        self._worker, self._services = Kept(nursery), Kept(nursery)

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
    def risk(self) -> RiskDesk:
        """What is known of risk, read from outside."""
        return RiskDesk(self._ledger, self._role.risk)

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
        self.wire = await stack.enter_async_context(Wire(lambda: (fronts.host, fronts.port)))
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
        if plan.services:
            self.host.advance(_HISTORY)
            self._role = replace(self._role, market=self.exchange.address)
            stack.push_async_callback(self._services.kill)
            await self.start_services()
        stack.push_async_callback(self._worker.kill)
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

    # ---- the workers

    async def start_worker(self, stop: StopMode | None = None) -> None:
        """Start the worker of the grids; from now on it is started again when it dies."""
        await self._worker.start(replace(self._role, stop=stop))

    async def kill_worker(self) -> None:
        """Kill the worker of the grids; nobody starts it again."""
        await self._worker.kill()

    async def worker_ended(self) -> int:
        """Return what the worker of the grids ended with, once it has done so by itself."""
        return await self._worker.ended()

    async def start_services(self) -> None:
        """Start the worker of the services; from now on it is started again when it dies."""
        await self._services.start(replace(self._role, services=True))

    @property
    def deaths_of_its_own(self) -> int:
        """How often a worker ended without being killed."""
        return self._worker.deaths_of_its_own + self._services.deaths_of_its_own

    # ---- kills

    async def strike(self, victim: Victim) -> None:
        """Kill *victim*; it stays down."""
        match victim:
            case Victim.WORKER | Victim.SIMPLE:
                await self.kill_worker()
            case Victim.SERVICES:
                await self._services.kill()
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
            case Victim.SERVICES:
                await self.start_services()
            case Victim.TEMPORAL:
                await self._temporal.start()
            case Victim.CONNECTION:
                self.wire.mend()
            case Victim.POSTGRES:
                await self._postgres.start_again()

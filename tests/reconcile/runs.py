"""A run by either runner, which a test can end and begin anew, with another ledger if it likes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from activities.risk import RiskDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.grid.config import bind
from domain.grid.events import ReconcileAsked, ReconfigureAsked, StopAsked
from domain.grid.spec import GridSpec, StopMode, parse_spec
from domain.grid.view import GridStatus, status
from domain.risk.belief import Belief, belief
from domain.risk.spec import RiskSpec
from tests.contract.bench import SYMBOLS
from tests.reconcile.worlds import World
from workers.durable import account_worker
from workers.simple_run import SimpleRun
from workers.wiring import Desks, desks, ensure_feed
from workflows.messages import (
    Command,
    GridResult,
    GridRunInput,
    ReconfigureGrid,
    StopGrid,
)
from workflows.names import account_queue, feed_workflow_id

RUNNERS = ("simple", "durable")
_PATIENCE = 60
_names = count(1)


class Running(Protocol):
    """A run that works."""

    desks: Desks

    async def status(self) -> GridStatus: ...

    async def belief(self) -> Belief: ...

    async def reconcile(self) -> None:
        """Ask for a comparison with the venue."""
        ...

    async def reconfigure(self, spec: GridSpec) -> None:
        """Give the run other settings."""
        ...

    async def stop(self, mode: StopMode) -> GridResult:
        """End the run and return what came of it."""
        ...


@dataclass
class Runs:
    """All that the lives of one run have in common."""

    runner: str
    world: World
    directory: Path
    client: Client | None = None
    exclusive: bool = False
    #: Of the grid, besides what all have in common.
    fields: Mapping[str, Any] = field(default_factory=dict)
    risk: RiskSpec | None = None

    def __post_init__(self) -> None:
        self.name = f"{self.runner}-{self.world.kind}-{next(_names)}"
        self.database = self.directory / "ledger.db"
        upgrade(sqlite_url(self.directory / "simple.db"))
        self.new_ledger()

    def new_ledger(self) -> None:
        """Lose the ledger, if there is one, and make another."""
        for path in self.directory.glob("ledger.db*"):
            path.unlink()
        upgrade(sqlite_url(self.database))

    def spec(self, **changes: Any) -> GridSpec:
        """Return three entries below the price; two of them are about 1000 lots."""
        grid = {"symbol": SYMBOLS[self.world.kind], "account": self.name, "interval": "10"}
        common = {**grid, "amount": "505", "buy_window": 3, "reconcile_every": 3600}
        return parse_spec({**common, **self.fields, **changes})

    @asynccontextmanager
    async def life(self, **options: Any) -> AsyncIterator[Running]:
        """Work on the run; begin it if it is not there yet."""
        async with Ledger.open(sqlite_url(self.database), synchronous="NORMAL") as ledger:
            risk = RiskDesk(ledger, self.risk)
            made = desks(self.name, self.world.venue, ledger, risk, exclusive=self.exclusive)
            work = self._simple if self.runner == "simple" else self._durable
            async with work(made, **options) as running:
                yield running

    @asynccontextmanager
    async def _simple(self, made: Desks, **options: Any) -> AsyncIterator[Running]:
        with CheckpointStore.open(self.directory / "simple.db", self.name) as store:
            run = await SimpleRun.open(self.name, self.spec(), made, store, **options)
            task = asyncio.create_task(run.run())
            try:
                yield _Simple(made, run, task)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def _durable(self, made: Desks) -> AsyncIterator[Running]:
        assert self.client is not None
        async with account_worker(self.client, made):
            await ensure_feed(self.client, self.name)
            try:
                handle = await self.client.start_workflow(
                    "GridRun",
                    GridRunInput(self.spec()),
                    id=self.name,
                    task_queue=account_queue(self.name),
                    task_timeout=timedelta(seconds=10),
                    result_type=GridResult,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                )
                yield _Durable(made, handle)
            finally:
                feed = self.client.get_workflow_handle(feed_workflow_id(self.name))
                await feed.terminate("this life is over")


@dataclass
class _Simple:
    desks: Desks
    run: SimpleRun
    task: "asyncio.Task[GridResult | None]"

    async def status(self) -> GridStatus:
        if self.task.done():
            self.task.result()
        return status(self.run.state)

    async def belief(self) -> Belief:
        return belief(self.run.state)

    async def reconcile(self) -> None:
        self.run.tell(ReconcileAsked(datetime.now(UTC)))

    async def reconfigure(self, spec: GridSpec) -> None:
        config = bind(spec, self.run.state.config.instrument)
        self.run.tell(ReconfigureAsked(config, datetime.now(UTC)))

    async def stop(self, mode: StopMode) -> GridResult:
        self.run.tell(StopAsked(mode, datetime.now(UTC)))
        result = await asyncio.wait_for(self.task, _PATIENCE)
        assert result is not None
        return result


@dataclass
class _Durable:
    desks: Desks
    handle: Any

    async def status(self) -> GridStatus:
        answer: GridStatus = await self.handle.query("status", result_type=GridStatus)
        return answer

    async def belief(self) -> Belief:
        answer: Belief = await self.handle.query("belief", result_type=Belief)
        return answer

    async def reconcile(self) -> None:
        await self.handle.execute_update("reconcile", Command("ann", "a test"))

    async def reconfigure(self, spec: GridSpec) -> None:
        await self.handle.execute_update("reconfigure", ReconfigureGrid(spec))

    async def stop(self, mode: StopMode) -> GridResult:
        await self.handle.execute_update("stop", StopGrid(mode))
        result: GridResult = await asyncio.wait_for(self.handle.result(), _PATIENCE)
        return result

"""Where examples are played, many at once: a ledger, checkpoints, a server and a worker for all."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final
from unittest.mock import patch

from temporalio.client import Client, WorkflowHistory
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import workers.simple_run
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from tests.fuzz.play import Outcome, Player, compare
from tests.fuzz.runners import (
    QUEUE,
    DaylongSimpleRun,
    Durable,
    ManyActivities,
    Plain,
    SilentFeed,
    Simple,
)
from tests.fuzz.script import Script
from tests.fuzz.watched import Watched
from tests.fuzz.world import World
from workers.converter import learn_messages
from workers.simple_run import SimpleRun

_names: Final = count(1)


@dataclass
class Arena:
    """Plays scripts and says what is wrong. Without a *client* nothing durable is played."""

    directory: Path
    ledger: Ledger
    client: Client | None = None
    simple: type[SimpleRun] | None = DaylongSimpleRun
    grid: type = Watched
    #: The histories of the durable runs so far, with their scripts.
    histories: list[tuple[Script, WorkflowHistory]] = field(default_factory=list)
    #: What was played so far.
    counted: Counter[str] = field(default_factory=Counter)

    async def check(self, script: Script) -> None:
        """Raise DisagreementError unless both runners do in *script* what the plain loop does."""
        wanted, killed = await self._plain(script, forgets=False)
        self._count(script, wanted, killed)
        if self.simple is not None:
            forgetful = (await self._plain(script, forgets=True))[0] if killed else wanted
            simple = await self._simple(script, self.simple)
            compare("the simple runner", simple, forgetful)
        if self.client is not None:
            compare("the durable runner", await self._durable(script, self.client), wanted)

    async def _plain(self, script: Script, *, forgets: bool) -> tuple[Outcome, bool]:
        plain = Plain(self._world(script), forgets=forgets)
        return await Player(plain).play(), plain.killed

    async def _simple(self, script: Script, kind: type[SimpleRun]) -> Outcome:
        world = self._world(script)
        with CheckpointStore.open(self.directory / "simple.db", world.run_id) as store:
            return await Player(Simple(world, store, kind)).play()

    async def _durable(self, script: Script, client: Client) -> Outcome:
        durable = Durable(self._world(script), client)
        outcome = await Player(durable).play()
        histories = await durable.histories()
        self.histories += [(script, each) for each in histories]
        self.counted["workflows of durable runs"] += len(histories)
        return outcome

    def _count(self, script: Script, played: Outcome, killed: bool) -> None:
        self.counted.update(["examples", *(op.kind for op in script.ops)])
        self.counted["killed while sending"] += killed
        self.counted["asked for"] += len(played.asked)
        if played.result is not None:
            self.counted.update({"ended": 1, "fills": played.result.fills})

    def _world(self, script: Script) -> World:
        return World(script, str(next(_names)), self.ledger)


@asynccontextmanager
async def arena(
    directory: Path,
    client: Client | None = None,
    *,
    simple: type[SimpleRun] | None = DaylongSimpleRun,
    grid: type = Watched,
) -> AsyncIterator[Arena]:
    """Yield an arena with its files in *directory*.

    Simple runs are of class *simple*; without it there are none. With a *client*, a worker runs
    durable ones of class *grid*.
    """
    for name in ("ledger.db", "simple.db"):
        upgrade(sqlite_url(directory / name))
    ledger = Ledger.open(sqlite_url(directory / "ledger.db"), synchronous="NORMAL")
    with patch.object(workers.simple_run, "Feed", SilentFeed):
        async with ledger:
            if client is None:
                yield Arena(directory, ledger, None, simple)
                return
            async with worker(client, grid):
                yield Arena(directory, ledger, client, simple, grid)


def worker(client: Client, grid: type) -> Worker:
    """Return a worker of watched runs."""
    learn_messages()
    return Worker(
        client,
        task_queue=QUEUE,
        workflows=[grid],
        activities=ManyActivities(client).all(),
        # A sandbox for each run takes longer than the run; all other tests have one.
        workflow_runner=UnsandboxedWorkflowRunner(),
        build_id="fuzz",
        max_concurrent_workflow_tasks=8,
    )

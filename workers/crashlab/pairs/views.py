"""What a pair says of itself, and how it is told what the lab wants: by either runner."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol

from pydantic import TypeAdapter
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.view import PairStatus, status
from workers.crashlab.pairs.system import PAIR, PairSystem
from workers.crashlab.pairs.worker import RESULT, WISHES, Wishes
from workers.crashlab.steps import Runner
from workers.simple_pair import PairCheckpoint
from workers.tasks import heed_cancel
from workflows.pair_messages import ExitPair, PairResult, ReconfigurePair

_STATE: Final = TypeAdapter(PairCheckpoint)
_PATIENCE: Final = timedelta(seconds=10)
_NEWEST: Final = "SELECT payload FROM checkpoints WHERE run_id = ? ORDER BY version DESC LIMIT 1"


class Reins(Protocol):
    """How a pair is asked and told."""

    async def status(self) -> PairStatus | None:
        """Return what it says; None while nobody can tell."""
        ...

    async def use(self, spec: ArbSpec) -> bool:
        """Let it go on with *spec*; returns whether it has heard of that."""
        ...

    async def leave(self) -> bool:
        """Let it close; returns whether it has heard of that."""
        ...

    async def end(self) -> PairResult:
        """Close it for good, and return what it ended with."""
        ...


def reins_of(system: PairSystem) -> Reins:
    """Return how the pair of *system* is told something."""
    simple = system.plan.runner is Runner.SIMPLE
    return _SimpleReins(system) if simple else _DurableReins(system)


class _DurableReins:
    def __init__(self, system: PairSystem) -> None:
        self._system = system
        self._run = system.client.get_workflow_handle(PAIR, result_type=PairResult)

    async def status(self) -> PairStatus | None:
        try:
            told: PairStatus = await self._run.query(
                "status", result_type=PairStatus, rpc_timeout=_PATIENCE
            )
        except (RPCError, TemporalError):  # the server or the worker is not back yet
            return None
        return told

    async def use(self, spec: ArbSpec) -> bool:
        return await self._told("reconfigure", ReconfigurePair(spec, by="crashlab"))

    async def leave(self) -> bool:
        return await self._told("exit", ExitPair(by="crashlab", why="the lab asks"))

    async def end(self) -> PairResult:
        while not await self._told("exit", ExitPair(ends=True, by="crashlab", why="the lab ends")):
            if not (await self._run.describe()).close_time:
                continue
            break
        result: PairResult = await self._run.result()
        return result

    async def _told(self, name: str, what: ReconfigurePair | ExitPair) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()):
                await self._run.execute_update(name, what)
        except (RPCError, TemporalError, TimeoutError):
            heed_cancel()
            return False
        return True


class _SimpleReins:
    def __init__(self, system: PairSystem) -> None:
        self._system = system
        self._wishes = Wishes(system.role.spec)

    async def status(self) -> PairStatus | None:
        path = self._system.role.checkpoints
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
            row = connection.execute(_NEWEST, (PAIR,)).fetchone()
        return None if row is None else status(_STATE.validate_json(row[0]).state)

    async def use(self, spec: ArbSpec) -> bool:
        self._wish(replace(self._wishes, spec=spec))
        return True

    async def leave(self) -> bool:
        self._wish(replace(self._wishes, exits=self._wishes.exits + 1))
        return True

    async def end(self) -> PairResult:
        self._wish(replace(self._wishes, ends=True))
        await self._system.worker_ended()
        return RESULT.validate_json(self._system.role.result.read_bytes())

    def _wish(self, wishes: Wishes) -> None:
        self._wishes = wishes
        path = self._system.role.wishes
        fresh = path.with_suffix(".fresh")
        fresh.write_bytes(WISHES.dump_json(wishes))
        fresh.replace(path)

"""The lab's end of the nursery: workers are born and die, and the lab hears of both."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from types import TracebackType
from typing import Any, Final, Self

from workers.crashlab.jobs import JOB, Job
from workers.crashlab.waiting import StuckError
from workers.local import tether

#: Importing everything takes seconds, on a busy machine more.
_READY_WITHIN: Final = 120.0
_AGAIN_AFTER: Final = 0.25
_log: Final = logging.getLogger(__name__)


class Worker:
    """One forked process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None
        self._dead = asyncio.Event()

    def died(self, code: int) -> None:
        """Take note of its end."""
        self.code = code
        self._dead.set()

    async def gone(self) -> int:
        """Return what it ended with, once it has."""
        await self._dead.wait()
        return self.code or 0

    async def kill(self) -> None:
        """Kill it and wait until it is gone."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            await self.gone()


class Kept:
    """A worker that is started again when it dies, as `opensqt up` does."""

    def __init__(self, nursery: "Nursery") -> None:
        self.deaths_of_its_own = 0
        self._nursery = nursery
        self._worker: Worker | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, role: Job) -> None:
        """Start it for *role*."""
        self._worker = await self._nursery.fork(role)
        self._keeper = asyncio.create_task(self._keep_alive(self._worker, role))

    async def kill(self) -> None:
        """Kill it; nobody starts it again."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._worker is not None:
            await self._worker.kill()

    async def ended(self) -> int:
        """Return what it ended with, once it has done so by itself."""
        if self._worker is None:
            raise AssertionError("there is no worker")
        return await self._worker.gone()

    async def _keep_alive(self, worker: Worker, role: Job) -> None:
        code = await worker.gone()
        if code == 0:
            return
        self.deaths_of_its_own += 1
        _log.warning("a worker of %s ended with code %d", role.directory.name, code)
        await asyncio.sleep(_AGAIN_AFTER)
        await self.start(role)


class Nursery:
    """The process that forks. A context manager; workers die with it."""

    def __init__(self) -> None:
        self._workers: dict[int, Worker] = {}
        self._births: asyncio.Queue[Worker] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Self:
        words = (sys.executable, "-m", "workers.crashlab.nursery")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-IS", tether.__file__, str(os.getpid()), *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        async with asyncio.timeout(_READY_WITHIN):
            await self._hear()
        self._hearing = asyncio.create_task(self._hear_all())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)
        for worker in self._workers.values():
            if worker.code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def fork(self, role: Job) -> Worker:
        """Return a new process that does *role*."""
        if self._process.stdin is None:
            raise AssertionError("the nursery was not entered")
        async with self._one_at_a_time:
            self._process.stdin.write(JOB.dump_json(role) + b"\n")
            return await self._births.get()

    async def _hear_all(self) -> None:
        while True:
            told = await self._hear()
            if "born" in told:
                worker = self._workers[told["born"]] = Worker(told["born"])
                self._births.put_nowait(worker)
            else:
                self._workers.pop(told["died"]).died(told["code"])

    async def _hear(self) -> dict[str, Any]:
        if self._process.stdout is None:
            raise AssertionError("the nursery has a pipe")
        line = await self._process.stdout.readline()
        if not line:
            raise StuckError("the process that forks workers has died")
        told: dict[str, Any] = json.loads(line)
        return told

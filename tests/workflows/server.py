"""A Temporal server as a process that tests start, kill and start again."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client

from tests.eventually import eventually
from tests.workflows.stage import connected
from workers.local.ports import Ports, anywhere
from workers.local.temporal import command, prepare


@dataclass
class TemporalServer:
    """The dev server as `opensqt up` tunes it, on a database file."""

    directory: Path
    ports: Ports = field(default_factory=anywhere)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports.temporal}"

    def start(self) -> None:
        """Start it; it answers a little later."""
        with (self.directory / "temporal.log").open("ab") as log:
            words = command(self.directory / "temporal.db", self.ports)
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    async def ready(self) -> Client:
        """Return a client once it answers and knows our search attributes."""

        async def connect() -> Client:
            async with asyncio.timeout(5):
                client = await connected(self.address)
                await prepare(client)
                return client

        return await eventually(connect, ignoring=(Exception,), what="a Temporal server")

    def kill(self) -> None:
        """End it at once, as a power cut of the program would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def serving(directory: Path) -> Iterator[TemporalServer]:
    """Yield a server that answers."""
    server = TemporalServer(directory)
    server.start()
    try:
        asyncio.run(_ready(server))
        yield server
    finally:
        server.kill()


async def _ready(server: TemporalServer) -> None:
    await server.ready()

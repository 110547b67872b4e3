"""The processes of a live system, each of which can be killed and started again."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from temporalio.client import Client

from activities.store.database import sqlite_url
from activities.store.migrations import upgrade
from activities.venues.remote import RemoteVenue
from opensqt.market_maker.v1 import paper_pb2, paper_pb2_grpc
from tests.eventually import eventually
from tests.workflows.server import TemporalServer

ROOT = Path(__file__).parents[2]


@dataclass
class Process:
    """One of our programs, started with the same words each time."""

    words: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", *self.words],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it and wait until it is gone."""
        if self.running is not None:
            self.running.send_signal(how)
            self.running.wait(30)
            self.running = None


@dataclass
class Cast:
    """A Temporal server, an exchange and a worker on one directory."""

    directory: Path
    market: Sequence[str]
    server: TemporalServer = field(init=False)
    exchange: Process = field(init=False)
    worker: Process = field(init=False)

    def __post_init__(self) -> None:
        self.server = TemporalServer(self.directory)
        self.exchange_address = f"127.0.0.1:{_free_port()}"
        self.ledger_url = sqlite_url(self.directory / "ledger.db")
        books = str(self.directory / "exchange")
        listen = ("--listen", self.exchange_address, "--data", books)
        self.exchange = Process(
            ("workers.exchange", *listen, *self.market), {}, self.directory / "exchange.log"
        )
        told = {
            "OPENSQT_DATA_DIR": str(self.directory),
            "OPENSQT_DATABASE": self.ledger_url,
            "OPENSQT_TEMPORAL": self.server.address,
            "OPENSQT_EXCHANGE": self.exchange_address,
        }
        self.worker = Process(("workers.cli", "worker"), told, self.directory / "worker.log")

    async def start(self) -> Client:
        """Start everybody; return a client of the Temporal server."""
        upgrade(self.ledger_url)
        self.server.start()
        self.exchange.start()
        client = await self.server.ready()
        await eventually(self.status, ignoring=(grpc.aio.AioRpcError,), what="an exchange")
        self.worker.start()
        return client

    def end(self) -> None:
        """Kill whoever still runs."""
        self.worker.kill()
        self.exchange.kill()
        self.server.kill()

    async def control(self, method: str, request: Any) -> Any:
        """Move the market by hand."""
        async with grpc.aio.insecure_channel(self.exchange_address) as channel:
            stub = paper_pb2_grpc.PaperControlServiceStub(channel)
            return await getattr(stub, method)(request, timeout=30)

    async def status(self) -> Any:
        return await self.control("GetStatus", paper_pb2.GetStatusRequest())

    async def pause_market(self) -> None:
        await self.control("Pause", paper_pb2.PauseRequest())

    async def resume_market(self) -> None:
        await self.control("Resume", paper_pb2.ResumeRequest())

    def venue(self) -> RemoteVenue:
        """Return the exchange as the account sees it."""
        return RemoteVenue(self.exchange_address, "paper")

    def sent(self) -> list[str]:
        """Return the client id of every order that ever reached the exchange, from its journal."""
        path = self.directory / "exchange" / "exchange.db"
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return [client_id for (client_id,) in database.execute(_SENT)]
        finally:
            database.close()


_SENT = """
SELECT json_extract(input, '$.request.client_id') FROM journal
WHERE json_extract(input, '$.kind') = 'placed' ORDER BY number
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

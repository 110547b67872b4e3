"""The local stack: what runs, in which order it starts and ends, and who is told where it is."""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from activities.store.database import place
from activities.store.migrations import upgrade
from workers.local import temporal
from workers.local.child import Child
from workers.local.directory import write_stack
from workers.local.ports import HOST, Ports
from workers.settings import Settings
from workflows.names import account_queue

_PATIENCE: Final = 60.0
#: How long each process gets to end by itself: a worker finishes what it is sending.
_GRACE: Final[Mapping[str, float]] = {"worker": 15.0, "exchange": 5.0, "temporal": 10.0}
NAMESPACE: Final = "default"


@dataclass(frozen=True, slots=True)
class Market:
    """What the paper exchange trades.

    It is a recorded *tape*, a market made from *seed*, or the real one of the venue *feed*,
    followed live: then *symbol* is the first of *symbols*.
    """

    symbol: str
    kind: str
    tape: str | None = None
    seed: int = 1
    speed: Decimal = Decimal(1)
    feed: str | None = None
    symbols: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return the options of `opensqt exchange`."""
        if self.feed is not None:
            return ["--feed", self.feed, "--symbols", ",".join(self.symbols)]
        words = ["--speed", f"{self.speed:f}", "--symbol", self.symbol, "--market", self.kind]
        if self.tape is not None:
            return [*words, "--tape", self.tape, "--loop"]
        return [*words, "--seed", str(self.seed)]


class Stack:
    """Temporal, the exchange and a worker on one data directory.

    *say* gets a line for whatever a person should see.
    """

    def __init__(
        self, settings: Settings, ports: Ports, market: Market, say: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.ports = ports
        self.market = market
        self._say = say
        self._data = settings.data_dir.absolute()
        self._temporal = self._child(
            "temporal", temporal.command(self._data / "temporal.db", ports), {}
        )
        self._exchange = self._child("exchange", self._exchange_command(), {})
        self._worker = self._child(
            "worker", [sys.executable, "-m", "workers.cli", "worker"], self._environment()
        )
        self._children = (self._worker, self._exchange, self._temporal)

    async def start(self) -> None:
        """Start everything and return when a worker waits for runs.

        Raises ChildFailedError, or a StoreError if the ledger cannot be made.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(
                self._step("ledger", self._migrate(), place(self.settings.ledger_url))
            )
            group.create_task(self._step("exchange", self._start_exchange(), self.market.symbol))
            group.create_task(
                self._step("temporal", self._start_temporal(), f"{HOST}:{self.ports.temporal}")
            )
        self._publish()
        await self._step("worker", self._start_worker(), "takes runs of account paper")
        self._publish()

    async def keep_alive(self) -> None:
        """Restart what dies; raises ChildFailedError for what cannot be kept alive."""
        async with asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(child.keep_alive())

    async def end(self) -> None:
        """End the worker first, so that it finishes what it is doing, then the rest."""
        for child in self._children:
            await child.end(_GRACE[child.name])

    def kill(self) -> None:
        """End everything at once."""
        for child in self._children:
            child.kill()

    @property
    def ui(self) -> str:
        """Where people see runs in a browser."""
        return f"http://{HOST}:{self.ports.ui}"

    @property
    def logs(self) -> Path:
        """Where each process writes its log."""
        return self.settings.data_dir / "logs"

    def _child(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        log = self.settings.data_dir / "logs" / f"{name}.log"
        return Child(name, command, environment, log, self._say, self._publish)

    def _exchange_command(self) -> list[str]:
        listen = f"{HOST}:{self.ports.exchange}"
        words = [sys.executable, "-m", "workers.cli", "exchange", "--listen", listen]
        return [*words, "--data", str(self._data / "exchange"), *self.market.arguments()]

    def _environment(self) -> dict[str, str]:
        return self._monitor_feed() | {
            "OPENSQT_DATA_DIR": str(self._data),
            "OPENSQT_DATABASE": self.settings.ledger_url,
            "OPENSQT_TEMPORAL": f"{HOST}:{self.ports.temporal}",
            "OPENSQT_TEMPORAL_UI": self.ui,
            "OPENSQT_NAMESPACE": NAMESPACE,
            "OPENSQT_EXCHANGE": f"{HOST}:{self.ports.exchange}",
            "OPENSQT_METRICS": f"{HOST}:{self.ports.metrics}",
        }

    def _monitor_feed(self) -> dict[str, str]:
        """Return where the worker watches a market that is followed: only its venue knows volumes.

        Unless the settings name another place.
        """
        if self.market.feed is None or self.settings.monitor_feed.venue is not None:
            return {}
        return {
            "OPENSQT_MONITOR_FEED__VENUE": self.market.feed,
            "OPENSQT_MONITOR_FEED__MARKET": self.market.kind,
        }

    async def _step(self, name: str, work: Awaitable[None], where: str) -> None:
        began = time.monotonic()
        await work
        self._say(f"  {name:<9} ready in {time.monotonic() - began:4.1f} s   {where}")

    async def _migrate(self) -> None:
        await asyncio.to_thread(upgrade, self.settings.ledger_url)

    async def _start_temporal(self) -> None:
        await self._temporal.start()
        await self._temporal.ready(self._connects, _PATIENCE)

    async def _connects(self) -> bool:
        try:
            async with asyncio.timeout(2):
                client = await self._client()
                await temporal.prepare(client)
        except (RuntimeError, RPCError, TimeoutError):
            return False
        return True

    async def _client(self) -> Client:
        return await Client.connect(
            f"{HOST}:{self.ports.temporal}",
            namespace=NAMESPACE,
            data_converter=pydantic_data_converter,
        )

    async def _start_exchange(self) -> None:
        await self._exchange.start()
        await self._exchange.ready(self._serves, _PATIENCE)

    async def _serves(self) -> bool:
        async with grpc.aio.insecure_channel(f"{HOST}:{self.ports.exchange}") as channel:
            try:
                health: Any = health_pb2_grpc.HealthStub(channel)
                answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=1)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def _start_worker(self) -> None:
        client = await self._client()
        await self._worker.start()
        began = datetime.now(UTC)

        async def polls() -> bool:
            return bool(await pollers(client, "paper", datetime.now(UTC) - began))

        await self._worker.ready(polls, _PATIENCE)

    def _publish(self) -> None:
        told: dict[str, Any] = {
            "pid": os.getpid(),
            "ports": asdict(self.ports),
            "processes": {child.name: child.pid for child in self._children},
            "temporal": f"{HOST}:{self.ports.temporal}",
            "temporal_ui": self.ui,
            "exchange": f"{HOST}:{self.ports.exchange}",
            "metrics": f"{HOST}:{self.ports.metrics}",
            "market": {
                "symbol": self.market.symbol,
                "kind": self.market.kind,
                "tape": self.market.tape,
                "seed": self.market.seed,
                "speed": f"{self.market.speed:f}",
                "feed": self.market.feed,
                "symbols": list(self.market.symbols),
            },
        }
        write_stack(self.settings.data_dir, told)


async def pollers(
    client: Client, account: str, within: timedelta = timedelta(seconds=90)
) -> list[str]:
    """Return the workers that asked for runs of *account* just now; dead ones fade in a while."""
    since = datetime.now(UTC) - within
    try:
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=account_queue(account)),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            ),
            timeout=timedelta(seconds=2),
        )
    except RPCError:
        return []
    return [p.identity for p in answer.pollers if p.last_access_time.ToDatetime(UTC) >= since]

"""Many runs of one account on one machine: what they weigh, and how they keep up.

Worker and market share this process; the Temporal server is its own. Each run has an interval of
its own, so that their levels lie apart and fills come one by one, not in bursts of all runs.
"""

import asyncio
import os
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from temporalio.client import Client

from activities.store.database import sqlite_url
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket
from bench import markets
from bench.report import Row, percentile
from bench.rig import Arrivals, Clock, TimedLedger, TimedVenue
from bench.server import Server, resident, temporal_server
from domain.order_ids import OrderKey, decode
from workers.durable import account_worker
from workers.wiring import desks
from workflows.messages import GridRunInput
from workflows.names import GRID_RUN, account_queue
from workflows.timing import TASK_TIMEOUT

#: So many runs are started at once: more only wait for each other.
_ABREAST: Final = 8
_WINDOW: Final = 10
_WITHIN: Final = 120.0
#: A price every twentieth of a second. With steps of 25 ticks a run has some four fills a minute.
_BEAT: Final = 0.05
_STEP: Final = 25.0


@dataclass(slots=True)
class _Lags:
    """Fills that wait for their order, by slot, and how long those waited that have it."""

    waiting: dict[tuple[str, int], deque[float]] = field(default_factory=lambda: defaultdict(deque))
    seconds: list[float] = field(default_factory=list)
    fills: int = 0

    def filled(self, at: float, client_id: str) -> None:
        key = decode(client_id)
        if key is not None:
            self.fills += 1
            self.waiting[key.run_tag, key.key].append(at)

    def arrived(self, at: float, key: OrderKey) -> None:
        if waiting := self.waiting[key.run_tag, key.key]:
            self.seconds.append(at - waiting.popleft())

    def still_waiting(self) -> int:
        return sum(map(len, self.waiting.values()))


@dataclass(slots=True)
class _Fleet:
    client: Client
    server: Server
    market: PaperMarket
    arrivals: Arrivals
    ledger: TimedLedger
    clock: Clock


def run(*, quick: bool) -> list[Row]:
    """Start the runs, weigh them, let them trade."""
    with TemporaryDirectory(prefix="opensqt-bench-") as directory:
        return asyncio.run(_run(Path(directory), quick=quick))


async def _run(directory: Path, *, quick: bool) -> list[Row]:
    runs, seconds, step = (40, 10.0, 4 * _STEP) if quick else (200, 40.0, _STEP)
    async with temporal_server(directory) as server, _fleet(server, directory) as fleet:
        await _start(fleet, 1)  # what only the first one costs: imports, the feed, caches
        weight, server_weight = resident(os.getpid()), resident(server.pid)
        began = perf_counter()
        await _start(fleet, runs - 1, first=1)
        took = perf_counter() - began
        grown = resident(os.getpid()) - weight
        rows = [
            Row("fleet", f"start {runs} runs of {_WINDOW} orders", took, "s", note="8 at a time"),
            Row("fleet", "worker per idle run", grown / (runs - 1) * 1024, "KiB", note="RSS"),
            Row("fleet", "worker", resident(os.getpid()), "MiB", note=f"{runs} runs, and market"),
            Row("fleet", "Temporal server, one run", server_weight, "MiB", note="RSS"),
            Row("fleet", "Temporal server", resident(server.pid), "MiB", note=f"{runs} runs"),
        ]
        return rows + await _trade(fleet, runs, seconds, step)


@asynccontextmanager
async def _fleet(server: Server, directory: Path) -> AsyncIterator[_Fleet]:
    url = sqlite_url(directory / "ledger.db")
    upgrade(url)
    market, arrivals = PaperMarket(markets.exchange()), Arrivals()
    venue = TimedVenue(market, markets.ACCOUNT, arrivals)
    async with TimedLedger.open(url) as ledger:
        ours = desks(markets.ACCOUNT, venue, ledger)
        async with account_worker(server.client, ours):
            yield _Fleet(server.client, server, market, arrivals, ledger, Clock())


async def _start(fleet: _Fleet, count: int, first: int = 0) -> None:
    """Start *count* runs and wait until all of their orders are at the venue."""
    abreast = asyncio.Semaphore(_ABREAST)

    async def one(number: int) -> None:
        async with abreast:
            interval = f"{40 + number / 10:.1f}"
            await fleet.client.start_workflow(
                GRID_RUN,
                GridRunInput(markets.spec(interval=interval, buy_window=_WINDOW)),
                id=f"run-{number}",
                task_queue=account_queue(markets.ACCOUNT),
                task_timeout=TASK_TIMEOUT,
            )

    await asyncio.gather(*(one(number) for number in range(first, first + count)))
    wanted, at = (first + count) * _WINDOW, markets.START
    async with asyncio.timeout(_WITHIN):
        while len(fleet.arrivals.times) < wanted:
            # A stream of prices tells a change only, and each new run needs a first one.
            at = markets.START + (at == markets.START)
            fleet.market.on(markets.trade(at, fleet.clock.tick()))
            await asyncio.sleep(0.1)


async def _trade(fleet: _Fleet, runs: int, seconds: float, step: float) -> list[Row]:
    lags, exchange = _Lags(), fleet.market.exchange
    fleet.arrivals.told = lags.arrived
    read = len(exchange.fills_since(markets.ACCOUNT, markets.SYMBOL, markets.BEGAN))
    beats = int(seconds / _BEAT)
    spent, cpu, began = fleet.ledger.seconds, sum(os.times()[:2]), perf_counter()
    for number, ticks in enumerate(markets.walk(beats, seed=5, step=step), 1):
        told = perf_counter()
        fleet.market.on(markets.trade(ticks, fleet.clock.tick()))
        filled = exchange.fills_since(markets.ACCOUNT, markets.SYMBOL, markets.BEGAN)[read:]
        read += len(filled)
        for fill in filled:
            lags.filled(told, fill.client_id)
        await asyncio.sleep(max(0.0, began + number * _BEAT - perf_counter()))
    took = perf_counter() - began
    busy, spent = sum(os.times()[:2]) - cpu, fleet.ledger.seconds - spent
    await asyncio.sleep(2.0)  # the last ones
    what = f"{runs} runs trading"
    waited = f"{lags.still_waiting()} of {lags.fills} got no order at their level"
    return [
        Row("fleet", f"{what}: fills", lags.fills / took, "fills/s", note=f"in {took:.0f} s"),
        Row("fleet", f"{what}: fill to order, median", _ms(lags, 50), "ms", note=waited),
        Row("fleet", f"{what}: fill to order, p90", _ms(lags, 90), "ms"),
        Row("fleet", f"{what}: fill to order, p99", _ms(lags, 99), "ms"),
        Row("fleet", f"{what}: worker's CPU", busy / took * 100, "% of a core"),
        Row("fleet", f"{what}: of it in the ledger", spent / took * 100, "% of the time"),
        Row("fleet", f"{what}: worker", resident(os.getpid()), "MiB", note="RSS"),
        Row("fleet", f"{what}: Temporal server", resident(fleet.server.pid), "MiB", note="RSS"),
    ]


def _ms(lags: _Lags, share: int) -> float:
    return percentile(lags.seconds, share) * 1e3

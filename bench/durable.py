"""From a fill's report to the replacing order at the venue, beside the bare minimum of a turn.

Both arms run in turn, in one process, on one server with the flags of `opensqt up`: ours is the
whole path (stream, ledger, signal, workflow, send marker, order), the bare one is a signal and a
local activity. The market is in this process too, so no network is in either.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities.store.database import sqlite_url
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket
from bench import bare, history, markets
from bench.report import Row, percentile
from bench.rig import Arrivals, Clock, TimedLedger, TimedVenue
from bench.server import temporal_server
from domain.grid.view import GridStatus
from domain.order_ids import OrderKey, Purpose, encode
from workers.durable import account_worker
from workers.wiring import Desks, desks, workflow_runner
from workflows.messages import GridRunInput
from workflows.names import GRID_RUN, account_queue
from workflows.timing import TASK_TIMEOUT

_WITHIN: Final = 10.0
_GAPS: Final = (0.02, 0.1)
#: A run is quiet again this long after its last order; longer than any of its pauses.
_SETTLED: Final = 0.05


@dataclass(slots=True)
class _Samples:
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    ledger: list[float] = field(default_factory=list)


def run(*, quick: bool) -> list[Row]:
    """Measure latency at two gaps, and history events per fill in two markets."""
    with TemporaryDirectory(prefix="opensqt-bench-") as directory:
        return asyncio.run(_run(Path(directory), quick=quick))


async def _run(directory: Path, *, quick: bool) -> list[Row]:
    async with temporal_server(directory) as server, _rig(server.client, directory) as rig:
        await rig.begin("level")
        rows = await _latency(rig, rounds=5 if quick else 9, fills=6 if quick else 20)
        rows += await _per_fill(rig, "level", "over one level", 12 if quick else 60)
        await rig.begin("walk")
        rows += await _per_fill_of_walk(rig, 15 if quick else 80)
    return rows


class Rig:
    """Both arms, ready."""

    def __init__(
        self,
        client: Client,
        market: PaperMarket,
        arrivals: Arrivals,
        ledger: TimedLedger,
    ) -> None:
        self.client = client
        self.market = market
        self.arrivals = arrivals
        self.ledger = ledger
        self.clock = Clock()
        self.bare: WorkflowHandle[Any, Any] | None = None
        self.runs: dict[str, str] = {}
        self._low = False
        self._sent = 0
        self._awaited: tuple[int, asyncio.Future[tuple[float, float]]] | None = None
        arrivals.told = self._arrived

    async def begin(self, name: str, **fields: Any) -> None:
        """Start a grid at the price of now and wait for its orders."""
        before = len(self.arrivals.times)
        spec = markets.spec(**fields)
        handle = await self.client.start_workflow(
            GRID_RUN,
            GridRunInput(spec),
            id=name,
            task_queue=account_queue(markets.ACCOUNT),
            task_timeout=TASK_TIMEOUT,
        )
        self.runs[name] = handle.first_execution_run_id or ""
        async with asyncio.timeout(_WITHIN):
            while len(self.arrivals.times) < before + spec.buy_window:
                # A stream of prices tells a change only, and a new run needs a first one.
                self.market.on(markets.trade(_now(self), self.clock.tick()))
                await asyncio.sleep(_SETTLED)
        await self.settled(name)

    async def turn(self) -> tuple[float, float]:
        """Let the price step to and fro over one level: one fill, one order that replaces it.

        Returns the seconds in between, and those of them that the ledger took.
        """
        self._low = not self._low
        at = markets.START - (markets.INTERVAL if self._low else 0)
        answer = self._await(markets.START - markets.INTERVAL)
        spent, began = self.ledger.seconds, perf_counter()
        self.market.on(markets.trade(at, self.clock.tick()))
        async with asyncio.timeout(_WITHIN):
            arrived, spent_then = await answer
        return arrived - began, spent_then - spent

    async def bare_turn(self) -> float:
        """Do the least that is a durable turn, and return its seconds."""
        if self.bare is None:
            self.bare = await self.client.start_workflow("Bare", id="bare", task_queue=bare.QUEUE)
        self._sent += 1
        client_id = encode(OrderKey(markets.TAG, Purpose.ENTRY_BUY, self._sent, self._sent))
        answer = self._await(self._sent)
        began = perf_counter()
        await self.bare.signal("fill", client_id)
        async with asyncio.timeout(_WITHIN):
            arrived, _ = await answer
        return arrived - began

    async def settled(self, name: str) -> GridStatus:
        """Return the status of a grid once it has heard of all its fills and sends nothing."""
        handle = self.client.get_workflow_handle(name)
        async with asyncio.timeout(_WITHIN):
            while True:
                seen = len(self.arrivals.times)
                await asyncio.sleep(_SETTLED)
                status: GridStatus = await handle.query("status", result_type=GridStatus)
                price = self.market.exchange.last_price(markets.SYMBOL)
                low, high = status.quiet_low, status.quiet_high
                if price is None or low is None or high is None:
                    continue
                now = markets.PERPETUAL.price_of(price.price)
                if low <= now <= high and len(self.arrivals.times) == seen:
                    return status

    def fills(self) -> int:
        """Return how many fills the account has had."""
        return len(self.market.exchange.fills_since(markets.ACCOUNT, markets.SYMBOL, markets.BEGAN))

    def _await(self, key: int) -> asyncio.Future[tuple[float, float]]:
        answer: asyncio.Future[tuple[float, float]] = asyncio.get_running_loop().create_future()
        self._awaited = (key, answer)
        return answer

    def _arrived(self, at: float, key: OrderKey) -> None:
        if self._awaited is not None and self._awaited[0] == key.key:
            self._awaited[1].set_result((at, self.ledger.seconds))
            self._awaited = None


@asynccontextmanager
async def _rig(client: Client, directory: Path) -> AsyncIterator[Rig]:
    url = sqlite_url(directory / "ledger.db")
    upgrade(url)
    market, arrivals = PaperMarket(markets.exchange()), Arrivals()
    venue = TimedVenue(market, markets.ACCOUNT, arrivals)
    bare_worker = Worker(
        client,
        task_queue=bare.QUEUE,
        workflows=[bare.Bare],
        activities=[bare.BareActivities(arrivals).place],
        workflow_runner=workflow_runner(),
    )
    async with TimedLedger.open(url) as ledger:
        ours: Desks = desks(markets.ACCOUNT, venue, ledger)
        async with account_worker(client, ours), bare_worker:
            yield Rig(client, market, arrivals, ledger)


# --- latency -------------------------------------------------------------------------------------


async def _latency(rig: Rig, *, rounds: int, fills: int) -> list[Row]:
    rows: list[Row] = []
    for gap in _GAPS:
        blocks = [await _block(rig, gap, fills) for _ in range(rounds + 1)][
            1:
        ]  # the first warms up
        ours = [seconds for block in blocks for seconds in block.ours]
        least = [seconds for block in blocks for seconds in block.bare]
        ledger = [seconds for block in blocks for seconds in block.ledger]
        ratio = median(median(block.ours) / median(block.bare) for block in blocks)
        what = f"fill to order, {gap * 1000:g} ms apart"
        rows += [
            _row(f"{what}: ours, median", median(ours), f"p90 {percentile(ours, 90) * 1e3:.1f}"),
            _row(f"{what}: bare, median", median(least), f"p90 {percentile(least, 90) * 1e3:.1f}"),
            Row("durable", f"{what}: ours / bare", ratio, "x", 1.3, f"{rounds} rounds of {fills}"),
            _row(f"{what}: of it the ledger", median(ledger), "SQLite, synchronous=FULL"),
        ]
    return rows


async def _block(rig: Rig, gap: float, fills: int) -> _Samples:
    samples = _Samples()
    for _ in range(fills):
        seconds, ledger = await rig.turn()
        samples.ours.append(seconds)
        samples.ledger.append(ledger)
        await asyncio.sleep(gap)
    for _ in range(fills):
        samples.bare.append(await rig.bare_turn())
        await asyncio.sleep(gap)
    return samples


def _row(what: str, seconds: float, note: str) -> Row:
    return Row("durable", what, seconds * 1e3, "ms", note=note)


# --- history -------------------------------------------------------------------------------------


async def _per_fill(rig: Rig, name: str, market: str, fills: int) -> list[Row]:
    await rig.settled(name)
    before = await history.written(rig.client, name, rig.runs[name])
    for _ in range(fills):
        await rig.turn()
        await asyncio.sleep(_GAPS[1])
    await rig.settled(name)
    after = await history.written(rig.client, name, rig.runs[name])
    return _history_rows(market, after - before, fills)


#: Quiet prices in a row, before the feed, which lives in this process, gets a turn: one that never
#: does is taken for dead and started again, and its starts would be counted as the run's history.
_BREATH: Final = 200


async def _per_fill_of_walk(rig: Rig, fills: int) -> list[Row]:
    """Walk: what is quiet passes in no time, what is news is waited for, as in real time."""
    status = await rig.settled("walk")
    before = await history.written(rig.client, "walk", rig.runs["walk"])
    tag = next(key.run_tag for _, key in reversed(rig.arrivals.times))
    orders_before = len(rig.arrivals.times)
    count, news = 0, 0
    offset = _now(rig) - markets.START
    for step, ticks in enumerate(markets.walk(2_000_000)):
        price = ticks + offset
        if _is_quiet(rig, status, price):
            if not step % _BREATH:
                await asyncio.sleep(0)
            continue
        rig.market.on(markets.trade(price, rig.clock.tick()))
        status = await rig.settled("walk")
        news += 1
        count = status.fills
        if count >= fills:
            break
    after = await history.written(rig.client, "walk", rig.runs["walk"])
    orders = sum(1 for _, key in rig.arrivals.times[orders_before:] if key.run_tag == tag)
    rows = _history_rows("on a walk", after - before, count)
    return [*rows, Row("durable", "orders sent per fill, on a walk", orders / count, "orders")]


def _is_quiet(rig: Rig, status: GridStatus, ticks: int) -> bool:
    price = markets.PERPETUAL.tick_size * ticks
    if status.quiet_low is None or status.quiet_high is None:
        return False
    if not status.quiet_low <= price <= status.quiet_high:
        return False
    orders = rig.market.exchange.open_orders(markets.ACCOUNT, markets.SYMBOL)
    return not any(
        order.price is not None and (order.price.ticks - ticks) * order.side.sign >= 0
        for order in orders
    )


def _now(rig: Rig) -> int:
    price = rig.market.exchange.last_price(markets.SYMBOL)
    if price is None:
        raise LookupError("the market was to have a price")
    return price.price.ticks


def _history_rows(market: str, written: Counter[str], fills: int) -> list[Row]:
    kinds = {
        name.removeprefix("signal: "): count
        for name, count in written.items()
        if name.startswith("signal: ")
    }
    note = ", ".join(f"{count} {name}" for name, count in sorted(kinds.items()))
    per_fill = history.events(written) / fills
    what = f"history events per fill, {market}"
    return [Row("durable", what, per_fill, "events", 6, f"{fills} fills; signals: {note}")]

"""Twenty grids on one account over two worker processes: no more arrives than the rate."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.store.database import sqlite_url
from activities.store.migrations import upgrade
from domain.grid.spec import StopMode, parse_spec
from domain.money import MarketKind
from domain.order_ids import decode
from tests.contract.bench import BALANCES, SYMBOLS, Markets, trade
from tests.crash.cast import Process
from tests.eventually import eventually
from tests.workflows.server import TemporalServer
from workers.exchange.fronts.arrivals import Arrival
from workers.exchange.fronts.keys import local_keys
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings
from workflows.messages import GridRunInput, StopGrid
from workflows.names import account_queue

ACCOUNT, VENUE = "alice", "bybit"
SYMBOL = SYMBOLS[MarketKind.PERPETUAL]
RUNS, ENTRIES = 20, 2
#: Odd, so that two parts are not alike.
PER_SECOND = 15


@dataclass
class Stage:
    """An exchange in this process, a Temporal server, and workers that are processes."""

    directory: Path
    exchange: Running
    server: TemporalServer
    workers: list[Process]

    @property
    def arrived(self) -> list[Arrival]:
        assert self.exchange.fronts is not None
        return [each for each in self.exchange.fronts.arrivals.all() if each.of_orders]

    @property
    def resting(self) -> int:
        return len(self.exchange.host.exchange.open_orders(ACCOUNT, SYMBOL))

    def start_worker(self) -> Process:
        assert self.exchange.fronts is not None
        fronts, keys = self.exchange.fronts, local_keys(ACCOUNT)
        prefix = f"OPENSQT_ACCOUNTS__{ACCOUNT.upper()}__"
        told = {
            "OPENSQT_DATA_DIR": str(self.directory),
            "OPENSQT_TEMPORAL": self.server.address,
            f"{prefix}VENUE": VENUE,
            f"{prefix}LOCAL": f"{fronts.host}:{fronts.port}",
            f"{prefix}AUTHORITY": str(fronts.authority),
            f"{prefix}KEY": keys.key,
            f"{prefix}SECRET": keys.secret,
            f"{prefix}ORDERS_PER_SECOND": str(PER_SECOND),
        }
        log = self.directory / f"worker{len(self.workers)}.log"
        worker = Process(("workers.cli", "worker"), told, log)
        worker.start()
        self.workers.append(worker)
        return worker

    def holders(self) -> int:
        """Return how many processes know of each other and share the account's orders."""
        database = sqlite3.connect(f"file:{self.directory / 'ledger.db'}?mode=ro", uri=True)
        try:
            rows = database.execute(_HOLDERS).fetchall()
        finally:
            database.close()
        newest = max((number for number, _ in rows), default=0)
        return len(rows) if all(seen >= newest for _, seen in rows) else 0


_HOLDERS = "SELECT number, seen FROM rate_holders WHERE scope LIKE '%/perpetual/%' AND NOT ended"


@pytest.fixture(name="stage")
async def _stage(tmp_path: Path) -> AsyncIterator[Stage]:
    upgrade(sqlite_url(tmp_path / "ledger.db"))
    settings = ExchangeSettings(
        data=tmp_path / "exchange",
        listen="127.0.0.1:0",
        speed=Decimal(0),
        balances={**BALANCES, "USDT": Decimal(100_000_000)},
        fronts=(VENUE,),
    )
    server = TemporalServer(tmp_path)
    async with running(settings, Markets([trade(SYMBOL, 1, 1000)])) as exchange:
        stage = Stage(tmp_path, exchange, server, [])
        try:
            yield stage
        finally:
            for worker in stage.workers:
                worker.kill()
            server.kill()


async def begin(client: Client, number: int) -> None:
    grid = {"symbol": SYMBOL, "account": ACCOUNT, "interval": "10", "amount": "50"}
    spec = parse_spec({**grid, "buy_window": ENTRIES, "shared": True, "reconcile_every": 3600})
    await client.start_workflow(
        "GridRun", GridRunInput(spec), id=f"grid-{number}", task_queue=account_queue(ACCOUNT)
    )


async def stop(client: Client, number: int) -> None:
    handle = client.get_workflow_handle(f"grid-{number}")
    await handle.execute_update("stop", StopGrid(StopMode.CANCEL, by="tester"))


def orders_in(arrival: Arrival) -> int:
    """Return how many orders a request is about, however the venue writes them down."""
    text = f"{arrival.asked.path}?{arrival.asked.query}&{arrival.asked.body}"
    return len({each for each in re.findall(r"q[0-9a-z]{26}", text) if decode(each)})


def most_in_a_second(arrivals: Sequence[Arrival]) -> int:
    most = 0
    for last in arrivals:
        span = [each for each in arrivals if last.at - 1 < each.at <= last.at]
        most = max(most, sum(map(orders_in, span)))
    return most


async def patiently(condition: Callable[[], bool], what: str) -> None:
    """Wait for what twenty runs do: a busy machine takes long, and nothing depends on that."""
    await eventually(condition, within=180, every=0.1, what=what)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_more_arrives_than_the_rate_when_workers_come_and_are_killed(stage: Stage) -> None:
    stage.server.start()
    stage.exchange.host.advance(1)
    stage.exchange.host.account(ACCOUNT)
    client = await stage.server.ready()
    stage.start_worker()
    second = stage.start_worker()
    await patiently(lambda: stage.holders() == 2, "two workers that share")
    await asyncio.gather(*(begin(client, number) for number in range(RUNS)))
    await patiently(lambda: stage.resting >= RUNS / 2, "the first orders")
    second.kill()
    stage.start_worker()
    await patiently(lambda: stage.resting == RUNS * ENTRIES, "all entries")
    await patiently(lambda: stage.holders() == 2, "a worker in place of the killed one")
    await asyncio.gather(*(stop(client, number) for number in range(RUNS)))
    await patiently(lambda: stage.resting == 0, "all orders canceled")
    most = most_in_a_second(stage.arrived)
    print(  # noqa: T201 - the figures are what this test is for
        f"\n{sum(map(orders_in, stage.arrived))} orders and cancels in {len(stage.arrived)} "
        f"requests of {RUNS} runs over 2 workers; {most} in a second at most, of {PER_SECOND}"
    )
    assert sum(map(orders_in, stage.arrived)) >= 2 * RUNS * ENTRIES
    assert most <= PER_SECOND

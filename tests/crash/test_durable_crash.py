"""Processes are killed at any moment while a grid trades: nothing is lost, nothing is doubled."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from activities.store.ledger import Ledger
from domain.errors import VenueError
from domain.grid.spec import StopMode, parse_spec
from opensqt.market_maker.v1 import paper_pb2
from tests.crash.books import EPOCH, books_of
from tests.crash.cast import Cast
from tests.eventually import eventually
from workers.crashlab.books import Books
from workflows.messages import GridResult, GridRunInput, StopGrid
from workflows.names import account_queue
from workflows.timing import TASK_TIMEOUT

SYMBOL = "BTC/USDT:USDT"
MARKET = ("--symbol", SYMBOL, "--market", "perpetual", "--seed", "11")
SPEC = {
    "symbol": SYMBOL,
    "interval": "30",
    "amount": "300",
    "buy_window": 5,
    "reconcile_every": 5,
}
#: Some of each: a thousand are the crash lab's.
WORKER_KILLS, SERVER_KILLS, EXCHANGE_KILLS = 12, 3, 2
Run = WorkflowHandle[Any, Any]


@pytest.fixture(name="cast")
async def _cast(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cast]:
    cast = Cast(tmp_path, (*MARKET, "--speed", request.param))
    try:
        yield cast
    finally:
        cast.end()


async def begin(client: Client) -> Run:
    return await client.start_workflow(
        "GridRun",
        GridRunInput(parse_spec(SPEC)),
        id="crashed",
        task_queue=account_queue("paper"),
        task_timeout=TASK_TIMEOUT,
    )


async def goes_on(cast: Cast) -> None:
    """Wait until the run has answered a fill with an order: that needs everybody."""
    before = len(cast.sent())
    await eventually(lambda: len(cast.sent()) > before, within=180, what="an order after a kill")


async def settle(cast: Cast, ledger: Ledger, run: Run) -> Books:
    """Wait until the run has heard of everything; the market stands still."""
    async with cast.venue() as venue:
        last: Books | None = None

        async def settled() -> Books | None:
            nonlocal last
            last = await books_of(venue, ledger, run)
            return last if last.agree() else None

        try:
            return await eventually(settled, within=180, every=0.2, ignoring=(RPCError, VenueError))
        except AssertionError:
            if last is not None:
                assert last.violations() == []  # tells what is wrong
            raise


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("cast", ["60"], indirect=True)
async def test_kills_of_worker_server_and_exchange_lose_and_double_nothing(cast: Cast) -> None:
    moments = random.Random(20_240_808)
    killed = ["worker"] * WORKER_KILLS + ["server"] * SERVER_KILLS + ["exchange"] * EXCHANGE_KILLS
    moments.shuffle(killed)
    run = await begin(await cast.start())
    await goes_on(cast)
    began, waits = time.monotonic(), []
    for who in killed:
        await asyncio.sleep(moments.uniform(0, 0.4))  # the random moment
        victim: Any = getattr(cast, who)
        victim.kill()
        victim.start()
        at = time.monotonic()
        await goes_on(cast)
        waits.append(time.monotonic() - at)
    took = time.monotonic() - began
    await cast.pause_market()
    async with Ledger.open(cast.ledger_url) as ledger:
        books = await settle(cast, ledger, run)
        assert books.violations() == []
        assert [each for each, times in Counter(cast.sent()).items() if times > 1] == []
        await cast.resume_market()
        ended = await close(run)
        async with cast.venue() as venue:
            assert await lots(venue) == 0
            assert await venue.open_orders(SYMBOL) == []
    assert (ended.position, ended.residual) == (Decimal(0), Decimal(0))
    print(  # noqa: T201 - the figures are what this test is for
        f"\n{len(killed)} kills in {took:.0f} s ({dict(Counter(killed))}), "
        f"{len(books.orders)} orders, {len(books.fills)} fills; "
        f"an order {sum(waits) / len(waits):.1f} s after a kill on average, "
        f"{max(waits):.1f} s at most; residual {ended.residual}"
    )


async def lots(venue: Any) -> int:
    return sum(position.lots for position in await venue.positions(SYMBOL))


async def close(run: Run) -> GridResult:
    await run.execute_update("stop", StopGrid(StopMode.CLOSE, by="tester"))
    handle = run._client.get_workflow_handle(run.id, result_type=GridResult)
    result: GridResult = await asyncio.wait_for(handle.result(), 60)
    return result


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("cast", ["0"], indirect=True)
async def test_a_fill_while_everything_is_down_is_found_and_its_exit_placed_once(
    cast: Cast,
) -> None:
    client = await cast.start()
    await cast.control("Advance", paper_pb2.AdvanceRequest(max_events=1))
    run = await begin(client)
    async with cast.venue() as venue:
        await eventually(lambda: rest(venue, 5), ignoring=(VenueError,), what="five entries")
        cast.worker.kill()
        cast.server.kill()
        told = await cast.control(
            "Advance",
            paper_pb2.AdvanceRequest(max_events=100_000, until=paper_pb2.Until(report=True)),
        )
        assert told.reason == paper_pb2.STOP_REASON_REPORT
        filled = await venue.fills_since(SYMBOL, EPOCH)
        assert filled
        assert {fill.side for fill in filled} == {"buy"}
        cast.server.start()
        await cast.server.ready()
        cast.worker.start()
        async with Ledger.open(cast.ledger_url) as ledger:
            books = await settle(cast, ledger, run)
            assert books.violations() == []
            bought = {fill.client_id for fill in books.fills if fill.side == "buy"}
            sells = [order for order in books.orders if order.side == "sell"]
            assert len(sells) == len(bought)
            assert books.position_lots == sum(fill.quantity.lots for fill in books.fills)
            ended = await close(run)
    assert (ended.position, ended.residual) == (Decimal(0), Decimal(0))


async def rest(venue: Any, count: int) -> bool:
    return len(await venue.open_orders(SYMBOL)) == count

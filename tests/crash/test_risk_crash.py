"""A breaker is open, and everything is killed: started again it is still open, for both runners.

The way out stays free meanwhile: what was bought before is sold, and no entry is sent.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from activities.store.ledger import Ledger
from activities.venues.remote import RemoteVenue
from domain.errors import VenueError
from domain.order_ids import decode
from opensqt.market_maker.v1 import paper_pb2
from tests.crash.cast import ROOT, Cast
from tests.crash.simple import NAME, SYMBOL, Simple, sendings
from tests.crash.test_durable_crash import MARKET, begin
from tests.eventually import eventually
from tests.workers.exchange.process import Exchange, started

SPEC = f"""
symbol: {SYMBOL}
interval: 30
amount: 300
buy_window: 5
reconcile_every: 5
"""
UNTIL_REPORT = paper_pb2.AdvanceRequest(max_events=100_000, until=paper_pb2.Until(report=True))


async def opensqt(data: Path, *words: str) -> Any:
    """Run a command as a person would, and return what it answers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers.cli", *words, "--json", "--data", str(data)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


async def resting(venue: RemoteVenue) -> tuple[int, int]:
    """Return how many buys and how many sells rest."""
    orders = await venue.open_orders(SYMBOL)
    return sum(o.side == "buy" for o in orders), sum(o.side == "sell" for o in orders)


async def comes_to(venue: RemoteVenue, buys: int, sells: int) -> None:
    async def there() -> bool:
        return await resting(venue) == (buys, sells)

    await eventually(there, ignoring=(VenueError,), what=f"{buys} buys and {sells} sells")


def entries(sent: list[str]) -> list[str]:
    """Return the ids of entries among those of all orders that ever reached the exchange."""
    keys = [(each, decode(each)) for each in sent]
    return [each for each, key in keys if key is not None and key.purpose.name.startswith("ENTRY")]


async def was_reset(data: Path, url: str, run: str) -> None:
    """Check that the log tells who did what and why, and that it works again after the reset."""
    told = (await opensqt(data, "audit"))["entries"]
    moves = [(each["command"], each["why"]) for each in told if each["source"] == "risk"]
    assert moves[::-1] == [("breaker open", "news at two"), ("breaker closed", "all is well")]
    assert all(each["who"] for each in told)
    assert (await opensqt(data, "risk", "trip", "--run", run, "--why", "more"))["phase"] == "open"
    async with Ledger.open(url) as ledger:
        assert [each.why for each in await ledger.audit_trail(run, 1)] == ["more"]


@pytest.fixture(name="cast")
async def _cast(tmp_path: Path) -> AsyncIterator[Cast]:
    cast = Cast(tmp_path, (*MARKET, "--speed", "0"))
    try:
        yield cast
    finally:
        cast.end()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_durable_a_breaker_outlives_the_kill_of_everything(cast: Cast) -> None:
    client = await cast.start()
    await cast.control("Advance", paper_pb2.AdvanceRequest(max_events=1))
    run = await begin(client)
    async with cast.venue() as venue:
        await comes_to(venue, 5, 0)
        await cast.control("Advance", UNTIL_REPORT)
        await comes_to(venue, 5, 1)
        await opensqt(cast.directory, "risk", "trip", "--why", "news at two")
        await comes_to(venue, 0, 1)
        for victim in (cast.worker, cast.server, cast.exchange):
            victim.kill()
        before = entries(cast.sent())
        for victim in (cast.exchange, cast.server):
            victim.start()
        await cast.server.ready()
        await eventually(cast.status, ignoring=(grpc.aio.AioRpcError,), what="an exchange")
        cast.worker.start()
        await eventually(lambda: sold(cast), every=0.5, what="the exit to fill")
        await comes_to(venue, 0, 0)
        assert entries(cast.sent()) == before
        shown = await opensqt(cast.directory, "risk", "status")
        assert [(each["name"], each["halted"]) for each in shown["runs"]] == [(run.id, True)]
        await opensqt(cast.directory, "risk", "reset", "--why", "all is well")
        await comes_to(venue, 5, 0)
        await was_reset(cast.directory, cast.ledger_url, run.id)
        await comes_to(venue, 0, 0)


async def sold(cast: Cast) -> bool:
    await cast.control("Advance", UNTIL_REPORT)
    async with cast.venue() as venue:
        return not await venue.positions(SYMBOL)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_simple_a_breaker_outlives_the_kill_of_everything(tmp_path: Path) -> None:
    data, url = tmp_path / "run", f"sqlite:///{tmp_path / 'run' / 'ledger.db'}"
    async with (
        started(tmp_path / "exchange", *MARKET, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "paper") as venue,
    ):
        await exchange.advance(1)
        runner = Simple(exchange, data, SPEC)
        try:
            await opensqt(data, "db", "upgrade")
            await runner.start()
            await comes_to(venue, 5, 0)
            await exchange.advance(100_000, report=True)
            await comes_to(venue, 5, 1)
            await opensqt(data, "risk", "trip", "--why", "news at two")
            await comes_to(venue, 0, 1)
            await runner.kill()
            before = entries(list(sendings(tmp_path / "exchange")))
            await runner.start()
            await eventually(lambda: has_sold(exchange, venue), every=0.5, what="the exit to fill")
            await comes_to(venue, 0, 0)
            assert entries(list(sendings(tmp_path / "exchange"))) == before
            shown = await opensqt(data, "risk", "status")
            assert [(each["name"], each["halted"]) for each in shown["runs"]] == [(NAME, True)]
            await opensqt(data, "risk", "reset", "--why", "all is well")
            await comes_to(venue, 5, 0)
            await was_reset(data, url, NAME)
            await comes_to(venue, 0, 0)
        finally:
            await runner.kill()


async def has_sold(exchange: Exchange, venue: RemoteVenue) -> bool:
    await exchange.advance(100_000, report=True)
    return not await venue.positions(SYMBOL)

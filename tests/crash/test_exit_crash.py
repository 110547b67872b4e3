"""Everything is killed again and again on the way out: it ends flat, and each order exists once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

import grpc
import pytest

from activities.exits import Exits
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.venues.remote import RemoteVenue
from domain.errors import StoreError
from domain.order_ids import decode
from domain.risk.way_out import WayOut
from opensqt.market_maker.v1 import paper_pb2, paper_pb2_grpc
from tests.crash.books import EPOCH
from tests.crash.cast import Cast
from tests.crash.simple import NAME, SYMBOL, Simple, answer, sendings
from tests.crash.test_durable_crash import MARKET, begin
from tests.crash.test_risk_crash import SPEC, UNTIL_REPORT, comes_to, opensqt
from tests.eventually import eventually
from tests.workers.exchange.process import started

KILLS = 6
#: Every third closing order is refused and every other answer lost, so that there is time to kill.
FAULTS = paper_pb2.SetFaultsRequest(
    rules=[
        paper_pb2.FaultRule(
            method="PlaceOrder", kind=paper_pb2.FAULT_KIND_REFUSE, every=1, count=3
        ),
        paper_pb2.FaultRule(method="PlaceOrder", kind=paper_pb2.FAULT_KIND_LOST_ANSWER, every=2),
        paper_pb2.FaultRule(
            method="CancelOrder", kind=paper_pb2.FAULT_KIND_UNAVAILABLE, every=2, count=6
        ),
    ]
)


async def way_of(url: str, run_id: str) -> WayOut | None:
    async with Ledger.open(url) as ledger:
        return (await Exits(ledger, RiskDesk(ledger)).of([run_id])).get(run_id)


async def has_ended(url: str, run_id: str) -> WayOut | None:
    way = await way_of(url, run_id)
    return way if way is not None and way.ended else None


async def is_well(venue: RemoteVenue, sent: list[str], url: str, run_id: str) -> None:
    """Check what is left at the venue, what was sent, and the books."""
    assert not await venue.positions(SYMBOL)
    assert not await venue.open_orders(SYMBOL)
    assert [each for each, times in Counter(sent).items() if times > 1] == []
    fills = await venue.fills_since(SYMBOL, EPOCH)
    held = list(accumulate(fill.side.sign * fill.quantity.lots for fill in fills))
    assert held[-1] == 0
    assert min(held) >= 0
    keys = [key for each in sent if (key := decode(each))]
    assert any(key.purpose.leaves for key in keys)
    async with Ledger.open(url) as ledger:
        assert len(await ledger.fills_of_run(run_id)) == len(fills)
        last = (await ledger.equity_of_run(run_id))[-1]
        assert last.residual == 0


@pytest.fixture(name="cast")
async def _cast(tmp_path: Path) -> AsyncIterator[Cast]:
    cast = Cast(tmp_path, (*MARKET, "--speed", "0"))
    try:
        yield cast
    finally:
        cast.end()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_durable_killed_on_the_way_out_it_ends_flat(cast: Cast) -> None:
    chance = random.Random(5)
    client = await cast.start()
    await cast.control("Advance", paper_pb2.AdvanceRequest(max_events=1))
    run = await begin(client)
    async with cast.venue() as venue:
        await comes_to(venue, 5, 0)
        await cast.control("Advance", UNTIL_REPORT)
        await comes_to(venue, 5, 1)
        await cast.control("SetFaults", FAULTS)
        words = ("grid", "exit", run.id, "--why", "a test", "--yes", "--no-wait")
        await opensqt(cast.directory, *words)
        for number in range(KILLS):
            await asyncio.sleep(chance.uniform(0.2, 1.5))  # the random moment
            victims: list[Any] = [cast.worker, cast.server] if number % 3 == 2 else [cast.worker]
            for victim in victims:
                victim.kill()
            for victim in reversed(victims):
                victim.start()
        await cast.server.ready()
        await eventually(
            lambda: has_ended(cast.ledger_url, run.id),
            within=120,
            every=0.5,
            ignoring=(StoreError,),
            what="the end of the exit",
        )
        handle: Any = client.get_workflow_handle(f"{run.id}/exit/1")
        result = await asyncio.wait_for(handle.result(), 60)
        assert Decimal(result["residual"]) == 0
        await is_well(venue, cast.sent(), cast.ledger_url, run.id)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_simple_killed_on_the_way_out_it_ends_flat(tmp_path: Path) -> None:
    chance = random.Random(6)
    data, url = tmp_path / "run", f"sqlite:///{tmp_path / 'run' / 'ledger.db'}"
    async with (
        started(tmp_path / "exchange", *MARKET, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "paper") as venue,
    ):
        await exchange.advance(1)
        runner = Simple(exchange, data, SPEC)
        try:
            await opensqt(data, "db", "upgrade")
            process = await runner.start()
            await comes_to(venue, 5, 0)
            await exchange.advance(100_000, report=True)
            await comes_to(venue, 5, 1)
            async with grpc.aio.insecure_channel(exchange.address) as channel:
                await paper_pb2_grpc.PaperControlServiceStub(channel).SetFaults(FAULTS)
            words = ("grid", "exit", NAME, "--why", "a test", "--yes", "--no-wait")
            await opensqt(data, *words)
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(1.5, 4))  # it takes a second to come up
                await runner.kill()
                if await has_ended(url, NAME):
                    break
                process = await runner.start()
            output, errors = await asyncio.wait_for(process.communicate(), 120)
            if process.returncode == 0:  # else the last kill came behind the end
                told = answer(output)["result"]
                assert Decimal(told["position"]) == Decimal(told["residual"]) == 0
            assert await has_ended(url, NAME), errors.decode()
            await is_well(venue, list(sendings(tmp_path / "exchange").elements()), url, NAME)
        finally:
            await runner.kill()

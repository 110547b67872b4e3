"""A grid on live paper, through a restart of the exchange and an outage of the market."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from activities.risk import RiskDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.remote import RemoteVenue
from domain.grid.events import StopAsked
from domain.grid.spec import StopMode, parse_spec
from domain.risk.facts import PreflightSpec
from domain.risk.spec import RiskSpec
from tests.contract.bench import START
from tests.eventually import eventually
from tests.workers.exchange.live.market import blind, following, real_market, sees
from workers.exchange.server import Running
from workers.simple_run import SimpleRun
from workers.wiring import desks

#: The market of the test is of another day.
RISK = RiskSpec(preflight=PreflightSpec(max_price_age=10**9))
SPEC = {"symbol": "BTC/USDT:USDT", "account": "alice", "interval": 10, "amount": 50}


@asynccontextmanager
async def grid(address: str, directory: Path) -> AsyncIterator[SimpleRun]:
    """Run a grid against the exchange at *address*, with ledger and checkpoint of its own."""
    for name in ("ledger.db", "simple.db"):
        upgrade(sqlite_url(directory / name))
    spec = parse_spec({**SPEC, "buy_window": 3, "reconcile_every": 3600})
    async with (
        Ledger.open(sqlite_url(directory / "ledger.db")) as ledger,
        RemoteVenue(address, "alice") as venue,
    ):
        with CheckpointStore.open(directory / "simple.db", "live") as store:
            alice = desks("alice", venue, ledger, RiskDesk(ledger, RISK))
            run = await SimpleRun.open("live", spec, alice, store)
            yield run


async def rests(paper: Running, symbol: str, *prices: int) -> None:
    """Wait until the account's orders rest at exactly *prices*."""

    def resting() -> bool:
        orders = paper.host.exchange.open_orders("alice", symbol)
        return {each.price.ticks // 10 for each in orders if each.price} == set(prices)

    await eventually(resting, what=f"orders at {prices}")


async def test_a_grid_trades_at_the_real_prices_through_a_restart_and_an_outage(
    tmp_path: Path,
) -> None:
    prices = (1000, 989, 979, 1003, 1003)
    async with (
        real_market(tmp_path / "real", prices) as market,
        AsyncExitStack() as stack,
    ):
        settings, symbol = market.feed(tmp_path / "paper"), market.symbol
        async with following(settings) as (paper, _):
            settings = replace(settings, listen=paper.address)  # where the grid finds it again
            run = await stack.enter_async_context(grid(paper.address, tmp_path))
            working = asyncio.create_task(run.run())
            await rests(paper, symbol, 990, 980, 970)
            market.trade()  # 989: the first entry fills, and its exit rests
            await rests(paper, symbol, 1000, 980, 970, 960)
        async with following(settings) as (paper, venue):
            market.trade()  # 979: the second entry fills, after the restart
            await rests(paper, symbol, 1000, 990, 970, 960, 950)
            market.cut()
            market.trade()  # 1003, which nobody hears of
            await blind(paper)
            market.heal()
            await sees(paper, symbol, 1003)  # beyond both exits: the market went through them
            fills = await venue.fills_since(symbol, START - timedelta(days=1))
            traded = sorted((each.price.ticks // 10, each.side.value) for each in fills)
            assert traded == [(980, "buy"), (990, "buy"), (990, "sell"), (1000, "sell")]
            assert all(each.maker for each in fills)
            await eventually(lambda: run.state.totals.cycles == 2)
            run.tell(StopAsked(StopMode.CLOSE, datetime.now(UTC)))
            result = await asyncio.wait_for(working, 60)
    assert result is not None
    assert result.cycles == 2
    assert result.position == 0
    assert result.residual == 0

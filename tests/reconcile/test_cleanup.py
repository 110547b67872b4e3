"""Cleanup end to end, by both runners: K-8 and K-9 with a real exchange behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from domain.money import MarketKind
from domain.orders import Side
from tests.eventually import eventually
from tests.reconcile.runs import RUNNERS, Running, Runs
from tests.reconcile.worlds import Counted, World, opened_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@asynccontextmanager
async def resting(
    runner: str, directory: Path, client: Client, **fields: Any
) -> AsyncIterator[tuple[World, Runs, Running]]:
    """Yield a run with three entries."""
    async with opened_world("paper", MarketKind.PERPETUAL, directory) as world:
        runs = Runs(runner, world, directory, client, fields={"reconcile_every": 5, **fields})
        async with runs.life() as run:
            await eventually(lambda: len(world.resting(Side.BUY)) == 3, what="three entries")
            yield world, runs, run


async def time_passes(world: World, times: int = 2) -> None:
    """Wait until the run has compared itself some more times; each time it cleans up first."""
    assert isinstance(world.venue, Counted)
    venue, wanted = world.venue, world.venue.views + times
    await eventually(lambda: venue.views >= wanted, what=f"{times} looks")


def prices(world: World) -> list[int]:
    return sorted(order.price.ticks for order in world.resting(Side.BUY) if order.price)


@pytest.mark.parametrize("runner", RUNNERS)
async def test_k8_the_farthest_go_partly_filled_ones_stay_and_nothing_comes_back(
    runner: str, tmp_path: Path, client: Client
) -> None:
    async with resting(runner, tmp_path, client) as (world, runs, run):
        await time_passes(world, 1)  # its feed tells a run that has just begun some prices twice
        world.trade(9_895, lots=5)
        await eventually(lambda: world.lots == 5, what="a partial fill")
        await run.reconfigure(runs.spec(cleanup={"threshold": 1}, bounds={"lower": "970"}))
        await eventually(lambda: prices(world) == [9_900], what="the one that is partly filled")
        taken = len(world.orders())
        await time_passes(world)
        assert len(world.orders()) == taken
        status = await run.status()
        assert (status.working_orders, status.phase) == (1, "running")


@pytest.mark.parametrize("runner", RUNNERS)
async def test_k9_nothing_is_old_that_was_not_seen_for_so_long(
    runner: str, tmp_path: Path, client: Client
) -> None:
    """The market of this test is an hour behind our clock: by the venue's time all are old."""
    async with resting(runner, tmp_path, client, cleanup={"max_age": 60}) as (world, _, _):
        await time_passes(world)
        assert prices(world) == [9_700, 9_800, 9_900]

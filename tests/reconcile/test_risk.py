"""Risk and recovery, each scenario once: for both runners, on paper and at a local exchange."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import Client

from domain.grid.spec import StopMode
from domain.money import MarketKind
from domain.orders import Side
from domain.risk.breaker_events import TradeClosed
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.monitor import Verdict
from domain.risk.monitor_spec import MonitorSpec
from domain.risk.scope import Scope, ScopeKind
from domain.risk.spec import RiskSpec
from tests.eventually import eventually
from tests.reconcile.runs import RUNNERS, Running, Runs
from tests.reconcile.worlds import World, opened_world

VENUES = ("paper", "bybit")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
#: A word of the monitor counts for so long; the tests say all words themselves.
MONITOR = MonitorSpec(symbols=("BTC/USDT",), stale_after=600)


@pytest.fixture(name="runner", params=RUNNERS)
def _runner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="venue", params=VENUES)
def _venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="runs")
async def _runs(venue: str, runner: str, tmp_path: Path, client: Client) -> AsyncIterator[Runs]:
    async with opened_world(venue, MarketKind.PERPETUAL, tmp_path) as world:
        yield Runs(runner, world, tmp_path, client)


async def rests(world: World, buys: int, sells: int) -> None:
    """Wait until so many buys and sells rest."""
    await eventually(
        lambda: (len(world.resting(Side.BUY)), len(world.resting(Side.SELL))) == (buys, sells),
        what=f"{buys} buys and {sells} sells",
    )


async def bought(world: World) -> None:
    """Let the market come down to the first entry, and wait for its exit."""
    while not world.lots:
        world.advance(1)
    await eventually(lambda: len(world.resting(Side.SELL)) >= 1, what="an exit")


@asynccontextmanager
async def holding(runs: Runs) -> AsyncIterator[Running]:
    """Yield a run that holds what its first entry bought."""
    async with runs.life() as run:
        await rests(runs.world, 3, 0)
        await bought(runs.world)
        yield run


def scope(runs: Runs) -> Scope:
    return Scope(ScopeKind.RUN, runs.name)


async def test_a_trip_takes_the_entries_and_leaves_the_exits_until_the_reset(runs: Runs) -> None:
    async with holding(runs) as run:
        exits = len(runs.world.resting(Side.SELL))
        await run.desks.risk.trip(scope(runs), "ann", "news at two")
        await rests(runs.world, 0, exits)
        assert (await run.status()).risk != "clear"
        await run.desks.risk.reset(scope(runs), "ann", "all is well")
        await eventually(lambda: len(runs.world.resting(Side.BUY)) >= 2, what="entries again")
        await run.desks.risk.trip(scope(runs), "ben", "once more")  # the trigger works again
        await rests(runs.world, 0, exits)

        told = await run.desks.ledger.audit_trail(runs.name, 10)
        moves = [(each.command, each.who, each.why) for each in told if each.source == "risk"]
        assert moves[::-1] == [
            ("breaker open", "ann", "news at two"),
            ("breaker closed", "ann", "all is well"),
            ("breaker open", "ben", "once more"),
        ]
        result = await run.stop(StopMode.CLOSE)
        assert result.position == 0
        assert result.residual == 0


async def test_a_storm_halts_entries_and_the_calm_brings_them_back(runs: Runs) -> None:
    runs.risk = RiskSpec(monitor=MONITOR)

    def word(*, halted: bool) -> Verdict:
        return Verdict(halted, "a storm" if halted else "calm", datetime.now(UTC), halted)

    async with runs.life() as run:
        # Nobody has spoken yet: nothing is opened (D9).
        await eventually(run.status, ignoring=(Exception,), what="the run")
        assert runs.world.resting(Side.BUY) == []
        await run.desks.risk.speak(word(halted=False), "guard", timedelta())
        await rests(runs.world, 3, 0)
        await bought(runs.world)
        exits = len(runs.world.resting(Side.SELL))
        await run.desks.risk.speak(word(halted=True), "guard", timedelta())
        await rests(runs.world, 0, exits)
        await run.desks.risk.speak(word(halted=False), "guard", timedelta())
        await eventually(lambda: len(runs.world.resting(Side.BUY)) >= 2, what="entries again")
        result = await run.stop(StopMode.CLOSE)
        assert result.residual == 0


async def test_a_breaker_outlives_the_process_and_its_exits_go_on(runs: Runs) -> None:
    async with holding(runs) as run:
        exits = len(runs.world.resting(Side.SELL))
        await run.desks.risk.trip(scope(runs), "ann", "news at two")
        await rests(runs.world, 0, exits)
    async with runs.life() as run:

        async def halted() -> bool:
            return (await run.status()).risk != "clear"

        await eventually(halted, ignoring=(Exception,), what="a run that knows of the breaker")
        assert runs.world.resting(Side.BUY) == []
        result = await run.stop(StopMode.CLOSE)
        assert result.position == 0
        assert result.residual == 0


async def test_a_cooled_down_breaker_lets_one_entry_through_as_a_trial(runs: Runs) -> None:
    runs.risk = RiskSpec(breaker=BreakerSpec(consecutive_losses=1, cooldown=1))
    async with runs.life() as run:
        await rests(runs.world, 3, 0)
        lost = TradeClosed(Decimal(-1), datetime.now(UTC))
        await run.desks.risk.tell([scope(runs)], lost)
        await rests(runs.world, 0, 0)
        await rests(runs.world, 1, 0)  # a second later
        stands = await run.desks.risk.standing(runs.name, runs.name)
        assert stands.halted, "the trial is under way: no second entry passes the last gate"
        await run.desks.risk.reset(scope(runs), "ann", "it was a test")
        await rests(runs.world, 3, 0)
        result = await run.stop(StopMode.CLOSE)
        assert result.residual == 0


async def test_te07_a_fill_while_nobody_was_there_is_found_and_answered(runs: Runs) -> None:
    async with runs.life():
        await rests(runs.world, 3, 0)
    before = runs.world.lots
    while runs.world.lots == before:
        runs.world.advance(1)
    bought = runs.world.lots
    async with runs.life() as run:
        await eventually(lambda: runs.world.leaves == bought, what="an exit for all of it")

        async def known() -> bool:
            return (await run.status()).position > 0

        await eventually(known, ignoring=(Exception,), what="a run that knows what it holds")
        result = await run.stop(StopMode.CLOSE)
        assert result.position == 0
        assert result.residual == 0

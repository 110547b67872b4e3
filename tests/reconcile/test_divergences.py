"""Each divergence ends as the table in docs/reconcile.md says, by both runners at both venues."""

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from domain.grid.spec import StopMode
from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderRequest, Side
from domain.risk.breaker import BreakerState, Phase
from domain.risk.measures import Cause
from domain.risk.scope import Scope, ScopeKind
from tests.contract.bench import START
from tests.eventually import eventually
from tests.reconcile.runs import RUNNERS, Running, Runs
from tests.reconcile.worlds import World, opened_world

VENUES = ("paper", "binance")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(name="runner", params=RUNNERS)
def _runner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="venue", params=VENUES)
def _venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def holding(
    venue: str,
    runner: str,
    directory: Path,
    client: Client,
    *,
    exclusive: bool = False,
    kind: MarketKind = MarketKind.PERPETUAL,
) -> AsyncIterator[tuple[World, Runs, Running]]:
    """Yield a run that holds what two entries bought, with its exits and one entry resting."""
    async with opened_world(venue, kind, directory) as world:
        runs = Runs(runner, world, directory, client, exclusive)
        async with runs.life() as run:
            await _bought(world, run)
            yield world, runs, run


async def _bought(world: World, run: Running) -> None:
    await eventually(lambda: len(world.resting(Side.BUY)) == 3, what="three entries")
    world.advance(4)

    async def done() -> bool:
        status = await run.status()
        exits, entries = world.resting(Side.SELL), world.resting(Side.BUY)
        held = await run.desks.ledger.account_of_run(run.desks.account)
        told = world.instrument.base_of(Quantity(sum(order.leaves.lots for order in exits)))
        return (
            len(entries) >= 1
            and status.position == held.base
            and told > 0 == (status.position - told)
        )

    await eventually(done, ignoring=(Exception,), what="two exits")


async def comes(run: Running, condition: Callable[[], Any]) -> None:
    """Ask for comparisons until *condition* holds: one that races a fill is not judged."""

    async def asked() -> Any:
        met = condition()
        met = await met if inspect.isawaitable(met) else met
        if not met:
            await run.reconcile()
        return met

    await eventually(asked, every=1)


async def breaker(run: Running, kind: ScopeKind) -> BreakerState:
    scope = Scope(kind, run.desks.account)  # run and account are called the same here
    return (await run.desks.risk.known([scope])).breakers[scope]


# --- positions


@pytest.mark.parametrize("tenths", [10, 49])
async def test_a_small_divergence_is_corrected_everywhere(
    venue: str, runner: str, tenths: int, tmp_path: Path, client: Client
) -> None:
    async with holding(venue, runner, tmp_path, client) as (world, _, run):
        taken = world.lots * tenths // 1000
        world.by_hand(-taken)
        await comes(run, lambda: run.desks.ledger.corrections_of_run(run.desks.account))
        await eventually(lambda: world.leaves == world.lots, what="exits for what is there")
        assert (await run.status()).position == world.instrument.base_of(Quantity(world.lots))
        (correction,) = await run.desks.ledger.corrections_of_run(run.desks.account)
        assert correction.lots == -taken
        trail = await run.desks.ledger.audit_trail(run.desks.account)
        assert [entry.who for entry in trail if entry.command == "correct"] == ["reconciler"]
        events = await run.desks.ledger.risk_events(run.desks.account)
        assert [event.kind for event in events] == ["correction"]
        for scope in (ScopeKind.RUN, ScopeKind.ACCOUNT):
            assert (await breaker(run, scope)).phase is Phase.CLOSED
        await run.reconcile()  # nothing is left to correct
        hand = next(
            f
            for f in world.exchange.fills_since("alice", world.instrument.symbol, START)
            if f.client_id == "by-hand"
        )
        result = await run.stop(StopMode.CLOSE)
        assert result.position == 0
        assert len(await run.desks.ledger.corrections_of_run(run.desks.account)) == 1
        # What is left is what somebody's trade cost him, and its price against the correction's.
        price = world.instrument.price_of(hand.price) - world.instrument.price_of(correction.price)
        assert result.residual == price * world.instrument.base_of(hand.quantity) - hand.fee


@pytest.mark.parametrize("percent", [5, 50, 150])
async def test_a_severe_divergence_stops_entries_and_no_exit(
    venue: str, runner: str, percent: int, tmp_path: Path, client: Client
) -> None:
    async with holding(venue, runner, tmp_path, client) as (world, _, run):
        held = world.lots
        world.by_hand(-held * percent // 100)  # rounded away from nothing
        await comes(run, lambda: not world.resting(Side.BUY))
        for scope in (ScopeKind.RUN, ScopeKind.ACCOUNT):
            opened = await breaker(run, scope)
            assert (opened.phase, opened.cause) == (Phase.OPEN, Cause.DIVERGENCE)
            assert ("wrong side" in opened.reason) == (percent > 100)
        assert await run.desks.ledger.corrections_of_run(run.desks.account) == []
        status = await run.status()
        assert status.position == world.instrument.base_of(Quantity(held)), "nothing is guessed"
        if percent < 100:
            before = world.lots
            world.advance(1)  # up to the first exit, which trades as ever
            await eventually(lambda: 0 < world.lots < before, what="an exit")


# --- orders


@pytest.mark.parametrize("exclusive", [False, True])
async def test_an_unknown_order_is_told_and_canceled_only_where_nobody_else_trades(
    venue: str, runner: str, *, exclusive: bool, tmp_path: Path, client: Client
) -> None:
    async with holding(venue, runner, tmp_path, client, exclusive=exclusive) as (world, _, run):
        symbol = world.instrument.symbol
        world.place(OrderRequest("by-hand", symbol, Side.BUY, Quantity(7), Price(9_000)))
        kind = "foreign order canceled" if exclusive else "foreign order"

        async def told() -> bool:
            await run.reconcile()
            events = await run.desks.ledger.risk_events(run.desks.account)
            return [event.kind for event in events] == [kind]

        await eventually(told, what=kind)
        there = [order.client_id for order in world.resting(Side.BUY)]
        assert ("by-hand" in there) is not exclusive
        assert (await breaker(run, ScopeKind.RUN)).phase is Phase.CLOSED


# --- databases


async def test_a_lost_ledger_is_told_of_the_run_and_halts_it(
    venue: str, runner: str, tmp_path: Path, client: Client
) -> None:
    async with opened_world(venue, MarketKind.PERPETUAL, tmp_path) as world:
        runs = Runs(runner, world, tmp_path, client)
        async with runs.life() as run:
            await _bought(world, run)
            held = (await run.status()).position
        runs.new_ledger()
        async with runs.life() as run:
            await run.reconcile()
            await eventually(lambda: not world.resting(Side.BUY), what="no entry")
            opened = await breaker(run, ScopeKind.RUN)
            assert (opened.phase, opened.cause, opened.who) == (
                Phase.OPEN,
                Cause.MANUAL,
                "reconciler",
            )
            assert (await run.status()).position == held
            assert await run.desks.ledger.corrections_of_run(run.desks.account) == []
            stored = await run.desks.ledger.run(run.desks.account)
            assert stored is not None
            assert len(await run.desks.ledger.fills_of_run(run.desks.account)) == 2
            before = world.lots
            world.advance(1)
            await eventually(lambda: 0 < world.lots < before, what="an exit")
            result = await run.stop(StopMode.CLOSE)
            assert (result.position, result.residual) == (Decimal(0), None)
            assert world.lots == 0

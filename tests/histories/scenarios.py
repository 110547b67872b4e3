"""What the recorded histories tell: each is a run from its start to its end, on a stage."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import pytest
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowFailureError, WorkflowHandle

from activities.delivery import Delivery
from activities.exits import Exits
from activities.messages import RiskCommand
from domain.grid.spec import StopMode, parse_spec
from domain.money import Price, Quantity
from domain.orders import OrderRequest, Side
from tests.eventually import eventually
from tests.workflows.guarding import RollingGuard, calm, guarded, guarding, shows, trade
from tests.workflows.stage import INSTRUMENT, SYMBOL, Stage
from workers.durable import services_worker
from workers.wiring import ensure_feed, ensure_services, start_exit
from workflows.messages import Command, ReconfigureGrid, ResumeGrid, StopGrid
from workflows.names import ALERT_RUN_ID, RISK_GUARD_ID, exit_workflow_id, feed_workflow_id

Run = WorkflowHandle[Any, Any]
Scenario = Callable[[Stage], Awaitable[Run]]


def name_of(scenario: str) -> str:
    """Return the name of the run that *scenario* starts; it is replayed under no other."""
    return f"recorded-{scenario.replace('_', '-')}"


async def fills(stage: Stage) -> Run:
    """Three levels fall, and come back."""
    run = await stage.trading(name_of("fills"))
    for price in (59_900, 59_800, 59_700):
        stage.trade(price)
    await stage.until(run, fills=3)
    await stage.resting(buys=[59_600, 59_500, 59_400], sells=[59_800, 59_900, 60_000])
    for price in (59_800, 59_900, 60_000):
        stage.trade(price)
    await stage.until(run, cycles=3)
    return await _closed(run)


async def partial_fills(stage: Stage) -> Run:
    """An entry and its exit fill in parts; the run ends with a part left over."""
    run = await stage.trading(name_of("partial_fills"))
    stage.trade(59_900, lots=1)
    await stage.until(run, fills=1)
    stage.trade(59_900, lots=1)
    await stage.until(run, fills=2)
    await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    stage.trade(60_000, lots=1)
    await stage.until(run, fills=3)
    return await _closed(run)


async def pause(stage: Stage) -> Run:
    """A pause with an exit in it, and on it goes."""
    run = await stage.trading(name_of("pause"))
    stage.trade(59_900)
    await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    await run.execute_update("pause", Command(by="recorder", why="a pause"))
    stage.trade(60_000)
    await stage.until(run, cycles=1)
    await run.execute_update("resume", Command(by="recorder"))
    await stage.resting(buys=[59_900, 59_800, 59_700])
    return await _closed(run)


async def resume(stage: Stage) -> Run:
    """A run goes on after its preflight, which older recordings of a pause do not have."""
    run = await stage.trading(name_of("resume"))
    stage.trade(59_900)
    await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    await run.execute_update("pause", Command(by="recorder", why="a pause"))
    await run.execute_update("resume", ResumeGrid(by="recorder"))
    await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    return await _closed(run)


async def reconfigure(stage: Stage) -> Run:
    """Wider levels for a run that holds something."""
    run = await stage.trading(name_of("reconfigure"))
    stage.trade(59_900)
    await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    spec = parse_spec(stage.spec(interval="200", buy_window=2))
    await run.execute_update("reconfigure", ReconfigureGrid(spec, by="recorder"))
    await stage.resting(buys=[59_800, 59_600], sells=[60_000])
    return await _closed(run)


async def reconfigure_with_room(stage: Stage) -> Run:
    """The same with a reservation that is renewed first, which older recordings do not have."""
    run = await stage.trading(name_of("reconfigure_with_room"))
    stage.trade(59_900)
    await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    spec = parse_spec(stage.spec(interval="200", buy_window=2))
    await run.execute_update("reconfigure", ReconfigureGrid(spec, by="recorder"))
    await stage.resting(buys=[59_800, 59_600], sells=[60_000])
    return await _closed(run)


async def large_batch(stage: Stage) -> Run:
    """More orders than a local activity takes: they go through the queue."""
    stage.trade(60_000)
    run = await stage.start(name_of("large_batch"), buy_window=12)
    await stage.until(run, working_orders=12)
    return await _closed(run)


async def stop_keep(stage: Stage) -> Run:
    """All orders stay where they are."""
    run = await stage.trading(name_of("stop_keep"))
    stage.trade(59_900)
    await stage.until(run, fills=1)
    await run.execute_update("stop", StopGrid(StopMode.KEEP, by="recorder"))
    await run.result()
    return run


async def corrected(stage: Stage) -> Run:
    """Somebody sells one lot of a hundred; a comparison that was asked for sets the run right."""
    run = await stage.trading(name_of("corrected"), amount="3100")
    for price in (59_900, 59_800):
        stage.trade(price)
    await stage.until(run, fills=2)
    lots = sum(position.lots for position in await stage.venue.positions(SYMBOL))
    by_hand = OrderRequest("by-hand", SYMBOL, Side.SELL, Quantity(1), Price(59_750))
    await stage.venue.place(by_hand)
    held = INSTRUMENT.base_of(Quantity(lots - 1))

    async def right() -> bool:
        await run.execute_update("reconcile", Command(by="recorder", why="a look"))
        return (await stage.status(run)).position == held

    await eventually(right, every=1, what="a correction")
    return await _closed(run)


async def unreadable_feed(stage: Stage) -> Run:
    """A batch that nobody can read makes the run ask the venue."""
    run = await stage.trading(name_of("unreadable_feed"))
    await run.signal("feed", {"session": 7})
    await stage.until(run, feed="live")
    return await _closed(run)


async def continue_as_new(stage: Stage) -> Run:
    """Enough fills for several workflows; recorded is the first, which ends with its state."""
    run = await stage.trading(name_of("continue_as_new"))
    for lap in range(1, 9):
        stage.trade(59_900)
        await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
        stage.trade(60_000)
        await stage.resting(buys=[59_900, 59_800, 59_700, 59_600])
        await stage.until(run, cycles=lap)
    return await _closed(run)


async def hand_over(stage: Stage) -> Run:
    """Something is held when an emergency exit takes over."""
    await _left(stage, name_of("hand_over"))
    return stage.client.get_workflow_handle(name_of("hand_over"))


async def emergency_exit(stage: Stage) -> Run:
    """The exit that takes over, from its request to the last lot."""
    return await _left(stage, name_of("emergency_exit"))


async def _left(stage: Stage, name: str) -> Run:
    """Start a run, let it hold something, and leave; return the exit, which has ended."""
    run = await stage.trading(name)
    stage.trade(59_900)
    await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    stored = await stage.ledger.run(name)
    assert stored is not None
    way = await Exits(stage.ledger, stage.desks.risk).ask(stored, "recorder", "to be recorded")
    await start_exit(stage.client, way)
    leaving = stage.client.get_workflow_handle(exit_workflow_id(name, way.number))
    await leaving.result()
    await run.result()
    return leaving


async def risk_guard(stage: Stage) -> Run:
    """A guard that tells of calm and storm, takes commands, and goes on in a new workflow."""
    stage = guarded(stage)
    calm(stage)
    async with guarding(stage, RollingGuard) as guard:
        await shows(guard, halted=False)
        await guard.execute_update("trip", RiskCommand("overall", "news", "recorder"))
        await guard.execute_update("reset", RiskCommand("overall", "over", "recorder"))
        trade(stage, 59_900, 1, lots=500)
        await shows(guard, halted=True)
        first = (await guard.describe()).raw_description.workflow_execution_info.first_run_id

        async def rolled() -> bool:
            trade(stage, 60_000, 60)
            return (await guard.describe()).run_id != first

        await eventually(rolled, what="a guard that went on")
    return guard


async def feed_run(stage: Stage) -> Run:
    """The streams of an account until they are canceled; others follow them."""
    await stage.trading(name_of("feed_run"))
    feed = await _canceled(stage, feed_workflow_id(stage.account))
    await ensure_feed(stage.client, stage.account)
    return feed


async def alert_run(stage: Stage) -> Run:
    """The delivery of alerts until it is canceled."""
    await ensure_services(stage.client)
    try:
        async with services_worker(
            stage.client, None, stage.desks.risk, Delivery(stage.ledger, ())
        ):
            return await _canceled(stage, ALERT_RUN_ID)
    finally:
        await stage.client.get_workflow_handle(RISK_GUARD_ID).terminate("it is recorded")


SCENARIOS: Final[Mapping[str, Scenario]] = {
    scenario.__name__: scenario
    for scenario in (
        fills,
        partial_fills,
        pause,
        resume,
        reconfigure,
        reconfigure_with_room,
        large_batch,
        stop_keep,
        corrected,
        unreadable_feed,
        continue_as_new,
        hand_over,
        emergency_exit,
        risk_guard,
        feed_run,
        alert_run,
    )
}


async def _canceled(stage: Stage, name: str) -> Run:
    """Cancel a workflow once its one activity is at work; return it when it has ended."""
    run = stage.client.get_workflow_handle(name)

    async def at_work() -> str | None:
        told = (await run.describe()).raw_description
        states = [each.state for each in told.pending_activities]
        at_work = states == [PendingActivityState.PENDING_ACTIVITY_STATE_STARTED]
        return told.workflow_execution_info.execution.run_id if at_work else None

    this = stage.client.get_workflow_handle(name, run_id=await eventually(at_work, what=name))
    await this.cancel()
    with pytest.raises(WorkflowFailureError):
        await this.result()
    return this


async def _closed(run: Run) -> Run:
    await run.execute_update("stop", StopGrid(StopMode.CLOSE, by="recorder"))
    await run.result()
    return run

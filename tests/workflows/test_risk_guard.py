"""RiskGuard on a real Temporal server: it guards, it shows, it takes commands, and it rolls."""

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from activities.messages import RiskCommand
from tests.eventually import eventually
from tests.workflows.guarding import RollingGuard, calm, guarding, shows, trade
from tests.workflows.guarding import guarded as market_time
from tests.workflows.stage import Stage, working
from workers.durable import services_worker
from workers.wiring import ensure_guard
from workflows.names import RISK_GUARD_ID


@pytest.fixture(name="guarded")
def _guarded(stage: Stage) -> Stage:
    return market_time(stage)


def bought(stage: Stage) -> int:
    """Return how many buys the venue ever took."""
    return sum(order.side == "buy" for order in stage.orders())


async def details(client: Client) -> str:
    told = await client.get_workflow_handle(RISK_GUARD_ID).query("__temporal_workflow_metadata")
    return str(told)


async def test_te03_a_storm_cancels_the_buys_of_a_run_and_its_end_brings_them_back(
    guarded: Stage,
) -> None:
    stage = guarded
    calm(stage)
    async with guarding(stage) as guard, working(stage):
        await shows(guard, halted=False)
        await stage.start()
        await stage.resting(buys=[59_900, 59_800, 59_700])
        trade(stage, 59_900, 1, lots=500)
        loud = await shows(guard, halted=True)
        await stage.resting(sells=[60_000])
        before = bought(stage)
        assert loud.verdict is not None
        shown = await details(stage.client)
        assert "**halted**" in shown
        assert loud.verdict.why.split(";")[0] in shown
        assert "| anomalous |" in shown
        trade(stage, 60_000, 60)  # the exit passes
        await stage.resting()
        trade(stage, 60_100, 1)
        assert bought(stage) == before
        trade(stage, 60_100, 60)
        await shows(guard, halted=False)
        await stage.resting(buys=[60_000, 59_900, 59_800])
        assert bought(stage) == before + 3


async def test_commands_of_people_move_breakers_and_are_refused_when_they_say_too_little(
    guarded: Stage,
) -> None:
    stage = guarded
    calm(stage)
    async with guarding(stage) as guard:
        await shows(guard, halted=False)
        for scope, why in (("galaxy", "x"), ("account ", "x"), ("overall", " "), ("monitor", "x")):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await guard.execute_update("trip", RiskCommand(scope, why, "alice"))
            assert "scope" in str(refused.value.cause) or "why" in str(refused.value.cause)
        assert {entry.who for entry in await stage.ledger.audit_trail()} == {"guard"}
        await guard.execute_update("trip", RiskCommand("overall", "news", "alice"))
        assert (await stage.desks.risk.standing("a run", stage.account)).halted
        await guard.execute_update("reset", RiskCommand("overall", "over", "bob"))
        assert not (await stage.desks.risk.standing("a run", stage.account)).halted
        log = [(e.who, e.why) for e in await stage.ledger.audit_trail() if e.who != "guard"]
        assert log == [("bob", "over"), ("alice", "news")]


async def test_k6_a_reset_of_the_monitor_ends_the_storm_and_the_next_one_halts_again(
    guarded: Stage,
) -> None:
    stage = guarded
    calm(stage)
    async with guarding(stage) as guard:
        trade(stage, 59_900, 1, lots=500)
        await shows(guard, halted=True)
        await guard.execute_update("reset", RiskCommand("monitor", "a fat finger", "alice"))
        await shows(guard, halted=False)
        trade(stage, 59_000, 60, lots=5_000)
        await shows(guard, halted=True)


async def test_a_reset_of_a_monitor_that_saw_nothing_is_refused_in_words(guarded: Stage) -> None:
    async with guarding(guarded) as guard:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await guard.execute_update("reset", RiskCommand("monitor", "x", "alice"))
        assert "nothing to reset" in str(refused.value.cause)


async def test_a_guard_that_rolls_goes_on_with_what_it_said(guarded: Stage) -> None:
    stage = guarded
    calm(stage)
    async with guarding(stage, RollingGuard) as guard:
        await shows(guard, halted=False)
        first = (await guard.describe()).run_id
        for number in range(12):
            await guard.execute_update("trip", RiskCommand("overall", str(number), "alice"))

        async def rolled() -> bool:
            return (await guard.describe()).run_id != first

        await eventually(rolled, what="a new workflow of the chain")
        await shows(guard, halted=False)
        trade(stage, 59_900, 1, lots=500)
        await shows(guard, halted=True)


async def test_without_a_monitor_it_only_takes_commands(stage: Stage) -> None:
    await ensure_guard(stage.client)
    guard = stage.client.get_workflow_handle(RISK_GUARD_ID)
    try:
        async with services_worker(stage.client, None, stage.desks.risk):
            await guard.execute_update("trip", RiskCommand("overall", "news", "alice"))
            assert "none is set up" in await details(stage.client)
    finally:
        await guard.terminate("the test is over")

"""A run whose preflight does not pass never begins, and one that is paused does not go on."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.messages import Accepted
from domain.grid.spec import StopMode, parse_spec
from tests.activities.odd import OddVenue
from tests.eventually import eventually
from tests.workflows.stage import Stage, working
from workers.wiring import desks
from workflows.messages import Command, GridRunInput, ResumeGrid, StopGrid
from workflows.names import account_queue
from workflows.timing import TASK_TIMEOUT

Run = WorkflowHandle[Any, Any]


@pytest.fixture(name="venue")
def _venue(stage: Stage) -> OddVenue:
    return OddVenue(stage.market, stage.account)


@pytest.fixture(name="odd")
async def _odd(stage: Stage, venue: OddVenue) -> AsyncIterator[Stage]:
    """A stage whose worker sees the market through an odd venue."""
    stage.venue, stage.desks = venue, desks(stage.account, venue, stage.ledger)
    stage.trade(60_000)
    async with working(stage):
        yield stage


async def begin(stage: Stage, name: str, *accepted: str) -> Run:
    start = GridRunInput(
        parse_spec(stage.spec()), accepted=Accepted(accepted, "tester", "it is only a test")
    )
    return await stage.client.start_workflow(
        "GridRun",
        start,
        id=f"{stage.account}-{name}",
        task_queue=account_queue(stage.account),
        task_timeout=TASK_TIMEOUT,
    )


async def failure(run: Run) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(run.result(), 60)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


async def refusal(run: Run, command: ResumeGrid) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await run.execute_update("resume", command)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


async def test_a_start_that_does_not_pass_begins_nothing(odd: Stage, venue: OddVenue) -> None:
    venue.leverage, venue.locked = Decimal(20), Decimal(99_999)
    told = await failure(await begin(odd, "refused", "balance"))
    assert told.type == "PreflightError"
    assert f"{odd.account}/leverage: The leverage is 20." in told.message
    assert "/balance" not in told.message  # which was accepted
    assert await odd.ledger.runs() == []
    assert await odd.ledger.reserved() == {}
    assert odd.orders() == []


async def test_a_start_waits_for_what_the_venue_does_not_tell(odd: Stage, venue: OddVenue) -> None:
    venue.deaf = frozenset(["terms"])
    run = await begin(odd, "waits")
    await eventually(lambda: _tried(run), what="a second try")
    assert await odd.ledger.runs() == []
    assert await odd.ledger.reserved() == {}
    venue.deaf = frozenset()
    await odd.resting(buys=[59_900, 59_800, 59_700])
    await run.execute_update("stop", StopGrid(StopMode.CANCEL))


async def _tried(run: Run) -> bool:
    pending = (await run.describe()).raw_description.pending_activities
    return any(each.attempt > 1 and "terms" not in each.activity_type.name for each in pending)


async def test_what_is_accepted_is_in_the_audit_log(odd: Stage, venue: OddVenue) -> None:
    venue.locked = Decimal(99_999)
    run = await begin(odd, "accepted", "balance")
    await odd.resting(buys=[59_900, 59_800, 59_700])
    (entry,) = await odd.ledger.audit_trail(run.id)
    assert (entry.who, entry.command, entry.why) == (
        "tester",
        "accept balance",
        "it is only a test",
    )
    await run.execute_update("stop", StopGrid(StopMode.CANCEL))


async def test_a_name_that_nothing_has_fails_the_start(odd: Stage) -> None:
    told = await failure(await begin(odd, "unknown", "everything"))
    assert told.type == "InvalidValueError"
    assert "balance, fees, foreign_orders" in told.message


async def test_a_resume_that_does_not_pass_changes_nothing(odd: Stage, venue: OddVenue) -> None:
    run = await begin(odd, "resumed")
    await odd.resting(buys=[59_900, 59_800, 59_700])
    odd.trade(59_900)
    await odd.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    await run.execute_update("pause", Command(by="tester"))
    await odd.resting(sells=[60_000])
    venue.locked = Decimal(99_999)
    told = await refusal(run, ResumeGrid("tester"))
    assert told.type == "PreflightError"
    assert f"{odd.account}/balance: 0.97" in told.message
    told = await refusal(run, ResumeGrid("tester", "", ("leverage",)))
    assert "balance, fees, foreign_orders" in told.message
    assert (await odd.status(run)).phase == "paused"
    assert odd.prices() == ([], [60_000])
    stored = await odd.ledger.run(run.id)
    assert stored is not None
    assert stored.status == "paused"
    await run.execute_update("resume", ResumeGrid("tester", "enough for me", ("balance",)))
    await odd.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    trail = await odd.ledger.audit_trail(run.id)
    assert [(each.command, each.why) for each in trail] == [
        ("resume", "enough for me"),
        ("accept balance", "enough for me"),
        ("pause", ""),
    ]
    await run.execute_update("stop", StopGrid(StopMode.CANCEL))


async def test_a_resume_is_refused_while_the_venue_does_not_tell(
    odd: Stage, venue: OddVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await begin(odd, "deaf")
    await odd.resting(buys=[59_900, 59_800, 59_700])
    await run.execute_update("pause", Command(by="tester"))
    venue.deaf = frozenset(["clock"])
    told = await refusal(run, ResumeGrid("tester"))
    assert "clock" in told.message
    assert (await odd.status(run)).phase == "paused"
    venue.deaf = frozenset()
    await run.execute_update("resume", ResumeGrid("tester"))
    await odd.resting(buys=[59_900, 59_800, 59_700])
    await run.execute_update("stop", StopGrid(StopMode.CANCEL))

"""What people can tell a run, and what they can ask it."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)

from domain.grid.preview import Preview
from domain.grid.spec import StopMode, parse_spec
from domain.grid.view import GridStatus
from tests.eventually import eventually
from tests.workflows.stage import SYMBOL, Stage
from workflows import names
from workflows.messages import Command, GridResult, ReconfigureGrid, StopGrid

Run = WorkflowHandle[Any, Any]


async def tell(run: Run, name: str, command: Any) -> GridStatus:
    answer: GridStatus = await run.execute_update(name, command, result_type=GridStatus)
    return answer


async def result(run: Run) -> GridResult:
    handle = run_of(run)
    answer: GridResult = await asyncio.wait_for(handle.result(), 60)
    return answer


def run_of(run: Run) -> Run:
    client = run._client
    return client.get_workflow_handle(run.id, result_type=GridResult)


async def test_a_pause_cancels_the_entries_and_leaves_the_exits(live: Stage) -> None:
    run = await live.trading()
    live.trade(59_900)
    await live.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    status = await tell(run, "pause", Command(by="tester", why="lunch"))
    assert status.phase == "paused"
    await live.resting(sells=[60_000])
    live.trade(60_000)
    await live.until(run, cycles=1, working_orders=0)
    status = await tell(run, "resume", Command(by="tester"))
    assert status.phase == "running"
    await live.resting(buys=[59_900, 59_800, 59_700])
    trail = await live.ledger.audit_trail(run.id)
    assert [(e.command, e.who, e.why) for e in trail] == [
        ("resume", "tester", ""),
        ("pause", "tester", "lunch"),
    ]


@pytest.mark.parametrize(
    "mode, buys, sells, position",
    [
        (StopMode.KEEP, [59_800, 59_700, 59_600], [60_000], Decimal("0.002")),
        (StopMode.CANCEL, [], [], Decimal("0.002")),
        (StopMode.CLOSE, [], [], Decimal(0)),
    ],
)
async def test_a_stopped_run_leaves_what_it_was_told_to_leave(
    live: Stage, mode: StopMode, buys: list[int], sells: list[int], position: Decimal
) -> None:
    run = await live.trading()
    live.trade(59_900)
    await live.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    await tell(run, "stop", StopGrid(mode, by="tester"))
    ended = await result(run)
    assert (ended.position, ended.why, ended.fills) == (position, "asked", 1 + (position == 0))
    assert ended.residual == 0
    assert live.prices() == (buys, sells)
    stored = await live.ledger.run(run.id)
    assert stored is not None
    assert stored.status == "stopped"
    assert stored.closed_at is not None
    assert await live.ledger.watches(live.account) == []


async def test_new_settings_replace_the_entries_and_no_exit(live: Stage) -> None:
    run = await live.trading()
    live.trade(59_900)
    await live.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    spec = parse_spec(live.spec(interval="200", buy_window=2))
    seen = await run.query("preview", spec, result_type=Preview)
    assert len(seen.cancels) == 3
    assert live.prices() == ([59_800, 59_700, 59_600], [60_000])
    status = await tell(run, "reconfigure", ReconfigureGrid(spec, by="tester"))
    assert status.interval == Decimal(200)
    await eventually(lambda: live.prices()[0] == [59_800, 59_600] and live.prices()[1] == [60_000])
    stored = await live.ledger.run(run.id)
    assert stored is not None
    assert stored.spec["interval"] == "200"


REFUSED: list[tuple[str, Any, str]] = [
    ("resume", Command(), "cannot resume: the run is running"),
    ("reconfigure", {"interval": "5"}, "does not cover"),
    ("reconfigure", {"direction": "short"}, "direction: a run keeps its direction long"),
    ("reconfigure", {"account": "other"}, "account: a run keeps its account"),
    ("reconfigure", {"amount": "-1"}, "amount: input should be greater than 0"),
]


async def test_what_is_refused_leaves_no_trace(live: Stage) -> None:
    run = await live.trading()
    await eventually(lambda: settled(run), what="a quiet run")
    before = (await run.describe()).history_length
    state = await live.status(run)
    for name, asked, message in REFUSED:
        command = asked if name == "resume" else {"spec": live.spec(**asked)}
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await run.execute_update(name, command)
        assert message in str(refused.value.cause), name
    assert (await run.describe()).history_length == before
    assert await live.status(run) == state
    assert live.prices() == ([59_900, 59_800, 59_700], [])
    assert await live.ledger.audit_trail(run.id) == []


async def settled(run: Run) -> bool:
    """Return whether the history stands still for a moment."""
    before = (await run.describe()).history_length
    await asyncio.sleep(0.5)
    return (await run.describe()).history_length == before


async def test_a_run_can_be_found_and_read_in_the_ui(live: Stage) -> None:
    run = await live.trading()
    described = await run.describe()
    attributes = described.typed_search_attributes
    assert attributes[names.STRATEGY] == "grid"
    assert attributes[names.SYMBOL] == SYMBOL
    assert attributes[names.ACCOUNT] == live.account
    assert attributes[names.VENUE] == "paper"
    assert (attributes[names.PHASE], attributes[names.RISK]) == ("running", "clear")
    metadata = await run.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    (line,) = (row for row in metadata.current_details.splitlines() if row.startswith("59900"))
    assert line.split() == ["59900", "LOCKED", "·", "entry", "buy", "59900", "·/0.002"]
    await tell(run, "pause", Command())
    attributes = (await run.describe()).typed_search_attributes
    assert attributes[names.PHASE] == "paused"


async def test_slots_are_read_from_the_top_down(live: Stage) -> None:
    run = await live.trading()
    slots = await live.slots(run)
    assert [(slot.level, slot.exit, slot.order) for slot in slots] == [
        (Decimal(59_900), Decimal(60_000), "entry buy"),
        (Decimal(59_800), Decimal(59_900), "entry buy"),
        (Decimal(59_700), Decimal(59_800), "entry buy"),
    ]
    assert {slot.client_id for slot in slots} == {o.client_id for o in live.open_orders()}


async def test_a_command_that_comes_with_the_end_is_answered(live: Stage) -> None:
    run = await live.trading()
    told = await asyncio.gather(
        tell(run, "stop", StopGrid(by="one")),
        tell(run, "pause", Command(by="two")),
        tell(run, "stop", StopGrid(by="three")),
        return_exceptions=True,
    )
    await result(run)
    for answer in told:  # taken before the end, or refused after it; none hangs or is lost
        assert isinstance(answer, GridStatus | WorkflowUpdateFailedError), answer
    # The three travel on their own: whichever stop arrived first was taken.
    assert any(isinstance(answer, GridStatus) for answer in (told[0], told[2]))
    assert (await run.describe()).status is WorkflowExecutionStatus.COMPLETED


async def test_a_canceled_workflow_cancels_its_orders_first(live: Stage) -> None:
    run = await live.trading()
    live.trade(59_900)
    await live.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    await run.cancel()
    await eventually(
        lambda: ended_as(run, WorkflowExecutionStatus.CANCELED), what="the end of a canceled run"
    )
    assert live.prices() == ([], [])
    stored = await live.ledger.run(run.id)
    assert stored is not None
    assert stored.closed_at is not None


async def ended_as(run: Run, status: WorkflowExecutionStatus) -> bool:
    return (await run.describe()).status is status

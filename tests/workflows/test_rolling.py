"""Continue-as-new: a run goes on in workflow after workflow, and nobody can tell from its books."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner

from domain.grid.events import PriceMoved
from domain.grid.spec import StopMode
from domain.money import Price
from domain.order_ids import decode
from domain.orders import OrderRequest
from tests.eventually import eventually
from tests.workflows.replaying import replayer
from tests.workflows.soon_rolling import SoonRolling
from tests.workflows.stage import INSTRUMENT, START, Stage, working
from tests.workflows.test_feed_signals import silence
from workflows.messages import Command, GridResult, StopGrid, Taken
from workflows.timing import TASK_TIMEOUT

#: News that wait for a run when it comes back.
BEHIND = 200
SLOW = timedelta(milliseconds=50)


@pytest.mark.timeout(600)
async def test_many_rolls_under_a_stream_of_fills_lose_and_double_nothing(stage: Stage) -> None:
    async with working(stage, SoonRolling):
        run = await stage.trading()
        asking = asyncio.create_task(ask_all_the_time(stage, run))
        chain = {(await run.describe()).run_id}
        deadline = time.monotonic() + 300
        for lap in count():
            for price in (59_900, 59_800, 59_700, 59_800, 59_900, 60_000):
                stage.trade(price, lots=1 if lap % 3 == 1 else 1000)  # every third lap in parts
                await asyncio.sleep(0.02)  # a stream, not a flood that comes in one batch
            chain.add((await run.describe()).run_id)
            if len(chain) >= 6 and len(stage.fills()) >= 30:
                break
            assert time.monotonic() < deadline, (len(chain), len(stage.fills()))
        await eventually(lambda: is_settled(stage, run), within=150, what="a settled run")
        await check(stage, run)
        await run.execute_update("stop", StopGrid(StopMode.CLOSE, by="tester"))
        handle = stage.client.get_workflow_handle(run.id, result_type=GridResult)
        ended: GridResult = await asyncio.wait_for(handle.result(), 60)
        assert (ended.position, ended.residual) == (Decimal(0), Decimal(0))
        assert len(await stage.ledger.fills_of_run(run.id)) == len(stage.fills())
        asking.cancel()
    async for history in histories(stage, run):
        await replay(history)


async def ask_all_the_time(stage: Stage, run: WorkflowHandle[Any, Any]) -> None:
    """A query that is answered while a local activity ends moves what follows into another task."""
    while True:
        await stage.status(run)


async def replay(history: WorkflowHistory, runner: WorkflowRunner | None = None) -> None:
    result = await replayer(SoonRolling, runner).replay_workflow(history)
    assert result.replay_failure is None


async def is_settled(stage: Stage, run: WorkflowHandle[Any, Any]) -> bool:
    status = await stage.status(run)
    shown = {slot.client_id for slot in await stage.slots(run) if slot.client_id}
    rest = {order.client_id for order in stage.open_orders()}
    return shown == rest and status.position == held(stage)


def held(stage: Stage) -> Decimal:
    positions = stage.market.exchange.positions(stage.account)
    return sum((position.lots for position in positions), 0) * stage_lot()


def stage_lot() -> Decimal:
    return INSTRUMENT.lot_size


async def check(stage: Stage, run: WorkflowHandle[Any, Any]) -> None:
    """Compare the run and the ledger with what the venue has."""
    orders = stage.orders()
    counted = Counter(decode(order.client_id) for order in orders)
    assert None not in counted
    generations = Counter(key.generation for key in counted if key is not None)
    assert max(generations.values()) == 1  # each was sent once, under an id of its own
    assert max(counted.values()) == 1
    fills = {fill.fill_id: fill for fill in stage.fills()}
    stored = {fill.fill_id: fill for fill in await stage.ledger.fills_of_run(run.id)}
    assert stored == fills
    assert (await stage.status(run)).volume == sum(
        fill.price.ticks * fill.quantity.lots * stage_lot() for fill in fills.values()
    )


async def test_commands_during_rolls_are_answered(stage: Stage) -> None:
    async with working(stage, SoonRolling):
        run = await stage.trading()
        for _ in range(8):
            paused = await run.execute_update("pause", Command(by="tester"))
            assert paused["phase"] == "paused"
            resumed = await run.execute_update("resume", Command(by="tester"))
            assert resumed["phase"] == "running"
        await stage.resting(buys=[59_900, 59_800, 59_700])
        assert len(await stage.ledger.audit_trail(run.id)) == 16

        async def rolled() -> bool:
            return (await run.describe()).run_id != run.first_execution_run_id

        assert await eventually(rolled, what="a run that only commands keep busy to roll")


async def test_a_run_that_is_always_behind_rolls_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """News come faster than they are handled: no history may grow for as long as that lasts."""
    async with working(stage, SoonRolling):
        run = await stage.trading()
        await silence(stage)
    stage.trade(90_000)  # whatever the run places below rests
    monkeypatch.setattr(stage.venue, "place", slowly(stage.venue.place, SLOW))
    for number in range(1, BEHIND + 1):
        moved = PriceMoved(Price(60_000 + 100 * number), START)
        await stage.feed(run, "other", number, moved)
    async with stage.worker(SoonRolling):
        await heard(run, BEHIND)
    # Some fifty moves fit into one workflow task, which is not broken off in the middle.
    _, *after = [len(history.events) async for history in histories(stage, run)]
    assert max(after) < BEHIND * 3 // 4, after
    assert max(Counter(decode(order.client_id) for order in stage.orders()).values()) == 1


async def test_a_call_that_outlasts_its_task_replays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a task goes on in others, and its replay is told the length of the last one at once.

    A run that judged its history by that length would roll at another place when it replays, and
    hang there for ever.
    """
    async with working(stage, SoonRolling, runner=UnsandboxedWorkflowRunner()):
        run = await stage.trading()
        await silence(stage)
        number, length = await news_that_nothing_is_done_about(stage, run)
        monkeypatch.setattr(SoonRolling, "roll_at", length + 4)  # a signal and its task
        monkeypatch.setattr(stage.venue, "place", slowly(stage.venue.place, TASK_TIMEOUT))
        await stage.feed(run, "other", number, PriceMoved(Price(60_200), START))
        await heard(run, number)
        history = await run.fetch_history()
    starts = [event.event_id for event in history.events if is_start(event)]
    assert len([start for start in starts if start > length]) > 2, "no task was outlasted"
    await replay(history, UnsandboxedWorkflowRunner())


async def news_that_nothing_is_done_about(
    stage: Stage, run: WorkflowHandle[Any, Any]
) -> tuple[int, int]:
    """Tell some, and return the number of the next and the length of the history.

    Only after a task without a command is a task that goes on taken for one with its next.
    """
    for number in count(1):
        await stage.feed(run, "other", number, PriceMoved(Price(60_010), START))
        await heard(run, number)
        *_, last = (await run.fetch_history()).events
        if last.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return number + 1, last.event_id
    raise AssertionError


def is_start(event: HistoryEvent) -> bool:
    return event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED


def slowly(
    place: Callable[[OrderRequest], Awaitable[Any]], pause: timedelta
) -> Callable[[OrderRequest], Any]:
    async def slow(request: OrderRequest) -> Any:
        await asyncio.sleep(pause.total_seconds())
        return await place(request)

    return slow


async def heard(run: WorkflowHandle[Any, Any], number: int) -> None:
    """Wait until a run has done all that came of the news with this number."""
    kind: Any = Taken | None

    async def caught_up() -> bool:
        return await run.query("taken", result_type=kind) == Taken("other", number)

    await eventually(caught_up, what=f"a run that has heard {number}")


async def histories(stage: Stage, run: WorkflowHandle[Any, Any]) -> AsyncIterator[WorkflowHistory]:
    """Yield the history of each workflow of the chain."""
    run_id = run.first_execution_run_id
    while run_id:
        history = await stage.client.get_workflow_handle(run.id, run_id=run_id).fetch_history()
        yield history
        last = history.events[-1].workflow_execution_continued_as_new_event_attributes
        run_id = last.new_execution_run_id

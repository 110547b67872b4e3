"""Continue-as-new: a run goes on in workflow after workflow, and nobody can tell from its books."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from domain.grid.events import PriceMoved
from domain.grid.spec import StopMode
from domain.money import Price
from domain.order_ids import decode
from domain.orders import OrderRequest
from tests.eventually import eventually
from tests.workflows.soon_rolling import SoonRolling
from tests.workflows.stage import INSTRUMENT, START, Stage, working
from tests.workflows.test_feed_signals import silence
from workflows.messages import Command, GridResult, StopGrid, Taken

#: News that wait for a run when it comes back.
BEHIND = 200


async def test_many_rolls_under_a_stream_of_fills_lose_and_double_nothing(stage: Stage) -> None:
    async with working(stage, SoonRolling):
        run = await stage.trading()
        chain = {(await run.describe()).run_id}
        deadline = time.monotonic() + 60
        for lap in count():
            for price in (59_900, 59_800, 59_700, 59_800, 59_900, 60_000):
                stage.trade(price, lots=1 if lap % 3 == 1 else 1000)  # every third lap in parts
                await asyncio.sleep(0.02)  # a stream, not a flood that comes in one batch
            chain.add((await run.describe()).run_id)
            if len(chain) >= 6 and len(stage.fills()) >= 30:
                break
            assert time.monotonic() < deadline, (len(chain), len(stage.fills()))
        await eventually(lambda: is_settled(stage, run), what="a settled run")
        await check(stage, run)
        await run.execute_update("stop", StopGrid(StopMode.CLOSE, by="tester"))
        handle = stage.client.get_workflow_handle(run.id, result_type=GridResult)
        ended: GridResult = await asyncio.wait_for(handle.result(), 60)
        assert (ended.position, ended.residual) == (Decimal(0), Decimal(0))
        assert len(await stage.ledger.fills_of_run(run.id)) == len(stage.fills())


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
    monkeypatch.setattr(stage.venue, "place", slowly(stage.venue.place))
    for number in range(1, BEHIND + 1):
        moved = PriceMoved(Price(60_000 + 100 * number), START)
        await stage.feed(run, "other", number, moved)
    async with stage.worker(SoonRolling):
        await eventually(lambda: caught_up(run), what="a run that has caught up")
    # Some fifty moves fit into one workflow task, which is not broken off in the middle.
    _, *after = [length async for length in histories(stage, run)]
    assert max(after) < BEHIND * 3 // 4, after
    assert max(Counter(decode(order.client_id) for order in stage.orders()).values()) == 1


def slowly(place: Callable[[OrderRequest], Awaitable[Any]]) -> Callable[[OrderRequest], Any]:
    async def slow(request: OrderRequest) -> Any:
        await asyncio.sleep(0.05)
        return await place(request)

    return slow


async def caught_up(run: WorkflowHandle[Any, Any]) -> bool:
    kind: Any = Taken | None
    return await run.query("taken", result_type=kind) == Taken("other", BEHIND)


async def histories(stage: Stage, run: WorkflowHandle[Any, Any]) -> AsyncIterator[int]:
    """Yield how long the history of each workflow of the chain is."""
    run_id = run.first_execution_run_id
    while run_id:
        history = await stage.client.get_workflow_handle(run.id, run_id=run_id).fetch_history()
        yield len(history.events)
        last = history.events[-1].workflow_execution_continued_as_new_event_attributes
        run_id = last.new_execution_run_id

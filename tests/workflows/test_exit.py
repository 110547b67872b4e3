"""Emergency exits of durable runs: one at a time, visible, and of a run whatever became of it."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client, WorkflowHandle

from activities.exits import Exits
from activities.venues.paper import PaperVenue
from domain.grid.spec import StopMode
from domain.orders import OrderReport, OrderRequest, Refusal, RefusalReason
from domain.risk.leaving import Phase
from domain.risk.way_out import WayOut
from tests.eventually import eventually
from tests.workflows.soon_rolling_exit import SoonRollingExit
from tests.workflows.stage import Stage, staged, working
from workers.wiring import desks, start_exit
from workflows import names
from workflows.messages import ExitResult, ExitStatus, StopGrid

Run = WorkflowHandle[Any, Any]
_stubborn = count(1)


class Stubborn(PaperVenue):
    """A venue that refuses as many closing orders as it is told to."""

    refuses = 0
    refused = 0

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        if not request.entry and request.price is None and self.refused < self.refuses:
            self.refused += 1
            return Refusal(request.client_id, RefusalReason.OTHER, "not now")
        return await super().place(request)


@pytest.fixture(name="stubborn")
async def _stubborn_stage(client: Client, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(client, tmp_path, f"stubborn{next(_stubborn)}") as stage:
        stage.venue = Stubborn(stage.market, stage.account)
        stage.desks = desks(stage.account, stage.venue, stage.ledger)
        yield stage
        feed = client.get_workflow_handle(names.feed_workflow_id(stage.account))
        await feed.terminate()


def exits(stage: Stage) -> Exits:
    return Exits(stage.ledger, stage.desks.risk)


async def ask(stage: Stage, run: Run, who: str = "ann") -> WayOut:
    stored = await stage.ledger.run(run.id)
    assert stored is not None
    return await exits(stage).ask(stored, who, "news at two")


def exit_of(stage: Stage, way: WayOut) -> Run:
    name = names.exit_workflow_id(way.run_id, way.number)
    return stage.client.get_workflow_handle(name, result_type=ExitResult)


async def result(stage: Stage, way: WayOut) -> ExitResult:
    async def begun() -> bool:
        await exit_of(stage, way).describe()
        return True

    await eventually(begun, ignoring=(Exception,), what="an exit")
    found: ExitResult = await asyncio.wait_for(exit_of(stage, way).result(), 60)
    return found


def lots(stage: Stage) -> int:
    return sum(fill.side.sign * fill.quantity.lots for fill in stage.fills())


async def test_it_leaves_once_however_often_it_is_asked_for(live: Stage) -> None:
    run = await live.trading()
    live.trade(59_900)
    await live.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    way = await ask(live, run)
    assert await ask(live, run, "bob") == way
    await asyncio.gather(*(start_exit(live.client, way) for _ in range(3)))
    ended = await result(live, way)
    assert (ended.run_id, ended.why) == (run.id, "news at two")
    assert ended.debt.phase is Phase.FLAT
    assert ended.debt.base == ended.residual == 0
    assert lots(live) == 0
    assert live.prices() == ([], [])
    assert ended.debt.orders == 2  # one lot each: three steps were asked for, there are two lots
    trail = [(each.command, each.who) for each in await live.ledger.audit_trail(run.id)]
    assert trail[::-1] == [("breaker open", "ann"), ("exit asked", "ann"), ("exit ended", "ann")]
    await start_exit(live.client, way)  # too late: it is not begun again
    assert (await exit_of(live, way).describe()).run_id == (
        await exit_of(live, way).describe()
    ).run_id
    stored = await live.ledger.run(run.id)
    assert stored is not None
    assert stored.status == "stopped"


async def test_what_is_still_open_is_seen_by_everybody_and_a_long_exit_rolls(
    stubborn: Stage,
) -> None:
    venue = stubborn.venue
    assert isinstance(venue, Stubborn)
    venue.refuses = 10_000
    async with working(stubborn, leaving=SoonRollingExit):
        run = await stubborn.trading()
        stubborn.trade(59_900)
        await stubborn.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
        way = await ask(stubborn, run)
        await eventually(lambda: venue.refused > 3, what="refusals")
        handle = exit_of(stubborn, way)
        status = await handle.query("status", result_type=ExitStatus)
        assert (status.run_id, status.who, status.why) == (run.id, "ann", "news at two")
        assert status.debt is not None
        assert status.debt.base == Decimal("0.002")
        metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        assert "Still open: 0.002" in metadata.current_details
        told = await handle.describe()
        assert told.typed_search_attributes[names.RISK] == "exit"
        assert told.typed_search_attributes[names.ACCOUNT] == stubborn.account
        shown = (await exits(stubborn).of([run.id]))[run.id].debt
        assert shown is not None
        assert shown.base == Decimal("0.002")
        venue.refuses = 0
        ended = await result(stubborn, way)
        first = await handle.describe()
        assert first.raw_description.workflow_execution_info.first_run_id != first.run_id
    assert ended.debt.base == ended.residual == lots(stubborn) == 0
    events = await stubborn.ledger.risk_events(stubborn.account)
    said = [str(each.detail.get("message")) for each in events if each.kind == "exit"]
    assert any("a closing order was refused: not now" in each for each in said)
    alerts = [each.message for each in await stubborn.ledger.alerts()]
    assert any(f"run {run.id}: leaving BTC/USDT:USDT: news at two" in each for each in alerts)


async def test_a_run_that_ended_and_left_something_behind_can_still_leave(live: Stage) -> None:
    run = await live.trading()
    live.trade(59_900)
    await live.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    await run.execute_update("stop", StopGrid(StopMode.CANCEL, by="tester"))
    await asyncio.wait_for(run.result(), 60)
    assert lots(live) == 2
    way = await ask(live, run)
    await start_exit(live.client, way)
    ended = await result(live, way)
    assert ended.debt.base == ended.residual == lots(live) == 0


async def test_of_a_shared_position_only_what_the_run_holds_is_closed(live: Stage) -> None:
    run = await live.trading(shared=True)
    other = await live.start(shared=True, interval="150")
    await live.resting(buys=[59_900, 59_850, 59_800, 59_700, 59_700, 59_550])
    live.trade(59_850)
    await eventually(lambda: lots(live) == 4, what="a fill of each")
    await live.until(run, fills=1)
    status = await live.until(other, fills=1)
    before = [order for order in live.open_orders() if order.price is not None]
    way = await ask(live, run)
    ended = await result(live, way)
    assert ended.debt.base == 0
    assert lots(live) == 2
    stays = await live.until(other, position=status.position)
    assert stays.working_orders == status.working_orders
    assert len(live.open_orders()) < len(before)

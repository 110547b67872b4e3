"""A grid as a workflow trades, on a real Temporal server."""

from decimal import Decimal

from temporalio.api.enums.v1 import EventType

from tests.eventually import eventually
from tests.workflows.stage import Stage
from workflows.messages import StopGrid


async def test_a_run_places_its_entries_counts_fills_and_places_the_exits(live: Stage) -> None:
    run = await live.trading()
    live.trade(59_900)
    await live.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
    status = await live.until(run, fills=1)
    assert status.position == Decimal("0.002")
    live.trade(60_000)
    status = await live.until(run, cycles=1)
    assert status.position == 0
    assert status.grid_profit == Decimal("0.200")
    result = await run.execute_update("stop", StopGrid(by="tester"))
    assert result


async def test_while_the_ledger_is_gone_a_run_pauses_by_timers(live: Stage) -> None:
    """Waiting in its task it would add three events every second or two, and a night has many."""
    run = await live.trading()
    before = (await run.describe()).history_length
    rename(live, "orders", "orders_away")
    live.trade(60_200)

    async def pauses() -> bool:
        events = (await run.fetch_history()).events[before:]
        return sum(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in events) >= 2

    assert await eventually(pauses, what="a second pause")
    rename(live, "orders_away", "orders")
    await eventually(lambda: 60_100 in live.prices()[0], what="an entry below the new price")


def rename(stage: Stage, table: str, name: str) -> None:
    with stage.ledger._engines[0].begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")

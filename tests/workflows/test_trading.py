"""A grid as a workflow trades, on a real Temporal server."""

from decimal import Decimal

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

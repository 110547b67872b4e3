"""What a run has reserved is renewed when it is reconfigured, if there is room."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from activities.risk import RiskDesk
from domain.grid.spec import StopMode, parse_spec
from domain.risk.limits import Limits, LimitsSpec
from domain.risk.spec import RiskSpec
from tests.workflows.stage import Stage, working
from workers.wiring import desks
from workflows.messages import ReconfigureGrid, StopGrid

Run = WorkflowHandle[Any, Any]
#: One grid of three entries for 125 wants less than 360.
ONE = RiskSpec(limits=LimitsSpec(overall=Limits(exposure=Decimal(500))))


@pytest.fixture(name="narrow")
async def _narrow(stage: Stage) -> AsyncIterator[Stage]:
    """A stage with room for one grid."""
    risk = RiskDesk(stage.ledger, ONE)
    stage.desks = desks(stage.account, stage.venue, stage.ledger, risk)
    stage.trade(60_000)
    async with working(stage):
        yield stage


async def stopped(run: Run) -> None:
    await run.execute_update("stop", StopGrid(StopMode.CANCEL))
    await run.result()


async def test_a_reconfiguration_without_room_changes_nothing(narrow: Stage) -> None:
    run = await narrow.trading(shared=True)
    before = await narrow.ledger.reserved()
    larger = ReconfigureGrid(parse_spec(narrow.spec(amount="250", shared=True)))
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.execute_update("reconfigure", larger)
    assert "there is room for 500" in str(refused.value.cause)
    assert await narrow.ledger.reserved() == before
    stored = await narrow.ledger.run(run.id)
    assert stored is not None
    assert stored.spec["amount"] == "125"
    assert narrow.prices() == ([59_900, 59_800, 59_700], [])
    smaller = ReconfigureGrid(parse_spec(narrow.spec(buy_window=1, shared=True)))
    await run.execute_update("reconfigure", smaller)
    stored = await narrow.ledger.run(run.id)
    assert stored is not None
    assert stored.spec["buy_window"] == 1
    (asked,) = (await narrow.ledger.reserved()).values()
    assert asked["orders"] == 3  # as long as they rest
    await stopped(run)
    assert await narrow.ledger.reserved() == {}

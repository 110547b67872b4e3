"""A guard on a stage: the market monitor with the market's own clock, and a worker of services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from temporalio import workflow
from temporalio.client import WorkflowHandle

from activities.guard import Guard
from activities.risk import RiskDesk
from domain.money import Price, Quantity
from domain.risk.monitor_spec import MonitorSpec
from domain.risk.spec import RiskSpec
from domain.simulation.tape import TradePrinted
from tests.eventually import eventually
from tests.workflows.stage import SYMBOL, Stage
from workers.durable import services_worker
from workers.wiring import desks, ensure_guard
from workflows.messages import GuardStatus
from workflows.names import RISK_GUARD_ID
from workflows.risk import RiskGuard

MONITOR = MonitorSpec(symbols=(SYMBOL,), window=5)
SPEC = RiskSpec(monitor=MONITOR)


@workflow.defn(name="RiskGuard")
class RollingGuard(RiskGuard):
    """Goes on in a new workflow after a few events."""

    roll_at: ClassVar[int] = 30

    @workflow.run
    async def run(self, start: GuardStatus) -> None:
        await super().run(start)


def guarded(stage: Stage) -> Stage:
    """Return the stage with a clock that is the market's, and orders that the monitor halts."""
    risk = RiskDesk(stage.ledger, SPEC, lambda: stage.at)
    return replace(stage, desks=desks(stage.account, stage.venue, stage.ledger, risk))


@asynccontextmanager
async def guarding(
    stage: Stage, kind: type[RiskGuard] = RiskGuard
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    def now() -> Any:
        return stage.at

    guard = Guard(MONITOR, stage.venue, stage.desks.risk, speaker=RISK_GUARD_ID, clock=now)
    await ensure_guard(stage.client)
    handle = stage.client.get_workflow_handle(RISK_GUARD_ID)
    try:
        async with services_worker(stage.client, guard, stage.desks.risk, kind=kind):
            yield handle
    finally:
        await handle.terminate("the test is over")


def trade(stage: Stage, price: int, seconds: int, lots: int = 10) -> None:
    stage.at += timedelta(seconds=seconds)
    stage.market.on(TradePrinted(SYMBOL, Price(price), Quantity(lots), stage.at))


def calm(stage: Stage) -> None:
    for _ in range(7):
        trade(stage, 60_000, 60)


async def shows(handle: WorkflowHandle[Any, Any], *, halted: bool) -> GuardStatus:
    async def shown() -> GuardStatus | None:
        status: GuardStatus = await handle.query("status", result_type=GuardStatus)
        return status if status.verdict and status.verdict.halted == halted else None

    return await eventually(shown, ignoring=(Exception,), what=f"a verdict, halted: {halted},")

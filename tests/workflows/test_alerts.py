"""Alerts of a durable run, and the workflow that brings them to people."""

from typing import Any

from pydantic import SecretStr
from temporalio.client import WorkflowHandle

from activities.channels import AppriseChannel
from activities.delivery import Delivery
from domain.grid.config import bind
from domain.grid.events import AlertLevel, ReconfigureAsked
from domain.grid.spec import parse_spec
from domain.risk.scope import OVERALL
from tests.eventually import eventually
from tests.webhook import webhook
from tests.workflows.stage import INSTRUMENT, Stage
from workers.durable import services_worker
from workers.wiring import ensure_services
from workflows.names import ALERT_RUN_ID, RISK_GUARD_ID


async def alone(stage: Stage, run: WorkflowHandle[Any, Any]) -> None:
    """Let the engine say something, and have nothing else to do."""
    spec = {**stage.spec(), "direction": "short", "sell_window": 3}
    del spec["buy_window"]
    config = bind(parse_spec(spec), INSTRUMENT)
    await stage.feed(run, "a test", 1, ReconfigureAsked(config, stage.at))


async def test_what_an_engine_says_is_in_the_outbox_with_orders_and_without(live: Stage) -> None:
    run = await live.trading(stop_loss={"price": "59000", "then": "close"})
    await alone(live, run)

    async def said(word: str) -> bool:
        found = await live.ledger.alerts()
        return any(word in each.message and each.fields == {"run": run.id} for each in found)

    await eventually(lambda: said("new settings were not taken"), what="an alert")
    live.trade(58_900)
    await eventually(lambda: said("stop_loss"), what="an alert with orders")


async def test_alerts_are_brought_to_people_by_a_workflow(stage: Stage) -> None:
    async with webhook(500) as hook:
        channel = AppriseChannel("ops", SecretStr(hook.url), AlertLevel.ERROR)
        delivery = Delivery(stage.ledger, [channel])
        await ensure_services(stage.client)
        try:
            async with services_worker(stage.client, None, stage.desks.risk, delivery):
                await stage.desks.risk.trip(OVERALL, "alice", "news")
                await eventually(lambda: hook.taken, what="an alert at the webhook")
        finally:
            for name in (ALERT_RUN_ID, RISK_GUARD_ID):
                await stage.client.get_workflow_handle(name).terminate("the test is over")
        (stored,) = await stage.ledger.alerts()
        assert hook.messages() == [stored.message]
        assert stored.attempts == 2

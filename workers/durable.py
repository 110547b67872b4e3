"""The durable runner: a worker process for the runs, activities and feeds of its accounts."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from temporalio.client import Client
from temporalio.worker import Worker

from activities.alerting import AlertDesk
from activities.delivery import Delivery
from activities.guard import Guard
from activities.portfolio_runs import PortfolioActivities
from activities.risk import RiskDesk
from activities.services import ServiceActivities
from activities.store.ledger import Ledger
from activities.surveying import SurveyDesk
from workers.alerting import delivery_of
from workers.converter import learn_messages
from workers.ending import EndingWorker
from workers.settings import Settings
from workers.venues import open_place
from workers.watching import market_guard
from workers.wiring import (
    Desks,
    activities_of,
    all_desks,
    connect,
    ensure_feed,
    ensure_services,
    leg_activities_of,
    margin_activities_of,
    workflow_runner,
)
from workflows.alerts import AlertRun
from workflows.arbitrage import ArbitrageRun
from workflows.exit import EmergencyExit
from workflows.feed import FeedRun
from workflows.grid import GridRun
from workflows.names import RISK_GUARD_ID, SERVICES_QUEUE, account_queue
from workflows.pair import PairTradeRun
from workflows.portfolio import PortfolioRun
from workflows.risk import RiskGuard

_log: Final = logging.getLogger(__name__)


def account_worker(
    client: Client,
    desks: Desks,
    grid: type[GridRun] = GridRun,
    pair: type[ArbitrageRun] = ArbitrageRun,
    trade: type[PairTradeRun] = PairTradeRun,
) -> Worker:
    """Return the worker of one account: its runs, which are of these classes, and its feed."""
    return _worker(
        client,
        account_queue(desks.account),
        [grid, FeedRun, EmergencyExit, pair, trade],
        [
            *activities_of(desks, client).all(),
            *leg_activities_of(desks, client).all(),
            margin_activities_of(desks).look,
        ],
    )


def services_worker(
    client: Client,
    guard: Guard | None,
    risk: RiskDesk,
    delivery: Delivery | None = None,
    *,
    kind: type[RiskGuard] = RiskGuard,
    portfolios: PortfolioActivities | None = None,
    portfolio: type[PortfolioRun] = PortfolioRun,
) -> Worker:
    """Return the worker of what needs no keys: *guard*, in a workflow of class *kind*, and alerts.

    And *portfolios*, in workflows of class *portfolio*. What is not given there is not.
    """
    activities = ServiceActivities(guard, delivery, risk, client).all()
    workflows: list[type] = [kind, AlertRun]
    if portfolios is not None:
        activities += portfolios.all()
        workflows.append(portfolio)
    return _worker(client, SERVICES_QUEUE, workflows, activities)


@asynccontextmanager
async def portfolio_activities(
    settings: Settings, ledger: Ledger, client: Client
) -> AsyncIterator[PortfolioActivities]:
    """Yield the activities of portfolios; a venue is opened when one of them asks for a scan."""
    async with SurveyDesk(partial(open_place, settings)) as desk:
        yield PortfolioActivities(desk, ledger, AlertDesk(ledger), client)


def _worker(
    client: Client,
    queue: str,
    workflows: Sequence[type],
    activities: Sequence[Callable[..., Any]],
) -> Worker:
    learn_messages()
    return EndingWorker(
        client,
        task_queue=queue,
        workflows=workflows,
        activities=activities,
        workflow_runner=workflow_runner(),
        # Temporal's own guess reads the code of all modules again, which takes seconds.
        build_id=_build(),
        # A worker that was killed is missed after this long; one that is only busy replays.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        max_concurrent_workflow_tasks=8,
        max_cached_workflows=1000,
    )


async def run_worker(settings: Settings, queues: Sequence[str] = ()) -> None:
    """Work the given task queues (all, if none is named) until SIGTERM or SIGINT.

    Raises SchemaOutdatedError or StoreUnavailableError if the ledger cannot be used.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    accounts = [name for name in settings.accounts if not queues or account_queue(name) in queues]
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(Ledger.open(settings.ledger_url))
        client = await connect(settings, metrics=True)
        if not queues or SERVICES_QUEUE in queues:
            await _work_services(stack, client, settings, ledger)
        for desks in await stack.enter_async_context(all_desks(settings, ledger, accounts)):
            await ensure_feed(client, desks.account)
            await stack.enter_async_context(account_worker(client, desks))
            _log.info("working %s", account_queue(desks.account))
        await stop.wait()
        _log.info("stopping: running work is handed over")


async def _work_services(
    stack: AsyncExitStack, client: Client, settings: Settings, ledger: Ledger
) -> None:
    guard = await stack.enter_async_context(market_guard(settings, ledger, RISK_GUARD_ID))
    delivery = delivery_of(settings, ledger)
    await ensure_services(client)
    risk = RiskDesk(ledger, settings.risk)
    portfolios = await stack.enter_async_context(portfolio_activities(settings, ledger, client))
    worker = services_worker(client, guard, risk, delivery, portfolios=portfolios)
    await stack.enter_async_context(worker)
    _log.info("working %s", SERVICES_QUEUE)


def _build() -> str:
    """Return what histories say of the program that made them."""
    try:
        return f"opensqt {version('opensqt')}"
    except PackageNotFoundError:  # a source tree
        return "opensqt"

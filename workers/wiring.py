"""The one place where ports meet what stands behind them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.account import AccountDesk
from activities.gate import Gates, RiskGate, SizeGate
from activities.leg_runs import LegActivities
from activities.legs import LegDesk
from activities.margin_looks import MarginActivities, MarginDesk
from activities.noticing import Notices
from activities.orders import OrderDesk
from activities.risk import RiskDesk
from activities.room import RoomGate
from activities.runs import RunActivities
from activities.store.ledger import Ledger
from domain.ports import Venue
from domain.risk.way_out import WayOut
from workers.converter import DATA_CONVERTER
from workers.settings import Settings
from workers.venues import open_venue
from workflows.messages import ExitInput, GuardStatus
from workflows.names import (
    ALERT_RUN,
    ALERT_RUN_ID,
    EMERGENCY_EXIT,
    FEED_RUN,
    RISK_GUARD,
    RISK_GUARD_ID,
    SERVICES_QUEUE,
    account_queue,
    exit_workflow_id,
    feed_workflow_id,
)
from workflows.timing import TASK_TIMEOUT


@dataclass(frozen=True, slots=True)
class Desks:
    """What trades one account, durable or not."""

    account: str
    venue: Venue
    ledger: Ledger
    orders: OrderDesk
    books: AccountDesk
    risk: RiskDesk

    def legs(self) -> LegDesk:
        """Return the desk of the legs that pairs hold here; one for each process, too."""
        return LegDesk(self.account, self.venue, self.ledger, self.orders, self.books, self.risk)


def desks(
    account: str,
    venue: Venue,
    ledger: Ledger,
    risk: RiskDesk | None = None,
    size: SizeGate | None = None,
    *,
    exclusive: bool = False,
) -> Desks:
    """Return the desks of *account*; one set per process, for they remember what they answered."""
    risk = risk or RiskDesk(ledger)
    gate = Gates((size or SizeGate(), RiskGate(account, risk), RoomGate(account, risk, ledger)))
    orders = OrderDesk(account, venue, ledger, gate, notices=Notices(account, risk))
    books = AccountDesk(account, venue, ledger, risk=risk, exclusive=exclusive)
    return Desks(account, venue, ledger, orders, books, risk)


@asynccontextmanager
async def account_desks(settings: Settings, account: str, ledger: Ledger) -> AsyncIterator[Desks]:
    """Yield the desks of *account* at the venue that the settings name."""
    known = settings.account(account)
    size = SizeGate(known.max_order_notional)
    async with open_venue(settings, account, ledger) as venue:
        risk = RiskDesk(ledger, settings.risk)
        yield desks(account, venue, ledger, risk, size, exclusive=known.exclusive)


@asynccontextmanager
async def all_desks(
    settings: Settings, ledger: Ledger, accounts: Iterable[str]
) -> AsyncIterator[list[Desks]]:
    """Yield the desks of *accounts*; of no other one a key is read."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(account_desks(settings, account, ledger))
            for account in sorted(accounts)
        ]


async def connect(settings: Settings, *, metrics: bool = False) -> Client:
    """Return a client of the Temporal server; *metrics* serves the SDK's figures where told."""
    runtime = None
    if metrics and settings.metrics:
        prometheus = PrometheusConfig(
            bind_address=settings.metrics, durations_as_seconds=True, counters_total_suffix=True
        )
        runtime = Runtime(telemetry=TelemetryConfig(metrics=prometheus))
    return await Client.connect(
        settings.temporal,
        namespace=settings.namespace,
        data_converter=DATA_CONVERTER,
        runtime=runtime,
    )


def activities_of(desks_: Desks, client: Client) -> RunActivities:
    """Return the activities that the runs of one account may ask for."""

    async def ensure() -> None:
        await ensure_feed(client, desks_.account)

    return RunActivities(
        desks_.account,
        desks_.venue,
        desks_.ledger,
        desks_.orders,
        desks_.books,
        desks_.risk,
        client=client,
        ensure_feed=ensure,
        start_exit=lambda way: start_exit(client, way),
    )


def leg_activities_of(desks_: Desks, client: Client) -> LegActivities:
    """Return the activities that pairs with a leg on one account may ask for."""

    async def ensure() -> None:
        await ensure_feed(client, desks_.account)

    return LegActivities(desks_.legs(), client, ensure)


def margin_activities_of(desks_: Desks) -> MarginActivities:
    """Return what portfolios may ask of one account."""
    return MarginActivities(MarginDesk(desks_.account, desks_.venue, desks_.ledger))


async def ensure_feed(client: Client, account: str) -> None:
    """Start the feed of *account* unless it runs already."""
    await client.start_workflow(
        FEED_RUN,
        account,
        id=feed_workflow_id(account),
        task_queue=account_queue(account),
        task_timeout=TASK_TIMEOUT,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"Streams of account {account}",
    )


async def start_exit(client: Client, way: WayOut) -> None:
    """Start the emergency exit that was asked for, unless it runs already or has ended."""
    with suppress(WorkflowAlreadyStartedError):
        await client.start_workflow(
            EMERGENCY_EXIT,
            ExitInput(way),
            id=exit_workflow_id(way.run_id, way.number),
            task_queue=account_queue(way.account),
            task_timeout=TASK_TIMEOUT,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"Emergency exit of {way.run_id}: {way.why}"[:200],
        )


async def ensure_guard(client: Client) -> None:
    """Start the guard of the deployment unless it runs already."""
    await client.start_workflow(
        RISK_GUARD,
        GuardStatus(),
        id=RISK_GUARD_ID,
        task_queue=SERVICES_QUEUE,
        task_timeout=TASK_TIMEOUT,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="Guard of the market",
    )


async def ensure_services(client: Client) -> None:
    """Start what runs once in a deployment unless it runs already: guard and delivery of alerts."""
    await ensure_guard(client)
    await client.start_workflow(
        ALERT_RUN,
        id=ALERT_RUN_ID,
        task_queue=SERVICES_QUEUE,
        task_timeout=TASK_TIMEOUT,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="Delivery of alerts",
    )


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return the sandbox; what workflows import passes through, or each run would have its own."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        "domain",
        "activities",
        "workflows.calls",
        "workflows.canceling",
        "workflows.length",
        "workflows.messages",
        "workflows.names",
        "workflows.pair_calls",
        "workflows.pair_messages",
        "workflows.portfolio_calls",
        "workflows.portfolio_messages",
        "workflows.timing",
    )
    return SandboxedWorkflowRunner(restrictions=restrictions)

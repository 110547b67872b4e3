"""What a reconciliation of one run would do: its belief, the venue's view, and the plan of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from activities.looks import OVERLAP, Look
from activities.reconciling import Reconciler
from activities.risk import RiskDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.ledger import Ledger
from activities.store.records import Run
from domain.grid.state import GridState
from domain.ports import Venue
from domain.risk.belief import Belief, belief
from domain.risk.divergence import PositionVerdict
from domain.risk.reconcile import Circumstances, OrderVerdict, reconcile
from workers.cli import reach
from workers.cli.failures import CommandError
from workers.cli.runs import Runs
from workers.settings import Settings

#: A run that trades while it is looked at is looked at again, so many times.
_LOOKS: Final = 5
_STATE: Final = TypeAdapter(GridState)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a reconciliation of one run would do; `note` says why there is none, or a caveat."""

    name: str
    orders: tuple[OrderVerdict, ...] = ()
    position: PositionVerdict | None = None
    note: str = ""


async def plans(settings: Settings, ledger: Ledger, runs: Sequence[Run]) -> list[RunPlan]:
    """Return the plan of each run; one that cannot be made does not hinder the others."""
    found: list[RunPlan] = []
    for run in runs:
        try:
            async with reach.venue(settings, run.account) as venue:
                found.append(await plan_of(settings, ledger, run, venue))
        except CommandError as error:
            found.append(RunPlan(run.run_id, note=str(error)))
    return found


async def plan_of(settings: Settings, ledger: Ledger, run: Run, venue: Venue) -> RunPlan:
    """Return the plan of *run* at *venue*; raises CommandError if its belief cannot be read."""
    before, looks = await _belief(settings, run), 0
    while True:
        looks += 1
        look = await _look(ledger, venue, run)
        known = await _circumstances(settings, ledger, run, look, venue)
        plan = reconcile(before, look.view, known)
        after = await _belief(settings, run)
        if after == before or looks == _LOOKS:
            note = "" if after == before else "the run traded during every look: look again"
            return RunPlan(run.run_id, plan.orders, plan.position, note)
        before = after


async def _belief(settings: Settings, run: Run) -> Belief:
    if run.kind == "grid":
        return await (await Runs.connect(settings)).belief(run.run_id)
    payload = CheckpointStore.peek(settings.data_dir / "simple.db", run.run_id)
    if payload is None:
        raise CommandError(
            f"run {run.run_id} is a simple run without a checkpoint in {settings.data_dir}: "
            "name its directory with --data"
        )
    return belief(_STATE.validate_json(payload))


async def _look(ledger: Ledger, venue: Venue, run: Run) -> Look:
    mark = await ledger.watermark(run.account, run.symbol)
    price = await venue.last_price(run.symbol)
    since = (mark or price.at) - OVERLAP
    return Look(await venue.account_view(run.symbol, since), price.price, since)


async def _circumstances(
    settings: Settings, ledger: Ledger, run: Run, look: Look, venue: Venue
) -> Circumstances:
    desk = Reconciler(run.account, ledger, RiskDesk(ledger, settings.risk))
    shown = await desk.shown(run, look)
    orders = await ledger.orders_of_run(run.run_id, unsettled=True)
    peers = await ledger.runs(run.account)
    return Circumstances(
        venue.arrival_limit,
        {order.client_id: order.sent_at for order in orders if order.sent_at},
        settings.account(run.account).exclusive,
        frozenset(peer.tag for peer in peers if peer.tag != run.tag),
        shown.others,
        shown.shared,
        shown.severe_percent,
    )

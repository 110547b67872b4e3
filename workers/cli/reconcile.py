"""`opensqt reconcile`: what a comparison with the venue would do, and to let runs do it now."""

from collections.abc import Sequence
from dataclasses import dataclass

import click
from rich.console import Group, RenderableType
from rich.text import Text

from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import OPEN, Run
from domain.risk.breaker import Phase
from domain.risk.divergence import Agreement
from domain.risk.reconcile import Move, OrderVerdict
from domain.risk.scope import Scope, ScopeKind
from workers.cli import reach
from workers.cli.comparing import RunPlan, plans
from workers.cli.failures import BadInputError, CommandError, no_run
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.pair_book import is_leg, legs_of
from workers.cli.runs import Runs, operator
from workers.cli.tables import plain_table
from workers.settings import Settings
from workflows.messages import Command

_BY_ITSELF = (
    "is a simple run, which nothing can tell anything: it compares itself at every start and every "
    "reconcile_every seconds"
)
_AT_EACH_LOOK = (
    "is a pair, or a leg of one, which compares its books with its venues at every look: "
    "`opensqt arb status` shows what is not hedged"
)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a run did when it was told to compare itself."""

    name: str
    changed: tuple[str, ...]
    after: RunPlan


@click.command(epilog="Example: opensqt reconcile my-grid --apply --why 'the venue was down'")
@click.argument("name", required=False)
@click.option(
    "--plan/--apply",
    "only_plan",
    default=True,
    help="Only show what would be done, or let the runs do it now.  [default: plan]",
)
@click.option("--why", default="", metavar="TEXT", help="The reason, for the audit log.")
@with_settings
async def reconcile(
    name: str | None, *, only_plan: bool, why: str, settings: Settings, as_json: bool
) -> None:
    """Compare the run NAME, or all that are open, with their venues: order by order, and position.

    What is said of each order is to keep, adopt, cancel, recreate or look it up, or only to report.
    """
    async with reach.ledger(settings) as ledger:
        runs = await _chosen(ledger, name)
        if only_plan:
            found = await plans(settings, ledger, runs)
            _put(found, as_json=as_json)
            return
        if name is not None and runs[0].kind != "grid":
            raise BadInputError(f"run {name} {_BY_ITSELF}")
        durable = [run for run in runs if run.kind == "grid"]
        done = [await _applied(settings, ledger, run, why) for run in durable]
    if as_json:
        put_json({"applied": done})
    else:
        console().print(_applied_text(done))


async def _chosen(ledger: Ledger, name: str | None) -> list[Run]:
    if name is None:
        return [run for run in await ledger.runs(statuses=OPEN) if not is_leg(run)]
    run = await ledger.run(name)
    if (run is None and await legs_of(ledger, name)) or (run is not None and is_leg(run)):
        raise BadInputError(f"{name} {_AT_EACH_LOOK}")
    if run is None:
        raise no_run(name)
    if run.closed_at is not None:
        raise CommandError(f"run {name} has ended: there is nothing to compare")
    return [run]


async def _applied(settings: Settings, ledger: Ledger, run: Run, why: str) -> Applied:
    (before,) = await plans(settings, ledger, [run])
    corrected = len(await ledger.corrections_of_run(run.run_id))
    told = Command(operator(), why)
    await (await Runs.connect(settings)).tell(run.run_id, "reconcile", told)
    (after,) = await plans(settings, ledger, [run])
    new = (await ledger.corrections_of_run(run.run_id))[corrected:]
    done = [
        *(f"{each.move} {each.client_id}: {each.why}" for each in _moves(before)),
        *(f"corrected by {each.lots} lots: {each.why}" for each in new),
        *await _breakers(settings, ledger, run, after),
    ]
    return Applied(run.run_id, tuple(done), after)


def _moves(plan: RunPlan) -> list[OrderVerdict]:
    return [each for each in plan.orders if each.move is not Move.KEEP]


async def _breakers(settings: Settings, ledger: Ledger, run: Run, after: RunPlan) -> list[str]:
    """Return why breakers are open, if the position says that they should be."""
    if after.position is None or after.position.agreement is not Agreement.SEVERE:
        return []
    wanted = [Scope(ScopeKind.RUN, run.run_id), Scope(ScopeKind.ACCOUNT, run.account)]
    known = await RiskDesk(ledger, settings.risk).known(wanted)
    return [each.why for each in known.breakers.values() if each.phase is not Phase.CLOSED]


# --- for people ------------------------------------------------------------------------------


def _put(found: Sequence[RunPlan], *, as_json: bool) -> None:
    if as_json:
        put_json({"runs": found})
    elif not found:
        console().print("no runs")
    else:
        console().print(Group(*(_plan_table(plan) for plan in found)))


def _plan_table(plan: RunPlan) -> RenderableType:
    parts: list[RenderableType] = [Text(f"run {plan.name}", style="bold")]
    if plan.orders:
        table = plain_table("order", "what to do", "why")
        table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
        for each in plan.orders:
            table.add_row(each.client_id or each.order_id, each.move.value, each.why)
        parts.append(table)
    if plan.position is not None:
        parts.append(Text(f"position: {plan.position.why}"))
    if plan.note:
        parts.append(Text(f"note: {plan.note}", style="yellow"))
    return Group(*parts, Text(""))


def _applied_text(done: Sequence[Applied]) -> RenderableType:
    lines: list[RenderableType] = []
    for each in done:
        lines.append(Text(f"run {each.name}", style="bold"))
        lines += [Text(f"  {changed}") for changed in each.changed or ("nothing was to be done",)]
        if each.after.position is not None:
            lines.append(Text(f"  position now: {each.after.position.why}"))
    return Group(*lines) if lines else Text("no durable runs")

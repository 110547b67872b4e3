"""`opensqt risk status` and `opensqt audit`: where runs stand, and who did what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from activities.account import OPEN
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import AuditEntry
from domain.risk.breaker import BreakerState, Phase
from domain.risk.scope import OVERALL, Scope, ScopeKind
from workers.cli import reach
from workers.cli.failures import no_run
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class RunStanding:
    """Where one run stands."""

    name: str
    account: str
    halted: bool
    why: str


@dataclass(frozen=True, slots=True)
class BreakerLine:
    """One breaker; `since` is None while it is closed."""

    scope: str
    phase: Phase
    since: datetime | None
    who: str
    cause: str
    why: str


@dataclass(frozen=True, slots=True)
class RiskAnswer:
    """The answer of `opensqt risk status`."""

    runs: tuple[RunStanding, ...]
    breakers: tuple[BreakerLine, ...]
    #: What the market monitor said last; empty if there is none.
    monitor: str


@click.command(epilog="Example: opensqt risk status --json")
@with_settings
async def status(*, settings: Settings, as_json: bool) -> None:
    """Show where every run stands, and the breaker of each of them, each account and everything."""
    async with reach.ledger(settings) as ledger:
        answer = await _answer(settings, ledger)
    if as_json:
        put_json(answer)
    else:
        console().print(_shown(answer))


@click.command(epilog="Example: opensqt audit --run my-grid --limit 20")
@click.option("--run", metavar="NAME", help="Only what was done to this run.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="How many.")
@with_settings
async def audit(run: str | None, limit: int, *, settings: Settings, as_json: bool) -> None:
    """Show the audit log, newest first: who did what, when and why, and what it changed."""
    async with reach.ledger(settings) as ledger:
        if run is not None and await ledger.run(run) is None:
            raise no_run(run)
        entries = await ledger.audit_trail(run, limit)
    if as_json:
        put_json({"entries": entries})
    else:
        console().print(_log(entries))


async def _answer(settings: Settings, ledger: Ledger) -> RiskAnswer:
    desk = RiskDesk(ledger, settings.risk)
    runs = await ledger.runs(statuses=OPEN)
    stands = [
        RunStanding(run.run_id, run.account, found.halted, found.why)
        for run in runs
        for found in [await desk.standing(run.run_id, run.account)]
    ]
    accounts = sorted({*settings.accounts, *(run.account for run in runs)})
    wanted = [OVERALL, *(Scope(ScopeKind.ACCOUNT, name) for name in accounts)]
    wanted += [Scope(ScopeKind.RUN, run.run_id) for run in runs]
    known = await desk.known(wanted)
    monitor = ""
    if settings.risk.monitor is not None:
        monitor = known.verdict.why if known.verdict else "it has not spoken"
    return RiskAnswer(tuple(stands), tuple(map(_line, known.breakers.values())), monitor)


def _line(breaker: BreakerState) -> BreakerLine:
    return BreakerLine(
        str(breaker.scope),
        breaker.phase,
        breaker.opened_at,
        breaker.who,
        str(breaker.cause or ""),
        breaker.reason,
    )


def _shown(answer: RiskAnswer) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415  slow to load, and not needed for JSON
    from rich.text import Text  # noqa: PLC0415

    runs = _table("run", "account", "openings", "why")
    for run in answer.runs:
        word = Text("halted", style="bold red") if run.halted else Text("allowed", style="green")
        runs.add_row(run.name, run.account, word, run.why)
    breakers = _table("breaker", "phase", "since", "by", "why")
    for line in answer.breakers:
        since = f"{line.since:%Y-%m-%d %H:%M:%S}" if line.since else ""
        closed = line.phase is Phase.CLOSED
        phase = Text(line.phase.value, style="" if closed else "bold red")
        breakers.add_row(line.scope, phase, since, line.who, line.why)
    parts: list[RenderableType] = [runs if answer.runs else Text("no runs"), Text(""), breakers]
    if answer.monitor:
        parts += [Text(""), Text(f"market monitor: {answer.monitor}")]
    return Group(*parts)


def _log(entries: Sequence[AuditEntry]) -> "RenderableType":
    from rich.text import Text  # noqa: PLC0415  slow to load, and not needed for JSON

    if not entries:
        return Text("nothing was recorded yet")
    table = _table("when (UTC)", "who", "what", "run", "why", "before", "after")
    for entry in entries:
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.who,
            entry.command,
            entry.run_id or "",
            entry.why,
            _values(entry.before),
            _values(entry.after),
        )
    return table


def _values(values: Any) -> str:
    return "" if not values else ", ".join(f"{name}: {each}" for name, each in values.items())


def _table(*columns: str) -> Any:
    from rich import box  # noqa: PLC0415  slow to load, and not needed for JSON
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in ("run", "breaker", "phase"))
    return table

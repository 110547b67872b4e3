"""`opensqt risk status`: where runs stand, and every breaker."""

from dataclasses import dataclass
from datetime import datetime

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import OPEN
from domain.risk.breaker import BreakerState, Phase
from domain.risk.scope import OVERALL, Scope, ScopeKind
from workers.cli import reach
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.tables import plain_table
from workers.settings import Settings


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
        console().print(risk_table(answer))


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


def risk_table(answer: RiskAnswer) -> RenderableType:
    """Return where runs stand, and breakers below."""
    runs = _wrapping("run", "account", "openings", "why")
    for run in answer.runs:
        word = Text("halted", style="bold red") if run.halted else Text("allowed", style="green")
        runs.add_row(run.name, run.account, word, run.why)
    breakers = _wrapping("breaker", "phase", "since (UTC)", "by", "why")
    for line in answer.breakers:
        since = f"{line.since:%Y-%m-%d %H:%M:%S}" if line.since else ""
        phase = Text(line.phase.value, style="" if line.phase is Phase.CLOSED else "bold red")
        breakers.add_row(line.scope, phase, since, line.who, line.why)
    parts: list[RenderableType] = [runs if answer.runs else Text("no runs"), Text(""), breakers]
    if answer.monitor:
        parts += [Text(""), Text(f"market monitor: {answer.monitor}")]
    return Group(*parts)


def _wrapping(*columns: str) -> Table:
    """Return a table whose last column, a sentence, may take several lines."""
    table = plain_table(*columns)
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    return table

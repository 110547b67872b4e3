"""`opensqt risk status`: where runs stand, and every breaker."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from activities.clock import utc_now
from activities.exits import Exits
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import OPEN
from domain.money import fixed
from domain.risk.breaker import BreakerState, Phase
from domain.risk.monitor import Verdict
from domain.risk.monitor_spec import MonitorSpec
from domain.risk.readings import Reading
from domain.risk.scope import OVERALL, Scope, ScopeKind
from domain.risk.standing import guard_halts
from domain.risk.way_out import WayOut
from workers.cli import reach
from workers.cli.options import with_settings
from workers.cli.output import console, number, put_json
from workers.cli.tables import plain_table
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class RunStanding:
    """Where one run stands."""

    name: str
    account: str
    halted: bool
    why: str
    #: How far the run's exit is, if it is on its way out.
    exit: WayOut | None


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
class MonitorLine:
    """What the market monitor said last, and the numbers behind it, in ticks and lots."""

    #: Openings are halted by it, or by its silence.
    halted: bool
    why: str
    #: None: it has not spoken.
    said_at: datetime | None = None
    storm_since: datetime | None = None
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class RiskAnswer:
    """The answer of `opensqt risk status`."""

    runs: tuple[RunStanding, ...]
    breakers: tuple[BreakerLine, ...]
    #: None: there is no market monitor.
    monitor: MonitorLine | None


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
    exits = await Exits(ledger, desk).of([run.run_id for run in runs])
    stands = [
        RunStanding(run.run_id, run.account, found.halted, found.why, exits.get(run.run_id))
        for run in runs
        for found in [await desk.standing(run.run_id, run.account)]
    ]
    accounts = sorted({*settings.accounts, *(run.account for run in runs)})
    wanted = [OVERALL, *(Scope(ScopeKind.ACCOUNT, name) for name in accounts)]
    wanted += [Scope(ScopeKind.RUN, run.run_id) for run in runs]
    known = await desk.known(wanted)
    monitor = _monitor(settings.risk.monitor, known.verdict)
    return RiskAnswer(tuple(stands), tuple(map(_line, known.breakers.values())), monitor)


def _monitor(spec: MonitorSpec | None, said: Verdict | None) -> MonitorLine | None:
    if spec is None or not spec.enabled:
        return None
    halts = guard_halts(said, utc_now(), timedelta(seconds=spec.stale_after))
    if said is None:
        return MonitorLine(halted=True, why=halts)
    return MonitorLine(bool(halts), halts or said.why, said.at, said.storm_since, said.readings)


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
        runs.add_row(run.name, run.account, word, _why(run))
    breakers = _wrapping("breaker", "phase", "since (UTC)", "by", "why")
    for line in answer.breakers:
        since = f"{line.since:%Y-%m-%d %H:%M:%S}" if line.since else ""
        phase = Text(line.phase.value, style="" if line.phase is Phase.CLOSED else "bold red")
        breakers.add_row(line.scope, phase, since, line.who, line.why)
    parts: list[RenderableType] = [runs if answer.runs else Text("no runs"), Text(""), breakers]
    if answer.monitor is not None:
        parts += [Text(""), *_monitor_parts(answer.monitor)]
    return Group(*parts)


def _why(run: RunStanding) -> str:
    way = run.exit
    if way is None or way.ended:
        return run.why
    debt = way.debt
    left = "not begun yet" if debt is None else f"{debt.phase}, {number(debt.base)} still open"
    return f"LEAVING since {way.asked_at:%F %T} UTC ({left}); {run.why}"


def _monitor_parts(line: MonitorLine) -> list[RenderableType]:
    when = f" ({line.said_at:%F %T} UTC)" if line.said_at else ""
    told = Text(f"market monitor{when}: {line.why}", style="bold red" if line.halted else "")
    if not line.readings:
        return [told]
    numbers = ("price", "its average", "volume", "its average ")
    table = plain_table("symbol", "candle (UTC)", *numbers, "is", right=numbers)
    for each in line.readings:
        candle = f"{each.opened_at:%H:%M} {'closed' if each.closed else 'forming'}"
        word = "anomalous" if each.anomalous else "normal" if each.normal else "neither"
        averages = fixed(each.average_price, 2), fixed(each.average_volume, 2)
        table.add_row(
            each.symbol, candle, str(each.price), averages[0], str(each.volume), averages[1], word
        )
    return [told, Text("prices in ticks, volumes in lots", style="dim"), table]


def _wrapping(*columns: str) -> Table:
    """Return a table whose last column, a sentence, may take several lines."""
    table = plain_table(*columns)
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    return table

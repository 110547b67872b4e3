"""`opensqt crashlab`: kill everything at every step, and ask the exchanges' books."""

import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from activities.venues.ccxt.registry import VENUES
from workers.cli.failures import CommandError, Exit
from workers.cli.options import json_option
from workers.cli.output import put_json
from workers.crashlab.steps import (
    GRID_STEPS,
    GRID_VICTIMS,
    PAIR_STEPS,
    PAIR_VICTIMS,
    Step,
    Victim,
)

if TYPE_CHECKING:
    from workers.crashlab.findings import Findings
    from workers.crashlab.lab import Task
    from workers.crashlab.steps import Cell

#: Without a terminal progress is a line every so many kills.
_TOLD_EVERY: Final = 25
#: A venue of pairs besides the real ones: the local exchange by gRPC.
PAPER: Final = "paper"
_T = TypeVar("_T", bound=str)


class _Some(click.ParamType[tuple[str, ...]]):
    """Names with commas between, out of those there are."""

    name = "names"

    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = known

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(each.strip() for each in str(value).split(",") if each.strip()))
        wrong = [name for name in names if name not in self._known]
        if wrong or not names:
            was = ", ".join(wrong) or "none"
            self.fail(f"must be of {', '.join(self._known)}, was {was}", param, ctx)
        return names


@click.command(
    epilog="Example: opensqt crashlab --kills 20 --steps sent,accepted --processes worker"
)
@click.option("--seed", type=int, default=1, show_default=True, help="What it all is drawn from.")
@click.option(
    "--kills", type=click.IntRange(1), default=200, show_default=True, help="How many to do."
)
@click.option(
    "--venues",
    type=_Some((*VENUES, PAPER)),
    metavar="NAME,NAME",
    help="Where grids or pairs trade, spot and perpetuals [default: all; of pairs paper too].",
)
@click.option(
    "--steps",
    type=_Some(tuple(Step)),
    metavar="NAME,NAME",
    help=f"When to kill: {', '.join(Step)} [default: all].",
)
@click.option(
    "--processes",
    type=_Some(tuple(Victim)),
    metavar="NAME,NAME",
    help=f"Whom to kill: {', '.join(Victim)} [default: all].",
)
@click.option(
    "--round",
    "round_of",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Kills of one cell of the matrix before the books are asked.",
)
@click.option(
    "--lanes",
    type=click.IntRange(1, 16),
    default=4,
    show_default=True,
    help="Systems that are killed side by side.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Leave crash-lab.md and crash-lab.svg there, and what is left of systems that failed.",
)
@click.option(
    "--without-look-up",
    is_flag=True,
    help="Switch the look-up before a second sending off: the lab has to find that.",
)
@click.option(
    "--pairs",
    is_flag=True,
    help="Run pairs, each over two exchanges that are killed too, instead of grids.",
)
@click.option(
    "--without-compensation",
    is_flag=True,
    help="Of pairs: let no leg be hedged or undone. The lab has to find naked legs.",
)
@json_option
def crashlab(  # noqa: PLR0913 - an option each
    *,
    seed: int,
    kills: int,
    venues: tuple[str, ...] | None,
    steps: tuple[str, ...] | None,
    processes: tuple[str, ...] | None,
    round_of: int,
    lanes: int,
    report: Path | None,
    without_look_up: bool,
    pairs: bool,
    without_compensation: bool,
    as_json: bool,
) -> None:
    """Run grids or pairs on local exchanges, kill at every step, and ask the exchanges' own books.

    Each kill is a SIGKILL (of a connection: a cut) while a process stands at the step. Every system
    has to go on by itself. Fails if a single order or fill is lost, doubled or nobody's, or if the
    money does not add up.
    """
    # The exchange is in this process, which starts others: gRPC would write about each.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    from workers.crashlab.lab import Task  # noqa: PLC0415 - loads all the program is made of
    from workers.crashlab.processes import require_postgres  # noqa: PLC0415 - the same

    if without_compensation and not pairs:
        raise click.UsageError("--without-compensation is of --pairs")
    known_venues = (*VENUES, PAPER) if pairs else tuple(VENUES)
    chosen = _chosen("--venues", venues, known_venues)
    moments = _chosen("--steps", steps, PAIR_STEPS if pairs else GRID_STEPS)
    victims = _chosen("--processes", processes, PAIR_VICTIMS if pairs else GRID_VICTIMS)
    if Victim.POSTGRES in victims:
        require_postgres()
    _quiet()
    with _room(report) as directory:
        task = Task(
            seed=seed,
            kills=kills,
            venues=chosen,
            steps=moments,
            victims=victims,
            round_of=round_of,
            lanes=lanes,
            directory=directory,
            look_up=not without_look_up,
            pairs=pairs,
            compensates=not without_compensation,
        )
        findings = _done(task)
    _tell(task, findings, report, as_json=as_json)
    if findings.interrupted:
        raise click.exceptions.Abort
    if findings.violations and as_json:  # the document tells it all
        raise click.exceptions.Exit(Exit.FAILED)
    if findings.violations:
        raise CommandError(
            f"{len(findings.violations)} violations after {findings.total} kills; the first: "
            f"{findings.violations[0].what}"
        )


def _chosen(option: str, asked: tuple[str, ...] | None, known: tuple[_T, ...]) -> tuple[_T, ...]:
    """Return what was asked for of what there is of grids, or of pairs; without a wish all."""
    if asked is None:
        return known
    wrong = [name for name in asked if name not in known]
    if wrong:
        raise click.UsageError(f"{option} must be of {', '.join(known)}, was {', '.join(wrong)}")
    return tuple(each for each in known if each in asked)


def _quiet() -> None:
    """Let only the lab itself speak: everything around it loses connections all the time."""
    from temporalio.runtime import Runtime, TelemetryConfig  # noqa: PLC0415 - as above

    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    logging.getLogger("workers.crashlab").setLevel(logging.WARNING)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))


@contextlib.contextmanager
def _room(report: Path | None) -> Iterator[Path]:
    """Yield a directory for the systems; those that failed stay in it, if there is a report."""
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="crashlab-", dir=report))
    try:
        yield directory
    finally:
        if report is None or not any(directory.iterdir()):
            shutil.rmtree(directory, ignore_errors=True)


def _done(task: "Task") -> "Findings":
    from workers.crashlab.findings import Findings  # noqa: PLC0415 - as above
    from workers.crashlab.lab import run  # noqa: PLC0415 - as above

    findings = Findings()

    def tell(number: int, cell: "Cell") -> None:
        if sys.stderr.isatty():
            click.echo(
                f"\r{number}/{task.kills} kills  {cell[0]} × {cell[1]}\x1b[K", err=True, nl=False
            )
        elif number % _TOLD_EVERY == 0:
            click.echo(f"{number}/{task.kills} kills", err=True)

    try:
        asyncio.run(run(task, tell, findings))
    except KeyboardInterrupt:  # who waited for an hour wants to see what was found by then
        findings.interrupted = True
    finally:
        if sys.stderr.isatty():
            click.echo("\r\x1b[K", err=True, nl=False)
    return findings


def _tell(task: "Task", findings: "Findings", report: Path | None, *, as_json: bool) -> None:
    from workers.crashlab.picture import picture  # noqa: PLC0415 - as above
    from workers.crashlab.report import (  # noqa: PLC0415 - as above
        PARTIAL,
        document,
        legend,
        markdown,
        matrix,
    )

    if report is not None:
        command = shlex.join(["opensqt", *sys.argv[1:]])
        (report / "crash-lab.md").write_text(markdown(task, findings, command))
        (report / "crash-lab.svg").write_text(picture(task, findings))
    if as_json:
        put_json(document(task, findings))
        return
    rows = matrix(task, findings)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *line in rows:
        told = (cell.rjust(width) for cell, width in zip(line, widths[1:], strict=True))
        click.echo(f"{name:<{widths[0]}}  {'  '.join(told)}")
    click.echo("\nEach cell: kills / violations.\n")
    if findings.interrupted:
        click.echo(f"{PARTIAL}\n")
    click.echo("\n".join(legend(task.steps)))

"""`opensqt grid pause`, `resume`, `stop` and `reconfigure`: what a person tells a live run."""

import sys
from typing import Any

import click

from domain.grid.spec import StopMode
from workers.cli.failures import BadInputError, CommandError
from workers.cli.options import accept_option, why_option, with_settings
from workers.cli.output import console, put_json
from workers.cli.runs import DurableRuns, NoWorkerError, Runs, S, operator
from workers.cli.specs import read_spec
from workers.cli.tables import preview_table
from workers.settings import Settings
from workflows.messages import Command, ReconfigureGrid, ResumeGrid, StopGrid

_NOBODY = "there is nobody to ask: add --yes, or --dry-run to only look"


@click.command(epilog='Example: opensqt grid pause my-grid --why "news at two"')
@click.argument("name")
@why_option
@with_settings
async def pause(name: str, *, why: str, settings: Settings, as_json: bool) -> None:
    """Pause the run NAME: its entries are canceled, its exits stay."""
    await _tell(settings, name, "pause", Command(operator(), why), as_json=as_json)


@click.command(epilog="Example: opensqt grid resume my-grid")
@click.argument("name")
@accept_option
@why_option
@with_settings
async def resume(
    name: str, *, accept: tuple[str, ...], why: str, settings: Settings, as_json: bool
) -> None:
    """Let the paused run NAME place entries again, if the preflight passes."""
    await _tell(settings, name, "resume", ResumeGrid(operator(), why, accept), as_json=as_json)


@click.command(epilog="Example: opensqt grid stop my-grid --mode close")
@click.argument("name")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in StopMode]),
    default=StopMode.CANCEL.value,
    show_default=True,
    help="keep: leave orders and position; cancel: cancel the orders; close: trade back too.",
)
@why_option
@with_settings
async def stop(name: str, *, mode: str, why: str, settings: Settings, as_json: bool) -> None:
    """Stop the run NAME for good; what becomes of its orders and position is --mode."""
    message = StopGrid(StopMode(mode), operator(), why)
    await _tell(settings, name, "stop", message, as_json=as_json)


@click.command(epilog="Example: opensqt grid reconfigure my-grid wider.yaml --dry-run")
@click.argument("name")
@click.argument("spec", metavar="SPEC.yaml")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@why_option
@with_settings
async def reconfigure(
    name: str,
    spec: str,
    *,
    yes: bool,
    dry_run: bool,
    why: str,
    settings: Settings,
    as_json: bool,
) -> None:
    """Change the live run NAME to SPEC: show what that does to its orders, ask, then do it."""
    asks = not (yes or dry_run)
    if asks:
        require_somebody(spec, as_json=as_json)
    parsed = read_spec(spec)
    runs = await Runs.connect(settings)
    found = await runs.preview(name, parsed)
    if not as_json:
        console().print(preview_table(found))
    if asks:
        confirm_change(name)
    after = None
    if not dry_run:
        message = ReconfigureGrid(parsed, operator(), why)
        after = await told(runs, name, "reconfigure", message)
    if as_json:
        put_json({"name": name, "changed": not dry_run, "preview": found, "status": after})
    elif after is not None:
        click.echo(f"run {name} is {after.phase} with the new settings")


def require_somebody(spec: str, *, as_json: bool) -> None:
    """Raise BadInputError unless there is a person who can be asked whether to change a run."""
    if as_json or spec == "-" or not sys.stdin.isatty():
        raise BadInputError(_NOBODY)


def confirm_change(name: str, kind: str = "run") -> None:
    """Return if a person wants the change that was shown; raises CommandError if not."""
    if not click.confirm(f"change {kind} {name} to this?", default=False):
        raise CommandError("nothing was changed")


async def _tell(settings: Settings, name: str, update: str, message: Any, *, as_json: bool) -> None:
    after = await told(await Runs.connect(settings), name, update, message)
    if as_json:
        put_json({"name": name, "status": after})
    else:
        click.echo(f"run {name} is {after.phase}")


async def told(runs: DurableRuns[S], name: str, update: str, message: Any) -> S:
    """Send an update and return the status after it; raises what `DurableRuns.tell` does."""
    try:
        return await runs.tell(name, update, message)
    except NoWorkerError as error:
        raise NoWorkerError(
            f"{error}. Whether {update} was taken is not known: ask "
            f"`opensqt {runs.group} status {name}`"
        ) from None

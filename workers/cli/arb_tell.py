"""`opensqt arb pause`, `resume`, `exit`, `stop` and `reconfigure`: what a live pair is told."""

from typing import Any, Final

import click

from domain.arbitrage.preview import PairPreview
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.state import Phase
from domain.arbitrage.view import PairStatus
from domain.money import percent
from workers.cli.failures import BadInputError, NotFoundError, UnreachableError
from workers.cli.grid_tell import confirm_change, require_somebody, told
from workers.cli.options import why_option, with_settings
from workers.cli.output import console, note, put_json
from workers.cli.pair_reading import kept_answer
from workers.cli.pair_runs import PairRuns
from workers.cli.pair_starting import preview_of
from workers.cli.pair_tables import preview_table
from workers.cli.runs import operator
from workers.cli.specs import read_pair
from workers.settings import Settings
from workflows.messages import Command
from workflows.pair_messages import ExitPair, ReconfigurePair

_BY_ITSELF: Final = (
    "is run by `opensqt arb run`, which nothing can tell anything: end that process, and start it "
    "again with --stop to close the pair or with another SPEC to change it"
)


@click.command(epilog='Example: opensqt arb pause my-pair --why "news at two"')
@click.argument("name")
@why_option
@with_settings
async def pause(name: str, *, why: str, settings: Settings, as_json: bool) -> None:
    """Let the pair NAME enter nothing until it is resumed; what it holds it can still leave."""
    await _tell(settings, name, "pause", Command(operator(), why), as_json=as_json)


@click.command(epilog="Example: opensqt arb resume my-pair")
@click.argument("name")
@why_option
@with_settings
async def resume(name: str, *, why: str, settings: Settings, as_json: bool) -> None:
    """Let the paused pair NAME enter again what earns enough."""
    await _tell(settings, name, "resume", Command(operator(), why), as_json=as_json)


@click.command(name="exit", epilog='Example: opensqt arb exit my-pair --why "a listing ends"')
@click.argument("name")
@why_option
@with_settings
async def exit_pair(name: str, *, why: str, settings: Settings, as_json: bool) -> None:
    """Close the pair NAME now, both legs at once; the run goes on watching.

    It may be entered again when `cool_off` is over; pause it to prevent that.
    """
    message = ExitPair(ends=False, by=operator(), why=why)
    await _tell(settings, name, "exit", message, as_json=as_json)


@click.command(epilog="Example: opensqt arb stop my-pair")
@click.argument("name")
@why_option
@with_settings
async def stop(name: str, *, why: str, settings: Settings, as_json: bool) -> None:
    """Close the pair NAME and end its run for good, as soon as nothing is held."""
    message = ExitPair(ends=True, by=operator(), why=why)
    await _tell(settings, name, "exit", message, as_json=as_json)


@click.command(epilog="Example: opensqt arb reconfigure my-pair calmer.yaml --dry-run")
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
    """Change the live pair NAME to SPEC: show what that does, ask, then do it.

    Its legs stay what they are. What it holds stays too, unless SPEC says to leave it.
    """
    asks = not (yes or dry_run)
    if asks:
        require_somebody(spec, as_json=as_json)
    parsed = read_pair(spec)
    runs = await _connected(settings, name)
    before = await runs.status(name)
    _require_same_legs(before, parsed)
    found, unseen = await _preview(settings, parsed)
    effect = _effect(before, found, parsed)
    if not as_json:
        if found is not None:
            console().print(preview_table(found))
        click.echo(effect)
        note(unseen)
    if asks:
        confirm_change(name)
    after = None
    if not dry_run:
        message = ReconfigurePair(parsed, operator(), why)
        after = await told(runs, name, "reconfigure", message)
    if as_json:
        answer = {"name": name, "changed": not dry_run, "effect": effect}
        put_json({**answer, "preview": found, "status": after, "note": unseen})
    elif after is not None:
        click.echo(f"pair {name} is {after.phase} with the new settings")


def _require_same_legs(before: PairStatus, spec: ArbSpec) -> None:
    """Raise BadInputError if *spec* is of other legs: the run would refuse it too."""
    held = [(leg.account, leg.symbol) for leg in before.legs]
    if held != [(leg.account, leg.symbol) for leg in spec.legs]:
        told_ = " and ".join(f"{symbol} on {account}" for account, symbol in held)
        raise BadInputError(
            f"first and second stay what they are while a pair runs ({told_}): stop this one and "
            "start another"
        )


async def _preview(settings: Settings, spec: ArbSpec) -> tuple[PairPreview | None, str]:
    """Return what *spec* would be now, or why that cannot be told."""
    try:
        return await preview_of(settings, spec), ""
    except UnreachableError as error:
        return None, str(error)


def _effect(before: PairStatus, found: PairPreview | None, spec: ArbSpec) -> str:
    """Return what the new settings mean for what is held now."""
    if before.direction is not None:
        if before.apr is not None and before.apr < spec.exit_apr:
            return (
                f"The pair is held, and would be left: it earns less than {percent(spec.exit_apr)}."
            )
        return "The pair is held, and would stay."
    if before.phase is not Phase.RUNNING:
        return f"Nothing is held, and nothing would be entered: the run is {before.phase}."
    enters = found is not None and found.enters and not before.halted
    return f"Nothing is held, and the pair would {'' if enters else 'not '}be entered now."


async def _tell(settings: Settings, name: str, update: str, message: Any, *, as_json: bool) -> None:
    runs = await _connected(settings, name)
    after = await told(runs, name, update, message)
    if as_json:
        put_json({"name": name, "status": after})
    else:
        doing = f"; {after.trade}" if after.trade else ""
        click.echo(f"pair {name} is {after.phase}{doing}")


async def _connected(settings: Settings, name: str) -> PairRuns:
    """Return the pairs; raises BadInputError if *name* is one that nothing can be told."""
    try:
        runs = await PairRuns.connect(settings)
        await runs.is_open(name)
    except (NotFoundError, UnreachableError):
        if kept_answer(settings, name) is not None:
            raise BadInputError(f"pair {name} {_BY_ITSELF}") from None
        raise
    return runs

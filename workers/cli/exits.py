"""`opensqt grid exit` and `opensqt risk exit`: a person wants runs out of the market, now."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from activities.exits import Exits
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import OPEN, Run
from domain.errors import InvalidValueError
from domain.risk.way_out import WayOut
from workers.cli import reach
from workers.cli.failures import BadInputError, CommandError, Exit, UnreachableError, no_run
from workers.cli.options import with_settings
from workers.cli.output import note, number, put_json
from workers.cli.pair_book import grouped, is_leg, legs_of, refuse_leg
from workers.cli.runs import operator
from workers.settings import Settings

_WHY: Final = click.option(
    "--why", required=True, metavar="TEXT", help="The reason, for the audit log."
)
_YES: Final = click.option("--yes", is_flag=True, help="Do not ask.")
_NO_WAIT: Final = click.option(
    "--no-wait", is_flag=True, help="Only ask for it; `opensqt risk status` shows how far it is."
)
_LOOK_EVERY: Final = 0.25
#: Somebody who works on the run has begun by then (seconds).
_BEGUN_WITHIN: Final = 15


@dataclass(frozen=True, slots=True)
class StoppedPair:
    """A pair that was told to stop, or why it was not."""

    name: str
    stops: bool
    told: str


def _how(command: Callable[..., Any]) -> Callable[..., Any]:
    return _WHY(_YES(_NO_WAIT(command)))


@click.command(name="exit", epilog='Example: opensqt grid exit my-grid --why "the venue fails"')
@click.argument("name")
@_how
@with_settings
async def grid_exit(
    name: str, *, why: str, yes: bool, no_wait: bool, settings: Settings, as_json: bool
) -> None:
    """Leave the market with the run NAME: cancel its orders, close its position, end it.

    It is tried again until nothing is left, whatever the venue does. Nothing is opened meanwhile.
    """
    async with reach.ledger(settings) as ledger:
        run = await ledger.run(name)
        if run is None and await legs_of(ledger, name):
            raise BadInputError(f"{name} is a pair: `opensqt arb stop {name}` closes both its legs")
        if run is None:
            raise no_run(name)
        runs = [refuse_leg(run)]
        await _leave(settings, ledger, runs, why, yes=yes, no_wait=no_wait, as_json=as_json)


@click.command(name="exit", epilog='Example: opensqt risk exit --account main --why "it is hacked"')
@click.option("--account", required=True, metavar="NAME", help="Whose runs leave.")
@_how
@with_settings
async def account_exit(
    account: str, *, why: str, yes: bool, no_wait: bool, settings: Settings, as_json: bool
) -> None:
    """Leave the market with all runs of an account: cancel, close, end, as `grid exit` does.

    Pairs with a leg there are told to stop, as `arb stop` does: that closes both their legs.
    """
    settings.account(account)
    async with reach.ledger(settings) as ledger:
        runs = await ledger.runs(account, OPEN)
        if not runs:
            raise CommandError(f"no run of account {account} is open: there is nothing to leave")
        await _leave(settings, ledger, runs, why, yes=yes, no_wait=no_wait, as_json=as_json)


async def _leave(
    settings: Settings,
    ledger: Ledger,
    runs: Sequence[Run],
    why: str,
    *,
    yes: bool,
    no_wait: bool,
    as_json: bool,
) -> None:
    _confirm(runs, yes=yes, as_json=as_json)
    alone = [run for run in runs if not is_leg(run)]
    exits = Exits(ledger, RiskDesk(ledger, settings.risk))
    try:
        asked = [await exits.ask(run, operator(), why) for run in alone]
    except InvalidValueError as error:
        raise BadInputError(f"--{error}") from None
    await _start(settings, alone, asked)
    pairs = await _stop_pairs(settings, list(grouped(runs)), why, quiet=as_json)
    if not no_wait:
        await asyncio.gather(*(_ended(exits, way.run_id, quiet=as_json) for way in asked))
    found = await exits.of([run.run_id for run in alone])
    if as_json:
        put_json({"exits": list(found.values()), "pairs": pairs})
    elif no_wait and asked:
        click.echo(f"{len(asked)} asked to leave: `opensqt risk status` shows how far it is")
    if not all(pair.stops for pair in pairs):
        click.get_current_context().exit(Exit.FAILED)


async def _stop_pairs(
    settings: Settings, names: Sequence[str], why: str, *, quiet: bool
) -> list[StoppedPair]:
    pairs = []
    for name in names:
        pairs.append(await _stopped(settings, name, why))
        if not quiet:
            click.echo(f"pair {name} {pairs[-1].told}")
    return pairs


async def _stopped(settings: Settings, name: str, why: str) -> StoppedPair:
    """Tell a pair to close both its legs and end; one that cannot be told does not stop others."""
    from workers.cli.pair_runs import PairRuns  # noqa: PLC0415  half a second, not always needed
    from workflows.pair_messages import ExitPair  # noqa: PLC0415  the same

    try:
        runs = await PairRuns.connect(settings)
        message = ExitPair(ends=True, by=operator(), why=why)
        phase = (await runs.tell(name, "exit", message)).phase
    except CommandError as error:
        simple = "one of `opensqt arb run` closes when it is started with --stop"
        return StoppedPair(name, False, f"was not told to stop: {error}; {simple}")  # noqa: FBT003
    return StoppedPair(name, True, f"is {phase}: `opensqt arb watch {name}`")  # noqa: FBT003


def _confirm(runs: Sequence[Run], *, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise BadInputError("there is nobody to ask: add --yes")
    names = ", ".join(f"{run.run_id} ({run.symbol})" for run in runs)
    if not click.confirm(f"close all that {names} hold, at the market?", default=False):
        raise CommandError("nothing was done")


async def _start(settings: Settings, runs: Sequence[Run], asked: Sequence[WayOut]) -> None:
    """Start the exits of durable runs, and of runs that nobody works on any more.

    What cannot be started now is begun by the feed of the account, which finds it in the ledger.
    """
    durable = [
        way
        for run, way in zip(runs, asked, strict=True)
        if run.kind == "grid" or run.closed_at is not None
    ]
    if not durable:
        return
    from temporalio.service import RPCError  # noqa: PLC0415  half a second, not always needed

    from workers.wiring import start_exit  # noqa: PLC0415  the same

    try:
        client = await reach.temporal(settings)
        for way in durable:
            await start_exit(client, way)
    except (UnreachableError, RPCError) as error:
        note(f"asked, and begun when Temporal is up again: {error}")


async def _ended(exits: Exits, run_id: str, *, quiet: bool) -> None:
    """Wait for the end of an exit, and tell each change of what is still open."""
    began, told = time.monotonic(), None
    while True:
        way = (await exits.of([run_id]))[run_id]
        if way.debt != told and not quiet:
            click.echo(_line(way))
        told = way.debt
        if way.ended:
            return
        if told is None and time.monotonic() - began > _BEGUN_WITHIN:
            raise UnreachableError(
                f"run {run_id} was asked to leave, and nobody has begun: start a worker with "
                "`opensqt up`, or the `opensqt simple run` of it; it leaves then"
            )
        await asyncio.sleep(_LOOK_EVERY)


def _line(way: WayOut) -> str:
    debt = way.debt
    if debt is None:
        return f"{way.run_id}: asked to leave {way.symbol}"
    worth = "" if debt.notional is None else f", worth {number(debt.notional)}"
    return f"{way.run_id}: {debt.phase}, {number(debt.base)} of {way.symbol} open{worth}"

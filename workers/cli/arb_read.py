"""`opensqt arb status` and `watch`: what one pair is doing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import click

from domain.arbitrage.state import Phase
from workers.cli.failures import UnreachableError
from workers.cli.options import with_settings
from workers.cli.output import Changes, console, note, put_json
from workers.cli.pair_reading import PairAnswer, asked, kept_answer, status_of
from workers.cli.pair_runs import PairRuns
from workers.cli.pair_tables import book_table, line, status_table
from workers.cli.runs import NotReadyError
from workers.settings import Settings

_LOOK_EVERY: Final = 0.5


@click.command(epilog="Example: opensqt arb status my-pair")
@click.argument("name")
@with_settings
async def status(name: str, *, settings: Settings, as_json: bool) -> None:
    """Show what the pair NAME is doing: its legs, its trade in flight, what is not hedged.

    A pair of `opensqt arb run` is read from its checkpoint; without a worker the ledger tells.
    """
    found = await status_of(settings, name)
    if as_json:
        put_json(found)
        return
    if found.status is not None:
        console().print(status_table(name, found.status, found.trade))
    elif found.ledger is not None:
        console().print(book_table(found.ledger))
    note(found.note)


@click.command(epilog="Example: opensqt arb watch my-pair")
@click.argument("name")
@click.option("--once", is_flag=True, help="Show one line and end.")
@with_settings
async def watch(name: str, *, once: bool, settings: Settings, as_json: bool) -> None:
    """Watch the pair NAME: a line for each change, until it ends or Ctrl-C.

    With --json it shows one status and ends.
    """
    look = await _looker(settings, name)
    if as_json:
        put_json(await look())
    else:
        await _follow(look, once=once)


async def _looker(settings: Settings, name: str) -> Callable[[], Awaitable[PairAnswer]]:
    """Return what asks for the status of a pair, wherever it runs."""
    if kept_answer(settings, name) is not None:

        async def peek() -> PairAnswer:
            found = kept_answer(settings, name)
            assert found is not None  # noqa: S101 - a checkpoint does not go away
            return found

        return peek
    runs = await PairRuns.connect(settings)
    return lambda: asked(runs, name)


async def _follow(look: Callable[[], Awaitable[PairAnswer]], *, once: bool) -> None:
    """Print a line whenever it is another one. Nobody who answers is a change too."""
    say, known = Changes(), False
    while True:
        phase = None
        try:
            found = await look()
        except NotReadyError as error:
            told = str(error)
        except UnreachableError as error:
            if not known:
                raise
            told = str(error)
        else:
            assert found.status is not None  # noqa: S101 - the ledger was not asked
            known, phase = True, found.status.phase
            told = line(found.status, found.trade)
        say(told)
        if once or phase is Phase.ENDED:
            return
        await asyncio.sleep(_LOOK_EVERY)

"""Reading one run: from its workflow, or from the ledger when no worker answers."""

from dataclasses import dataclass

from domain.grid.view import GridStatus, SlotView
from workers.cli import book, reach
from workers.cli.failures import CommandError, NotFoundError, UnreachableError
from workers.cli.pair_book import refuse_leg
from workers.cli.runs import Runs
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """What a run is doing: `status` from its workflow, or `ledger` with a `note` that says why."""

    name: str
    status: GridStatus | None
    ledger: book.RunLine | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class SlotsAnswer:
    """The slots of a run, highest price first."""

    name: str
    slots: tuple[SlotView, ...]
    note: str = ""


async def status_of(settings: Settings, name: str) -> StatusAnswer:
    """Return what the run is doing; raises NotFoundError if neither floor knows it."""
    try:
        runs = await Runs.connect(settings)
        return StatusAnswer(name, await runs.status(name))
    except (UnreachableError, NotFoundError) as error:
        line = await _line(settings, name, error)
        return StatusAnswer(name, None, line, f"this is what the ledger knows; {error}")


async def slots_of(settings: Settings, name: str) -> SlotsAnswer:
    """Return the run's slots; the ledger has none, so without a worker there is no answer."""
    runs = await Runs.connect(settings)
    return SlotsAnswer(name, tuple(await runs.slots(name)))


async def _line(settings: Settings, name: str, first: CommandError) -> book.RunLine:
    """Return the ledger's line of a run; what it does not know, *first* has said already."""
    async with reach.ledger(settings) as ledger:
        run = await ledger.run(name)
        if run is None:
            raise first
        return book.line_of(refuse_leg(run), await ledger.account_of_run(name))

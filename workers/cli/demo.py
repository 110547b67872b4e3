"""The run that `opensqt up` starts, or goes on with if it is there."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from activities.store.records import Run, RunStatus
from domain.errors import StoreError
from domain.grid.spec import GridSpec
from workers.cli import reach
from workers.cli.failures import ExistsError, NotFoundError
from workers.cli.runs import Runs
from workers.cli.specs import read_spec
from workers.cli.starting import start_run
from workers.settings import Settings

_NAME: Final = "demo"
_ROOT: Final = Path(__file__).parents[2]
#: In a checkout, and in an installed wheel.
_EXAMPLES: Final = (_ROOT / "examples", _ROOT / "workers" / "_examples")


def example(name: str) -> Path:
    """Return the packaged example *name*; raises StoreError if the installation lacks it."""
    for directory in _EXAMPLES:
        if (directory / name).is_file():
            return directory / name
    raise StoreError(f"the example {name} is not installed: install the program again")


async def demo_run(settings: Settings, say: Callable[[str], None]) -> str:
    """Return the name of the demo run that goes on, or of a new one if none does."""
    async with reach.ledger(settings) as ledger:
        known = {run.run_id: run for run in await ledger.runs()}
    spec = read_spec(str(example("demo.yaml")))
    for number in count(1):
        name = _NAME if number == 1 else f"{_NAME}-{number}"
        run = known.get(name)
        if run is not None and not await _goes_on(settings, run):
            continue
        return await _start(settings, name, spec, run, say)
    raise AssertionError  # numbers do not end


async def grid_run(
    settings: Settings, name: str, spec: GridSpec, say: Callable[[str], None]
) -> str:
    """Return *name*, started with *spec* unless there is a run of that name that goes on.

    Raises ExistsError if that run has ended.
    """
    async with reach.ledger(settings) as ledger:
        run = await ledger.run(name)
    if run is not None and not await _goes_on(settings, run):
        raise ExistsError(
            f"run {name} has ended: `opensqt grid start FILE --name OTHER` starts a new one, or "
            "rename the file"
        )
    return await _start(settings, name, spec, run, say)


async def _start(
    settings: Settings, name: str, spec: GridSpec, run: Run | None, say: Callable[[str], None]
) -> str:
    if run is None:
        try:
            started = await start_run(settings, name, spec)
        except ExistsError:  # its workflow is there, and the ledger will be told of it
            say(f"run {name} goes on")
            return name
        say(f"run {name} started on {spec.symbol}")
        for told in started.notes:
            say(f"note: {told}")
        return name
    say(f"run {name} goes on, since {run.opened_at:%Y-%m-%d %H:%M} UTC")
    return name


async def _goes_on(settings: Settings, run: Run) -> bool:
    """Return whether *run* is neither stopped, nor lost with a Temporal database."""
    if run.status not in (RunStatus.RUNNING, RunStatus.PAUSED):
        return False
    runs = await Runs.connect(settings)
    try:
        return await runs.is_open(run.run_id)
    except NotFoundError:
        return False

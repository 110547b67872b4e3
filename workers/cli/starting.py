"""Starting a run: first everything that can be known to be wrong, then the workflow."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from activities.messages import Accepted
from activities.pair_messages import leg_run_ids
from domain.grid.config import bind
from domain.grid.preview import Preview
from domain.grid.preview import preview as preview_at
from domain.grid.spec import GridSpec
from domain.risk.preflight import refuse_unknown_names
from workers.cli import reach
from workers.cli.failures import UnreachableError, exists
from workers.cli.runs import DurableRuns, NotReadyError, NoWorkerError, Runs, checked_name
from workers.settings import Settings

#: What a run may take to be ready; a busy machine needs a few seconds.
_NOTHING: Final = Accepted()
_PATIENCE: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was started. Its phase is `starting` as long as no worker told another."""

    name: str
    symbol: str
    phase: str
    notes: tuple[str, ...] = ()


async def preview_of(settings: Settings, spec: GridSpec) -> Preview:
    """Return what *spec* would place now.

    Raises InvalidValueError if it does not fit its market, UnreachableError without an exchange.
    """
    async with reach.venue(settings, spec.account) as venue:
        instrument = await venue.instrument(spec.symbol)
        config = bind(spec, instrument)
        return preview_at(config, (await venue.last_price(spec.symbol)).price)


async def start_run(
    settings: Settings, name: str, spec: GridSpec, accepted: Accepted = _NOTHING
) -> Started:
    """Start *spec* as run *name*, and wait a moment for a worker to take it up.

    Raises InvalidValueError for a spec that does not fit its market or a name in *accepted* that
    nothing has, CommandError for a preflight that does not pass, ExistsError if the name is or
    was in use, UnreachableError without Temporal or the ledger.
    """
    refuse_unknown_names(accepted.names, [spec.account])
    await refuse_taken(settings, name)
    runs = await Runs.connect(settings)
    notes: list[str] = []
    try:
        notes += (await preview_of(settings, spec)).warnings
    except UnreachableError as error:
        notes.append(f"{error}. The run waits for it")
    await runs.start(name, spec, accepted)
    phase = await taken_up(runs, name, notes)
    return Started(name, spec.symbol, phase, tuple(notes))


async def refuse_taken(settings: Settings, name: str) -> None:
    """Raise BadInputError if no run may be called *name*, ExistsError if the ledger has one."""
    checked_name(name)
    async with reach.ledger(settings) as ledger:
        if await ledger.run(name) is not None:
            raise exists(name)
        if await ledger.run(leg_run_ids(name)[0]) is not None:
            raise exists(name, "arb")


async def taken_up(runs: DurableRuns[Any], name: str, notes: list[str]) -> str:
    """Return the phase of a run that was just started, after a moment; *notes* say what it lacks.

    Raises CommandError with the reason if it failed at once.
    """
    try:
        return str((await runs.begun(name, _PATIENCE)).phase)
    except NotReadyError:
        notes.append("it still asks its venue for what it needs")
    except NoWorkerError as error:
        notes.append(f"{error}. The run begins then")
    return "starting"

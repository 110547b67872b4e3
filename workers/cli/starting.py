"""Starting a run: first everything that can be known to be wrong, then the workflow."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from activities.messages import Accepted
from domain.grid.config import bind
from domain.grid.preview import Preview
from domain.grid.preview import preview as preview_at
from domain.grid.spec import GridSpec
from domain.risk.preflight import refuse_unknown_names
from workers.cli import reach
from workers.cli.failures import UnreachableError, exists
from workers.cli.runs import NotReadyError, NoWorkerError, Runs, checked_name
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
    checked_name(name)
    refuse_unknown_names(accepted.names, [spec.account])
    async with reach.ledger(settings) as ledger:
        if await ledger.run(name) is not None:
            raise exists(name)
    runs = await Runs.connect(settings)
    notes: list[str] = []
    try:
        notes += (await preview_of(settings, spec)).warnings
    except UnreachableError as error:
        notes.append(f"{error}. The run waits for it")
    await runs.start(name, spec, accepted)
    try:
        phase = (await runs.begun(name, _PATIENCE)).phase
    except NotReadyError:
        notes.append("it still asks its venue for what it needs")
        phase = "starting"
    except NoWorkerError as error:
        notes.append(f"{error}. The run begins then")
        phase = "starting"
    return Started(name, spec.symbol, phase, tuple(notes))

"""The simple runner as a process: one grid, its checkpoint, its signals; no Temporal."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from activities.clock import utc_now
from activities.messages import Accepted
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.errors import StoreUnavailableError
from domain.grid.spec import GridSpec, StopMode
from workers.alerting import delivery_of
from workers.settings import Settings
from workers.simple_run import SimpleRun
from workers.watching import market_guard
from workers.wiring import Desks, account_desks
from workflows.messages import GridResult

_NOTHING: Final = Accepted()
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def run_simple(  # noqa: PLR0913 - all that may be said of a run
    run_id: str,
    spec: GridSpec,
    desks: Desks,
    store: CheckpointStore,
    *,
    discard: bool = False,
    stop: StopMode | None = None,
    accepted: Accepted = _NOTHING,
    clock: Callable[[], datetime] = utc_now,
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
) -> GridResult | None:
    """Run until the grid has ended or SIGINT or SIGTERM comes (None): see `SimpleRun.open`.

    A first signal ends the process after the event at hand, a second one at once. The orders stay,
    and the next start goes on with them. What is to run *beside* it ends with it.
    """
    run = await SimpleRun.open(
        run_id, spec, desks, store, discard=discard, stop=stop, accepted=accepted, clock=clock
    )
    with leaving_on_signals(run.leave):
        return await run.run(*beside)


@contextmanager
def leaving_on_signals(leave: Callable[[], None]) -> Iterator[None]:
    """Call *leave* at a first SIGINT or SIGTERM; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def heard(number: int) -> None:
        loop.remove_signal_handler(number)  # a second one is not ours any more
        leave()

    for number in _SIGNALS:
        loop.add_signal_handler(number, heard, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def main_loop(
    settings: Settings,
    spec: GridSpec,
    name: str,
    *,
    discard: bool = False,
    stop: StopMode | None = None,
    accepted: Accepted = _NOTHING,
) -> GridResult | None:
    """Run *spec* as run *name* at the venue and with the ledger that *settings* name.

    Raises AlreadyRunningError if another process runs it; the rest is as of `run_simple`.
    """
    path = checkpoint_file(settings)
    with CheckpointStore.open(path, name) as store:
        async with (
            Ledger.open(settings.ledger_url) as ledger,
            account_desks(settings, spec.account, ledger) as desks,
            market_guard(settings, ledger, f"simple {name}") as guard,
        ):
            delivery = delivery_of(settings, ledger)
            beside = [each.run for each in (guard, delivery) if each is not None]
            return await run_simple(
                name,
                spec,
                desks,
                store,
                discard=discard,
                stop=stop,
                accepted=accepted,
                beside=beside,
            )


def checkpoint_file(settings: Settings) -> Path:
    """Return the database of the checkpoints; it is made if it is not there.

    Raises StoreUnavailableError if its directory cannot be written.
    """
    path = settings.data_dir / "simple.db"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(
            f"{settings.data_dir} could not be made ({error.strerror}): check its rights, or "
            "choose another --data DIR"
        ) from error
    if not path.exists():
        upgrade(sqlite_url(path))
    return path

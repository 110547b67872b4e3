"""The simple runner of a pair as a process: its checkpoint, its signals; no Temporal."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from activities.clock import utc_now
from activities.legs import LegDesk
from activities.messages import Accepted
from activities.store.checkpoint import CheckpointStore
from activities.store.ledger import Ledger
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.view import PairStatus, status
from domain.risk.preflight import refuse_unknown_names
from workers.alerting import delivery_of
from workers.settings import Settings
from workers.simple import checkpoint_file, leaving_on_signals
from workers.simple_pair import SimplePair
from workers.watching import market_guard
from workers.wiring import all_desks
from workflows.pair_messages import PairResult

_NOTHING: Final = Accepted()
_TOLD_EVERY: Final = 1.0


async def run_pair(  # noqa: PLR0913 - all that it works with
    run_id: str,
    spec: ArbSpec,
    desks: Mapping[str, LegDesk],
    store: CheckpointStore,
    *,
    stop: str = "",
    accepted: Accepted = _NOTHING,
    clock: Callable[[], datetime] = utc_now,
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    tell: Callable[[PairStatus], None] | None = None,
) -> PairResult | None:
    """Run until the pair has ended or SIGINT or SIGTERM comes (None): see `SimplePair.open`.

    With *stop*, a reason, the pair is closed and the run ends. A first signal ends the process
    after the event at hand, a second one at once; what is held, and a trade in flight, stays as it
    is for the next start. What is to run *beside* it ends with it. *tell* hears how the pair
    stands, every second.
    """
    pair = await SimplePair.open(run_id, spec, desks, store, accepted=accepted, clock=clock)
    if stop:
        pair.stop(stop)
    telling = [] if tell is None else [partial(_keep_telling, pair, tell)]
    with leaving_on_signals(pair.leave):
        return await pair.run(*beside, *telling)


async def _keep_telling(pair: SimplePair, tell: Callable[[PairStatus], None]) -> None:
    while True:
        tell(status(pair.state))
        await asyncio.sleep(_TOLD_EVERY)


async def main_loop(
    settings: Settings,
    spec: ArbSpec,
    name: str,
    *,
    stop: str = "",
    accepted: Accepted = _NOTHING,
    tell: Callable[[PairStatus], None] | None = None,
) -> PairResult | None:
    """Run *spec* as pair *name* at the venues and with the ledger that *settings* name.

    Raises AlreadyRunningError if another process runs it; the rest is as of `run_pair`.
    """
    accounts = {leg.account for leg in spec.legs}
    refuse_unknown_names(accepted.names, accounts)
    with CheckpointStore.open(checkpoint_file(settings), name) as store:
        async with (
            Ledger.open(settings.ledger_url) as ledger,
            all_desks(settings, ledger, accounts) as opened,
            market_guard(settings, ledger, f"simple {name}") as guard,
        ):
            delivery = delivery_of(settings, ledger)
            beside = [each.run for each in (guard, delivery) if each is not None]
            legs = {desks.account: desks.legs() for desks in opened}
            return await run_pair(
                name, spec, legs, store, stop=stop, accepted=accepted, beside=beside, tell=tell
            )

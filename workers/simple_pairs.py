"""The simple runner of a pair as a process: its checkpoint, its signals; no Temporal."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from activities.clock import utc_now
from activities.legs import LegDesk
from activities.messages import Accepted
from activities.store.checkpoint import CheckpointStore
from activities.store.ledger import Ledger
from domain.arbitrage.spec import ArbSpec
from domain.risk.preflight import refuse_unknown_names
from workers.alerting import delivery_of
from workers.settings import Settings
from workers.simple import checkpoint_file, leaving_on_signals
from workers.simple_pair import SimplePair
from workers.watching import market_guard
from workers.wiring import all_desks
from workflows.pair_messages import PairResult

_NOTHING: Final = Accepted()


async def run_pair(
    run_id: str,
    spec: ArbSpec,
    desks: Mapping[str, LegDesk],
    store: CheckpointStore,
    *,
    stop: str = "",
    accepted: Accepted = _NOTHING,
    clock: Callable[[], datetime] = utc_now,
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
) -> PairResult | None:
    """Run until the pair has ended or SIGINT or SIGTERM comes (None): see `SimplePair.open`.

    With *stop*, a reason, the pair is closed and the run ends. A first signal ends the process
    after the event at hand, a second one at once; what is held, and a trade in flight, stays as it
    is for the next start. What is to run *beside* it ends with it.
    """
    pair = await SimplePair.open(run_id, spec, desks, store, accepted=accepted, clock=clock)
    if stop:
        pair.stop(stop)
    with leaving_on_signals(pair.leave):
        return await pair.run(*beside)


async def main_loop(
    settings: Settings,
    spec: ArbSpec,
    name: str,
    *,
    stop: str = "",
    accepted: Accepted = _NOTHING,
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
                name, spec, legs, store, stop=stop, accepted=accepted, beside=beside
            )

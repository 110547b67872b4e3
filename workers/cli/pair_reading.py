"""Reading one pair: from its workflow, its checkpoint, or the ledger when nobody answers."""

from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from activities.store.checkpoint import CheckpointStore
from domain.arbitrage.pair import PairTrade
from domain.arbitrage.view import PairStatus
from domain.arbitrage.view import status as status_at
from workers.cli import pair_book, reach
from workers.cli.failures import CommandError, NotFoundError, UnreachableError
from workers.cli.pair_runs import PairRuns
from workers.settings import Settings
from workers.simple_pair import PairCheckpoint
from workflows.pair_messages import PairTradeStatus

_KEPT: Final = TypeAdapter(PairCheckpoint)


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """What a pair is doing; if nobody could tell, `ledger` and a `note` that says why.

    `trade` is how far the trade in flight is; None: there is none, or nobody told.
    """

    name: str
    status: PairStatus | None
    trade: PairTradeStatus | None = None
    ledger: pair_book.PairLine | None = None
    note: str = ""


async def status_of(settings: Settings, name: str) -> PairAnswer:
    """Return what the pair *name* is doing; raises NotFoundError if nobody knows it."""
    kept = kept_answer(settings, name)
    if kept is not None:
        return kept
    try:
        return await asked(await PairRuns.connect(settings), name)
    except (UnreachableError, NotFoundError) as error:
        line = await _line(settings, name, error)
        return PairAnswer(name, None, None, line, f"this is what the ledger knows; {error}")


async def asked(runs: PairRuns, name: str) -> PairAnswer:
    """Return what the workflows of a pair say; raises what `DurableRuns.status` does."""
    status = await runs.status(name)
    trade = await runs.trade(name, status.tag) if status.tag else None
    return PairAnswer(name, status, trade)


def kept_answer(settings: Settings, name: str) -> PairAnswer | None:
    """Return what `opensqt arb run` has written down of a pair; None if it does not run it."""
    payload = CheckpointStore.peek(settings.data_dir / "simple.db", name)
    if payload is None:
        return None
    try:
        kept = _KEPT.validate_json(payload)
    except ValidationError:  # the checkpoint of a grid
        return None
    flight = kept.state.in_flight
    trade = None
    if flight is not None and kept.trade is not None and kept.trade.tag == flight.tag:
        trade = _shown(kept.trade, kept.why)
    note = "this is the checkpoint of `opensqt arb run`, whether or not that works now"
    return PairAnswer(name, status_at(kept.state), trade, None, note)


def _shown(trade: PairTrade, why: str) -> PairTradeStatus:
    age = trade.debt_age().total_seconds()
    return PairTradeStatus(
        trade.tag, trade.kind, trade.stage, why, trade.debt, age, trade.generation, trade.gave_up
    )


async def _line(settings: Settings, name: str, first: CommandError) -> pair_book.PairLine:
    """Return the ledger's line of a pair; what it does not know, *first* has said already."""
    async with reach.ledger(settings) as ledger:
        line = await pair_book.line_of(ledger, name)
    if line is None:
        raise first
    return line

"""Pairs as the ledger knows them: the books of their legs, side by side and summed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from activities.pair_messages import PAIR_LEG, leg_run_ids, pair_of
from activities.store.ledger import Ledger
from activities.store.records import OPEN, Run, StoredOrder
from domain.arbitrage.costs import shortfall
from domain.money import Instrument, add, add_known
from workers.cli.failures import only_a_leg


@dataclass(frozen=True, slots=True)
class LegLine:
    """The books of one leg; `base` is signed, amounts in quote."""

    name: str
    account: str
    symbol: str
    base: Decimal
    funding: Decimal
    fees: Decimal
    fills: int


@dataclass(frozen=True, slots=True)
class PairLine:
    """One pair in a list. It is open while the books of a leg are."""

    name: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    funding: Decimal
    fees: Decimal
    legs: tuple[LegLine, ...]


def is_leg(run: Run) -> bool:
    """Return whether *run* is the books of a leg, and no run of its own."""
    return run.kind == PAIR_LEG


async def lines(ledger: Ledger, *, ended: bool) -> list[PairLine]:
    """Return the pairs, oldest first; those that ended only if asked."""
    found = [await _line(ledger, legs) for legs in grouped(await ledger.runs()).values()]
    return [pair for pair in found if ended or pair.ended_at is None]


async def line_of(ledger: Ledger, name: str) -> PairLine | None:
    """Return the pair *name*; None: the ledger knows none of that name."""
    legs = await legs_of(ledger, name)
    return await _line(ledger, legs) if legs else None


async def legs_of(ledger: Ledger, name: str) -> list[Run]:
    """Return the books of the legs of the pair *name*, the first leg first."""
    found = [await ledger.run(run_id) for run_id in leg_run_ids(name)]
    return [run for run in found if run is not None and is_leg(run)]


def refuse_leg(run: Run) -> Run:
    """Return *run* unless it is the books of a leg, which no command for a whole run may touch.

    Raises BadInputError then: what is done to one leg alone leaves the other one naked.
    """
    if is_leg(run):
        raise only_a_leg(run.run_id, pair_of(run.run_id))
    return run


def grouped(runs: Sequence[Run]) -> Mapping[str, list[Run]]:
    """Return the legs among *runs* by their pair, the first leg first."""
    pairs: dict[str, list[Run]] = {}
    for run in runs:
        if is_leg(run):
            pairs.setdefault(pair_of(run.run_id), []).append(run)
    return {name: sorted(legs, key=lambda leg: leg.run_id) for name, legs in pairs.items()}


async def slippage_of(ledger: Ledger, leg: Run) -> Decimal | None:
    """Return what the orders of *leg* cost more than at the prices they were decided at, in quote.

    Before fees, and negative if it was less; None while one of those prices is not known: of an
    order that was sent before they were recorded, say.
    """
    traded = [order for order in await ledger.orders_of_run(leg.run_id) if order.filled]
    return add_known(*(_slipped(leg.instrument, order) for order in traded))


def _slipped(instrument: Instrument, order: StoredOrder) -> Decimal | None:
    if order.decided is None:
        return None
    sign = order.side.sign
    return shortfall(instrument, sign * order.filled.lots, sign * order.value, order.decided)


async def _line(ledger: Ledger, legs: Sequence[Run]) -> PairLine:
    lines_ = [await _leg(ledger, leg) for leg in legs]
    ends = [leg.closed_at for leg in legs]
    return PairLine(
        pair_of(legs[0].run_id),
        next((leg for leg in legs if leg.status in OPEN), legs[0]).status.value,
        min(leg.opened_at for leg in legs),
        None if None in ends else max(end for end in ends if end),
        add(*(leg.funding for leg in lines_)),
        add(*(leg.fees for leg in lines_)),
        tuple(lines_),
    )


async def _leg(ledger: Ledger, leg: Run) -> LegLine:
    account = await ledger.account_of_run(leg.run_id)
    return LegLine(
        leg.run_id,
        leg.account,
        leg.symbol,
        account.base,
        account.funding,
        account.fees,
        account.fills,
    )

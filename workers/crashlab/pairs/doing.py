"""What the trade of a pair is about, and at which step it stands: for interceptors and hands."""

from domain.arbitrage.legs import Leg
from domain.arbitrage.pair import Kind, PairTrade
from domain.money import EXACT
from workers.crashlab.steps import Doing, Step


def doing_of(trade: PairTrade) -> Doing:
    """Return what *trade* is about now: an entry may turn into an unwind."""
    if trade.unwinding:
        return Doing.UNWIND
    if trade.kind is Kind.ENTER:
        return Doing.ENTER
    return Doing.EXIT if all(map(_gives_all, trade.legs)) else Doing.PART_EXIT


def _gives_all(leg: Leg) -> bool:
    lot = leg.instrument.lot_size
    left = EXACT.abs(leg.held) - lot * abs(leg.target)
    return left < lot


def steps_of(trade: PairTrade) -> list[Step]:
    """Return the steps at which *trade* stands before it acts on what is not hedged."""
    if trade.debt_since is None:
        return []
    lead, follow = trade.legs
    return [Step.DEBT] if lead.traded and follow.traded else [Step.BETWEEN, Step.DEBT]

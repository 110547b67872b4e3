"""The book as everybody sees it: resting orders of accounts, and the market outside."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from domain.orders import Side
from domain.simulation.book import NO_ASK
from domain.simulation.depth import Level
from domain.simulation.market import Market

#: What is told for a market outside that takes any quantity (lots).
ANY_QUANTITY: Final = 1_000_000


def merged(market: Market, side: Side, levels: int) -> Sequence[Level]:
    """Return the best *levels* prices of *side* in ticks, each with all lots that stand there."""
    standing: defaultdict[int, int] = defaultdict(int)
    for ticks, lots in market.levels(side.opposite):
        standing[ticks] += ANY_QUANTITY if lots is None else lots
    for order in market.book.orders(side, 0 if side is Side.BUY else NO_ASK):
        standing[order.ticks] += order.leaves
    best_first = sorted(standing, reverse=side is Side.BUY)
    return [(ticks, standing[ticks]) for ticks in best_first[:levels]]

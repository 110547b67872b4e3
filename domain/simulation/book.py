"""The resting limit orders of one symbol, best price first and oldest first at a price.

It only keeps them in order: whoever adds one has matched it first, so the book is never crossed.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

from domain.errors import IllegalTransitionError
from domain.orders import Side
from domain.simulation.order import Order

#: Best prices of an empty side: below and above every price in ticks.
NO_BID: Final = 0
NO_ASK: Final = 1 << 62


class Book:
    """Resting orders of many accounts. `best_bid` and `best_ask` are in ticks, always at hand."""

    __slots__ = ("_levels", "_prices", "best_ask", "best_bid")

    def __init__(self) -> None:
        self.best_bid = NO_BID
        self.best_ask = NO_ASK
        # A level is a dict because it keeps the order of arrival and forgets in one step.
        self._levels: dict[Side, dict[int, dict[int, Order]]] = {Side.BUY: {}, Side.SELL: {}}
        self._prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}  # ascending

    def add(self, order: Order) -> None:
        """Add *order* behind those at its price, or raise IllegalTransitionError if it crosses."""
        if order.side is Side.BUY and order.ticks >= self.best_ask:
            raise IllegalTransitionError(f"a bid at {order.ticks} crosses the ask {self.best_ask}")
        if order.side is Side.SELL and order.ticks <= self.best_bid:
            raise IllegalTransitionError(f"an ask at {order.ticks} crosses the bid {self.best_bid}")
        levels = self._levels[order.side]
        if order.ticks not in levels:
            levels[order.ticks] = {}
            insort(self._prices[order.side], order.ticks)
            self._find_best()
        levels[order.ticks][order.number] = order

    def remove(self, order: Order) -> None:
        """Remove *order*, which must be there."""
        levels, prices = self._levels[order.side], self._prices[order.side]
        del levels[order.ticks][order.number]
        if not levels[order.ticks]:
            del levels[order.ticks]
            del prices[bisect_left(prices, order.ticks)]
            self._find_best()

    def orders(self, side: Side, limit: int) -> Iterator[Order]:
        """Yield the orders of *side* in priority that trade at *limit* ticks or better for a taker.

        The book must not change while this is read.
        """
        prices = self._prices[side]
        for ticks in reversed(prices) if side is Side.BUY else prices:
            if ticks < limit if side is Side.BUY else ticks > limit:
                return
            yield from self._levels[side][ticks].values()

    def _find_best(self) -> None:
        bids, asks = self._prices[Side.BUY], self._prices[Side.SELL]
        self.best_bid = bids[-1] if bids else NO_BID
        self.best_ask = asks[0] if asks else NO_ASK

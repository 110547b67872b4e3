"""What others than the accounts of an exchange bid and ask, several levels deep."""

from collections.abc import Sequence

from domain.orders import Side
from domain.simulation.tape import DepthShown

#: A price in ticks and how many lots stand there.
Level = tuple[int, int]


class Depth:
    """Both sides, best price first. What was taken of a level is gone until depth is shown anew."""

    __slots__ = ("_levels",)

    def __init__(self, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        self._levels = {Side.BUY: list(bids), Side.SELL: list(asks)}

    @classmethod
    def of(cls, shown: DepthShown) -> "Depth":
        """Return the depth that *shown* tells; a level without a quantity is none."""
        return cls(
            [(price.ticks, quantity.lots) for price, quantity in shown.bids if quantity],
            [(price.ticks, quantity.lots) for price, quantity in shown.asks if quantity],
        )

    def levels(self, side: Side) -> Sequence[Level]:
        """Return what is left of the levels of *side*, best price first."""
        return tuple(self._levels[side])

    def best(self, side: Side) -> int | None:
        """Return the best price of *side* in ticks; None if nothing is left."""
        levels = self._levels[side]
        return levels[0][0] if levels else None

    def take(self, side: Side, ticks: int, lots: int) -> None:
        """Take *lots* away from the level of *side* at *ticks*, which has that many."""
        levels = self._levels[side]
        index = next(i for i, (at, _) in enumerate(levels) if at == ticks)
        left = levels[index][1] - lots
        if left:
            levels[index] = (ticks, left)
        else:
            del levels[index]

"""The newest public trades of every market, as a venue lists them.

They live as long as the process. What accounts trade is not among them: prices are made by the
source of the market alone, so that what is traded here does not change what everybody sees.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from domain.market import PriceUpdate
from domain.money import Price, Quantity
from domain.orders import Side
from domain.simulation.tape import MarketEvent, TradePrinted

#: How many trades of a market are remembered.
REMEMBERED: Final = 1000
_ONE: Final = Quantity(1)
_Numbered = tuple[int, TradePrinted]


@dataclass(frozen=True, slots=True)
class Print:
    """A public trade; `side` is the taker's. Numbers increase with time, also over restarts."""

    number: int
    price: Price
    quantity: Quantity
    side: Side
    at: datetime


class Prints:
    """Takes every event of a market and keeps the newest trades."""

    def __init__(self) -> None:
        self._trades: defaultdict[str, deque[_Numbered]] = defaultdict(
            lambda: deque(maxlen=REMEMBERED)
        )
        self._number = 0

    def take(self, event: MarketEvent) -> None:
        """Remember *event* if it is a trade: nearly all events are, so this costs next to none."""
        if type(event) is TradePrinted:
            # By the clock, and yet different within one instant.
            self._number = max(_number(event.at), self._number + 1)
            self._trades[event.symbol].append((self._number, event))

    def newest(self, symbol: str, limit: int) -> Sequence[Print]:
        """Return the newest *limit* trades, oldest first."""
        known = self._trades[symbol]
        return [_print(known, index) for index in range(max(0, len(known) - limit), len(known))]


def of_price(update: PriceUpdate) -> Print:
    """Return what stands for the last trade where only a price is known: one lot, bought."""
    return Print(_number(update.at), update.price, _ONE, Side.BUY, update.at)


def _print(known: Sequence[_Numbered], index: int) -> Print:
    number, trade = known[index]
    return Print(number, trade.price, trade.quantity, _taker(known, index), trade.at)


def _taker(known: Sequence[_Numbered], index: int) -> Side:
    """Return who came; where the tape does not tell, a higher price was a buyer's doing."""
    trade = known[index][1]
    if trade.buyer_is_maker is not None:
        return Side.SELL if trade.buyer_is_maker else Side.BUY
    for before in range(index - 1, -1, -1):
        price = known[before][1].price
        if price != trade.price:
            return Side.BUY if trade.price > price else Side.SELL
    return Side.BUY


def _number(at: datetime) -> int:
    # Microseconds of our time are exact in a float, and this is done for every event.
    return round(at.timestamp() * 1_000_000)

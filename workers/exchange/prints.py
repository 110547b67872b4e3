"""The newest public trades of every market, as a venue lists them.

They live as long as the process. What accounts trade is not among them: prices are made by the
source of the market alone, so that what is traded here does not change what everybody sees.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.market import PriceUpdate
from domain.money import Price, Quantity
from domain.orders import Side
from domain.simulation.tape import MarketEvent, TradePrinted

#: How many trades of a market are remembered.
REMEMBERED: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE: Final = Quantity(1)


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
        self._trades: defaultdict[str, deque[TradePrinted]] = defaultdict(
            lambda: deque(maxlen=REMEMBERED)
        )

    def take(self, event: MarketEvent) -> None:
        """Remember *event* if it is a trade: nearly all events are, so this costs next to none."""
        if type(event) is TradePrinted:
            self._trades[event.symbol].append(event)

    def newest(self, symbol: str, limit: int) -> Sequence[Print]:
        """Return the newest *limit* trades, oldest first."""
        known = self._trades[symbol]
        return [_print(known, index) for index in range(max(0, len(known) - limit), len(known))]


def of_price(update: PriceUpdate) -> Print:
    """Return what stands for the last trade where only a price is known: one lot, bought."""
    return Print(_number(update.at), update.price, _ONE, Side.BUY, update.at)


def _print(known: Sequence[TradePrinted], index: int) -> Print:
    trade = known[index]
    return Print(
        _number(trade.at) + _before_it(known, index),
        trade.price,
        trade.quantity,
        _taker(known, index),
        trade.at,
    )


def _before_it(known: Sequence[TradePrinted], index: int) -> int:
    """Return how many trades of the same instant are before this one."""
    count = 0
    while count < index and known[index - count - 1].at == known[index].at:
        count += 1
    return count


def _taker(known: Sequence[TradePrinted], index: int) -> Side:
    """Return who came; where the tape does not tell, a higher price was a buyer's doing."""
    maker_bought = known[index].buyer_is_maker
    if maker_bought is not None:
        return Side.SELL if maker_bought else Side.BUY
    for before in range(index - 1, -1, -1):
        if known[before].price != known[index].price:
            return Side.BUY if known[index].price > known[before].price else Side.SELL
    return Side.BUY


def _number(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)

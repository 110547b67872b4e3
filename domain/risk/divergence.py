"""How far a position at the venue is from the one we believe in, and what that means.

    divergence = |found - expected| / max(|found|, |expected|) x 100

The earlier system divided by what the venue shows, or by 0.0001 if that was nothing (requirements
3.4): a lost position came out as a million percent, a doubled one as 50. The larger of the two is
the better measure: it is the same from either side, needs no invented number, and says how much of
what is really at risk is unexplained, from 0 to 100 %. A position on the wrong side is beyond any
percentage: always severe (rows RC-06 and RC-07).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final

from domain.grid.slot import WorkingOrder
from domain.money import EXACT, ZERO, Instrument, add
from domain.orders import Side
from domain.risk.breaker_events import Diverged

_HUNDRED: Final = Decimal(100)
_PLACES: Final = Decimal("0.01")


class Agreement(StrEnum):
    """What a comparison of positions comes to."""

    MATCH = "match"
    CORRECT = "correct"  # small: put into the ledger as a correction
    SEVERE = "severe"  # opens the breaker
    UNSETTLED = "unsettled"  # orders whose outcome is not known come first, then look again


@dataclass(frozen=True, slots=True)
class PositionVerdict:
    """What was expected and found, in base, and what to do about it."""

    symbol: str
    expected: Decimal
    found: Decimal
    percent: Decimal
    wrong_side: bool
    agreement: Agreement
    why: str
    #: Signed lots to put into the ledger; not 0 only if the agreement is to correct.
    correction: int = 0

    def event(self, at: datetime) -> Diverged | None:
        """Return what the breakers are told, if this is severe."""
        if self.agreement is not Agreement.SEVERE:
            return None
        return Diverged(self.symbol, self.percent, at, self.wrong_side)


def divergence(found: Decimal, expected: Decimal) -> Decimal:
    """Return by how many percent *found* differs from *expected*; nothing differs from nothing."""
    larger = max(abs(found), abs(expected))
    if not larger:
        return ZERO
    apart = abs(EXACT.subtract(found, expected))
    return EXACT.divide(EXACT.multiply(apart, _HUNDRED), larger)


def compare(
    instrument: Instrument,
    expected: Decimal,
    found: Decimal,
    unsettled: Iterable[WorkingOrder],
    severe_percent: Decimal,
) -> PositionVerdict:
    """Return what to make of *found*, given the orders whose outcome is not known yet."""
    doubtful = tuple(unsettled)
    percent = divergence(found, expected)
    wrong_side = EXACT.multiply(found, expected) < 0
    apart = EXACT.subtract(found, expected)
    agreement = _agreement(instrument, apart, doubtful)
    if agreement is None:
        severe = wrong_side or percent >= severe_percent
        small = Agreement.UNSETTLED if doubtful else Agreement.CORRECT
        agreement = Agreement.SEVERE if severe else small
    lots = EXACT.divide(apart, instrument.lot_size).to_integral_value(ROUND_DOWN, EXACT)
    correction = int(lots) if agreement is Agreement.CORRECT else 0
    told = f"expected {expected} {instrument.base}, found {found}: {_words(percent, wrong_side)}"
    why = f"{told}, {_CONSEQUENCES[agreement]}"
    return PositionVerdict(
        instrument.symbol, expected, found, percent, wrong_side, agreement, why, correction
    )


_CONSEQUENCES: Final = {
    Agreement.MATCH: "they agree",
    Agreement.CORRECT: "corrected in the ledger",
    Agreement.SEVERE: "too much to be corrected: the breaker opens",
    Agreement.UNSETTLED: "orders of unknown outcome are settled first",
}


def _words(percent: Decimal, wrong_side: bool) -> str:  # noqa: FBT001 - private
    side = " on the wrong side" if wrong_side else ""
    return f"{percent.quantize(_PLACES, context=EXACT)} % apart{side}"


def _agreement(
    instrument: Instrument, apart: Decimal, doubtful: tuple[WorkingOrder, ...]
) -> Agreement | None:
    """Return what can be said without a percentage: equal, or explained by orders in doubt."""
    if abs(apart) < instrument.lot_size:
        return Agreement.MATCH
    if not doubtful:
        return None
    most, least = _leaves(instrument, doubtful, Side.BUY), _leaves(instrument, doubtful, Side.SELL)
    return Agreement.UNSETTLED if -least <= apart <= most else None


def _leaves(instrument: Instrument, orders: tuple[WorkingOrder, ...], side: Side) -> Decimal:
    """Return the base that *orders* on *side* may have traded without our knowing."""
    of_side = (order for order in orders if order.side is side)
    return add(*(instrument.base_of(order.quantity - order.filled) for order in of_side))

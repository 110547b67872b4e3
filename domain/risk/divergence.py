"""How far a position at the venue is from the one we believe in, and what that means.

    divergence = |found - expected| / max(|found|, |expected|) x 100

The earlier system divided by what the venue shows, or by 0.0001 if that was nothing (requirements
3.4): a lost position came out as a million percent, a doubled one as 50. The larger of the two is
the better measure: it is the same from either side, needs no invented number, and says how much of
what is really at risk is unexplained, from 0 to 100 %. A position on the wrong side is beyond any
percentage: always severe (rows RC-06 and RC-07).

Only what the run holds is judged, for only that it can put right (decision 0011):

| market | what of the position is the run's |
|---|---|
| perpetual, the run's alone | all of it |
| perpetual, shared | what is left when that of others is taken off |
| spot, the run's alone | what it holds, as far as that is there: the rest is its owner's to move |
| spot, shared with other runs | what is left when that of others is taken off |

What differs where others trade too is never corrected: nobody can tell whose it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final

from domain.grid.slot import WorkingOrder
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from domain.orders import Side
from domain.risk.breaker_events import Diverged

_HUNDRED: Final = Decimal(100)
_PLACES: Final = Decimal("0.01")


class Agreement(StrEnum):
    """What a comparison of positions comes to."""

    MATCH = "match"
    CORRECT = "correct"  # small: put into the ledger as a correction
    REPORT = "report"  # told to people: nobody can say whose it is, or it is none of the run's
    SEVERE = "severe"  # opens the breaker
    UNSETTLED = "unsettled"  # what is not known yet comes first, then look again


@dataclass(frozen=True, slots=True)
class PositionShown:
    """What a venue shows of a position, and what of it is not the run's. Amounts in base."""

    #: Signed: the position of a perpetual; on spot all that the account owns of the asset.
    found: Decimal
    #: Signed: what others hold of it, and what was there before the run; None: nobody can tell now.
    others: Decimal | None = ZERO
    #: Others trade it too.
    shared: bool = False
    #: From so many percent on it is severe.
    severe_percent: Decimal = Decimal(5)


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


def judge(
    instrument: Instrument,
    held: Decimal,
    shown: PositionShown,
    unsettled: Iterable[WorkingOrder] = (),
) -> PositionVerdict:
    """Return what to make of what is *shown* to a run that believes to hold *held*, in base.

    *unsettled* are its orders whose outcome is not known yet.
    """
    if shown.others is None and (shown.shared or instrument.kind is MarketKind.PERPETUAL):
        return _untold(instrument, held, shown)
    doubtful = tuple(unsettled)
    mine = _mine(instrument, held, shown)
    percent, wrong_side = divergence(mine, held), EXACT.multiply(mine, held) < 0
    apart = EXACT.subtract(mine, held)
    agreement = _agreement(instrument, apart, doubtful)
    if agreement is None:
        severe = wrong_side or percent >= shown.severe_percent
        agreement = Agreement.SEVERE if severe else _small(shown, doubtful)
    expected = add(held, _others(held, shown))
    if agreement is Agreement.MATCH and _differ(instrument, expected, shown.found):
        agreement = Agreement.REPORT  # the run's is there; what is not the run's has changed
    lots = EXACT.divide(apart, instrument.lot_size).to_integral_value(ROUND_DOWN, EXACT)
    correction = int(lots) if agreement is Agreement.CORRECT else 0
    told = f"expected {expected} {instrument.base}, found {shown.found}"
    why = f"{told}: {_words(percent, wrong_side)}, {_CONSEQUENCES[agreement]}"
    return PositionVerdict(
        instrument.symbol, expected, shown.found, percent, wrong_side, agreement, why, correction
    )


def _untold(instrument: Instrument, held: Decimal, shown: PositionShown) -> PositionVerdict:
    why = f"the run holds {held} {instrument.base}; what others hold is not known just now"
    return PositionVerdict(
        instrument.symbol,
        held,
        shown.found,
        ZERO,
        wrong_side=False,
        agreement=Agreement.UNSETTLED,
        why=why,
    )


def _mine(instrument: Instrument, held: Decimal, shown: PositionShown) -> Decimal:
    """Return what of what was found is the run's."""
    if instrument.kind is MarketKind.SPOT and not shown.shared:
        return min(shown.found, held)
    return EXACT.subtract(shown.found, _others(held, shown))


def _others(held: Decimal, shown: PositionShown) -> Decimal:
    """Return what others hold; where that was never recorded, all that the run does not."""
    if shown.others is not None:
        return shown.others
    return max(ZERO, EXACT.subtract(shown.found, held))


def _small(shown: PositionShown, doubtful: tuple[WorkingOrder, ...]) -> Agreement:
    if doubtful:
        return Agreement.UNSETTLED
    return Agreement.REPORT if shown.shared else Agreement.CORRECT


def _differ(instrument: Instrument, one: Decimal, other: Decimal) -> bool:
    return abs(EXACT.subtract(one, other)) >= instrument.lot_size


_CONSEQUENCES: Final = {
    Agreement.MATCH: "they agree",
    Agreement.CORRECT: "corrected in the ledger",
    Agreement.REPORT: "nobody can say whose that is: nothing is done about it",
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

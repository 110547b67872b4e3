"""What a pair costs, and how long it must be held to earn that.

All are shares of the notional of one leg, so that they compare with funding rates:

    fees        sum over the four trades: long in, short in, long out, short out
    slippage    (average fill - reference) / reference, positive is worse
    interest    borrow rate per hour * hours begun        (spot that is sold short)
    cost        fees + slippage + interest
    break-even  least whole hours n with n * carry >= fees + slippage + n * borrow rate
    entry       carry over the holding time > cost
    fee guard   carry of the guard's span >= taker fee of the long leg + that of the short leg

(requirements 3.5, row R-46.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Final

from domain.arbitrage.funding import HOUR, prorated
from domain.errors import InvalidValueError
from domain.money import EXACT, ZERO, Instrument, Price, Quantity, add
from domain.orders import Side

#: What the fee guard was written for. Rates of other intervals are converted to it first, or the
#: guard would be eight times as strict for a perpetual that settles every hour.
GUARD_SPAN: Final = timedelta(hours=8)


class Role(StrEnum):
    """Whether an order came or was resting; decides its fee."""

    TAKER = "taker"
    MAKER = "maker"


@dataclass(frozen=True, slots=True)
class Trade:
    """One of the four trades of a round trip, as it is expected to happen."""

    instrument: Instrument
    role: Role
    slippage: Decimal = ZERO

    @property
    def fee(self) -> Decimal:
        """Return the fee as a share of the notional; negative is a rebate."""
        if self.role is Role.TAKER:
            return self.instrument.taker_fee
        return self.instrument.maker_fee


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What entering and leaving a pair once costs, and what each hour in between does."""

    fees: Decimal
    slippage: Decimal = ZERO
    borrow_hourly: Decimal = ZERO

    def __post_init__(self) -> None:
        if self.borrow_hourly < 0:
            raise InvalidValueError(f"borrow_hourly is not negative, was {self.borrow_hourly}")

    @property
    def once(self) -> Decimal:
        """Return what does not depend on the holding time."""
        return EXACT.add(self.fees, self.slippage)

    def cost(self, held: timedelta) -> Decimal:
        """Return what the pair costs if it is held for *held*."""
        return EXACT.add(self.once, interest(self.borrow_hourly, held))

    def break_even_hours(self, carry_hourly: Decimal) -> int | None:
        """Return after how many whole hours the carry has paid for it all; None if it never does.

        *carry_hourly* is the spread of the two legs for an hour.
        """
        if self.once <= 0:
            return 0
        net = EXACT.subtract(carry_hourly, self.borrow_hourly)
        if net <= 0:
            return None
        return int(EXACT.divide(self.once, net).to_integral_value(ROUND_CEILING, EXACT))


def round_trip(trades: Iterable[Trade], borrow_hourly: Decimal = ZERO) -> RoundTrip:
    """Return the costs of the four *trades* together."""
    four = tuple(trades)
    if len(four) != 4:
        raise InvalidValueError(
            f"a round trip has four trades, two in and two out, was {len(four)}"
        )
    fees, slippages = add(*(one.fee for one in four)), add(*(one.slippage for one in four))
    return RoundTrip(fees, slippages, borrow_hourly)


def interest(hourly: Decimal, held: timedelta) -> Decimal:
    """Return the interest on what is borrowed for *held*: venues charge every hour that began."""
    if held < timedelta(0):
        raise InvalidValueError(f"the holding time is not negative, was {held}")
    return EXACT.multiply(hourly, Decimal(-(-held // HOUR)))


def carry(hourly: Decimal, held: timedelta) -> Decimal:
    """Return what a spread of *hourly* brings in *held*, as if it were paid all the time."""
    return prorated(hourly, HOUR, held)


def pays(carried: Decimal, cost: Decimal) -> bool:
    """Return whether an entry is worth it: the carry of its holding time exceeds its cost."""
    return carried > cost


def passes_fee_guard(
    carry_hourly: Decimal, long: Instrument, short: Instrument, span: timedelta = GUARD_SPAN
) -> bool:
    """Return whether the carry of *span* covers one taker fee on each leg (R-46)."""
    return carry(carry_hourly, span) >= EXACT.add(long.taker_fee, short.taker_fee)


# ---- slippage

#: The levels of one side of a book, best price first, as `DepthShown` tells them.
Levels = Sequence[tuple[Price, Quantity]]


def mid(bids: Levels, asks: Levels) -> Decimal | None:
    """Return the price in the middle, in ticks; None if a side of the book is empty."""
    if not bids or not asks:
        return None
    return EXACT.divide(Decimal(bids[0][0].ticks + asks[0][0].ticks), Decimal(2))


def slippage(side: Side, levels: Levels, quantity: Quantity, reference: Decimal) -> Decimal | None:
    """Return how much worse than *reference* (ticks) an order for *quantity* would be filled.

    *side* is the order's, *levels* are of the other side of the book. With the mid price as the
    reference half the spread is part of it. None if the book shown does not hold the quantity: what
    lies beyond is not known, and that is not nothing.
    """
    if not quantity:
        raise InvalidValueError("slippage is of a quantity of at least one lot, was 0")
    if reference <= 0:
        raise InvalidValueError(f"the reference of a slippage must be positive, was {reference}")
    worth = _worth(side, levels, quantity)
    if worth is None:
        return None
    expected = EXACT.multiply(reference, Decimal(quantity.lots))
    worse = EXACT.multiply(EXACT.subtract(Decimal(worth), expected), Decimal(side.sign))
    return EXACT.divide(worse, expected)


def shortfall(instrument: Instrument, lots: int, value: int, decided: Decimal) -> Decimal:
    """Return what was traded cost more than at the price it was *decided* at, in quote.

    *lots* are signed, *value* is the sum of signed lots x ticks. Before fees; negative if it was
    cheaper. It is the implementation shortfall of Perold (1988), of what was executed.
    """
    base = EXACT.multiply(Decimal(lots), instrument.lot_size)
    return EXACT.subtract(instrument.notional_of(value), EXACT.multiply(base, decided))


def _worth(side: Side, levels: Levels, quantity: Quantity) -> int | None:
    """Return the sum of ticks x lots for which the best *levels* fill *quantity*."""
    left, worth, before = quantity.lots, 0, None
    for price, there in levels:
        if before is not None and (price.ticks - before) * side.sign <= 0:
            raise InvalidValueError(
                f"levels must have the best price first, was {price.ticks} after {before} ticks"
            )
        taken = min(left, there.lots)
        left, worth, before = left - taken, worth + taken * price.ticks, price.ticks
        if not left:
            return worth
    return None

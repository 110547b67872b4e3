"""What is held of an instrument and what was paid for it, without a single rounded average.

A holding keeps the *sum* paid (`cost`) instead of an average price. When part of it is closed, a
share of the cost goes with it; however that share is rounded, what leaves and what stays add up to
the whole, so realized plus unrealized PnL is exact at every moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

from domain.money import EXACT, ZERO, Instrument, Price, Quantity, add
from domain.orders import Side

#: Finer than any venue's money; shares of a cost are rounded here, and nowhere else.
GRAIN: Final = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Holding:
    """A signed position: `lots`, plus `dust` of base below one lot, bought for `cost` of quote.

    `dust` comes of fees taken in base; it is never negative and belongs to the next exit. `cost` is
    negative for a short position (what was received).
    """

    lots: int = 0
    dust: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def flat(self) -> bool:
        return self.lots == 0 and self.dust == 0

    def base(self, instrument: Instrument) -> Decimal:
        """Return the signed amount of base."""
        return add(EXACT.multiply(Decimal(self.lots), instrument.lot_size), self.dust)

    def unrealized(self, instrument: Instrument, mark: Price) -> Decimal:
        """Return the PnL of what is open at *mark*, in quote: base x mark - cost."""
        worth = EXACT.multiply(self.base(instrument), instrument.price_of(mark))
        return EXACT.subtract(worth, self.cost)


EMPTY: Final = Holding()


@dataclass(frozen=True, slots=True)
class Traded:
    """What an execution did: the holding after it, what it realized, and its fee in quote."""

    holding: Holding
    realized: Decimal = ZERO
    fee: Decimal = ZERO


def trade(
    instrument: Instrument,
    before: Holding,
    side: Side,
    quantity: Quantity,
    value: int,
    *,
    base_fee: Decimal = ZERO,
    quote_fee: Decimal = ZERO,
) -> Traded:
    """Return *before* after *quantity* was traded for *value* (the sum of ticks x lots).

    A fee in base is a piece of the holding given away at the price of this execution: it lowers the
    holding and its cost alike, and counts as a fee in quote.
    """
    if not quantity:
        return Traded(_less_base(instrument, before, base_fee, ZERO), fee=quote_fee)
    signed = side.sign * quantity.lots
    closing = min(quantity.lots, abs(before.lots)) if before.lots * signed < 0 else 0
    notional = instrument.notional_of(value)
    closed_for = _share(notional, closing, quantity.lots)
    released = _released(instrument, before, closing)
    received = closed_for if side is Side.SELL else EXACT.minus(closed_for)
    opened_for = EXACT.multiply(Decimal(side.sign), EXACT.subtract(notional, closed_for))
    cost = add(EXACT.subtract(before.cost, released), opened_for)
    fee_value = _worth(base_fee, instrument, notional, quantity)
    after = Holding(before.lots + signed, before.dust, cost)
    return Traded(
        _less_base(instrument, after, base_fee, fee_value),
        EXACT.subtract(received, released) if closing else ZERO,
        add(quote_fee, fee_value),
    )


def merged(instrument: Instrument, holdings: Iterable[Holding]) -> Holding:
    """Return several holdings as one that cost their sum: no profit is taken or lost by it."""
    parts = list(holdings)
    whole = Holding(
        sum(part.lots for part in parts),
        add(*(part.dust for part in parts)),
        add(*(part.cost for part in parts)),
    )
    return _normal(instrument, whole.base(instrument), whole.cost)


def _released(instrument: Instrument, holding: Holding, lots: int) -> Decimal:
    """Return the cost that leaves with *lots* of a holding; dust that stays keeps its own."""
    if not lots:
        return ZERO
    part = EXACT.multiply(Decimal(lots), instrument.lot_size)
    return _share(holding.cost, part, abs(holding.base(instrument)))


def _share(whole: Decimal, part: Decimal | int, of: Decimal | int) -> Decimal:
    if part >= of:
        return whole
    exact = EXACT.divide(EXACT.multiply(whole, Decimal(part)), Decimal(of))
    return exact.quantize(GRAIN, ROUND_HALF_EVEN, EXACT)


def _worth(base: Decimal, instrument: Instrument, notional: Decimal, quantity: Quantity) -> Decimal:
    if base == 0:
        return ZERO
    price = EXACT.divide(notional, instrument.base_of(quantity))
    return EXACT.multiply(base, price).quantize(GRAIN, ROUND_HALF_EVEN, EXACT)


def _less_base(instrument: Instrument, holding: Holding, base: Decimal, worth: Decimal) -> Holding:
    if base == 0:
        return holding
    left = EXACT.subtract(holding.base(instrument), base)
    return _normal(instrument, left, EXACT.subtract(holding.cost, worth))


def _normal(instrument: Instrument, base: Decimal, cost: Decimal) -> Holding:
    """Split *base* into whole lots, rounded down, and dust between nothing and one lot."""
    lots = int(EXACT.divide(base, instrument.lot_size).to_integral_value(ROUND_FLOOR, EXACT))
    dust = EXACT.subtract(base, EXACT.multiply(Decimal(lots), instrument.lot_size))
    return Holding(lots, dust, cost)

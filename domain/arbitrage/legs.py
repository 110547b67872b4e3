"""One leg of a pair while the pair trades: what it is to trade, what it has, and its one order.

A leg has at most one order that may be live. An order whose outcome is not known blocks its leg,
and nothing else, until a look-up settles it (D7). What was executed counts, never what was
requested (R-44, flaw D-7): cumulative reports make late, doubled and reordered ones harmless.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, ROUND_HALF_DOWN, Decimal
from typing import Final

from domain.arbitrage.costs import shortfall
from domain.arbitrage.hedging import Rung
from domain.grid.slot import CLOSED_RANK, WorkingOrder
from domain.market import Quote
from domain.money import EXACT, ZERO, Instrument, MarketKind, Quantity, add
from domain.orders import OrderReport, Side

#: Orders that are over and remembered, in case a fill of one comes late.
_REMEMBERED: Final = 32


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a pair between two events. Lots are signed: a sale is negative."""

    #: 1 or 2.
    number: int
    account: str
    #: Stands in the ids of its orders: each leg has books of its own.
    tag: str
    instrument: Instrument
    #: What this trade is to do here.
    target: int
    #: Signed base that was held before.
    held: Decimal = ZERO
    #: Spot that is not held may be sold: it is borrowed.
    borrows: bool = False
    #: It gives back what is held: reduce-only where there is such a thing.
    closing: bool = False
    traded: int = 0
    #: Signed ticks x lots of what was traded.
    value: int = 0
    #: Base that the venue kept as its fee (spot).
    base_fees: Decimal = ZERO
    order: WorkingOrder | None = None
    rung: Rung = Rung.PASSIVE
    placed_at: datetime | None = None
    closed: tuple[WorkingOrder, ...] = ()
    quote: Quote | None = None
    #: The price between bid and ask, in quote, when the trade was decided; None: not known.
    decided: Decimal | None = None
    #: Why the venue takes no order now; it is asked again when time has passed.
    obstacle: str = ""
    #: It came to nothing: the next order waits for another price, or for time.
    waiting: bool = False
    #: Risk lets nothing be opened here.
    halted: bool = False
    #: Its venue has not told a price for a while.
    silent: bool = False
    #: The venue has nothing left to reduce: somebody else closed it.
    gone: bool = False

    @property
    def base(self) -> Decimal:
        """Signed base that this trade has moved, after fees."""
        lots = self.target if self.gone else self.traded
        moved = EXACT.multiply(Decimal(lots), self.instrument.lot_size)
        return EXACT.subtract(moved, self.base_fees)

    @property
    def left(self) -> int:
        """Signed lots that are missing to the target."""
        return 0 if self.gone else self.target - self.traded

    @property
    def average(self) -> Decimal | None:
        """What was paid or got per base, in quote; None while nothing was traded."""
        if not self.traded:
            return None
        price = EXACT.divide(Decimal(self.value), Decimal(self.traded))
        return EXACT.multiply(price, self.instrument.tick_size)

    @property
    def slippage(self) -> Decimal | None:
        """What was traded cost more than at the price it was decided at, in quote, before fees.

        See `shortfall`. None while that price is not known.
        """
        if self.decided is None:
            return None if self.traded else ZERO
        return shortfall(self.instrument, self.traded, self.value, self.decided)

    def lots_for(self, base: Decimal) -> int:
        """Return the signed lots that come nearest to *base*, and that this leg can trade.

        To the nearest, since a follower that rounds down leaves up to a whole lot naked. Half a lot
        is nothing, so what is left never asks for the opposite of what was just done.
        """
        lots = int(self._lots(base, ROUND_HALF_DOWN))
        if self.closing or not (self.instrument.kind is MarketKind.PERPETUAL or self.borrows):
            return self._at_most_held(lots)
        return lots

    def lots_back(self, base: Decimal) -> int:
        """Return the signed lots nearest to *base* that undo what this trade did here, no more."""
        lots = int(self._lots(base, ROUND_HALF_DOWN))
        if lots * self.traded >= 0:
            return 0
        return max(lots, -self.traded) if self.traded > 0 else min(lots, -self.traded)

    def _at_most_held(self, lots: int) -> int:
        """Return *lots*, or as many as bring what is held to nothing: it never changes sides."""
        held = int(self._lots(EXACT.add(self.held, self.base), ROUND_DOWN))
        if not self.closing:
            return max(lots, -held)
        if lots * held >= 0:
            return 0
        return max(lots, -held) if held > 0 else min(lots, -held)

    def _lots(self, base: Decimal, rounding: str) -> Decimal:
        return EXACT.divide(base, self.instrument.lot_size).to_integral_value(rounding, EXACT)

    def takes(self, lots: int) -> bool:
        """Return whether the venue takes an order of so many (signed) lots."""
        quantity = Quantity(abs(lots))
        if self.quote is None:
            return quantity >= self.instrument.min_quantity and bool(quantity)
        side = Side.BUY if lots > 0 else Side.SELL
        return self.instrument.accepts(self.quote.against(side), quantity)

    def reduces(self, lots: int) -> bool:
        """Return whether an order of (signed) *lots* can only give back what is held here."""
        if self.instrument.kind is not MarketKind.PERPETUAL:
            return False
        if self.closing:
            return self.traded * lots >= 0  # the other way it is taken back
        return self.traded * lots < 0 and abs(lots) <= abs(self.traded)

    # ---- what is told

    def knows(self, client_id: str) -> bool:
        """Return whether an order of this leg has this id."""
        return self._known(client_id) is not None

    def _known(self, client_id: str) -> WorkingOrder | None:
        orders = self.closed if self.order is None else (self.order, *self.closed)
        return next((order for order in orders if order.client_id == client_id), None)

    def reported(self, report: OrderReport) -> "Leg":
        """Return the leg after *report*; unchanged if it is of no order of it, or nothing new."""
        before = self._known(report.client_id)
        if before is None:
            return self
        if not before.is_news(report):
            return self._found_as_it_was(before, report)
        after = before.after(report)
        more = (after.filled.lots - before.filled.lots) * report.side.sign
        leg = replace(
            self,
            traded=self.traded + more,
            value=self.value + (after.value - before.value) * report.side.sign,
            base_fees=add(self.base_fees, self._new_fee(before, after)),
            gone=self.gone and not more,
        )
        if self.order is None or self.order.client_id != report.client_id:
            closed = tuple(after if one is before else one for one in self.closed)
            return replace(leg, closed=closed)
        if after.rank < CLOSED_RANK:
            return replace(leg, order=after)
        return replace(leg, order=after, waiting=not after.filled).ended()

    def _found_as_it_was(self, order: WorkingOrder, report: OrderReport) -> "Leg":
        """Return the leg without the doubt that an unanswered look-up has left, if that is it."""
        if order is not self.order or not order.unknown or report.filled != order.filled:
            return self
        return replace(self, order=replace(order, unknown=False))

    def ended(self) -> "Leg":
        """Return the leg without its order, which is over."""
        if self.order is None:
            return self
        return replace(self, order=None, closed=(self.order, *self.closed)[:_REMEMBERED])

    def _new_fee(self, before: WorkingOrder, after: WorkingOrder) -> Decimal:
        if self.instrument.kind is not MarketKind.SPOT:
            return ZERO
        base = self.instrument.base
        known, now = dict(before.fees).get(base, ZERO), dict(after.fees).get(base, ZERO)
        return EXACT.subtract(now, known)

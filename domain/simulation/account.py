"""What one account owns, holds and has resting; sums only, the rules about them are in `funds`."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain.market import FundingPayment
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from domain.orders import Fill, OrderReport, Side
from domain.simulation.order import Order


@dataclass(slots=True)
class Stake:
    """What one account has at stake in one instrument: a perpetual position and resting orders.

    `lots` and `cost` are signed, cost in ticks x lots, as in `domain.market.Position`: a share of
    the cost that leaves with a partial close is rounded down to a tick x lot, so nothing is lost.
    `bids` and `asks` are ticks x lots of resting orders, `ask_lots` the lots of the asks;
    `reducing_*` are lots of resting reduce-only orders, which count nowhere else.
    """

    lots: int = 0
    cost: int = 0
    realized: Decimal = ZERO
    bids: int = 0
    asks: int = 0
    ask_lots: int = 0
    reducing_bids: int = 0
    reducing_asks: int = 0

    def rest(self, side: Side, ticks: int, lots: int, *, reducing: bool) -> None:
        """Count *lots* more (less, if negative) of a resting order."""
        if side is Side.BUY:
            if reducing:
                self.reducing_bids += lots
            else:
                self.bids += ticks * lots
        elif reducing:
            self.reducing_asks += lots
        else:
            self.asks += ticks * lots
            self.ask_lots += lots

    def trade(self, side: Side, ticks: int, lots: int) -> int:
        """Change the position and return what that realized, in ticks x lots."""
        held = abs(self.lots)
        closing = min(lots, held) if self.lots * side.sign < 0 else 0
        released = self.cost * closing // held if closing else 0
        self.cost += side.sign * ticks * (lots - closing) - released
        self.lots += side.sign * lots
        return -side.sign * ticks * closing - released

    def reducible(self, side: Side) -> int:
        """Return how many lots an order of *side* can take off the position."""
        return max(0, -side.sign * self.lots)

    def reducing(self, side: Side) -> int:
        """Return the lots of *side* that rest as reduce-only."""
        return self.reducing_bids if side is Side.BUY else self.reducing_asks


@dataclass(frozen=True, slots=True)
class Totals:
    """What came of an account's trading so far: funding and fees by asset, realized by quote asset.

    Positive is in favor of the account, except for fees, which are what it paid. A spot account
    realizes nothing here: the exchange does not know what its base was bought for.
    """

    realized: dict[str, Decimal]
    fees: dict[str, Decimal]
    funding: dict[str, Decimal]


@dataclass(slots=True)
class Account:
    """An account and its orders by client id: `orders` are all it ever sent, `working` rest."""

    name: str
    balances: dict[str, Decimal]
    stakes: dict[str, Stake] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    working: dict[str, Order] = field(default_factory=dict)
    reports: list[OrderReport] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    funding: list[FundingPayment] = field(default_factory=list)
    totals: Totals = field(default_factory=lambda: Totals({}, {}, {}))

    def stake(self, instrument: Instrument) -> Stake:
        """Return the account's stake in *instrument*, which starts empty."""
        try:
            return self.stakes[instrument.symbol]
        except KeyError:
            return self.stakes.setdefault(instrument.symbol, Stake())

    def credit(self, asset: str, amount: Decimal) -> None:
        """Add *amount* (negative: take it away)."""
        self.balances[asset] = EXACT.add(self.balances.get(asset, ZERO), amount)

    def rest(self, instrument: Instrument, order: Order, lots: int) -> None:
        """Count *lots* more (less, if negative) of *order* as resting."""
        reducing = order.reduce_only and instrument.kind is MarketKind.PERPETUAL
        self.stake(instrument).rest(order.side, order.ticks, lots, reducing=reducing)

    def pay(self, payment: FundingPayment, asset: str) -> None:
        """Book a funding payment."""
        self.credit(asset, payment.amount)
        self.totals.funding[asset] = add(self.totals.funding.get(asset, ZERO), payment.amount)
        self.funding.append(payment)

    def open_orders(self, symbol: str) -> Sequence[Order]:
        """Return the working orders on *symbol*, oldest first."""
        return [order for order in self.working.values() if order.symbol == symbol]

    def orders_since(self, symbol: str, since: datetime) -> Sequence[Order]:
        """Return the orders on *symbol* that changed at or after *since*, oldest change first."""
        changed = [
            order
            for order in self.orders.values()
            if order.symbol == symbol and order.changed_at >= since
        ]
        return sorted(changed, key=lambda order: (order.changed_at, order.number))

    def fills_since(self, symbol: str, since: datetime) -> Sequence[Fill]:
        """Return the fills on *symbol* at or after *since*, oldest first."""
        first = bisect_left(self.fills, since, key=lambda fill: fill.at)
        return [fill for fill in self.fills[first:] if fill.symbol == symbol]

    def funding_since(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Return the funding payments of *symbol* at or after *since*, oldest first."""
        first = bisect_left(self.funding, since, key=lambda payment: payment.at)
        return [payment for payment in self.funding[first:] if payment.symbol == symbol]

"""One order as the exchange keeps it, from its arrival to long after its end."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from domain.money import ZERO, Price, Quantity, add
from domain.orders import Fill, OrderReport, OrderStatus, Side


@dataclass(slots=True)
class Order:
    """An accepted order. `ticks` is 0 for a market order; `number` is its place in time."""

    number: int
    order_id: str
    account: str
    client_id: str
    symbol: str
    side: Side
    lots: int
    ticks: int
    reduce_only: bool
    placed_at: datetime
    changed_at: datetime
    status: OrderStatus = OrderStatus.OPEN
    filled: int = 0
    value: int = 0
    fees: dict[str, Decimal] = field(default_factory=dict)

    @property
    def leaves(self) -> int:
        """Lots that may still be filled."""
        return self.lots - self.filled if self.status.working else 0

    def execute(self, fill: Fill) -> OrderReport:
        """Count *fill* and return the report of it."""
        self.filled += fill.quantity.lots
        self.value += fill.price.ticks * fill.quantity.lots
        self.fees[fill.fee_asset] = add(self.fees.get(fill.fee_asset, ZERO), fill.fee)
        done = self.filled == self.lots
        self.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        self.changed_at = fill.at
        return self.report(fill)

    def close(self, status: OrderStatus, at: datetime) -> OrderReport:
        """End the order as *status* and return the report of it."""
        self.status = status
        self.changed_at = at
        return self.report()

    def report(self, fill: Fill | None = None) -> OrderReport:
        """Return how the order stands."""
        return OrderReport(
            client_id=self.client_id,
            order_id=self.order_id,
            symbol=self.symbol,
            side=self.side,
            status=self.status,
            quantity=Quantity(self.lots),
            filled=Quantity(self.filled),
            value=self.value,
            price=Price(self.ticks) if self.ticks else None,
            fees=dict(self.fees),
            reduce_only=self.reduce_only,
            at=self.changed_at,
            fill=fill,
        )

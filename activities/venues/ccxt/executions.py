"""The executions of each order, so that running totals are sums of fills and never averages.

A venue tells of an order how much was filled, an average price and often no fee. The port wants
the exact sum of ticks x lots and the fees by asset: both are added up here, over the fills that the
stream or a query brought. A report that is not covered by known fills is not completed.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from domain.money import ZERO, add
from domain.orders import Fill, OrderReport

_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class _Order:
    client_id: str = ""
    fills: dict[str, Fill] = field(default_factory=dict)
    #: The places of fills in the venue's last list of them.
    places: dict[str, int] = field(default_factory=dict)
    #: Over all fills: a report that covers them all, as the newest one does, needs no look at them.
    lots: int = 0
    value: int = 0
    fees: dict[str, Decimal] = field(default_factory=dict)

    def add(self, fill: Fill) -> None:
        """Add an execution; one that is known already changes nothing."""
        if fill.fill_id in self.fills:
            return
        self.fills[fill.fill_id] = fill
        self.lots += fill.quantity.lots
        self.value += fill.price.ticks * fill.quantity.lots
        self.fees[fill.fee_asset] = add(self.fees.get(fill.fee_asset, ZERO), fill.fee)

    def first(self, lots: int) -> "_Order | None":
        """Return the oldest executions that make up *lots*; None if none do."""
        if self.lots <= lots:
            return self if self.lots == lots else None
        part = _Order()
        for fill in sorted(self.fills.values(), key=self._when):
            if part.lots >= lots:
                break
            part.add(fill)
        return part if part.lots == lots else None

    def _when(self, fill: Fill) -> tuple[Any, ...]:
        """Return what fills are ordered by: within an instant the venue's list, then the ids.

        What is not listed yet is newer than what is. Ids tell the order at most venues only: at
        Bybit they are random.
        """
        place = self.places.get(fill.fill_id, len(self.fills))
        return fill.at, place, len(fill.fill_id), fill.fill_id


class Executions:
    """What is known of the last orders, by the venue's order id."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._orders: OrderedDict[str, _Order] = OrderedDict()
        self._remembered = remembered

    def name(self, order_id: str, client_id: str) -> None:
        """Remember whose order this is."""
        self._of(order_id).client_id = client_id

    def client_id(self, order_id: str) -> str | None:
        """Return the client id of an order, if it was heard of."""
        known = self._orders.get(order_id)
        return known.client_id or None if known else None

    def add(self, fills: Iterable[Fill]) -> None:
        """Remember *fills*; one that is known already changes nothing."""
        for fill in fills:
            self._of(fill.order_id).add(fill)

    def add_listed(self, fills: Sequence[Fill]) -> None:
        """Remember *fills*, which the venue listed in this order, oldest first."""
        self.add(fills)
        for place, fill in enumerate(fills):
            self._of(fill.order_id).places[fill.fill_id] = place

    def complete(self, report: OrderReport) -> OrderReport | None:
        """Return *report* with the exact value and fees of what it says was filled.

        None if the known fills do not add up to it: the others have to be asked for.
        """
        if report.client_id:
            self.name(report.order_id, report.client_id)
        if report.fill is not None:
            self.add([report.fill])
        if not report.filled:
            return report
        known = self._orders.get(report.order_id) or _Order()
        part = known.first(report.filled.lots)
        if part is None:
            return None
        return replace(report, value=part.value, fees=dict(part.fees))

    def _of(self, order_id: str) -> _Order:
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = _Order()
            if len(self._orders) > self._remembered:
                self._orders.popitem(last=False)
        else:
            self._orders.move_to_end(order_id)
        return order

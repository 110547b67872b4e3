"""The executions of each order, so that running totals are sums of fills and never averages.

A venue tells of an order how much was filled, an average price and often no fee. The port wants
the exact sum of ticks x lots and the fees by asset: both are added up here, over the fills that the
stream or a query brought. A report that is not covered by known fills is not completed.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from domain.money import ZERO, add
from domain.orders import Fill, OrderReport

_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class _Order:
    client_id: str = ""
    fills: dict[str, Fill] = field(default_factory=dict)


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
            self._of(fill.order_id).fills.setdefault(fill.fill_id, fill)

    def complete(self, report: OrderReport) -> OrderReport | None:
        """Return *report* with the exact value and fees of what it says was filled.

        None if the known fills do not add up to it: the others have to be asked for.
        """
        if report.client_id:
            self.name(report.order_id, report.client_id)
        if report.fill is not None:
            self.add([report.fill])
        lots, value = 0, 0
        fees: dict[str, Decimal] = {}
        for fill in self._sorted(report.order_id):
            if lots == report.filled.lots:
                break
            lots += fill.quantity.lots
            value += fill.price.ticks * fill.quantity.lots
            fees[fill.fee_asset] = add(fees.get(fill.fee_asset, ZERO), fill.fee)
        if lots != report.filled.lots:
            return None
        return replace(report, value=value, fees=fees)

    def _sorted(self, order_id: str) -> list[Fill]:
        known = self._orders.get(order_id)
        fills = known.fills.values() if known else ()
        return sorted(fills, key=lambda fill: (fill.at, len(fill.fill_id), fill.fill_id))

    def _of(self, order_id: str) -> _Order:
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = _Order()
            if len(self._orders) > self._remembered:
                self._orders.popitem(last=False)
        else:
            self._orders.move_to_end(order_id)
        return order

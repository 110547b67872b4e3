"""What a process has recorded already, so that it is not written again.

Every comparison with a venue shows every open order of the account again, and every fill of the
last minute.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Final

from domain.orders import Fill, OrderReport

#: More orders than one account has open anywhere; some megabytes.
_REMEMBERED: Final = 8192
_Last = OrderedDict[Hashable, Hashable]


class Recorded:
    """The reports and fills that were recorded last."""

    def __init__(self) -> None:
        self._reports: _Last = OrderedDict()
        self._fills: _Last = OrderedDict()

    def new_reports(self, account: str, reports: Iterable[OrderReport]) -> list[OrderReport]:
        """Return *reports* without those that were the last ones recorded of their orders."""
        return [r for r in reports if self._reports.get((account, r.client_id)) != _gist(r)]

    def new_fills(self, account: str, fills: Iterable[Fill]) -> list[Fill]:
        """Return *fills* without those that were recorded under the same client id."""
        return [f for f in fills if self._fills.get(_name(account, f)) != f.client_id]

    def add(self, account: str, reports: Iterable[OrderReport], fills: Iterable[Fill]) -> None:
        """Note what was recorded."""
        for report in reports:
            _remember(self._reports, (account, report.client_id), _gist(report))
            if report.fill:
                _remember(self._fills, _name(account, report.fill), report.fill.client_id)
        for fill in fills:
            _remember(self._fills, _name(account, fill), fill.client_id)


def _remember(last: _Last, key: Hashable, value: Hashable) -> None:
    last[key] = value
    last.move_to_end(key)
    if len(last) > _REMEMBERED:
        last.popitem(last=False)


def _name(account: str, fill: Fill) -> Hashable:
    return (account, fill.symbol, fill.fill_id, fill.side)


def _gist(report: OrderReport) -> Hashable:
    """Return what another report of the same order may tell otherwise."""
    return (
        report.status,
        report.filled.lots,
        report.value,
        tuple(report.fees.items()),
        report.order_id,
        report.reason,
        report.at,
        report.fill.fill_id if report.fill else None,
    )

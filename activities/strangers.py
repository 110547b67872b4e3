"""Orders on an account that no run of ours has sent (decision D8).

They are told to people once. On an account that is set up as exclusive they are canceled, unless
they carry the tag of a run: what a lost ledger has forgotten may be needed yet.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from activities.clock import utc_now
from activities.store.ledger import Ledger
from activities.store.records import AuditEntry, RiskEvent
from domain.errors import StoreError, VenueError
from domain.order_ids import decode
from domain.orders import OrderReport
from domain.ports import Venue

_log: Final = logging.getLogger(__name__)


class Strangers:
    """What becomes of the foreign orders on one account."""

    def __init__(
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        clock: Callable[[], datetime] = utc_now,
        *,
        exclusive: bool = False,
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._clock = clock
        self.exclusive = exclusive
        self._known: set[str] = set()
        self._told: set[str] = set()

    async def look(self, orders: Iterable[OrderReport]) -> None:
        """See to those of *orders* that are foreign and working; never raises a TradingError."""
        try:
            for order in await self._foreign(orders):
                await self._see_to(order)
        except (StoreError, VenueError) as error:  # the next look tries again
            _log.warning("foreign orders on account %s were left: %s", self._account, error)

    async def _foreign(self, orders: Iterable[OrderReport]) -> list[OrderReport]:
        working = [order for order in orders if order.status.working]
        tags = {key.run_tag for order in working if (key := decode(order.client_id))}
        if tags - self._known:
            self._known |= set(await self._ledger.runs_by_tag(sorted(tags - self._known)))
        return [order for order in working if not self._is_ours(order)]

    def _is_ours(self, order: OrderReport) -> bool:
        key = decode(order.client_id)
        return key is not None and key.run_tag in self._known

    async def _see_to(self, order: OrderReport) -> None:
        if self.exclusive and order.client_id and decode(order.client_id) is None:
            await self._venue.cancel(order.symbol, order.client_id)
            await self._tell(order, "foreign order canceled", "the account is exclusive")
            told = _detail(order)
            now, why = self._clock(), "the account is exclusive"
            await self._ledger.audit(
                AuditEntry(now, "reconciler", "reconcile", "cancel", None, told, None, why)
            )
        else:
            await self._tell(order, "foreign order", "no run of ours has sent it")

    async def _tell(self, order: OrderReport, kind: str, why: str) -> None:
        name = f"{kind} {order.order_id or order.client_id}"
        if name in self._told:
            return
        detail = {**_detail(order), "why": why}
        await self._ledger.record_risk_event(
            RiskEvent(self._clock(), kind, self._account, None, detail)
        )
        self._told.add(name)
        _log.warning("%s on account %s: %s", kind, self._account, detail)


def _detail(order: OrderReport) -> dict[str, str]:
    return {
        "symbol": order.symbol,
        "client_id": order.client_id,
        "order_id": order.order_id,
        "side": order.side.value,
    }

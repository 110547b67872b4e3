"""Our whole durable path on a market in this process, with a clock at both of its ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from activities.store.ledger import Ledger
from activities.store.transactions import Transactions
from activities.venues.paper import PaperMarket, PaperVenue
from bench import markets
from domain.order_ids import OrderKey, decode
from domain.orders import OrderReport, OrderRequest, Refusal

_T = TypeVar("_T")


@dataclass(slots=True)
class Arrivals:
    """Orders as they arrive at the venue: when, and for which slot."""

    times: list[tuple[float, OrderKey]] = field(default_factory=list)
    #: Called for each, right after its time was taken.
    told: Callable[[float, OrderKey], None] = lambda _at, _key: None

    def note(self, client_id: str) -> None:
        key = decode(client_id)
        if key is not None:
            now = time.perf_counter()
            self.times.append((now, key))
            self.told(now, key)


class TimedVenue(PaperVenue):
    """A venue that notes when an order arrives, before it does anything with it."""

    def __init__(self, market: PaperMarket, account: str, arrivals: Arrivals) -> None:
        super().__init__(market, account)
        self._arrivals = arrivals

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        self._arrivals.note(request.client_id)
        return await super().place(request)


class TimedLedger(Ledger):
    """A ledger that sums up how long its transactions take; on SQLite they hold the event loop."""

    seconds = 0.0

    def _transact(self, where: Transactions, work: Callable[[Connection], _T]) -> _T:
        began = time.perf_counter()
        try:
            return super()._transact(where, work)
        finally:
            self.seconds += time.perf_counter() - began


class Clock:
    """The market's time: a second for each event, whatever a wall clock says."""

    def __init__(self) -> None:
        self._seconds = markets.seconds()

    def tick(self) -> datetime:
        """Return the next second."""
        return next(self._seconds)

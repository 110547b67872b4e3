"""OKX's dialect as a whole: its hosts, its rooms, and how it fails."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from domain.orders import RefusalReason
from workers.exchange.fronts.asked import Told
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.okx import rows
from workers.exchange.fronts.okx.account import Account
from workers.exchange.fronts.okx.door import OkxDoor, results
from workers.exchange.fronts.okx.history import History
from workers.exchange.fronts.okx.market import Market
from workers.exchange.fronts.okx.orders import Orders
from workers.exchange.fronts.okx.refusals import refused
from workers.exchange.fronts.okx.sockets import Sockets


class Okx(Dialect):
    """One account per key: a unified one, in net mode and with cross margin."""

    name = "okx"
    hosts = frozenset({"www.okx.com", "ws.okx.com"})
    id_fields: ClassVar[Sequence[str]] = ("clOrdId",)

    def __init__(self, desk: Desk) -> None:
        door = OkxDoor(desk)
        rooms = (Orders(door), History(door), Account(door), Market(door))
        super().__init__(desk, rooms, (Sockets(door),))

    def limited(self, retry_after: timedelta) -> Told:  # noqa: ARG002 - OKX does not tell
        return Told({"msg": "Too Many Requests", "code": "50011"}, 429)

    def unavailable(self) -> Told:
        told = "Service temporarily unavailable. Try again later"
        return Told(rows.envelope([], "50001", told), 503)

    def refusal(self, reason: RefusalReason) -> Told:
        return Told(results([rows.result("", None, *refused(reason))]))

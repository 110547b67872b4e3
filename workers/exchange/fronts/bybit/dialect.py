"""Bybit's dialect as a whole: its hosts, its rooms, and how it fails."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Final

from domain.money import MarketKind
from domain.orders import RefusalReason
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Told
from workers.exchange.fronts.bybit.account import Account
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.bybit.history import REALTIME, History
from workers.exchange.fronts.bybit.market import Market
from workers.exchange.fronts.bybit.orders import Orders
from workers.exchange.fronts.bybit.refusals import refused
from workers.exchange.fronts.bybit.rights import Rights
from workers.exchange.fronts.bybit.sockets import PrivateSockets
from workers.exchange.fronts.bybit.streams import PublicStreams
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.rooms import Route
from workers.exchange.fronts.rows import ms

_NAMED: Final = re.compile(r"(?:^|&)order(?:Link)?Id=")


class Bybit(Dialect):
    """One account per key, a unified one."""

    name = "bybit"
    hosts = frozenset({"api.bybit.com", "stream.bybit.com"})
    id_fields: ClassVar[Sequence[str]] = ("orderLinkId",)

    def __init__(self, desk: Desk) -> None:
        self._door = door = BybitDoor(desk)
        rooms = (Orders(door), History(door), Account(door), Rights(door), Market(door))
        super().__init__(desk, rooms, (PrivateSockets(door), PublicStreams(desk)))

    def operation(self, route: Route, asked: Asked) -> Operation:
        """Tell who asks for one order from who asks for all that work: they ask the same path."""
        one = route.path == REALTIME and _NAMED.search(asked.query)
        return Operation.ORDER if one else route.operation

    def limited(self, retry_after: timedelta) -> Told:
        headers = {
            "X-Bapi-Limit": "10",
            "X-Bapi-Limit-Status": "0",
            "X-Bapi-Limit-Reset-Timestamp": str(ms(self.desk.now() + retry_after)),
        }
        return Told(self._door.body({}, 10006, "Too many visits!"), 200, headers)

    def banned(self, retry_after: timedelta) -> Told:  # noqa: ARG002 - it does not say how long
        return Told("403, access too frequent", 403, {"Content-Type": "text/plain"})

    def unavailable(self) -> Told:
        return Told(self._door.body({}, 10016, "System error. Please try again later."))

    def refusal(self, reason: RefusalReason) -> Told:
        return Told(self._door.body({}, *refused(MarketKind.PERPETUAL, reason)))

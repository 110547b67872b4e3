"""Bitget's dialect as a whole: its hosts, its rooms, and how it fails."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from domain.orders import RefusalReason
from workers.exchange.fronts.asked import Told
from workers.exchange.fronts.bitget.account import Account
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.bitget.history import History
from workers.exchange.fronts.bitget.market import Market
from workers.exchange.fronts.bitget.orders import Orders
from workers.exchange.fronts.bitget.rights import Rights
from workers.exchange.fronts.bitget.sockets import PrivateSockets
from workers.exchange.fronts.bitget.streams import PublicStreams
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.dialect import Dialect


class Bitget(Dialect):
    """One account per key on both sides; its wallet is the same on both, unlike there."""

    name = "bitget"
    hosts = frozenset({"api.bitget.com", "ws.bitget.com"})
    id_fields: ClassVar[Sequence[str]] = ("clientOid",)

    def __init__(self, desk: Desk) -> None:
        self._door = door = BitgetDoor(desk)
        rooms = (Orders(door), History(door), Account(door), Rights(door), Market(door))
        super().__init__(desk, rooms, (PrivateSockets(door), PublicStreams(desk)))

    def limited(self, retry_after: timedelta) -> Told:  # noqa: ARG002 - it does not tell
        return self._door.told("429", "Too Many Requests", 429)

    def unavailable(self) -> Told:
        return self._door.told("40200", "Server upgrade, please try again later", 503)

    def refusal(self, reason: RefusalReason) -> Told:
        return self._door.refusal(reason)

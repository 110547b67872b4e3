"""Binance's dialect as a whole: its hosts, its rooms, and how it fails."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from domain.money import MarketKind
from domain.orders import RefusalReason
from workers.exchange.fronts.asked import Asked, Told
from workers.exchange.fronts.binance import rows
from workers.exchange.fronts.binance.account import Account
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.binance.history import History
from workers.exchange.fronts.binance.market import Market
from workers.exchange.fronts.binance.orders import Orders
from workers.exchange.fronts.binance.refusals import refused, told
from workers.exchange.fronts.binance.rights import Rights
from workers.exchange.fronts.binance.sockets import PrivateSockets
from workers.exchange.fronts.binance.streams import PublicStreams
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.rows import ms
from workers.exchange.fronts.sockets import Socket


class Binance(Dialect):
    """One account per key on both sides; its wallet is the same on both, unlike there."""

    name = "binance"
    hosts = frozenset(
        {
            "fapi.binance.com",
            "fstream.binance.com",
            "api.binance.com",
            "stream.binance.com",
            "ws-api.binance.com",
        }
    )
    id_fields: ClassVar[Sequence[str]] = ("newClientOrderId", "origClientOrderId")

    def __init__(self, desk: Desk) -> None:
        door = BinanceDoor(desk)
        self._private = PrivateSockets(door)
        rooms = (
            Orders(door),
            History(door),
            Account(door),
            Rights(door),
            Market(door),
            self._private,
        )
        super().__init__(desk, rooms, (self._private, PublicStreams(desk)))

    def arrived(self, asked: Asked, socket: Socket) -> Told | None:
        return self._private.arrived(asked, socket)

    def limited(self, retry_after: timedelta) -> Told:
        seconds = str(max(1, round(retry_after.total_seconds())))
        return Told(rows.error(-1003, "Too many requests."), 429, {"Retry-After": seconds})

    def banned(self, retry_after: timedelta) -> Told:
        until = ms(self.desk.now() + retry_after)
        text = (
            f"Way too much request weight used; IP banned until {until}. Please use the websocket."
        )
        return Told(rows.error(-1003, text), 418)

    def unavailable(self) -> Told:
        return Told(
            rows.error(
                -1008, "Server is currently overloaded with other requests. Please try again."
            ),
            503,
        )

    def refusal(self, reason: RefusalReason) -> Told:
        return told(*refused(MarketKind.PERPETUAL, reason))

"""Gate's dialect as a whole: its hosts, its rooms, and how it fails."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from domain.orders import RefusalReason
from workers.exchange.fronts.asked import Asked, Told
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.gate import requests
from workers.exchange.fronts.gate.account import Account
from workers.exchange.fronts.gate.door import PERPETUAL, GateDoor
from workers.exchange.fronts.gate.history import History
from workers.exchange.fronts.gate.market import Market
from workers.exchange.fronts.gate.orders import Orders
from workers.exchange.fronts.gate.rights import Rights
from workers.exchange.fronts.gate.sockets import Sockets
from workers.exchange.fronts.rows import ms


class Gate(Dialect):
    """One account per key on both sides; its wallet is the same on both, unlike there."""

    name = "gate"
    hosts = frozenset({"api.gateio.ws", "fx-ws.gateio.ws"})
    id_fields: ClassVar[Sequence[str]] = ("text", "id")

    def __init__(self, desk: Desk) -> None:
        door = GateDoor(desk)
        rooms = (Orders(door), History(door), Account(door), Rights(door), Market(door))
        super().__init__(desk, rooms, (Sockets(door),))

    def limited(self, retry_after: timedelta) -> Told:
        reset = -(-ms(self.desk.now() + retry_after) // 1000)
        body = {"label": "TOO_MANY_REQUESTS", "message": "Request Rate Limit Exceeded (311)"}
        return Told(body, 429, {"X-Gate-RateLimit-Reset-Timestamp": str(reset)})

    def unavailable(self) -> Told:
        return Told({"label": "TOO_BUSY", "message": "The system is busy"}, 503)

    def refusal(self, reason: RefusalReason) -> Told:
        return requests.wrong(PERPETUAL, *requests.refused(PERPETUAL, reason)).answer

    def client_ids(self, asked: Asked) -> Sequence[str]:
        named = re.findall(r"/orders/(t-[^/?]+)", asked.path)
        ids = [*super().client_ids(asked), *named]
        return [each.removeprefix("t-") for each in ids]

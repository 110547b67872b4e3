"""Bybit's private socket: a login, then orders, executions, positions and the wallet."""

import hmac
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

from domain.money import Instrument, MarketKind
from domain.orders import OrderReport
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.bybit import rows
from workers.exchange.fronts.bybit.dead_man import TOPICS
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.bybit.talk import connections, op_of, refused, subscribed
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import from_ms, ms
from workers.exchange.fronts.sockets import Socket

_PRIVATE: Final = "/v5/private"
_TOPICS: Final = ("order", "execution", "position", "wallet")


class PrivateSockets:
    """Tells an execution before its order, on topics of their own."""

    def __init__(self, door: BybitDoor) -> None:
        self.door = door
        self.desk = door.desk
        self._connections = connections()

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        if asked.path != _PRIVATE:
            return False
        followed: set[tuple[str, str]] = set()
        try:
            await self._talk(socket, followed)
        finally:
            for account, topic in followed:
                self.door.dead_man.leave(account, topic, lost=True)
        return True

    async def _talk(self, socket: Socket, followed: set[tuple[str, str]]) -> None:
        connection = next(self._connections)
        account: str | None = None
        async for message in socket.messages():
            op = op_of(message)
            if op == "ping":
                at = str(ms(self.desk.now()))
                socket.say({"op": "pong", "args": [at], "conn_id": connection})
            elif op == "auth":
                keys = self._login(message)
                account = None if keys is None else keys.account
                failed = "" if account else "Params Error"
                told = {"success": account is not None, "ret_msg": failed, "op": "auth"}
                socket.say(told | {"conn_id": connection})
            elif account is not None and _of_switch(message):
                self._switch(account, message, followed)
                socket.say(subscribed(message, "", connection) | {"op": op})
            elif op == "subscribe":
                self._listen(socket, message, account, connection)
            else:
                socket.say(refused(message, "error:invalid op", connection))

    def _switch(self, account: str, message: Any, followed: set[tuple[str, str]]) -> None:
        for topic in message["args"]:
            key = account, topic
            if op_of(message) == "subscribe" and key not in followed:
                followed.add(key)
                self.door.dead_man.follow(*key)
            elif op_of(message) == "unsubscribe" and key in followed:
                followed.discard(key)
                self.door.dead_man.leave(*key, lost=False)

    def _login(self, message: Any) -> LocalKeys | None:
        arguments = message.get("args")
        if not isinstance(arguments, list) or len(arguments) != 3:
            return None
        key, expires, signature = (str(each) for each in arguments)
        keys = keys_of(key)
        if keys is None or not expires.isdecimal() or from_ms(int(expires)) <= self.desk.now():
            return None
        expected = hmac.new(keys.secret.encode(), f"GET/realtime{expires}".encode(), sha256)
        return keys if hmac.compare_digest(signature, expected.hexdigest()) else None

    def _listen(self, socket: Socket, message: Any, account: str | None, connection: str) -> None:
        topics = message.get("args") or []
        if account is None:
            socket.say(refused(message, "Request not authorized", connection))
        elif not topics or any(topic not in _TOPICS for topic in topics):
            socket.say(refused(message, f"error:handler not found,topic:{topics}", connection))
        else:
            name = account
            socket.say(subscribed(message, "", connection))
            socket.tell_orders(name, lambda report: self._news(name, report, topics))

    def _news(self, account: str, report: OrderReport, topics: Sequence[str]) -> Iterable[Any]:
        """Tell an execution before its order, on topics of their own."""
        instrument = self.desk.host.instrument(report.symbol)
        at = 0 if report.at is None else ms(report.at)
        told: list[tuple[str, dict[str, Any]]] = []
        if report.fill is not None:
            word = self.door.word(account, report)
            told.append(("execution", rows.execution(instrument, report.fill, report, word)))
        told.append(("order", self.door.order_row(account, instrument, report)))
        if report.fill is not None and instrument.kind is MarketKind.PERPETUAL:
            told.append(("position", self._position(account, instrument)))
        told.append(("wallet", self.door.wallet(account)))
        for topic, row in told:
            if topic in topics:
                yield {"id": f"{topic}{at}", "topic": topic, "creationTime": at, "data": [row]}

    def _position(self, account: str, instrument: Instrument) -> dict[str, Any]:
        held = self.desk.positions(account, instrument.symbol)
        leverage = self.door.memory.leverage(account, instrument.symbol)
        return rows.position(instrument, held[0] if held else None, leverage, "entryPrice")


def _of_switch(message: Any) -> bool:
    """Return whether a message follows, or no longer follows, the topics of the switch."""
    topics = message.get("args") if isinstance(message, dict) else None
    known = isinstance(topics, list) and bool(topics) and all(each in TOPICS for each in topics)
    return known and op_of(message) in ("subscribe", "unsubscribe")

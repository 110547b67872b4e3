"""OKX's sockets: a login, one answer per channel, pushes, and `pong` to `ping`."""

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from domain.money import MarketKind
from domain.orders import OrderReport
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.desk import fresh
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.looks import Look
from workers.exchange.fronts.margin import margins
from workers.exchange.fronts.okx import rows
from workers.exchange.fronts.okx.door import KINDS, WINDOW, OkxDoor, sign
from workers.exchange.fronts.okx.streams import PublicStreams, pushed_if_changed
from workers.exchange.fronts.rows import from_ms
from workers.exchange.fronts.sockets import Socket


class Sockets:
    """`/public`, `/private` and `/business`; private channels need a login."""

    def __init__(self, door: OkxDoor) -> None:
        self.door = door
        self.desk = door.desk
        self._public = PublicStreams(door.desk)

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        _, _, path = asked.path.partition("/ws/v5/")
        if path not in ("public", "private", "business"):
            return False
        keys: LocalKeys | None = None
        async for message in socket.messages():
            if message == "ping":
                socket.say("pong")
            elif not isinstance(message, dict):
                socket.say(_error("60012", f"Illegal request: {message}"))
            elif message.get("op") == "login" and path == "private":
                keys = self._login(socket, message.get("args", [{}])[0]) or keys
            elif message.get("op") == "subscribe":
                for arg in message.get("args", []):
                    self._subscribe(socket, path, keys, arg)
            else:
                socket.say(_error("60012", "Illegal request"))
        return True

    def _login(self, socket: Socket, arg: Mapping[str, Any]) -> LocalKeys | None:
        """Return who logged in. One who did not is told so, and the socket stays open."""
        keys = keys_of(str(arg.get("apiKey", "")))
        if keys is None:
            socket.say(_error("60005", "Invalid apiKey"))
            return None
        stamp = str(arg.get("timestamp", ""))
        if str(arg.get("passphrase")) != keys.passphrase:
            socket.say(_error("60024", "Wrong passphrase"))
        elif not stamp.isdecimal():
            socket.say(_error("60004", "Invalid timestamp"))
        elif not fresh(self.desk.now(), from_ms(int(stamp) * 1000), WINDOW, WINDOW):
            socket.say(_error("60006", "Timestamp request expired"))
        elif not hmac.compare_digest(
            str(arg.get("sign", "")), sign(keys, f"{stamp}GET/users/self/verify")
        ):
            socket.say(_error("60007", "Invalid sign"))
        else:
            socket.say({"event": "login", "code": "0", "msg": "", "connId": "a4d3ae55"})
            return keys
        return None

    def _subscribe(
        self, socket: Socket, path: str, keys: LocalKeys | None, arg: Mapping[str, Any]
    ) -> None:
        if path == "private" and keys is None:
            socket.say(_error("60011", "Please log in"))
            return
        if path == "private" and keys is not None:
            begin = self._private(socket, keys.account, arg)
        else:
            begin = self._open(socket, path, arg)
        if begin is None:
            names = ",".join(f"{name}:{value}" for name, value in arg.items())
            socket.say(_error("60018", f"Wrong URL or {names} doesn't exist."))
            return
        socket.say({"event": "subscribe", "arg": arg, "connId": "a4d3ae55"})
        begin()

    def _open(self, socket: Socket, path: str, arg: Mapping[str, Any]) -> Callable[[], Any] | None:
        look = self._public.look(path, arg)
        return None if look is None else lambda: socket.tell_changes(look)

    def _private(
        self, socket: Socket, account: str, arg: Mapping[str, Any]
    ) -> Callable[[], Any] | None:
        kind = KINDS.get(arg.get("instType", ""))
        match arg.get("channel"):
            case "orders" if kind is not None:
                return lambda: socket.tell_orders(
                    account, lambda report: self._news(account, kind, arg, report)
                )
            case "account":
                return lambda: socket.tell_changes(
                    pushed_if_changed(arg, lambda: self._wallets(account))
                )
            case "positions" if kind is MarketKind.PERPETUAL:
                return lambda: socket.tell_changes(self._positions(account, arg))
            case _:
                return None

    def _news(
        self, account: str, kind: MarketKind, arg: Mapping[str, Any], report: OrderReport
    ) -> Iterable[Any]:
        instrument = self.desk.host.instrument(report.symbol)
        if instrument.kind is kind:
            row = self.door.order_row(account, instrument, report, report.fill)
            yield {"arg": arg, "data": [rows.pushed(row, report.fill)]}

    def _wallets(self, account: str) -> list[Any]:
        return [rows.wallets(margins(self.desk, account), 0)]

    def _positions(self, account: str, arg: Mapping[str, Any]) -> Look:
        """Return what looks at all positions; of one that was closed it tells that once."""
        known: set[str] = set()

        def look() -> list[Any]:
            told = []
            for each in self.desk.instruments(MarketKind.PERPETUAL):
                held = self.desk.positions(account, each.symbol)
                if held:
                    known.add(each.symbol)
                if each.symbol in known:
                    lever = self.door.memory.leverage(account, each.symbol)
                    told.append(rows.position(each, held[0] if held else None, lever, 0))
            return told

        return pushed_if_changed(arg, look)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"event": "error", "code": code, "msg": message, "connId": "a4d3ae55"}

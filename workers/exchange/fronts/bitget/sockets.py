"""Bitget's private socket: a login, then orders, wallets and positions."""

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from domain.money import MarketKind
from domain.orders import OrderReport
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.bitget.door import WINDOW, BitgetDoor, signature
from workers.exchange.fronts.bitget.talk import HOST, KINDS, error, pong, subscriptions
from workers.exchange.fronts.desk import fresh
from workers.exchange.fronts.keys import keys_of
from workers.exchange.fronts.margin import margins
from workers.exchange.fronts.rows import from_ms, ms
from workers.exchange.fronts.sockets import Socket


class PrivateSockets:
    """Tells an order before what it moved."""

    def __init__(self, door: BitgetDoor) -> None:
        self.door = door
        self.desk = door.desk

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        if (asked.host, asked.path) != (HOST, "/v2/ws/private"):
            return False
        account = ""
        channels: set[tuple[str, str]] = set()
        async for message in socket.messages():
            if pong(socket, message):
                continue
            if isinstance(message, dict) and message.get("op") == "login":
                account = self._login(socket, message)
            elif not account:
                socket.say(error(30004, "User not logged in"))
            else:
                self._join(socket, message, account, channels)
        return True

    def _login(self, socket: Socket, message: Mapping[str, Any]) -> str:
        """Return the account that logged in; "" if it did not."""
        given = message.get("args")
        if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
            socket.say(error(30016, "Param error"))
            return ""
        args = given[0]
        keys = keys_of(str(args.get("apiKey", "")))
        at = str(args.get("timestamp", ""))
        if keys is None:
            socket.say(error(30011, "Invalid ACCESS_KEY"))
        elif args.get("passphrase") != keys.passphrase:
            socket.say(error(30012, "Invalid ACCESS_PASSPHRASE"))
        elif not at.isdecimal() or not self._fresh(int(at)):
            socket.say(error(30014, "Request timestamp expired"))
        elif not hmac.compare_digest(
            str(args.get("sign")), signature(keys.secret, f"{at}GET/user/verify")
        ):
            socket.say(error(30015, "Invalid sign"))
        else:
            socket.say({"event": "login", "code": 0})
            return keys.account
        return ""

    def _fresh(self, seconds: int) -> bool:
        now = self.desk.now()
        return fresh(now, from_ms(seconds * 1000), WINDOW, WINDOW)

    def _join(
        self, socket: Socket, message: Any, account: str, channels: set[tuple[str, str]]
    ) -> None:
        for arg in subscriptions(socket, message):
            kind, channel = arg.get("instType"), arg.get("channel")
            name = "coin" if channel == "account" else "instId"
            known = ("account", "orders") + (("positions",) if kind == rows.PRODUCT else ())
            whole = set(arg) == {"instType", "channel", name} and arg[name] == "default"
            if kind not in KINDS or channel not in known or not whole:
                socket.say(error(30001, f"{arg} doesn't exist"))
                continue
            socket.say({"event": "subscribe", "arg": arg})
            if channel == "account":
                socket.say(self._wallets(account, KINDS[kind]))
            if channel == "positions":
                socket.say(self._held(account))
            if not any(of == kind for of, _ in channels):
                socket.tell_orders(account, self._speaker(account, kind, channels))
            channels.add((kind, channel))

    def _speaker(
        self, account: str, word: str, channels: set[tuple[str, str]]
    ) -> Callable[[OrderReport], Iterable[Any]]:
        """Return what speaks on all channels of a kind of market, of the order first."""

        def speak(report: OrderReport) -> Iterable[Any]:
            instrument = self.desk.host.instrument(report.symbol)
            if instrument.kind is not KINDS[word]:
                return
            if (word, "orders") in channels:
                created = ms(self.desk.created_at(account, report))
                called = self.door.word(account, report)
                row = rows.told_order(instrument, report, called, created)
                yield _pushed(word, "orders", "instId", "default", [row])
            if (word, "account") in channels:
                yield self._wallets(account, instrument.kind)
            if (word, "positions") in channels:
                yield self._held(account)

        return speak

    def _wallets(self, account: str, kind: MarketKind) -> dict[str, Any]:
        if kind is MarketKind.SPOT:
            at = ms(self.desk.host.exchange.now)
            told = [rows.spot_balance(each, at) for each in self.desk.balances(account)]
            return _pushed("SPOT", "account", "coin", "default", told)
        told = [rows.told_wallet(each) for each in margins(self.desk, account)]
        return _pushed(rows.PRODUCT, "account", "coin", "default", told)

    def _held(self, account: str) -> dict[str, Any]:
        told = [
            rows.position(instrument, held)
            for instrument in self.desk.instruments(MarketKind.PERPETUAL)
            for held in self.desk.positions(account, instrument.symbol)
        ]
        return _pushed(rows.PRODUCT, "positions", "instId", "default", told)


def _pushed(
    kind: str, channel: str, name: str, value: str, data: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    arg = {"instType": kind, "channel": channel, name: value}
    return {"action": "snapshot", "arg": arg, "data": data}

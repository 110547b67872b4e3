"""What Bitget says on sockets: a login and channels on the private one, channels on the public."""

import hmac
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from activities.venues.paper import new_candles
from domain.market import Candle, PriceUpdate
from domain.money import Instrument, MarketKind
from domain.orders import OrderReport
from workers.exchange.fronts import bitget_market as market
from workers.exchange.fronts import bitget_rows as rows
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.desk import Desk, fresh
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.keys import keys_of
from workers.exchange.fronts.rows import from_ms, ms
from workers.exchange.fronts.sockets import Socket

WINDOW: Final = timedelta(seconds=30)
_KINDS: Final = {rows.PRODUCT: MarketKind.PERPETUAL, "SPOT": MarketKind.SPOT}
#: Forming candles are told this often at most (seconds).
_BARS_EVERY: Final = 0.05

Look = Callable[[], Sequence[Any]]


class BitgetSockets(Dialect):
    """The WebSocket half of the dialect."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        #: What clients called their orders, by account and client id.
        self.words: dict[tuple[str, str], rows.Word] = {}

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        if asked.host != "ws.bitget.com":
            return False
        if asked.path == "/v2/ws/private":
            await self._private(socket)
            return True
        if asked.path == "/v2/ws/public":
            async for message in socket.messages():
                if not _pong(socket, message):
                    self._open(socket, message)
            return True
        return False

    def word(self, account: str, report: OrderReport) -> rows.Word:
        """Return what a client called an order."""
        return self.words.get((account, report.client_id), rows.word_of(report))

    # ---- private

    async def _private(self, socket: Socket) -> None:
        account = ""
        channels: set[tuple[str, str]] = set()
        async for message in socket.messages():
            if _pong(socket, message):
                continue
            if isinstance(message, dict) and message.get("op") == "login":
                account = self._login(socket, message)
            elif not account:
                socket.say(_error(30004, "User not logged in"))
            else:
                self._join(socket, message, account, channels)

    def _login(self, socket: Socket, message: Mapping[str, Any]) -> str:
        """Return the account that logged in; "" if it did not."""
        given = message.get("args")
        if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
            socket.say(_error(30016, "Param error"))
            return ""
        args = given[0]
        keys = keys_of(str(args.get("apiKey", "")))
        at = str(args.get("timestamp", ""))
        if keys is None:
            socket.say(_error(30011, "Invalid ACCESS_KEY"))
        elif args.get("passphrase") != keys.passphrase:
            socket.say(_error(30012, "Invalid ACCESS_PASSPHRASE"))
        elif not at.isdecimal() or not self._fresh(int(at)):
            socket.say(_error(30014, "Request timestamp expired"))
        elif not hmac.compare_digest(
            str(args.get("sign")), signature(keys.secret, f"{at}GET/user/verify")
        ):
            socket.say(_error(30015, "Invalid sign"))
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
        for arg in _args(socket, message):
            kind, channel = arg.get("instType"), arg.get("channel")
            name = "coin" if channel == "account" else "instId"
            known = ("account", "orders") + (("positions",) if kind == rows.PRODUCT else ())
            whole = set(arg) == {"instType", "channel", name} and arg[name] == "default"
            if kind not in _KINDS or channel not in known or not whole:
                socket.say(_error(30001, f"{arg} doesn't exist"))
                continue
            socket.say({"event": "subscribe", "arg": arg})
            if channel == "account":
                socket.say(self._wallets(account, _KINDS[kind]))
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
            if instrument.kind is not _KINDS[word]:
                return
            if (word, "orders") in channels:
                created = ms(self.desk.created_at(account, report))
                called = self.word(account, report)
                row = rows.told_order(instrument, report, called, created)
                yield _pushed(word, "orders", "instId", "default", [row])
            if (word, "account") in channels:
                yield self._wallets(account, instrument.kind)
            if (word, "positions") in channels:
                yield self._held(account)

        return speak

    def _wallets(self, account: str, kind: MarketKind) -> dict[str, Any]:
        balances = self.desk.balances(account)
        if kind is MarketKind.SPOT:
            at = ms(self.desk.host.exchange.now)
            told = [rows.spot_balance(each, at) for each in balances]
            return _pushed("SPOT", "account", "coin", "default", told)
        told = [rows.told_wallet(each, self.gain(account, each.asset)) for each in balances]
        return _pushed(rows.PRODUCT, "account", "coin", "default", told)

    def gain(self, account: str, asset: str) -> Decimal:
        """Return what the positions that settle in *asset* would gain."""
        gains = [
            rows.gain_of(instrument, held)
            for instrument in self.desk.instruments(MarketKind.PERPETUAL)
            if instrument.quote == asset
            for held in self.desk.positions(account, instrument.symbol)
        ]
        return sum(gains, Decimal(0))

    def _held(self, account: str) -> dict[str, Any]:
        told = [
            rows.position(instrument, held)
            for instrument in self.desk.instruments(MarketKind.PERPETUAL)
            for held in self.desk.positions(account, instrument.symbol)
        ]
        return _pushed(rows.PRODUCT, "positions", "instId", "default", told)

    # ---- public

    def _open(self, socket: Socket, message: Any) -> None:
        for arg in _args(socket, message):
            look = self._look(arg)
            if look is None:
                socket.say(_error(30001, f"{arg} doesn't exist"))
                continue
            socket.say({"event": "subscribe", "arg": arg})
            slow = str(arg["channel"]).startswith("candle")
            socket.tell_changes(look, every=_BARS_EVERY if slow else 0.0)

    def _look(self, arg: Mapping[str, Any]) -> Look | None:
        """Return what looks for news of a channel; None if there is no such channel."""
        kind = _KINDS.get(str(arg.get("instType")))
        channel = str(arg.get("channel"))
        if kind is None or set(arg) != {"instType", "channel", "instId"}:
            return None
        known = {rows.symbol(each): each for each in self.desk.instruments(kind)}
        instrument = known.get(str(arg["instId"]))
        if instrument is None:
            return None
        if channel == "trade":
            return self._trades(instrument, arg)
        if channel == "ticker":
            return self._ticker(instrument, arg)
        length = market.LENGTHS.get(channel.removeprefix("candle"))
        if channel.startswith("candle") and length is not None:
            return self._candles(instrument, length, arg)
        return None

    def _trades(self, instrument: Instrument, arg: Mapping[str, Any]) -> Look:
        sent: PriceUpdate | None = None

        def look() -> Sequence[Any]:
            nonlocal sent
            update = self.desk.host.exchange.last_price(instrument.symbol)
            if update is None or update == sent:
                return ()
            first, sent = sent is None, update
            return (_public(arg, market.trade(self.desk.host, instrument), first=first),)

        return look

    def _ticker(self, instrument: Instrument, arg: Mapping[str, Any]) -> Look:
        def look() -> Sequence[Any]:
            row = market.ticker(self.desk.host, instrument)
            return () if row is None else (_public(arg, [row], first=True),)

        return look

    def _candles(self, instrument: Instrument, length: timedelta, arg: Mapping[str, Any]) -> Look:
        sent: Candle | None = None

        def look() -> Sequence[Any]:
            nonlocal sent
            first = sent is None
            new = new_candles(self.desk.host.exchange, instrument.symbol, length, sent)
            if not new:
                return ()
            sent = new[-1]
            told = [market.candle(instrument, bar) for bar in new]
            return (_public(arg, told, first=first),)

        return look


def signature(secret: str, text: str) -> str:
    """Return what signs *text*, of requests and of logins."""
    return b64encode(hmac.new(secret.encode(), text.encode(), sha256).digest()).decode()


def _pong(socket: Socket, message: Any) -> bool:
    """Answer a ping; return whether it was one."""
    if message == "ping":
        socket.say("pong")
    return bool(message == "ping")


def _args(socket: Socket, message: Any) -> Sequence[Mapping[str, Any]]:
    """Return what is to be subscribed to; anything else is refused."""
    if isinstance(message, dict) and message.get("op") == "subscribe":
        args = message.get("args")
        if isinstance(args, list) and all(isinstance(each, dict) for each in args):
            return args
    socket.say(_error(30003, "INVALID op"))
    return ()


def _pushed(
    kind: str, channel: str, name: str, value: str, data: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    arg = {"instType": kind, "channel": channel, name: value}
    return {"action": "snapshot", "arg": arg, "data": data}


def _public(arg: Mapping[str, Any], data: Sequence[Any], *, first: bool) -> dict[str, Any]:
    return {"action": "snapshot" if first else "update", "arg": arg, "data": data}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"event": "error", "code": code, "msg": message}

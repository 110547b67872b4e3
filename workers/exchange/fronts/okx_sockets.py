"""What OKX says on sockets: a login, one answer per channel, pushes, and `pong` to `ping`."""

import hmac
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from activities.venues.paper import new_candles
from domain.market import Candle, PriceUpdate
from domain.money import Instrument, MarketKind
from domain.orders import Fill, OrderReport
from workers.exchange.fronts import okx_market as market
from workers.exchange.fronts import okx_rows as rows
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.desk import Desk, fresh
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import from_ms, ms
from workers.exchange.fronts.sockets import Socket

#: How far a timestamp may be from the venue's clock, on either side.
WINDOW: Final = timedelta(seconds=30)
KINDS: Final = {"SWAP": MarketKind.PERPETUAL, "SPOT": MarketKind.SPOT}
#: Forming candles are told this often at most (seconds).
_BARS_EVERY: Final = 0.05
_Look = Callable[[], Sequence[Any]]


class OkxSockets(Dialect):
    """The WebSocket half of the dialect: `/public`, `/private` and `/business`."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        #: What clients called the types of their orders, by account and client id.
        self.words: dict[tuple[str, str], str] = {}
        self.leverage: dict[tuple[str, str], int] = {}

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
            begin = self._public(socket, path, arg)
        if begin is None:
            names = ",".join(f"{name}:{value}" for name, value in arg.items())
            socket.say(_error("60018", f"Wrong URL or {names} doesn't exist."))
            return
        socket.say({"event": "subscribe", "arg": arg, "connId": "a4d3ae55"})
        begin()

    # ---- private

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
                return lambda: socket.tell_changes(_changed(arg, lambda: self._wallets(account)))
            case "positions" if kind is MarketKind.PERPETUAL:
                return lambda: socket.tell_changes(self._positions(account, arg))
            case _:
                return None

    def _news(
        self, account: str, kind: MarketKind, arg: Mapping[str, Any], report: OrderReport
    ) -> Iterable[Any]:
        instrument = self.desk.host.instrument(report.symbol)
        if instrument.kind is kind:
            row = self.order_row(account, instrument, report, report.fill)
            yield {"arg": arg, "data": [rows.pushed(row, report.fill)]}

    def order_row(
        self, account: str, instrument: Instrument, report: OrderReport, last: Fill | None
    ) -> dict[str, Any]:
        """Return an order's row, with what its client called its type."""
        probably = "limit" if report.price else "market"
        word = self.words.get((account, report.client_id), probably)
        created = ms(self.desk.created_at(account, report))
        return rows.order(instrument, report, word, created, last)

    def _wallets(self, account: str) -> list[Any]:
        balances = self.desk.balances(account)
        return [rows.wallets(balances, 0)]

    def _positions(self, account: str, arg: Mapping[str, Any]) -> _Look:
        """Return what looks at all positions; of one that was closed it tells that once."""
        known: set[str] = set()

        def look() -> list[Any]:
            told = []
            for each in self.desk.instruments(MarketKind.PERPETUAL):
                held = self.desk.positions(account, each.symbol)
                if held:
                    known.add(each.symbol)
                if each.symbol in known:
                    lever = self.leverage.get((account, each.symbol), 10)
                    told.append(rows.position(each, held[0] if held else None, lever, 0))
            return told

        return _changed(arg, look)

    # ---- public

    def _public(
        self, socket: Socket, path: str, arg: Mapping[str, Any]
    ) -> Callable[[], Any] | None:
        name, channel = arg.get("instId"), str(arg.get("channel"))
        known = {rows.inst_id(each): each for kind in MarketKind for each in self._of(kind)}
        instrument = known.get(str(name))
        if instrument is None:
            return None
        if path == "business":
            word = channel.removeprefix("candle")
            length = market.LENGTHS.get(word)
            if length is None or word == channel:
                return None
            look = self._candles(instrument, length, arg)
            return lambda: socket.tell_changes(look, every=_BARS_EVERY)
        host, perpetual = self.desk.host, instrument.kind is MarketKind.PERPETUAL
        if channel == "trades":
            return lambda: socket.tell_changes(self._trades(instrument, arg))
        if channel == "mark-price":
            return lambda: socket.tell_changes(
                _changed(arg, lambda: _some(market.mark(host, instrument)))
            )
        if channel == "funding-rate" and perpetual:
            # Told every half minute or so there: here when it is about another payment.
            return lambda: socket.tell_changes(
                _changed(arg, lambda: [{**market.funding(host, instrument), "ts": "0"}])
            )
        return None

    def _of(self, kind: MarketKind) -> Sequence[Instrument]:
        return self.desk.instruments(kind)

    def _trades(self, instrument: Instrument, arg: Mapping[str, Any]) -> _Look:
        sent: PriceUpdate | None = None

        def look() -> Sequence[Any]:
            nonlocal sent
            update = self.desk.host.exchange.last_price(instrument.symbol)
            if update is None or update == sent:
                return ()
            sent = update
            row = market.trades(self.desk.host, instrument)[0]
            return ({"arg": arg, "data": [{**row, "count": "1"}]},)

        return look

    def _candles(self, instrument: Instrument, length: timedelta, arg: Mapping[str, Any]) -> _Look:
        newest = self.desk.host.exchange.candles(instrument.symbol, length, 1)
        sent: Candle | None = newest[-1] if newest else None

        def look() -> Sequence[Any]:
            nonlocal sent
            new = new_candles(self.desk.host.exchange, instrument.symbol, length, sent)
            sent = new[-1] if new else sent
            return [{"arg": arg, "data": [market.candle(instrument, bar)]} for bar in new]

        return look


def sign(keys: LocalKeys, text: str) -> str:
    """Return the signature of *text*."""
    return b64encode(hmac.new(keys.secret.encode(), text.encode(), sha256).digest()).decode()


def _changed(arg: Mapping[str, Any], read: Callable[[], list[Any]]) -> _Look:
    """Return what looks whether *read* returns something else than before; the first counts."""
    sent: list[Any] = []

    def look() -> Sequence[Any]:
        nonlocal sent
        now = read()
        if now == sent:
            return ()
        sent = now
        return ({"arg": arg, "data": now},)

    return look


def _some(row: dict[str, Any] | None) -> list[Any]:
    return [] if row is None else [row]


def _error(code: str, message: str) -> dict[str, Any]:
    return {"event": "error", "code": code, "msg": message, "connId": "a4d3ae55"}

"""What Bybit says on sockets: the private one after a login, a public one for each category."""

import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from activities.venues.paper import new_candles
from domain.market import Candle, PriceUpdate
from domain.money import ZERO, Instrument, MarketKind, add
from domain.orders import OrderReport
from workers.exchange.fronts import bybit_market as market
from workers.exchange.fronts import bybit_rows as rows
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import from_ms, ms, number, ticks
from workers.exchange.fronts.sockets import Socket

_PRIVATE: Final = "/v5/private"
_PUBLIC: Final = "/v5/public/"
_TOPICS: Final = ("order", "execution", "position", "wallet")
#: How many topics one message of spot may ask for.
_AT_ONCE: Final = 10
#: Forming candles are told this often at most (seconds).
_BARS_EVERY: Final = 0.05

Look = Callable[[], Sequence[Any]]


class BybitSockets(Dialect):
    """The WebSocket half of the dialect."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        #: What clients called their orders, by account and client id.
        self.words: dict[tuple[str, str], rows.Word] = {}
        self.leverage: dict[tuple[str, str], int] = {}
        self._connections = 0

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        self._connections += 1
        connection = f"local-{self._connections}"
        if asked.path == _PRIVATE:
            await self._private(socket, connection)
            return True
        kind = rows.CATEGORIES.get(asked.path.removeprefix(_PUBLIC))
        if not asked.path.startswith(_PUBLIC) or kind is None:
            return False
        async for message in socket.messages():
            if _op(message) == "ping":
                told = {"success": True, "ret_msg": "pong", "op": "ping"}
                socket.say(told | {"conn_id": connection, "req_id": message.get("req_id", "")})
            else:
                self._subscribe(socket, message, kind, connection)
        return True

    def word(self, account: str, report: OrderReport) -> rows.Word:
        """Return what a client called its order."""
        return self.words.get((account, report.client_id), rows.word_of(report))

    def order_row(
        self, account: str, instrument: Instrument, report: OrderReport
    ) -> dict[str, Any]:
        """Return an order."""
        created = ms(self.desk.created_at(account, report))
        return rows.order(instrument, report, self.word(account, report), created)

    def wallet(self, account: str) -> dict[str, Any]:
        """Return the account's wallet."""
        locked: dict[str, Any] = {}
        for instrument in self.desk.instruments(MarketKind.SPOT):
            for report in self.desk.open_orders(account, instrument.symbol):
                asset, amount = rows.locked_on_spot(instrument, report)
                locked[asset] = add(locked.get(asset, ZERO), amount)
        return rows.wallet(self.desk.balances(account), locked)

    # ---- private

    async def _private(self, socket: Socket, connection: str) -> None:
        account: str | None = None
        async for message in socket.messages():
            op = _op(message)
            if op == "ping":
                at = str(ms(self.desk.now()))
                socket.say({"op": "pong", "args": [at], "conn_id": connection})
            elif op == "auth":
                keys = self._login(message)
                account = None if keys is None else keys.account
                failed = "" if account else "Params Error"
                told = {"success": account is not None, "ret_msg": failed, "op": "auth"}
                socket.say(told | {"conn_id": connection})
            elif op == "subscribe":
                self._listen(socket, message, account, connection)
            else:
                socket.say(_refused(message, "error:invalid op", connection))

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
            socket.say(_refused(message, "Request not authorized", connection))
        elif not topics or any(topic not in _TOPICS for topic in topics):
            socket.say(_refused(message, f"error:handler not found,topic:{topics}", connection))
        else:
            name = account
            socket.say(_subscribed(message, "", connection))
            socket.tell_orders(name, lambda report: self._news(name, report, topics))

    def _news(self, account: str, report: OrderReport, topics: Sequence[str]) -> Iterable[Any]:
        """Tell an execution before its order, on topics of their own."""
        instrument = self.desk.host.instrument(report.symbol)
        at = 0 if report.at is None else ms(report.at)
        told: list[tuple[str, dict[str, Any]]] = []
        if report.fill is not None:
            word = self.word(account, report)
            told.append(("execution", rows.execution(instrument, report.fill, report, word)))
        told.append(("order", self.order_row(account, instrument, report)))
        if report.fill is not None and instrument.kind is MarketKind.PERPETUAL:
            told.append(("position", self._position(account, instrument)))
        told.append(("wallet", self.wallet(account)))
        for topic, row in told:
            if topic in topics:
                yield {"id": f"{topic}{at}", "topic": topic, "creationTime": at, "data": [row]}

    def _position(self, account: str, instrument: Instrument) -> dict[str, Any]:
        held = self.desk.positions(account, instrument.symbol)
        leverage = self.leverage.get((account, instrument.symbol), 10)
        return rows.position(instrument, held[0] if held else None, leverage, "entryPrice")

    # ---- public

    def _subscribe(self, socket: Socket, message: Any, kind: MarketKind, connection: str) -> None:
        topics = message.get("args") if _op(message) == "subscribe" else None
        if not isinstance(topics, list) or not topics:
            socket.say(_refused(message, "error:invalid op", connection))
            return
        looks = [self._look(str(topic), kind) for topic in topics]
        if len(topics) > _AT_ONCE and kind is MarketKind.SPOT:
            socket.say(_refused(message, "args size >10", connection))
        elif not all(looks):
            socket.say(_refused(message, f"error:handler not found,topic:{topics}", connection))
        else:
            socket.say(_subscribed(message, "subscribe", connection))
            for topic, look in zip(topics, looks, strict=True):
                if look is not None:
                    socket.tell_changes(look, every=_BARS_EVERY if "kline" in topic else 0.0)

    def _look(self, topic: str, kind: MarketKind) -> Look | None:
        """Return what looks for news of a topic; None if there is no such topic."""
        channel, _, name = topic.rpartition(".")
        known = {rows.symbol(each): each for each in self.desk.instruments(kind)}
        instrument = known.get(name)
        if instrument is None:
            return None
        if channel == "publicTrade":
            return self._trades(instrument, topic)
        if channel == "tickers":
            return self._tickers(instrument, topic)
        word = channel.removeprefix("kline.")
        if channel.startswith("kline.") and word in market.LENGTHS:
            return self._candles(instrument, word, topic)
        return None

    def _trades(self, instrument: Instrument, topic: str) -> Look:
        sent: PriceUpdate | None = None

        def look() -> Sequence[Any]:
            nonlocal sent
            update = self.desk.host.exchange.last_price(instrument.symbol)
            if update is None or update == sent:
                return ()
            sent = update
            at = ms(update.at)
            row = {
                "T": at,
                "s": rows.symbol(instrument),
                "S": "Buy",
                "v": number(instrument.lot_size),
                "p": ticks(instrument, update.price.ticks),
                "L": "PlusTick",
                "i": f"t{self.desk.host.position}",
                "BT": False,
            }
            return ({"topic": topic, "type": "snapshot", "ts": at, "data": [row]},)

        return look

    def _tickers(self, instrument: Instrument, topic: str) -> Look:
        """Tell the whole ticker once, and of perpetuals only what changed after that."""
        sent: dict[str, Any] | None = None

        def look() -> Sequence[Any]:
            nonlocal sent
            row = market.ticker(self.desk.host, instrument)
            if row is None or row == sent:
                return ()
            whole = sent is None or instrument.kind is MarketKind.SPOT
            before = {} if sent is None or whole else sent
            changed = {name: value for name, value in row.items() if before.get(name) != value}
            sent = row
            at = ms(self.desk.host.exchange.now)
            data = {"symbol": row["symbol"], **changed}
            how = "snapshot" if whole else "delta"
            return ({"topic": topic, "type": how, "ts": at, "data": data},)

        return look

    def _candles(self, instrument: Instrument, word: str, topic: str) -> Look:
        length: timedelta = market.LENGTHS[word]
        newest = self.desk.host.exchange.candles(instrument.symbol, length, 1)
        sent: Candle | None = newest[-1] if newest else None

        def look() -> Sequence[Any]:
            nonlocal sent
            new = new_candles(self.desk.host.exchange, instrument.symbol, length, sent)
            sent = new[-1] if new else sent
            return [market.bar_message(instrument, bar, length, word, topic) for bar in new]

        return look


def _op(message: Any) -> Any:
    return message.get("op") if isinstance(message, dict) else None


def _subscribed(message: Any, words: str, connection: str) -> dict[str, Any]:
    told = {"success": True, "ret_msg": words, "op": "subscribe", "conn_id": connection}
    return told | {"req_id": message.get("req_id", "")}


def _refused(message: Any, words: str, connection: str) -> dict[str, Any]:
    number_ = message.get("req_id", "") if isinstance(message, dict) else ""
    told = {"success": False, "ret_msg": words, "op": str(_op(message) or "")}
    return told | {"conn_id": connection, "req_id": number_}

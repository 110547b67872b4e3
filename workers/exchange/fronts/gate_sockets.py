"""What Gate says on sockets: channels of one form, each private subscription signed by itself."""

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from typing import Any, Final

import orjson

from activities.venues.paper import new_candles
from domain.market import Candle, PriceUpdate
from domain.money import Instrument, MarketKind
from domain.orders import OrderReport
from workers.exchange.fronts import gate_market as market
from workers.exchange.fronts import gate_rows as rows
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.desk import Desk, fresh
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import ms
from workers.exchange.fronts.sockets import Socket

#: How old, or how far ahead, a signed request may be.
LATEST: Final = timedelta(seconds=60)
#: Forming candles are told this often at most (seconds).
_BARS_EVERY: Final = 0.05
_PATHS: Final[Mapping[str, MarketKind]] = {
    "/v4/ws/usdt": MarketKind.PERPETUAL,
    "/ws/v4/": MarketKind.SPOT,
}
_SIDES: Final = {MarketKind.PERPETUAL: "futures", MarketKind.SPOT: "spot"}
_PRIVATE: Final = {
    MarketKind.PERPETUAL: ("usertrades", "orders", "positions", "balances"),
    MarketKind.SPOT: ("usertrades", "orders", "balances"),
}
#: Numbers of refusals.
_WRONG_ARGUMENT: Final = 2
_NOT_AUTHENTICATED: Final = 4


class _RefusedError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}


def _unauthenticated(label: str, message: str) -> _RefusedError:
    """Return a refusal in the REST words, which a socket quotes."""
    text = orjson.dumps({"label": label, "message": message}).decode()
    return _RefusedError(_NOT_AUTHENTICATED, f"{text}\n")


class GateSockets(Dialect):
    """The WebSocket half of the dialect."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        #: How long clients told their orders to work, by account and client id.
        self.words: dict[tuple[str, str], str] = {}
        self.leverage: dict[tuple[str, str], int] = {}

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        kind = _PATHS.get(asked.path)
        if kind is None:
            return False
        told: set[str] = set()
        async for message in socket.messages():
            if isinstance(message, dict):
                self._hear(socket, kind, message, told)
        return True

    def _hear(
        self, socket: Socket, kind: MarketKind, message: Mapping[str, Any], told: set[str]
    ) -> None:
        channel, side = str(message.get("channel", "")), _SIDES[kind]
        if channel == f"{side}.ping":
            socket.say(self._message(f"{side}.pong", "", None))
            return
        try:
            if message.get("event") != "subscribe" or not channel.startswith(f"{side}."):
                raise _RefusedError(_WRONG_ARGUMENT, f"unknown channel or event: {channel}")
            self._subscribe(socket, kind, message, told)
        except _RefusedError as refused:
            answer = self._message(channel, "subscribe", {"status": "fail"})
            socket.say({**answer, "error": refused.error})

    def _subscribe(
        self, socket: Socket, kind: MarketKind, message: Mapping[str, Any], told: set[str]
    ) -> None:
        channel = message["channel"]
        topic, payload = channel.partition(".")[2], message.get("payload") or []
        answer = self._message(channel, "subscribe", {"status": "success"})
        if topic in _PRIVATE[kind]:
            keys = self._subscriber(message)
            _check_payload(kind, keys, topic, payload)
            socket.say(answer)
            told.add(topic)
            if len(told) == 1:  # the first of them; one teller has all channels in their order
                self._tell(socket, kind, keys.account, told)
            return
        looks = self._looks(kind, topic, payload)
        socket.say(answer)
        for look in looks:
            socket.tell_changes(look, every=_BARS_EVERY if topic == "candlesticks" else 0.0)

    def _subscriber(self, message: Mapping[str, Any]) -> LocalKeys:
        auth = message.get("auth") or {}
        keys = keys_of(str(auth.get("KEY", "")))
        if keys is None:
            raise _unauthenticated("INVALID_KEY", "Invalid key provided")
        time = message.get("time")
        text = f"channel={message['channel']}&event={message['event']}&time={time}"
        expected = hmac.new(keys.secret.encode(), text.encode(), sha512).hexdigest()
        signed = str(auth.get("SIGN", ""))
        if auth.get("method") != "api_key" or not hmac.compare_digest(signed, expected):
            raise _unauthenticated("INVALID_SIGNATURE", "Signature mismatch")
        sent_at = datetime.fromtimestamp(int(time or 0), UTC)
        if not fresh(self.desk.now(), sent_at, LATEST, LATEST):
            raise _unauthenticated("REQUEST_EXPIRED", "request expired")
        return keys

    def _message(self, channel: str, event: str, result: Any) -> dict[str, Any]:
        now = ms(self.desk.now())
        return {
            "time": now // 1000,
            "time_ms": now,
            "channel": channel,
            "event": event,
            "result": result,
        }

    def _update(self, kind: MarketKind, topic: str, result: Any) -> dict[str, Any]:
        return self._message(f"{_SIDES[kind]}.{topic}", "update", result)

    # ---- private

    def row(self, account: str, instrument: Instrument, report: OrderReport) -> dict[str, Any]:
        """Return an order as questions are answered."""
        tif = self.words.get((account, report.client_id), rows.in_force(report))
        created = self.desk.created_at(account, report)
        if instrument.kind is MarketKind.PERPETUAL:
            return rows.future(instrument, report, tif, created)
        return rows.spot(instrument, report, tif, created)

    def _tell(self, socket: Socket, kind: MarketKind, account: str, told: set[str]) -> None:
        def speak(report: OrderReport) -> Iterable[Any]:
            instrument = self.desk.host.instrument(report.symbol)
            if instrument.kind is not kind:
                return []
            news = self._news(account, instrument, report)
            return [self._update(kind, topic, row) for topic, row in news if topic in told]

        socket.tell_orders(account, speak)

    def _news(
        self, account: str, instrument: Instrument, report: OrderReport
    ) -> Iterable[tuple[str, Any]]:
        """Yield what a report is told as: the execution, the order, what it moved."""
        future, fill = instrument.kind is MarketKind.PERPETUAL, report.fill
        if fill is not None:
            trade = rows.future_fill_told if future else rows.spot_fill_told
            yield "usertrades", [trade(instrument, fill)]
        order = rows.future_told if future else rows.spot_told
        yield "orders", [order(self.row(account, instrument, report), report)]
        at = report.at or self.desk.now()
        held = self.desk.balances(account)
        if not future:
            yield "balances", [rows.coins_told(each, at) for each in held]
        elif fill is not None:
            positions = self.desk.positions(account, instrument.symbol)
            leverage = self.leverage.get((account, instrument.symbol), 10)
            position = positions[0] if positions else None
            yield "positions", [rows.position(instrument, position, leverage)]
            yield (
                "balances",
                [
                    {
                        "balance": float(each.total),  # a number, as the venue sends it
                        "change": -float(fill.fee),
                        "text": f"{rows.name(instrument)}:{fill.order_id}",
                        "time": ms(at) // 1000,
                        "time_ms": ms(at),
                        "type": "fee",
                        "user": "0",
                        "currency": each.asset.lower(),
                    }
                    for each in held
                    if each.asset == instrument.quote
                ],
            )

    # ---- public

    def _looks(
        self, kind: MarketKind, topic: str, payload: Sequence[Any]
    ) -> Sequence[Callable[[], Sequence[Any]]]:
        if topic == "candlesticks":
            word, *names = payload
            if word not in market.LENGTHS or len(names) != 1:
                raise _RefusedError(_WRONG_ARGUMENT, f"invalid payload {payload}")
            return [self._candles(self._named(kind, names[0]), word)]
        instruments = [self._named(kind, each) for each in payload]
        if topic == "trades":
            return [self._last_trades(each) for each in instruments]
        if topic == "tickers":
            return [self._tickers(each) for each in instruments]
        raise _RefusedError(_WRONG_ARGUMENT, f"unknown channel {_SIDES[kind]}.{topic}")

    def _named(self, kind: MarketKind, wanted: Any) -> Instrument:
        for instrument in self.desk.instruments(kind):
            if rows.name(instrument) == wanted:
                return instrument
        what = "contract" if kind is MarketKind.PERPETUAL else "currency pair"
        raise _RefusedError(_WRONG_ARGUMENT, f"unknown {what}: {wanted}")

    def _last_trades(self, instrument: Instrument) -> Callable[[], Sequence[Any]]:
        sent: PriceUpdate | None = None

        def look() -> Sequence[Any]:
            nonlocal sent
            update = self.desk.host.exchange.last_price(instrument.symbol)
            if update is None or update == sent:
                return ()
            sent = update
            row = market.trade_told(self.desk.host, instrument, update)
            # Contracts trade in lists, coins one by one.
            result = [row] if instrument.kind is MarketKind.PERPETUAL else row
            return (self._update(instrument.kind, "trades", result),)

        return look

    def _tickers(self, instrument: Instrument) -> Callable[[], Sequence[Any]]:
        def look() -> Sequence[Any]:
            row = market.ticker(self.desk.host, instrument)
            if row is None:
                return ()
            result = [row] if instrument.kind is MarketKind.PERPETUAL else row
            return (self._update(instrument.kind, "tickers", result),)

        return look

    def _candles(self, instrument: Instrument, word: str) -> Callable[[], Sequence[Any]]:
        length = market.LENGTHS[word]
        newest = self.desk.host.exchange.candles(instrument.symbol, length, 1)
        sent: Candle | None = newest[-1] if newest else None

        def look() -> Sequence[Any]:
            nonlocal sent
            new = new_candles(self.desk.host.exchange, instrument.symbol, length, sent)
            sent = new[-1] if new else sent
            told = [market.bar_told(instrument, bar, word) for bar in new]
            spot = instrument.kind is MarketKind.SPOT
            return [
                self._update(instrument.kind, "candlesticks", row if spot else [row])
                for row in told
            ]

        return look


def _check_payload(kind: MarketKind, keys: LocalKeys, topic: str, payload: Sequence[Any]) -> None:
    """Refuse a private subscription that names another user, or not what it is about."""
    wanted: list[str] = [] if topic == "balances" else ["!all"]
    if kind is MarketKind.PERPETUAL:
        wanted = [keys.uid, *wanted]
    if list(payload) != wanted:
        raise _RefusedError(_WRONG_ARGUMENT, f"invalid payload of {topic}, must be {wanted}")

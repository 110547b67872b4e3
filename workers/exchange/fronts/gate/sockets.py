"""Gate's sockets: channels of one form, each private subscription signed by itself."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha512
from typing import Any, Final

import orjson

from domain.money import Instrument, MarketKind
from domain.orders import OrderReport
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.desk import fresh
from workers.exchange.fronts.gate import rows
from workers.exchange.fronts.gate.door import LATEST, GateDoor
from workers.exchange.fronts.gate.streams import PublicStreams
from workers.exchange.fronts.gate.talk import SIDES, WRONG_ARGUMENT, RefusedError, message, update
from workers.exchange.fronts.keys import LocalKeys, keys_of
from workers.exchange.fronts.rows import ms
from workers.exchange.fronts.sockets import Socket

_PATHS: Final[Mapping[str, MarketKind]] = {
    "/v4/ws/usdt": MarketKind.PERPETUAL,
    "/ws/v4/": MarketKind.SPOT,
}
_PRIVATE: Final = {
    MarketKind.PERPETUAL: ("usertrades", "orders", "positions", "balances"),
    MarketKind.SPOT: ("usertrades", "orders", "balances"),
}
#: The number of a refusal.
_NOT_AUTHENTICATED: Final = 4


class Sockets:
    """A socket for each kind of market, with private and public channels."""

    def __init__(self, door: GateDoor) -> None:
        self.door = door
        self.desk = door.desk
        self._public = PublicStreams(door.desk)

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        kind = _PATHS.get(asked.path)
        if kind is None:
            return False
        told: set[str] = set()
        async for said in socket.messages():
            if isinstance(said, dict):
                self._hear(socket, kind, said, told)
        return True

    def _hear(
        self, socket: Socket, kind: MarketKind, asked: Mapping[str, Any], told: set[str]
    ) -> None:
        channel, side = str(asked.get("channel", "")), SIDES[kind]
        if channel == f"{side}.ping":
            socket.say(message(self.desk.now(), f"{side}.pong", "", None))
            return
        try:
            if asked.get("event") != "subscribe" or not channel.startswith(f"{side}."):
                raise RefusedError(WRONG_ARGUMENT, f"unknown channel or event: {channel}")
            self._subscribe(socket, kind, asked, told)
        except RefusedError as refused:
            answer = message(self.desk.now(), channel, "subscribe", {"status": "fail"})
            socket.say({**answer, "error": refused.error})

    def _subscribe(
        self, socket: Socket, kind: MarketKind, asked: Mapping[str, Any], told: set[str]
    ) -> None:
        channel = asked["channel"]
        topic, payload = channel.partition(".")[2], asked.get("payload") or []
        answer = message(self.desk.now(), channel, "subscribe", {"status": "success"})
        if topic in _PRIVATE[kind]:
            keys = self._subscriber(asked)
            _check_payload(kind, keys, topic, payload)
            socket.say(answer)
            told.add(topic)
            if len(told) == 1:  # the first of them; one teller has all channels in their order
                self._tell(socket, kind, keys.account, told)
            return
        found = self._public.looks(kind, topic, payload)
        socket.say(answer)
        for look in found:
            socket.tell_changes(look)

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

    # ---- what is told

    def _tell(self, socket: Socket, kind: MarketKind, account: str, told: set[str]) -> None:
        def speak(report: OrderReport) -> Iterable[Any]:
            instrument = self.desk.host.instrument(report.symbol)
            if instrument.kind is not kind:
                return []
            news = self._news(account, instrument, report)
            return [
                update(self.desk.now(), kind, topic, row) for topic, row in news if topic in told
            ]

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
        yield "orders", [order(self.door.row(account, instrument, report), report)]
        at = report.at or self.desk.now()
        held = self.desk.balances(account)
        if not future:
            yield "balances", [rows.coins_told(each, at) for each in held]
        elif fill is not None:
            positions = self.desk.positions(account, instrument.symbol)
            leverage = self.door.memory.leverage(account, instrument.symbol)
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


def _unauthenticated(label: str, message: str) -> RefusedError:
    """Return a refusal in the REST words, which a socket quotes."""
    text = orjson.dumps({"label": label, "message": message}).decode()
    return RefusedError(_NOT_AUTHENTICATED, f"{text}\n")


def _check_payload(kind: MarketKind, keys: LocalKeys, topic: str, payload: Sequence[Any]) -> None:
    """Refuse a private subscription that names another user, or not what it is about."""
    wanted: list[str] = [] if topic == "balances" else ["!all"]
    if kind is MarketKind.PERPETUAL:
        wanted = [keys.uid, *wanted]
    if list(payload) != wanted:
        raise RefusedError(WRONG_ARGUMENT, f"invalid payload of {topic}, must be {wanted}")

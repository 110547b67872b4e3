"""Bybit's public streams, a socket for each category: trades, tickers and candles."""

from collections.abc import Sequence
from typing import Any, Final

from domain.market import PriceUpdate
from domain.money import Instrument, MarketKind
from workers.exchange.fronts import looks
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.bybit import market_rows as market
from workers.exchange.fronts.bybit import rows
from workers.exchange.fronts.bybit.talk import connections, op_of, refused, subscribed
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.looks import Look
from workers.exchange.fronts.rows import ms, number, ticks
from workers.exchange.fronts.sockets import Socket

_PUBLIC: Final = "/v5/public/"
#: How many topics one message of spot may ask for.
_AT_ONCE: Final = 10


class PublicStreams:
    """Topics are asked for in lists; spot takes short ones only."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._connections = connections()

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        kind = rows.CATEGORIES.get(asked.path.removeprefix(_PUBLIC))
        if not asked.path.startswith(_PUBLIC) or kind is None:
            return False
        connection = next(self._connections)
        async for message in socket.messages():
            if op_of(message) == "ping":
                told = {"success": True, "ret_msg": "pong", "op": "ping"}
                socket.say(told | {"conn_id": connection, "req_id": message.get("req_id", "")})
            else:
                self._subscribe(socket, message, kind, connection)
        return True

    def _subscribe(self, socket: Socket, message: Any, kind: MarketKind, connection: str) -> None:
        topics = message.get("args") if op_of(message) == "subscribe" else None
        if not isinstance(topics, list) or not topics:
            socket.say(refused(message, "error:invalid op", connection))
            return
        found = [self._look(str(topic), kind) for topic in topics]
        wanted = [look for look in found if look is not None]
        if len(topics) > _AT_ONCE and kind is MarketKind.SPOT:
            socket.say(refused(message, "args size >10", connection))
        elif len(wanted) < len(topics):
            socket.say(refused(message, f"error:handler not found,topic:{topics}", connection))
        else:
            socket.say(subscribed(message, "subscribe", connection))
            for look in wanted:
                socket.tell_changes(look)

    def _look(self, topic: str, kind: MarketKind) -> Look | None:
        """Return what looks for news of a topic; None if there is no such topic."""
        channel, _, name = topic.rpartition(".")
        known = {rows.symbol(each): each for each in self._desk.instruments(kind)}
        instrument = known.get(name)
        if instrument is None:
            return None
        if channel == "publicTrade":
            return looks.last_price(
                self._desk, instrument, lambda update, _: self._trade(instrument, update, topic)
            )
        if channel == "tickers":
            return self._tickers(instrument, topic)
        word = channel.removeprefix("kline.")
        if channel == word or word not in market.LENGTHS:
            return None
        length = market.LENGTHS[word]
        return looks.new_bars(
            self._desk,
            instrument,
            length,
            lambda bar: market.bar_message(instrument, bar, length, word, topic),
        )

    def _trade(self, instrument: Instrument, update: PriceUpdate, topic: str) -> dict[str, Any]:
        at = ms(update.at)
        row = {
            "T": at,
            "s": rows.symbol(instrument),
            "S": "Buy",
            "v": number(instrument.lot_size),
            "p": ticks(instrument, update.price.ticks),
            "L": "PlusTick",
            "i": f"t{self._desk.host.position}",
            "BT": False,
        }
        return {"topic": topic, "type": "snapshot", "ts": at, "data": [row]}

    def _tickers(self, instrument: Instrument, topic: str) -> Look:
        """Tell the whole ticker once, and of perpetuals only what changed after that."""
        sent: dict[str, Any] | None = None

        def read() -> Sequence[Any]:
            nonlocal sent
            row = market.ticker(self._desk.host, instrument)
            if row is None or row == sent:
                return ()
            whole = sent is None or instrument.kind is MarketKind.SPOT
            before = {} if sent is None or whole else sent
            changed = {name: value for name, value in row.items() if before.get(name) != value}
            sent = row
            at = ms(self._desk.host.exchange.now)
            data = {"symbol": row["symbol"], **changed}
            how = "snapshot" if whole else "delta"
            return ({"topic": topic, "type": how, "ts": at, "data": data},)

        return Look(read)

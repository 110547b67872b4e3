"""Binance's public streams: trades, marks and candles, by their names."""

from datetime import timedelta
from typing import Any

from domain.market import Candle, PriceUpdate
from domain.money import Instrument, MarketKind
from workers.exchange.fronts import looks
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.binance import market_rows as market
from workers.exchange.fronts.binance import rows
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.looks import Look
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.fronts.sockets import Socket


class PublicStreams:
    """Futures and spot on paths of their own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        """Speak on a public socket until it ends; False if the path is none."""
        if asked.path not in ("/public/ws", "/market/ws", "/ws"):
            return False
        kind = MarketKind.SPOT if asked.path == "/ws" else MarketKind.PERPETUAL
        async for message in socket.messages():
            self._subscribe(socket, message, kind)
        return True

    def _subscribe(self, socket: Socket, message: Any, kind: MarketKind) -> None:
        names = message.get("params", [])
        found = [self._look(name, kind) for name in names]
        wanted = [look for look in found if look is not None]
        if message.get("method") != "SUBSCRIBE" or len(wanted) < len(names):
            socket.say({"error": {"code": 2, "msg": "Invalid request"}, "id": message.get("id")})
            return
        socket.say({"result": None, "id": message.get("id")})
        for look in wanted:
            socket.tell_changes(look)

    def _look(self, name: str, kind: MarketKind) -> Look | None:
        """Return what looks for news of a stream's name; None if there is no such stream."""
        lower, _, topic = name.partition("@")
        known = {rows.symbol(each).lower(): each for each in self._desk.instruments(kind)}
        instrument = known.get(lower)
        if instrument is None:
            return None
        if topic == "trade":
            return looks.last_price(
                self._desk, instrument, lambda update, _: self._trade(instrument, update)
            )
        if topic == "markPrice@1s" and kind is MarketKind.PERPETUAL:
            return looks.always(lambda: self._mark(instrument))
        word = topic.removeprefix("kline_")
        length = market.LENGTHS.get(word)
        if topic == word or length is None:
            return None
        return looks.new_bars(
            self._desk, instrument, length, lambda bar: _kline(instrument, bar, length, word)
        )

    def _trade(self, instrument: Instrument, update: PriceUpdate) -> dict[str, Any]:
        at = ms(update.at)
        return {
            "e": "trade",
            "E": at,
            "T": at,
            "s": rows.symbol(instrument),
            "t": self._desk.host.position,
            "p": ticks(instrument, update.price.ticks),
            "q": number(instrument.lot_size),
            "X": "MARKET",
            "m": False,
        }

    def _mark(self, instrument: Instrument) -> dict[str, Any] | None:
        if self._desk.host.exchange.last_price(instrument.symbol) is None:
            return None
        told = market.premium(self._desk.host, instrument)
        return {
            "e": "markPriceUpdate",
            "E": told["time"],
            "s": told["symbol"],
            "p": told["markPrice"],
            "i": told["indexPrice"],
            "r": told["lastFundingRate"],
            "T": told["nextFundingTime"],
        }


def _kline(instrument: Instrument, bar: Candle, length: timedelta, word: str) -> dict[str, Any]:
    opened, name = ms(bar.opened_at), rows.symbol(instrument)
    return {
        "e": "kline",
        "E": opened,
        "s": name,
        "k": {
            "t": opened,
            "T": opened + length // timedelta(milliseconds=1) - 1,
            "s": name,
            "i": word,
            "o": ticks(instrument, bar.open.ticks),
            "h": ticks(instrument, bar.high.ticks),
            "l": ticks(instrument, bar.low.ticks),
            "c": ticks(instrument, bar.close.ticks),
            "v": lots(instrument, bar.volume.lots),
            "x": bar.closed,
        },
    }

"""Bitget's public streams: trades, tickers and candles."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.money import Instrument
from workers.exchange.fronts import looks
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.bitget import market_rows as market
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.bitget.talk import HOST, KINDS, error, pong, subscriptions
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.looks import Look
from workers.exchange.fronts.sockets import Socket


class PublicStreams:
    """One socket for both kinds of market."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        if (asked.host, asked.path) != (HOST, "/v2/ws/public"):
            return False
        async for message in socket.messages():
            if not pong(socket, message):
                self._open(socket, message)
        return True

    def _open(self, socket: Socket, message: Any) -> None:
        for arg in subscriptions(socket, message):
            look = self._look(arg)
            if look is None:
                socket.say(error(30001, f"{arg} doesn't exist"))
                continue
            socket.say({"event": "subscribe", "arg": arg})
            socket.tell_changes(look)

    def _look(self, arg: Mapping[str, Any]) -> Look | None:
        """Return what looks for news of a channel; None if there is no such channel."""
        kind = KINDS.get(str(arg.get("instType")))
        channel = str(arg.get("channel"))
        if kind is None or set(arg) != {"instType", "channel", "instId"}:
            return None
        known = {rows.symbol(each): each for each in self._desk.instruments(kind)}
        instrument = known.get(str(arg["instId"]))
        if instrument is None:
            return None
        host = self._desk.host
        if channel == "trade":
            return looks.last_price(
                self._desk,
                instrument,
                lambda _, first: _pushed(arg, market.trade(host, instrument), first=first),
            )
        if channel == "ticker":
            return looks.always(lambda: self._ticker(instrument, arg))
        length = market.LENGTHS.get(channel.removeprefix("candle"))
        if not channel.startswith("candle") or length is None:
            return None
        return looks.all_bars(
            self._desk,
            instrument,
            length,
            lambda bars, first: _pushed(
                arg, [market.candle(instrument, bar) for bar in bars], first=first
            ),
        )

    def _ticker(self, instrument: Instrument, arg: Mapping[str, Any]) -> dict[str, Any] | None:
        row = market.ticker(self._desk.host, instrument)
        return None if row is None else _pushed(arg, [row], first=True)


def _pushed(arg: Mapping[str, Any], data: Sequence[Any], *, first: bool) -> dict[str, Any]:
    return {"action": "snapshot" if first else "update", "arg": arg, "data": data}

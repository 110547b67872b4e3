"""OKX's public streams: trades, marks, funding and candles."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.money import Instrument, MarketKind
from workers.exchange.fronts import looks
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.looks import Look
from workers.exchange.fronts.okx import market_rows as market
from workers.exchange.fronts.okx import rows


class PublicStreams:
    """Candles have a path of their own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def look(self, path: str, arg: Mapping[str, Any]) -> Look | None:
        """Return what looks for news of a channel; None if there is no such channel."""
        known = {
            rows.inst_id(each): each for kind in MarketKind for each in self._desk.instruments(kind)
        }
        instrument = known.get(str(arg.get("instId")))
        channel = str(arg.get("channel"))
        if instrument is None:
            return None
        if path == "business":
            return self._candles(instrument, channel, arg)
        host, perpetual = self._desk.host, instrument.kind is MarketKind.PERPETUAL
        if channel == "trades":
            return looks.last_price(
                self._desk, instrument, lambda _update, _first: self._trade(instrument, arg)
            )
        if channel == "mark-price":
            return pushed_if_changed(arg, lambda: _some(market.mark(host, instrument)))
        if channel == "funding-rate" and perpetual:
            # Told every half minute or so there: here when it is about another payment.
            return pushed_if_changed(arg, lambda: [{**market.funding(host, instrument), "ts": "0"}])
        return None

    def _trade(self, instrument: Instrument, arg: Mapping[str, Any]) -> dict[str, Any]:
        row = market.trades(self._desk.host, instrument)[0]
        return {"arg": arg, "data": [{**row, "count": "1"}]}

    def _candles(self, instrument: Instrument, channel: str, arg: Mapping[str, Any]) -> Look | None:
        word = channel.removeprefix("candle")
        length = market.LENGTHS.get(word)
        if length is None or word == channel:
            return None
        return looks.new_bars(
            self._desk,
            instrument,
            length,
            lambda bar: {"arg": arg, "data": [market.candle(instrument, bar)]},
        )


def pushed_if_changed(arg: Mapping[str, Any], read: Callable[[], list[Any]]) -> Look:
    """Look whether *read* returns something else than before; the first counts."""
    return looks.changed(read, lambda rows_: {"arg": arg, "data": rows_})


def _some(row: dict[str, Any] | None) -> list[Any]:
    return [] if row is None else [row]

"""Gate's public streams: trades, tickers and candles."""

from collections.abc import Sequence
from typing import Any

from domain.money import Instrument, MarketKind
from workers.exchange.fronts import looks
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.gate import market_rows as market
from workers.exchange.fronts.gate import rows
from workers.exchange.fronts.gate.talk import SIDES, WRONG_ARGUMENT, RefusedError, update
from workers.exchange.fronts.looks import Look


class PublicStreams:
    """Contracts are told in lists, coins one by one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def looks(self, kind: MarketKind, topic: str, payload: Sequence[Any]) -> Sequence[Look]:
        """Return what looks for news of a channel, or raise RefusedError if there is none."""
        if topic == "candlesticks":
            word, *names = payload
            if word not in market.LENGTHS or len(names) != 1:
                raise RefusedError(WRONG_ARGUMENT, f"invalid payload {payload}")
            return [self._candles(self._named(kind, names[0]), word)]
        instruments = [self._named(kind, each) for each in payload]
        if topic == "trades":
            return [self._trades(each) for each in instruments]
        if topic == "tickers":
            return [self._tickers(each) for each in instruments]
        raise RefusedError(WRONG_ARGUMENT, f"unknown channel {SIDES[kind]}.{topic}")

    def _named(self, kind: MarketKind, wanted: Any) -> Instrument:
        for instrument in self._desk.instruments(kind):
            if rows.name(instrument) == wanted:
                return instrument
        what = "contract" if kind is MarketKind.PERPETUAL else "currency pair"
        raise RefusedError(WRONG_ARGUMENT, f"unknown {what}: {wanted}")

    def _told(self, instrument: Instrument, topic: str, row: Any) -> dict[str, Any]:
        result = [row] if instrument.kind is MarketKind.PERPETUAL else row
        return update(self._desk.now(), instrument.kind, topic, result)

    def _trades(self, instrument: Instrument) -> Look:
        host = self._desk.host
        return looks.last_price(
            self._desk,
            instrument,
            lambda last, _: self._told(
                instrument, "trades", market.trade_told(host, instrument, last)
            ),
        )

    def _tickers(self, instrument: Instrument) -> Look:
        def ticker() -> dict[str, Any] | None:
            row = market.ticker(self._desk.host, instrument)
            return None if row is None else self._told(instrument, "tickers", row)

        return looks.always(ticker)

    def _candles(self, instrument: Instrument, word: str) -> Look:
        return looks.new_bars(
            self._desk,
            instrument,
            market.LENGTHS[word],
            lambda bar: self._told(
                instrument, "candlesticks", market.bar_told(instrument, bar, word)
            ),
        )

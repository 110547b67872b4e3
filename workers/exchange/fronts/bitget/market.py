"""Bitget's public questions about a market: trades, book, candles, tickers."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bitget import market_rows as market
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms

_PERPETUAL, _SPOT = MarketKind.PERPETUAL, MarketKind.SPOT
_MOST: Final = 1000
_MOST_LEVELS: Final = 150
_GEARS: Final[Mapping[str, int]] = {"1": 1, "5": 5, "15": 15, "50": 50, "max": _MOST}


class Market(Room[BitgetDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        anybody, told = self.door.public_get, Operation.MARKET
        mix, spot = "/api/v2/mix/market".__add__, "/api/v2/spot/market".__add__
        mixed = self._candles(_PERPETUAL, market.LENGTHS)
        coins = self._candles(_SPOT, market.SPOT_LENGTHS)
        return [
            anybody(mix("/fills"), told, self._trades(_PERPETUAL)),
            anybody(spot("/fills"), told, self._trades(_SPOT)),
            anybody(mix("/fills-history"), told, self._trades(_PERPETUAL)),
            anybody(spot("/fills-history"), told, self._trades(_SPOT)),
            anybody(mix("/merge-depth"), told, self._book(_PERPETUAL)),
            anybody(spot("/orderbook"), told, self._book(_SPOT)),
            anybody(mix("/candles"), told, mixed),
            anybody(spot("/candles"), told, coins),
            anybody(mix("/history-candles"), told, mixed),
            anybody(spot("/history-candles"), told, coins),
            anybody(mix("/ticker"), told, self._ticker),
            anybody(mix("/tickers"), told, self._tickers(_PERPETUAL)),
            anybody(spot("/tickers"), told, self._tickers(_SPOT)),
        ]

    def _trades(self, kind: MarketKind) -> Callable[[Fields], Any]:
        def trades(fields: Fields) -> Any:
            """Return trades of a span and below an id, newest first."""
            instrument = self.door.instrument(kind, fields)
            limit = fields.whole("limit", 100)
            begin, end = fields.whole("startTime", 0), fields.whole("endTime", 0)
            below = fields.whole("idLessThan", 0)
            fields.done()
            some = [
                each
                for each in public.trades(self.desk.host, instrument, _MOST)
                if begin <= ms(each.at)
                and (not end or ms(each.at) <= end)
                and (not below or each.number < below)
            ]
            return [market.trade(instrument, each) for each in reversed(some[-limit:])]

        return trades

    def _book(self, kind: MarketKind) -> Callable[[Fields], Any]:
        def book(fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            levels = self._gear(fields) if kind is _PERPETUAL else self._levels(fields)
            fields.done()
            row = market.merged if kind is _PERPETUAL else market.book
            return row(instrument, public.book(self.desk.host, instrument, levels))

        return book

    def _gear(self, fields: Fields) -> int:
        """Return how many levels of a perpetual are asked for: one of a few numbers."""
        fields.choice("precision", ("scale0",), "scale0")
        limit = fields.optional("limit")
        if limit is None:
            return 100
        if limit not in _GEARS:
            raise self.door.bad_field("limit", "malformed")
        return _GEARS[limit]

    def _levels(self, fields: Fields) -> int:
        """Return how many levels of coins are asked for."""
        fields.choice("type", ("step0",), "step0")
        levels = fields.whole("limit", _MOST_LEVELS)
        if not 1 <= levels <= _MOST_LEVELS:
            raise self.door.bad_field("limit", "malformed")
        return levels

    def _candles(
        self, kind: MarketKind, lengths: Mapping[str, timedelta]
    ) -> Callable[[Fields], Any]:
        def candles(fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            length = lengths[fields.choice("granularity", tuple(lengths))]
            limit = min(fields.whole("limit", 100), _MOST)
            span = fields.whole("startTime", 0), fields.whole("endTime", 0)
            fields.done()
            bars = public.bars(self.desk.host, instrument, length, limit, span)
            return [market.candle(instrument, bar) for bar in bars]

        return candles

    def _ticker(self, fields: Fields) -> Any:
        instrument = self.door.instrument(_PERPETUAL, fields)
        fields.done()
        row = market.ticker(self.desk.host, instrument)
        return [] if row is None else [row]

    def _tickers(self, kind: MarketKind) -> Callable[[Fields], Any]:
        def tickers(fields: Fields) -> Any:
            wanted = fields.optional("symbol") if kind is _SPOT else None
            if kind is _PERPETUAL:
                fields.choice("productType", (rows.PRODUCT,))
            fields.done()
            told = [market.ticker(self.desk.host, each) for each in self.desk.instruments(kind)]
            return [row for row in told if row and wanted in (None, row["symbol"])]

        return tickers

"""OKX's public questions about a market: trades, book, candles, the last 24 hours."""

from collections.abc import Sequence
from typing import Any, Final

from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.okx import market_rows as market
from workers.exchange.fronts.okx.door import KINDS, OkxDoor
from workers.exchange.fronts.okx.lists import PAGE
from workers.exchange.fronts.okx.refusals import bad_field
from workers.exchange.fronts.rooms import Room, Route

_BARS: Final = 300
_TRADES: Final = 500
_LEVELS: Final = 400


class Market(Room[OkxDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        anybody, told = self.door.open, Operation.MARKET
        return [
            anybody("/market/trades", told, self._trades),
            anybody("/market/books", told, self._book),
            anybody("/market/candles", told, self._bars),
            anybody("/market/history-candles", told, self._bars),
            anybody("/market/ticker", told, self._ticker),
            anybody("/market/tickers", told, self._tickers),
        ]

    def _trades(self, fields: Fields) -> Sequence[Any]:
        """Return trades, newest first."""
        instrument = self.door.instrument(fields)
        limit = min(fields.whole("limit", PAGE), _TRADES)
        fields.done()
        known = public.trades(self.desk.host, instrument, limit)
        return [market.trade(instrument, each) for each in reversed(known)]

    def _book(self, fields: Fields) -> Sequence[Any]:
        instrument = self.door.instrument(fields)
        levels = fields.whole("sz", 1)
        fields.done()
        if levels < 1:
            raise bad_field("sz", "malformed")
        return [
            market.book(instrument, public.book(self.desk.host, instrument, min(levels, _LEVELS)))
        ]

    def _bars(self, fields: Fields) -> Sequence[Any]:
        """Return bars, newest first: later than `before`, earlier than `after`."""
        instrument = self.door.instrument(fields)
        length = market.LENGTHS[fields.choice("bar", tuple(market.LENGTHS), "1m")]
        limit = min(fields.whole("limit", PAGE), _BARS)
        later, earlier = fields.whole("before", 0), fields.whole("after", 0)
        fields.done()
        span = later + 1 if later else 0, earlier - 1 if earlier else 0
        bars = public.bars(self.desk.host, instrument, length, limit, span)
        return [market.candle(instrument, bar) for bar in reversed(bars)]

    def _ticker(self, fields: Fields) -> Sequence[Any]:
        instrument = self.door.instrument(fields)
        fields.done()
        row = market.day(self.desk.host, instrument)
        return [] if row is None else [row]

    def _tickers(self, fields: Fields) -> Sequence[Any]:
        kind = KINDS[fields.choice("instType", tuple(KINDS))]
        fields.done()
        told = [market.day(self.desk.host, each) for each in self.desk.instruments(kind)]
        return [row for row in told if row is not None]

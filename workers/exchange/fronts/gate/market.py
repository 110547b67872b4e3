"""Gate's public questions about a market: trades, book, candles, tickers."""

from collections.abc import Sequence
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Asked, Fields
from workers.exchange.fronts.gate import market_rows as market
from workers.exchange.fronts.gate import requests
from workers.exchange.fronts.gate.door import FUTURES, PERPETUAL, SPOT, GateDoor
from workers.exchange.fronts.rooms import Handler, Room, Route

_MOST_TRADES: Final = 1000


class Market(Room[GateDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        return [*self._of(FUTURES, PERPETUAL), *self._of(SPOT, MarketKind.SPOT)]

    def _of(self, root: str, kind: MarketKind) -> Sequence[Route]:
        told = Operation.MARKET
        return [
            Route("GET", f"{root}/trades", told, self._trades(kind)),
            Route("GET", f"{root}/order_book", told, self._book(kind)),
            Route("GET", f"{root}/candlesticks", told, self._bars(kind)),
            Route("GET", f"{root}/tickers", told, self._tickers(kind)),
        ]

    def _trades(self, kind: MarketKind) -> Handler:
        def trades(asked: Asked) -> Any:
            """Return trades of a span in seconds, newest first."""
            fields = Fields(asked.form(), requests.bad_field)
            instrument = self.door.instrument(kind, fields)
            span = requests.span(kind, fields)
            limit = self._limit(kind, fields, _MOST_TRADES)
            fields.done()
            known = public.trades(self.desk.host, instrument, _MOST_TRADES)
            some = [each for each in known if span(each.at)][-limit:]
            return [market.trade(instrument, each) for each in reversed(some)]

        return trades

    def _book(self, kind: MarketKind) -> Handler:
        def book(asked: Asked) -> Any:
            fields = Fields(asked.form(), requests.bad_field)
            instrument = self.door.instrument(kind, fields)
            fields.choice("interval", ("0",), "0")
            numbered = fields.choice("with_id", ("true", "false"), "false") == "true"
            levels = self._limit(kind, fields, 300 if kind is PERPETUAL else 1000, usual=10)
            fields.done()
            told = public.book(self.desk.host, instrument, levels)
            row = market.book(instrument, told)
            return row | {"id": told.number} if numbered else row

        return book

    def _bars(self, kind: MarketKind) -> Handler:
        def bars(asked: Asked) -> Any:
            fields = Fields(asked.form(), requests.bad_field)
            instrument = self.door.instrument(kind, fields)
            length = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
            span = fields.whole("from", 0) * 1000, fields.whole("to", 0) * 1000
            limit = self._limit(kind, fields, 2000 if kind is PERPETUAL else 1000)
            fields.done()
            found = public.bars(self.desk.host, instrument, length, limit, span)
            row = market.bar if kind is PERPETUAL else market.row
            return [row(instrument, each) for each in found]

        return bars

    def _limit(self, kind: MarketKind, fields: Fields, most: int, usual: int = 100) -> int:
        limit = fields.whole("limit", usual)
        if not 1 <= limit <= most:
            text = f"invalid argument: limit {limit}"
            raise requests.wrong(kind, "INVALID_PARAM_VALUE", text)
        return limit

    def _tickers(self, kind: MarketKind) -> Handler:
        """Tell of the market that is named, or of all."""

        def tickers(asked: Asked) -> Any:
            fields = Fields(asked.form(), requests.bad_field)
            word = "contract" if kind is PERPETUAL else "currency_pair"
            wanted = fields.optional(word)
            fields.ignore("timezone")
            fields.done()
            some = self.desk.instruments(kind)
            if wanted is not None:
                some = [self.door.instrument(kind, Fields({word: wanted}, requests.bad_field))]
            told = [market.ticker(self.desk.host, each) for each in some]
            return [row for row in told if row is not None]

        return tickers

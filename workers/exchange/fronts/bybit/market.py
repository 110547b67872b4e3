"""Bybit's public questions about a market: trades, book, candles, tickers."""

from collections.abc import Sequence
from typing import Any

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bybit import market_rows as market
from workers.exchange.fronts.bybit import rows
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.rooms import Room, Route


class Market(Room[BybitDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        anybody, told = self.door.public, Operation.MARKET
        return [
            anybody("/v5/market/recent-trade", told, self._trades),
            anybody("/v5/market/orderbook", told, self._book),
            anybody("/v5/market/kline", told, self._klines),
            anybody("/v5/market/tickers", told, self._tickers),
        ]

    def _trades(self, fields: Fields) -> Any:
        kind = self.door.kind(fields)
        instrument = self.door.instrument(kind, fields)
        most = 1000 if kind is MarketKind.PERPETUAL else 60
        limit = self.door.limit(fields, 60, most)
        fields.done()
        told = market.trades(self.desk.host, instrument, limit)
        return {"category": rows.category(instrument), "list": told}

    def _book(self, fields: Fields) -> Any:
        kind = self.door.kind(fields)
        instrument = self.door.instrument(kind, fields)
        default, most = (25, 500) if kind is MarketKind.PERPETUAL else (1, 200)
        limit = self.door.limit(fields, default, most)
        fields.done()
        return market.book(instrument, public.book(self.desk.host, instrument, limit))

    def _klines(self, fields: Fields) -> Any:
        """Return bars, newest first."""
        instrument = self.door.instrument(self.door.kind(fields), fields)
        length = market.LENGTHS[fields.choice("interval", tuple(market.LENGTHS))]
        span = fields.whole("start", 0), fields.whole("end", 0)
        limit = self.door.limit(fields, 200, 1000)
        fields.done()
        bars = public.bars(self.desk.host, instrument, length, limit, span)
        told = [market.kline(instrument, bar) for bar in reversed(bars)]
        name = rows.symbol(instrument)
        return {"category": rows.category(instrument), "symbol": name, "list": told}

    def _tickers(self, fields: Fields) -> Any:
        kind = self.door.kind(fields)
        name = fields.optional("symbol")
        fields.done()
        some = self.desk.instruments(kind)
        if name is not None:
            some = [self.door.instrument(kind, Fields({"symbol": name}, self.door.bad_field))]
        category = "linear" if kind is MarketKind.PERPETUAL else "spot"
        return {"category": category, "list": market.tickers(self.desk.host, some)}

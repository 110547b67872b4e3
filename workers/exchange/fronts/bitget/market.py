"""Bitget's public questions: time, markets, trades, candles, tickers, funding."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bitget import market_rows as market
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms

_PERPETUAL, _SPOT = MarketKind.PERPETUAL, MarketKind.SPOT
_PRODUCTS: Final = (
    "USDT-FUTURES",
    "COIN-FUTURES",
    "USDC-FUTURES",
    "SUSDT-FUTURES",
    "SCOIN-FUTURES",
    "SUSDC-FUTURES",
)


class Market(Room[BitgetDoor]):
    """What anybody may ask."""

    def routes(self) -> Sequence[Route]:
        public, info, told = self.door.public_get, Operation.INSTRUMENTS, Operation.MARKET
        mix, spot = "/api/v2/mix/market".__add__, "/api/v2/spot".__add__
        return [
            public("/api/v2/public/time", Operation.TIME, self._time),
            public(mix("/contracts"), info, self._contracts),
            public(spot("/public/symbols"), info, self._symbols),
            public("/api/v2/margin/currencies", info, self._no_margin),
            public(mix("/fills"), told, self._trades(_PERPETUAL)),
            public(spot("/market/fills"), told, self._trades(_SPOT)),
            public(mix("/candles"), told, self._candles(_PERPETUAL, market.LENGTHS)),
            public(spot("/market/candles"), told, self._candles(_SPOT, market.SPOT_LENGTHS)),
            public(mix("/tickers"), told, self._tickers(_PERPETUAL)),
            public(spot("/market/tickers"), told, self._tickers(_SPOT)),
            public(mix("/current-fund-rate"), told, self._funding),
            public(mix("/history-fund-rate"), told, self._past_funding),
        ]

    def _time(self, fields: Fields) -> Any:
        fields.done()
        return {"serverTime": str(ms(self.desk.now()))}

    def _contracts(self, fields: Fields) -> Any:
        product = fields.choice("productType", _PRODUCTS)
        fields.done()
        known = self.desk.instruments(_PERPETUAL) if product == rows.PRODUCT else ()
        return [market.instrument(each) for each in known]

    def _symbols(self, fields: Fields) -> Any:
        fields.done()
        return [market.instrument(each) for each in self.desk.instruments(_SPOT)]

    def _no_margin(self, fields: Fields) -> Any:
        fields.done()
        return []

    def _trades(self, kind: MarketKind) -> Callable[[Fields], Any]:
        def trades(fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            fields.whole("limit", 100)
            fields.done()
            return market.trade(self.desk.host, instrument)

        return trades

    def _candles(
        self, kind: MarketKind, lengths: Mapping[str, timedelta]
    ) -> Callable[[Fields], Any]:
        def candles(fields: Fields) -> Any:
            instrument = self.door.instrument(kind, fields)
            length = lengths[fields.choice("granularity", tuple(lengths))]
            limit = fields.whole("limit", 100)
            fields.done()
            bars = self.desk.host.exchange.candles(instrument.symbol, length, min(limit, 1000))
            return [market.candle(instrument, bar) for bar in bars]

        return candles

    def _tickers(self, kind: MarketKind) -> Callable[[Fields], Any]:
        def tickers(fields: Fields) -> Any:
            wanted = fields.optional("symbol") if kind is _SPOT else None
            if kind is _PERPETUAL:
                fields.choice("productType", (rows.PRODUCT,))
            fields.done()
            told = [market.ticker(self.desk.host, each) for each in self.desk.instruments(kind)]
            return [row for row in told if row and wanted in (None, row["symbol"])]

        return tickers

    def _funding(self, fields: Fields) -> Any:
        instrument = self.door.instrument(_PERPETUAL, fields)
        fields.done()
        row = {
            "symbol": rows.symbol(instrument),
            "fundingRate": market.FUNDING_RATE,
            "fundingRateInterval": "8",
            "nextUpdate": str(market.next_funding(self.desk.host)),
            "minFundingRate": "-0.003",
            "maxFundingRate": "0.003",
        }
        return [row]

    def _past_funding(self, fields: Fields) -> Any:
        """Return none: the simulated exchange keeps payments, not the rates of the past."""
        self.door.instrument(_PERPETUAL, fields)
        fields.whole("pageSize", 20)
        fields.whole("pageNo", 1)
        fields.done()
        return []

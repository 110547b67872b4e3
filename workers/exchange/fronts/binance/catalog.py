"""What there is at Binance: its time, its markets, and what clients ask for that is not here."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from domain.money import Instrument, MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.binance.door import BinanceDoor
from workers.exchange.fronts.binance.rows import symbol
from workers.exchange.fronts.rooms import Room, Route, told_to_all
from workers.exchange.fronts.rows import ms, number

#: What an unmodified ccxt loads before anything else, and is told to be empty.
_ELSEWHERE: Final[Sequence[tuple[str, Any]]] = (
    ("/dapi/v1/exchangeInfo", {"symbols": []}),
    ("/sapi/v1/capital/config/getall", []),
    ("/sapi/v1/margin/allPairs", []),
    ("/sapi/v1/margin/isolated/allPairs", []),
)


class Catalog(Room[BinanceDoor]):
    """Anybody may ask."""

    def routes(self) -> Sequence[Route]:
        return [
            *self._of("/fapi/v1", MarketKind.PERPETUAL),
            *self._of("/api/v3", MarketKind.SPOT),
            *(told_to_all(path, Operation.INSTRUMENTS, body) for path, body in _ELSEWHERE),
        ]

    def _of(self, root: str, kind: MarketKind) -> Sequence[Route]:
        return [
            Route("GET", f"{root}/time", Operation.TIME, self._time),
            Route("GET", f"{root}/exchangeInfo", Operation.INSTRUMENTS, self._info(kind)),
        ]

    def _time(self, asked: Asked) -> Any:  # noqa: ARG002 - all alike
        return {"serverTime": ms(self.desk.now())}

    def _info(self, kind: MarketKind) -> Callable[[Asked], Any]:
        return lambda _asked: {
            "timezone": "UTC",
            "serverTime": ms(self.desk.now()),
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [_instrument(each) for each in self.desk.instruments(kind)],
        }


def _instrument(each: Instrument) -> dict[str, Any]:
    tick, lot = number(each.tick_size), number(each.lot_size)
    least = number(each.base_of(each.min_quantity))
    perpetual = each.kind is MarketKind.PERPETUAL
    notional = number(each.min_notional)
    row: dict[str, Any] = {
        "symbol": symbol(each),
        "status": "TRADING",
        "baseAsset": each.base,
        "quoteAsset": each.quote,
        "orderTypes": ["LIMIT", "MARKET"] if perpetual else ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000000",
                "tickSize": tick,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": least,
                "maxQty": "1000000000",
                "stepSize": lot,
            },
            {"filterType": "MIN_NOTIONAL", "notional": notional}
            if perpetual
            else {"filterType": "NOTIONAL", "minNotional": notional, "applyMinToMarket": True},
        ],
    }
    if perpetual:
        return row | {
            "pair": symbol(each),
            "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000,
            "onboardDate": 1569398400000,
            "marginAsset": each.quote,
            "pricePrecision": 8,
            "quantityPrecision": 8,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
        }
    return row | {
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
    }

"""What there is at Bybit: its time, its markets, and what clients ask for that is not here."""

from collections.abc import Sequence
from typing import Any, Final

from domain.money import Instrument, MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bybit.door import BybitDoor
from workers.exchange.fronts.bybit.rows import CATEGORIES, symbol
from workers.exchange.fronts.keys import LocalKeys
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms, number

#: Categories that are not traded here; clients load their markets all the same.
_ELSEWHERE: Final = ("inverse", "option")


class Catalog(Room[BybitDoor]):
    """Anybody may ask, but for the coins."""

    def routes(self) -> Sequence[Route]:
        anybody, listed = self.door.public, Operation.INSTRUMENTS
        return [
            anybody("/v5/market/time", Operation.TIME, self._time),
            anybody("/v5/market/instruments-info", listed, self._info),
            self.door.get("/v5/asset/coin/query-info", listed, self._coins),
        ]

    def _time(self, fields: Fields) -> Any:
        fields.done()
        now = ms(self.desk.now())
        return {"timeSecond": str(now // 1000), "timeNano": f"{now}000000"}

    def _info(self, fields: Fields) -> Any:
        category = fields.choice("category", (*CATEGORIES, *_ELSEWHERE))
        status = fields.choice("status", ("Trading", "PreLaunch"), "Trading")
        fields.ignore("limit", "baseCoin")
        fields.done()
        there = category in CATEGORIES and status == "Trading"
        some = self.desk.instruments(CATEGORIES[category]) if there else ()
        told = {"category": category, "list": [_instrument(each) for each in some]}
        return told if category == "spot" else told | {"nextPageCursor": ""}

    def _coins(self, keys: LocalKeys, fields: Fields) -> Any:  # noqa: ARG002 - all alike
        """Return none: coins are not moved here."""
        fields.ignore("coin")
        fields.done()
        return {"rows": []}


def _instrument(each: Instrument) -> dict[str, Any]:
    least, most = number(each.base_of(each.min_quantity)), "1000000000"
    row: dict[str, Any] = {
        "symbol": symbol(each),
        "baseCoin": each.base,
        "quoteCoin": each.quote,
        "status": "Trading",
        "priceFilter": {"tickSize": number(each.tick_size)},
    }
    if each.kind is MarketKind.SPOT:
        sizes = {
            "basePrecision": number(each.lot_size),
            "quotePrecision": "0.00000001",
            "minOrderQty": least,
            "maxOrderQty": most,
            "minOrderAmt": number(each.min_notional),
            "maxOrderAmt": most,
        }
        return row | {"innovation": "0", "marginTrading": "none", "lotSizeFilter": sizes}
    return row | {
        "contractType": "LinearPerpetual",
        "settleCoin": each.quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "unifiedMarginTrade": True,
        "fundingInterval": public.FUNDING_HOURS * 60,
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "lotSizeFilter": {
            "minOrderQty": least,
            "maxOrderQty": most,
            "qtyStep": number(each.lot_size),
            "minNotionalValue": number(each.min_notional),
        },
    }

"""What there is at Bitget: its time, its markets, and what clients ask for that is not here."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from domain.money import EXACT, Instrument, MarketKind
from workers.exchange.faults import Operation
from workers.exchange.fronts import public
from workers.exchange.fronts.asked import Fields
from workers.exchange.fronts.bitget.door import BitgetDoor
from workers.exchange.fronts.bitget.rows import PRODUCT, symbol
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.rows import ms, number

_PRODUCTS: Final = (
    "USDT-FUTURES",
    "COIN-FUTURES",
    "USDC-FUTURES",
    "SUSDT-FUTURES",
    "SCOIN-FUTURES",
    "SUSDC-FUTURES",
)


class Catalog(Room[BitgetDoor]):
    """Anybody may ask."""

    def routes(self) -> Sequence[Route]:
        anybody, listed = self.door.public_get, Operation.INSTRUMENTS
        return [
            anybody("/api/v2/public/time", Operation.TIME, self._time),
            anybody("/api/v2/mix/market/contracts", listed, self._contracts),
            anybody("/api/v2/spot/public/symbols", listed, self._symbols),
            anybody("/api/v2/spot/public/coins", listed, self._none),
            anybody("/api/v2/margin/currencies", listed, self._none),
        ]

    def _time(self, fields: Fields) -> Any:
        fields.done()
        return {"serverTime": str(ms(self.desk.now()))}

    def _contracts(self, fields: Fields) -> Any:
        product = fields.choice("productType", _PRODUCTS)
        fields.done()
        known = self.desk.instruments(MarketKind.PERPETUAL) if product == PRODUCT else ()
        return [_instrument(each) for each in known]

    def _symbols(self, fields: Fields) -> Any:
        fields.done()
        return [_instrument(each) for each in self.desk.instruments(MarketKind.SPOT)]

    def _none(self, fields: Fields) -> Any:
        """Return none: coins are not moved, and not traded on margin here."""
        fields.done()
        return []


def _instrument(each: Instrument) -> dict[str, Any]:
    common = {
        "symbol": symbol(each),
        "baseCoin": each.base,
        "quoteCoin": each.quote,
        "makerFeeRate": number(each.maker_fee),
        "takerFeeRate": number(each.taker_fee),
        "minTradeUSDT": number(each.min_notional),
        "buyLimitPriceRatio": "0.05",
        "sellLimitPriceRatio": "0.05",
    }
    least = number(each.base_of(each.min_quantity))
    if each.kind is MarketKind.SPOT:
        return common | {
            "minTradeAmount": least,
            "maxTradeAmount": "10000000000",
            "pricePrecision": str(_places(each.tick_size)),
            "quantityPrecision": str(_places(each.lot_size)),
            "quotePrecision": "8",
            "status": "online",
        }
    places = _places(each.tick_size)
    return common | {
        "supportMarginCoins": [each.quote],
        "minTradeNum": least,
        # The price's step counts in its last place.
        "priceEndStep": number(each.tick_size.scaleb(places).quantize(Decimal(1))),
        "pricePlace": str(places),
        "volumePlace": str(_places(each.lot_size)),
        "sizeMultiplier": number(each.lot_size),
        "symbolType": "perpetual",
        "symbolStatus": "normal",
        "deliveryTime": "",
        "launchTime": "",
        "fundInterval": str(public.FUNDING_HOURS),
        "minLever": "1",
        "maxLever": "125",
    }


def _places(step: Decimal) -> int:
    exponent = step.normalize(EXACT).as_tuple().exponent
    return max(0, -int(exponent))

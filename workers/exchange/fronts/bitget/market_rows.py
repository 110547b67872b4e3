"""Bitget's public answers: markets, trades, candles, tickers, funding."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.market import Candle
from domain.money import EXACT, Instrument, MarketKind
from workers.exchange.fronts.bitget.rows import symbol
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host

#: As perpetuals and streams call them.
LENGTHS: Final[Mapping[str, timedelta]] = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1H": timedelta(hours=1),
    "4H": timedelta(hours=4),
    "6Hutc": timedelta(hours=6),
    "12Hutc": timedelta(hours=12),
    "1Dutc": timedelta(days=1),
}
#: As the REST side of spot calls them.
SPOT_LENGTHS: Final[Mapping[str, timedelta]] = {
    "1min": timedelta(minutes=1),
    "3min": timedelta(minutes=3),
    "5min": timedelta(minutes=5),
    "15min": timedelta(minutes=15),
    "30min": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "6Hutc": timedelta(hours=6),
    "12Hutc": timedelta(hours=12),
    "1Dutc": timedelta(days=1),
}
FUNDING_EVERY: Final = timedelta(hours=8)
#: What is told as the rate that is due next: a tape's own rate is known when it is due.
FUNDING_RATE: Final = "0.0001"


def instrument(each: Instrument) -> dict[str, Any]:
    """Return a market of either list."""
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
        "fundInterval": "8",
        "minLever": "1",
        "maxLever": "125",
    }


def _places(step: Decimal) -> int:
    exponent = step.normalize(EXACT).as_tuple().exponent
    return max(0, -int(exponent))


def trade(host: Host, each: Instrument) -> list[dict[str, Any]]:
    """Return the last trade; none before the first one."""
    update = host.exchange.last_price(each.symbol)
    if update is None:
        return []
    return [
        {
            "symbol": symbol(each),
            "tradeId": str(host.position),
            "side": "buy",
            "price": ticks(each, update.price.ticks),
            "size": number(each.lot_size),
            "ts": str(ms(update.at)),
        }
    ]


def candle(each: Instrument, bar: Candle) -> list[str]:
    """Return a candle, which never says whether it is closed."""
    prices = [ticks(each, price.ticks) for price in (bar.open, bar.high, bar.low, bar.close)]
    worth = number(each.notional_of(bar.close.ticks * bar.volume.lots))
    return [str(ms(bar.opened_at)), *prices, lots(each, bar.volume.lots), worth, worth]


def ticker(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the last 24 hours, the best prices and the mark; None before the first price."""
    bars = host.exchange.candles(each.symbol, timedelta(minutes=1), 1440)
    update = host.exchange.last_price(each.symbol)
    if update is None or not bars:
        return None
    first, last = bars[0].open.ticks, update.price.ticks
    change = EXACT.divide(Decimal(last - first), Decimal(first)).quantize(Decimal("0.00001"))
    traded = number(each.notional_of(sum(bar.close.ticks * bar.volume.lots for bar in bars)))
    bid = update.bid.ticks if update.bid else last - 1
    ask = update.ask.ticks if update.ask else last + 1
    row = {
        "symbol": symbol(each),
        "lastPr": ticks(each, last),
        "open24h": ticks(each, first),
        "high24h": ticks(each, max(bar.high.ticks for bar in bars)),
        "low24h": ticks(each, min(bar.low.ticks for bar in bars)),
        "bidPr": ticks(each, bid),
        "askPr": ticks(each, ask),
        "change24h": number(change),
        "baseVolume": lots(each, sum(bar.volume.lots for bar in bars)),
        "quoteVolume": traded,
        "usdtVolume": traded,
        "ts": str(ms(update.at)),
    }
    if each.kind is MarketKind.SPOT:
        return row
    return row | {
        "instId": symbol(each),
        "markPrice": ticks(each, last),
        "indexPrice": ticks(each, last),
        "fundingRate": FUNDING_RATE,
        "nextFundingTime": str(next_funding(host)),
    }


def next_funding(host: Host) -> int:
    """Return when funding is due next, in milliseconds."""
    every = FUNDING_EVERY // timedelta(milliseconds=1)
    return (ms(host.exchange.now) // every + 1) * every

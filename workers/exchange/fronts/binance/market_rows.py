"""Binance's public answers: markets, trades, candles, statistics, funding."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.market import Candle
from domain.money import EXACT, Instrument, MarketKind
from workers.exchange.fronts.binance.rows import symbol
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host

LENGTHS: Final[Mapping[str, timedelta]] = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "2h": timedelta(hours=2),
    "4h": timedelta(hours=4),
    "6h": timedelta(hours=6),
    "8h": timedelta(hours=8),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
}
FUNDING_EVERY: Final = timedelta(hours=8)
#: What is told as the rate that is due next: a tape's own rate is known when it is due.
FUNDING_RATE: Final = "0.00010000"


def instrument(each: Instrument) -> dict[str, Any]:
    """Return a market of `exchangeInfo`."""
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


def trades(host: Host, each: Instrument) -> list[dict[str, Any]]:
    """Return the last trade; none before the first one."""
    update = host.exchange.last_price(each.symbol)
    if update is None:
        return []
    return [
        {
            "id": host.position,
            "price": ticks(each, update.price.ticks),
            "qty": number(each.lot_size),
            "quoteQty": number(each.notional_of(update.price.ticks)),
            "time": ms(update.at),
            "isBuyerMaker": False,
        }
    ]


def klines(host: Host, each: Instrument, interval: timedelta, limit: int) -> list[list[Any]]:
    """Return candles."""
    bars = host.exchange.candles(each.symbol, interval, limit)
    return [_kline(each, bar, interval) for bar in bars]


def _kline(each: Instrument, bar: Candle, interval: timedelta) -> list[Any]:
    opened = ms(bar.opened_at)
    closes = opened + interval // timedelta(milliseconds=1) - 1
    prices = [ticks(each, price.ticks) for price in (bar.open, bar.high, bar.low, bar.close)]
    volume = lots(each, bar.volume.lots)
    return [opened, *prices, volume, closes, "0", 1, "0", "0", "0"]


def day(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the last 24 hours; None before the first price."""
    bars = host.exchange.candles(each.symbol, timedelta(minutes=1), 1440)
    if not bars:
        return None
    first, last = bars[0].open.ticks, bars[-1].close.ticks
    change = EXACT.divide(Decimal(100 * (last - first)), Decimal(first))
    traded = sum(bar.close.ticks * bar.volume.lots for bar in bars)
    return {
        "symbol": symbol(each),
        "lastPrice": ticks(each, last),
        "openPrice": ticks(each, first),
        "priceChangePercent": number(change.quantize(Decimal("0.001"))),
        "volume": lots(each, sum(bar.volume.lots for bar in bars)),
        "quoteVolume": number(each.notional_of(traded)),
        "openTime": ms(bars[0].opened_at),
        "closeTime": ms(host.exchange.now),
        "count": len(bars),
    }


def premium(host: Host, each: Instrument) -> dict[str, Any]:
    """Return mark price and the funding that is due next."""
    update = host.exchange.last_price(each.symbol)
    price = ticks(each, update.price.ticks if update else 0)
    now, every = ms(host.exchange.now), FUNDING_EVERY // timedelta(milliseconds=1)
    return {
        "symbol": symbol(each),
        "markPrice": price,
        "indexPrice": price,
        "estimatedSettlePrice": price,
        "lastFundingRate": FUNDING_RATE,
        "interestRate": "0.00010000",
        "nextFundingTime": (now // every + 1) * every,
        "time": now,
    }

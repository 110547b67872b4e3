"""Bybit's public answers: markets, trades, candles, tickers."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.market import Candle
from domain.money import EXACT, Instrument, MarketKind
from workers.exchange.fronts.bybit.rows import category, symbol
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host

LENGTHS: Final[Mapping[str, timedelta]] = {
    "1": timedelta(minutes=1),
    "3": timedelta(minutes=3),
    "5": timedelta(minutes=5),
    "15": timedelta(minutes=15),
    "30": timedelta(minutes=30),
    "60": timedelta(hours=1),
    "120": timedelta(hours=2),
    "240": timedelta(hours=4),
    "360": timedelta(hours=6),
    "720": timedelta(hours=12),
    "D": timedelta(days=1),
}
FUNDING_EVERY: Final = timedelta(hours=8)
#: What is told as the rate that is due next: a tape's own rate is known when it is due.
FUNDING_RATE: Final = "0.0001"


def instrument(each: Instrument) -> dict[str, Any]:
    """Return a market of `instruments-info`."""
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
        "fundingInterval": FUNDING_EVERY // timedelta(minutes=1),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "lotSizeFilter": {
            "minOrderQty": least,
            "maxOrderQty": most,
            "qtyStep": number(each.lot_size),
            "minNotionalValue": number(each.min_notional),
        },
    }


def trades(host: Host, each: Instrument) -> list[dict[str, Any]]:
    """Return the last trade, behind a block that was traded elsewhere; none before the first."""
    update = host.exchange.last_price(each.symbol)
    if update is None:
        return []
    row = {
        "execId": f"t{host.position}",
        "symbol": symbol(each),
        "price": ticks(each, update.price.ticks),
        "size": number(each.lot_size),
        "side": "Buy",
        "time": str(ms(update.at)),
        "isBlockTrade": False,
    }
    block = {"execId": f"b{host.position}", "price": ticks(each, 1), "isBlockTrade": True}
    return [row | block, row]


def klines(host: Host, each: Instrument, length: timedelta, limit: int) -> list[list[str]]:
    """Return candles, newest first."""
    bars = host.exchange.candles(each.symbol, length, limit)
    return [_kline(each, bar) for bar in reversed(bars)]


def _kline(each: Instrument, bar: Candle) -> list[str]:
    prices = [ticks(each, price.ticks) for price in (bar.open, bar.high, bar.low, bar.close)]
    return [str(ms(bar.opened_at)), *prices, lots(each, bar.volume.lots), "0"]


def bar_message(
    each: Instrument, bar: Candle, length: timedelta, word: str, topic: str
) -> dict[str, Any]:
    """Return a candle of the stream."""
    opened = ms(bar.opened_at)
    row = {
        "start": opened,
        "end": opened + length // timedelta(milliseconds=1) - 1,
        "interval": word,
        "open": ticks(each, bar.open.ticks),
        "close": ticks(each, bar.close.ticks),
        "high": ticks(each, bar.high.ticks),
        "low": ticks(each, bar.low.ticks),
        "volume": lots(each, bar.volume.lots),
        "turnover": "0",
        "confirm": bar.closed,
        "timestamp": opened,
    }
    return {"topic": topic, "type": "snapshot", "ts": opened, "data": [row]}


def tickers(host: Host, some: Sequence[Instrument]) -> list[dict[str, Any]]:
    """Return the tickers of those that have a price."""
    told = (ticker(host, each) for each in some)
    return [row for row in told if row is not None]


def ticker(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the last 24 hours, and of a perpetual mark and funding; None before the first."""
    update = host.exchange.last_price(each.symbol)
    if update is None:
        return None
    last = update.price.ticks
    bars = host.exchange.candles(each.symbol, timedelta(minutes=1), 1440)
    first = bars[0].open.ticks if bars else last
    change = EXACT.divide(Decimal(last - first), Decimal(first))
    traded = sum(bar.close.ticks * bar.volume.lots for bar in bars)
    row = {
        "symbol": symbol(each),
        "lastPrice": ticks(each, last),
        "prevPrice24h": ticks(each, first),
        "price24hPcnt": number(change.quantize(Decimal("0.000001"))),
        "volume24h": lots(each, sum(bar.volume.lots for bar in bars)),
        "turnover24h": number(each.notional_of(traded)),
    }
    if category(each) == "spot":
        return row
    now, every = ms(host.exchange.now), FUNDING_EVERY // timedelta(milliseconds=1)
    return row | {
        "markPrice": ticks(each, last),
        "indexPrice": ticks(each, last),
        "openInterestValue": "0",
        "fundingRate": FUNDING_RATE,
        "nextFundingTime": str((now // every + 1) * every),
    }

"""Rows of what Binance tells of a market: trades, candles, book, the last 24 hours."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.market import Candle
from domain.money import Instrument, MarketKind
from domain.orders import Side
from domain.simulation.depth import Level
from workers.exchange.fronts import public
from workers.exchange.fronts.binance.rows import symbol
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host
from workers.exchange.prints import Print

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


def trade(each: Instrument, printed: Print) -> dict[str, Any]:
    """Return a trade."""
    return {
        "id": printed.number,
        "price": ticks(each, printed.price.ticks),
        "qty": lots(each, printed.quantity.lots),
        "quoteQty": number(each.notional(printed.price, printed.quantity)),
        "time": ms(printed.at),
        "isBuyerMaker": printed.side is Side.SELL,
    }


def aggregated(each: Instrument, printed: Print) -> dict[str, Any]:
    """Return a trade as one of those that are put together."""
    return {
        "a": printed.number,
        "p": ticks(each, printed.price.ticks),
        "q": lots(each, printed.quantity.lots),
        "f": printed.number,
        "l": printed.number,
        "T": ms(printed.at),
        "m": printed.side is Side.SELL,
    }


def kline(each: Instrument, bar: Candle, interval: timedelta) -> list[Any]:
    """Return a candle."""
    opened = ms(bar.opened_at)
    closes = opened + interval // timedelta(milliseconds=1) - 1
    prices = [ticks(each, price.ticks) for price in (bar.open, bar.high, bar.low, bar.close)]
    volume = lots(each, bar.volume.lots)
    return [opened, *prices, volume, closes, "0", 1, "0", "0", "0"]


def level(each: Instrument, at: Level) -> list[str]:
    """Return a level of a book."""
    return [ticks(each, at[0]), lots(each, at[1])]


def depth(host: Host, each: Instrument, limit: int) -> dict[str, Any]:
    """Return the book."""
    book = public.book(host, each, limit)
    row: dict[str, Any] = {
        "lastUpdateId": book.number,
        "bids": [level(each, at) for at in book.bids],
        "asks": [level(each, at) for at in book.asks],
    }
    if each.kind is MarketKind.SPOT:
        return row
    return row | {"E": ms(book.at), "T": ms(book.at)}


def best(host: Host, each: Instrument) -> dict[str, Any]:
    """Return the best bid and ask; a side that is empty is told as zeros."""
    book = public.book(host, each, 1)
    (bid, bid_lots), (ask, ask_lots) = (
        level(each, side[0] if side else (0, 0)) for side in (book.bids, book.asks)
    )
    row: dict[str, Any] = {
        "symbol": symbol(each),
        "bidPrice": bid,
        "bidQty": bid_lots,
        "askPrice": ask,
        "askQty": ask_lots,
    }
    return row if each.kind is MarketKind.SPOT else row | {"time": ms(book.at)}


def day(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the last 24 hours, on spot with the best bid and ask; None before the first price."""
    last = public.day(host, each)
    if last is None:
        return None
    row = {
        "symbol": symbol(each),
        "lastPrice": ticks(each, last.last),
        "openPrice": ticks(each, last.open),
        "highPrice": ticks(each, last.high),
        "lowPrice": ticks(each, last.low),
        "priceChange": ticks(each, last.last - last.open),
        "priceChangePercent": number((100 * last.change).quantize(Decimal("0.001"))),
        "volume": lots(each, last.volume),
        "quoteVolume": number(each.notional_of(last.value)),
        "openTime": ms(last.opened_at),
        "closeTime": ms(host.exchange.now),
    }
    return row if each.kind is MarketKind.PERPETUAL else row | best(host, each)

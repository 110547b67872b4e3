"""Rows of what Bybit tells of a market: trades, book, candles, the last 24 hours."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.market import Candle
from domain.money import Instrument
from domain.simulation.depth import Level
from workers.exchange.fronts import public
from workers.exchange.fronts.bybit.rows import category, symbol
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host
from workers.exchange.prints import Print

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


def trades(host: Host, each: Instrument, limit: int) -> list[dict[str, Any]]:
    """Return trades, newest first, behind a block that was traded elsewhere; none before the first.

    The block is as new as the last trade and not on the book: who takes it for a price is wrong.
    """
    known = public.trades(host, each, limit)
    told = [trade(each, printed) for printed in reversed(known)]
    block = {"execId": f"b{host.position}", "price": ticks(each, 1), "isBlockTrade": True}
    return [told[0] | block, *told][:limit] if told else []


def trade(each: Instrument, printed: Print) -> dict[str, Any]:
    """Return a trade."""
    return {
        "execId": f"t{printed.number}",
        "symbol": symbol(each),
        "price": ticks(each, printed.price.ticks),
        "size": lots(each, printed.quantity.lots),
        "side": printed.side.capitalize(),
        "time": str(ms(printed.at)),
        "isBlockTrade": False,
    }


def book(each: Instrument, told: public.Book) -> dict[str, Any]:
    """Return the book, of an answer or of a stream."""
    return {
        "s": symbol(each),
        "b": [[ticks(each, at), lots(each, count)] for at, count in told.bids],
        "a": [[ticks(each, at), lots(each, count)] for at, count in told.asks],
        "ts": ms(told.at),
        "u": told.number,
        "seq": told.number,
        "cts": ms(told.at),
    }


def kline(each: Instrument, bar: Candle) -> list[str]:
    """Return a candle."""
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
    last, best = public.day(host, each), public.book(host, each, 1)
    if last is None:
        return None
    row = {
        "symbol": symbol(each),
        "lastPrice": ticks(each, last.last),
        "highPrice24h": ticks(each, last.high),
        "lowPrice24h": ticks(each, last.low),
        "prevPrice24h": ticks(each, last.open),
        "price24hPcnt": number(last.change.quantize(Decimal("0.000001"))),
        "volume24h": lots(each, last.volume),
        "turnover24h": number(each.notional_of(last.value)),
        **_side(each, "bid1", best.bids),
        **_side(each, "ask1", best.asks),
    }
    if category(each) == "spot":
        return row
    mark, due = public.mark(host, each), public.next_funding(host, each)
    price = ticks(each, mark.ticks if mark else last.last)
    return row | {
        "markPrice": price,
        "indexPrice": price,
        "openInterestValue": "0",
        "fundingRate": number(due.rate),
        "nextFundingTime": str(ms(due.at)),
    }


def _side(each: Instrument, name: str, levels: Sequence[Level]) -> dict[str, str]:
    ticks_, count = levels[0] if levels else (0, 0)
    return {f"{name}Price": ticks(each, ticks_), f"{name}Size": lots(each, count)}

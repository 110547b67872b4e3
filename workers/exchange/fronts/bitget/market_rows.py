"""Rows of what Bitget tells of a market: trades, book, candles, the last 24 hours."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.market import Candle
from domain.money import Instrument, MarketKind
from domain.simulation.depth import Level
from workers.exchange.fronts import public
from workers.exchange.fronts.bitget.rows import symbol
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host
from workers.exchange.prints import Print

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


def trade(each: Instrument, printed: Print) -> dict[str, Any]:
    """Return a trade."""
    return {
        "symbol": symbol(each),
        "tradeId": str(printed.number),
        "side": printed.side.value,
        "price": ticks(each, printed.price.ticks),
        "size": lots(each, printed.quantity.lots),
        "ts": str(ms(printed.at)),
    }


def book(each: Instrument, told: public.Book) -> dict[str, Any]:
    """Return the book, of an answer about coins or of a stream."""
    return {
        "asks": [[ticks(each, at), lots(each, count)] for at, count in told.asks],
        "bids": [[ticks(each, at), lots(each, count)] for at, count in told.bids],
        "ts": str(ms(told.at)),
        "seq": told.number,
    }


def merged(each: Instrument, told: public.Book) -> dict[str, Any]:
    """Return the book of a perpetual as it is asked for: of numbers, where a stream has text."""
    row = book(each, told)
    sides = {
        side: [[float(price), float(count)] for price, count in row[side]]
        for side in ("asks", "bids")
    }
    more = {"scale": number(each.tick_size), "precision": "scale0", "isMaxPrecision": "NO"}
    return {**sides, "ts": row["ts"], **more}


def candle(each: Instrument, bar: Candle) -> list[str]:
    """Return a candle, which never says whether it is closed."""
    prices = [ticks(each, price.ticks) for price in (bar.open, bar.high, bar.low, bar.close)]
    worth = number(each.notional_of(bar.close.ticks * bar.volume.lots))
    return [str(ms(bar.opened_at)), *prices, lots(each, bar.volume.lots), worth, worth]


def ticker(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the last 24 hours, the best prices and the mark; None before the first price."""
    last, best = public.day(host, each), public.book(host, each, 1)
    if last is None:
        return None
    traded = number(each.notional_of(last.value))
    row = {
        "symbol": symbol(each),
        "lastPr": ticks(each, last.last),
        "open": ticks(each, last.open),
        "open24h": ticks(each, last.open),
        "high24h": ticks(each, last.high),
        "low24h": ticks(each, last.low),
        **_side(each, "bid", best.bids),
        **_side(each, "ask", best.asks),
        "change24h": number(last.change.quantize(Decimal("0.00001"))),
        "baseVolume": lots(each, last.volume),
        "quoteVolume": traded,
        "usdtVolume": traded,
        "ts": str(ms(last.at)),
    }
    if each.kind is MarketKind.SPOT:
        return row
    mark, due = public.mark(host, each), public.next_funding(host, each)
    price = ticks(each, mark.ticks if mark else last.last)
    return row | {
        "instId": symbol(each),
        "markPrice": price,
        "indexPrice": price,
        "fundingRate": number(due.rate),
        "nextFundingTime": str(ms(due.at)),
    }


def _side(each: Instrument, name: str, levels: Sequence[Level]) -> dict[str, str]:
    at, count = levels[0] if levels else (0, 0)
    return {f"{name}Pr": ticks(each, at), f"{name}Sz": lots(each, count)}

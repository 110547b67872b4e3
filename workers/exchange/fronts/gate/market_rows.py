"""Rows of what Gate tells of a market: trades, book, candles, the last 24 hours."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.market import Candle
from domain.money import Instrument, MarketKind
from workers.exchange.fronts import public
from workers.exchange.fronts.gate.rows import name
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host
from workers.exchange.prints import Print

LENGTHS: Final[Mapping[str, timedelta]] = {
    "10s": timedelta(seconds=10),
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "8h": timedelta(hours=8),
    "1d": timedelta(days=1),
}


def trade(each: Instrument, printed: Print) -> dict[str, Any]:
    """Return a trade as a question is answered; contracts count what is sold below zero."""
    at, price = ms(printed.at), ticks(each, printed.price.ticks)
    if each.kind is MarketKind.PERPETUAL:
        # Seconds under both names, as the venue has them.
        both = f"{at // 1000}.{at % 1000:03d}"
        return {
            "id": str(printed.number),
            "create_time": both,
            "create_time_ms": both,
            "contract": name(each),
            "size": str(printed.side.sign * printed.quantity.lots),
            "price": price,
        }
    return {
        "id": str(printed.number),
        "create_time": str(at // 1000),
        "create_time_ms": f"{at}.000000",
        "currency_pair": name(each),
        "side": printed.side.value,
        "amount": lots(each, printed.quantity.lots),
        "price": price,
    }


def trade_told(each: Instrument, printed: Print) -> dict[str, Any]:
    """Return a trade as a stream tells it."""
    row, at = trade(each, printed), ms(printed.at)
    milliseconds = at if each.kind is MarketKind.PERPETUAL else f"{at}.4578"
    return row | {
        "id": printed.number,
        "create_time": at // 1000,
        "create_time_ms": milliseconds,
    }


def book(each: Instrument, told: public.Book) -> dict[str, Any]:
    """Return the book: objects and seconds for contracts, pairs and milliseconds for coins."""
    at = ms(told.at)
    if each.kind is MarketKind.PERPETUAL:
        asks, bids = (
            [{"p": ticks(each, price), "s": count} for price, count in side]
            for side in (told.asks, told.bids)
        )
        return {"current": at / 1000, "update": at / 1000, "asks": asks, "bids": bids}
    pairs, others = (
        [[ticks(each, price), lots(each, count)] for price, count in side]
        for side in (told.asks, told.bids)
    )
    return {"current": at, "update": at, "asks": pairs, "bids": others}


def best(each: Instrument, told: public.Book) -> dict[str, Any]:
    """Return the best bid and ask as a stream tells them."""
    perpetual, at = each.kind is MarketKind.PERPETUAL, ms(told.at)
    row: dict[str, Any] = {"t": at, "u": told.number, "s": name(each)}
    for letter, side in (("b", told.bids), ("a", told.asks)):
        price, count = side[0] if side else (0, 0)
        row |= {letter: ticks(each, price)}
        row |= {letter.upper(): count if perpetual else lots(each, count)}
    return row


def bar(each: Instrument, candle: Candle) -> dict[str, Any]:
    """Return a candle of contracts: whole seconds, and a volume in contracts."""
    return {
        "t": ms(candle.opened_at) // 1000,
        "v": candle.volume.lots,
        "o": ticks(each, candle.open.ticks),
        "h": ticks(each, candle.high.ticks),
        "l": ticks(each, candle.low.ticks),
        "c": ticks(each, candle.close.ticks),
        "sum": "0",
    }


def row(each: Instrument, candle: Candle) -> list[str]:
    """Return a candle of coins: text without names, closes first and opens last."""
    prices = [ticks(each, at.ticks) for at in (candle.close, candle.high, candle.low, candle.open)]
    at, volume = str(ms(candle.opened_at) // 1000), lots(each, candle.volume.lots)
    return [at, "0", *prices, volume, "true" if candle.closed else "false"]


def bar_told(each: Instrument, candle: Candle, word: str) -> dict[str, Any]:
    """Return a candle as a stream tells it: only coins say whether it closed."""
    told = bar(each, candle) | {"n": f"{word}_{name(each)}", "a": lots(each, candle.volume.lots)}
    del told["sum"]
    if each.kind is MarketKind.SPOT:
        told |= {"t": str(told["t"]), "v": "0", "w": candle.closed}
    return told


def ticker(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the last 24 hours and the best prices; None before the first price."""
    last, best_of = public.day(host, each), public.book(host, each, 1)
    if last is None:
        return None
    (bid, bid_lots), (ask, ask_lots) = (
        side[0] if side else (0, 0) for side in (best_of.bids, best_of.asks)
    )
    row: dict[str, Any] = {
        "last": ticks(each, last.last),
        "change_percentage": number((100 * last.change).quantize(Decimal("0.01"))),
        "high_24h": ticks(each, last.high),
        "low_24h": ticks(each, last.low),
        "highest_bid": ticks(each, bid),
        "lowest_ask": ticks(each, ask),
    }
    base, quote = lots(each, last.volume), number(each.notional_of(last.value))
    if each.kind is MarketKind.SPOT:
        sizes = {"highest_size": lots(each, bid_lots), "lowest_size": lots(each, ask_lots)}
        row |= sizes | {"currency_pair": name(each)}
        return row | {"base_volume": base, "quote_volume": quote}
    mark, due = public.mark(host, each), public.next_funding(host, each)
    price = ticks(each, mark.ticks if mark else last.last)
    return row | {
        "contract": name(each),
        "highest_size": str(bid_lots),
        "lowest_size": str(ask_lots),
        "volume_24h": str(last.volume),
        "volume_24h_base": base,
        "volume_24h_quote": quote,
        "volume_24h_settle": quote,
        "mark_price": price,
        "index_price": price,
        "funding_rate": number(due.rate),
        "funding_rate_indicative": number(due.rate),
    }

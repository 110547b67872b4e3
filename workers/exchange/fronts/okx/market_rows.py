"""Rows of what OKX tells of a market: trades, book, candles, the last 24 hours, mark."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.market import Candle
from domain.money import Instrument, MarketKind
from domain.simulation.depth import Level
from workers.exchange.fronts import public
from workers.exchange.fronts.okx.rows import (
    inst_id,
    inst_type,
    size,
)
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host
from workers.exchange.prints import Print

LENGTHS: Final[Mapping[str, timedelta]] = {
    "1m": timedelta(minutes=1),
    "3m": timedelta(minutes=3),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1H": timedelta(hours=1),
    "2H": timedelta(hours=2),
    "4H": timedelta(hours=4),
    "6Hutc": timedelta(hours=6),
    "12Hutc": timedelta(hours=12),
    "1Dutc": timedelta(days=1),
}


def trade(each: Instrument, printed: Print) -> dict[str, Any]:
    """Return a trade."""
    return {
        "instId": inst_id(each),
        "px": ticks(each, printed.price.ticks),
        "side": printed.side.value,
        "sz": size(each, printed.quantity.lots),
        "tradeId": str(printed.number),
        "ts": str(ms(printed.at)),
    }


def book(each: Instrument, told: public.Book) -> dict[str, Any]:
    """Return the book: price, quantity, a zero, and how many orders that is (one, for all know)."""
    return {
        "asks": [[ticks(each, at), size(each, count), "0", "1"] for at, count in told.asks],
        "bids": [[ticks(each, at), size(each, count), "0", "1"] for at, count in told.bids],
        "ts": str(ms(told.at)),
        "seqId": told.number,
    }


def candle(each: Instrument, bar: Candle) -> list[str]:
    """Return a bar: contracts (or base), base (or quote), quote, and whether it is confirmed."""
    prices = [ticks(each, price.ticks) for price in (bar.open, bar.high, bar.low, bar.close)]
    base, quote = lots(each, bar.volume.lots), _worth(each, [bar])
    by_base = [base, quote] if each.kind is MarketKind.PERPETUAL else [quote, quote]
    opened, confirmed = str(ms(bar.opened_at)), "1" if bar.closed else "0"
    return [opened, *prices, size(each, bar.volume.lots), *by_base, confirmed]


def day(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the last 24 hours and the best prices; None before the first price."""
    last, best = public.day(host, each), public.book(host, each, 1)
    if last is None:
        return None
    perpetual = each.kind is MarketKind.PERPETUAL
    worth = number(each.notional_of(last.value))
    return {
        **_side(each, "ask", best.asks),
        **_side(each, "bid", best.bids),
        "high24h": ticks(each, last.high),
        "instId": inst_id(each),
        "instType": inst_type(each),
        "last": ticks(each, last.last),
        "low24h": ticks(each, last.low),
        "open24h": ticks(each, last.open),
        "ts": str(ms(host.exchange.now)),
        "vol24h": size(each, last.volume),
        "volCcy24h": lots(each, last.volume) if perpetual else worth,
    }


def _side(each: Instrument, name: str, levels: Sequence[Level]) -> dict[str, str]:
    at, count = levels[0] if levels else (0, 0)
    return {f"{name}Px": ticks(each, at), f"{name}Sz": size(each, count)}


def _worth(each: Instrument, bars: Sequence[Candle]) -> str:
    return number(each.notional_of(sum(bar.close.ticks * bar.volume.lots for bar in bars)))


def mark(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the mark price; None before the first trade."""
    update, price = host.exchange.last_price(each.symbol), public.mark(host, each)
    if update is None or price is None:
        return None
    return {
        "instId": inst_id(each),
        "instType": inst_type(each),
        "markPx": ticks(each, price.ticks),
        "ts": str(ms(update.at)),
    }

"""OKX's public answers: markets, trades, candles, statistics, funding."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.market import Candle
from domain.money import Instrument, MarketKind
from workers.exchange.fronts.okx.rows import (
    contract_value,
    family,
    inst_id,
    inst_type,
    lot_size,
    size,
)
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host

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
_FUNDING_EVERY: Final = 8 * 3_600_000
#: What is told as the rate that is due next: a tape's own rate is known when it is due.
_FUNDING_RATE: Final = "0.0001"


def instrument(each: Instrument) -> dict[str, Any]:
    """Return a market of `public/instruments`."""
    perpetual = each.kind is MarketKind.PERPETUAL
    return {
        "alias": "",
        "baseCcy": "" if perpetual else each.base,
        "category": "1",
        "ctMult": "1" if perpetual else "",
        "ctType": "linear" if perpetual else "",
        "ctVal": number(contract_value(each)) if perpetual else "",
        "ctValCcy": each.base if perpetual else "",
        "expTime": "",
        "instFamily": family(each) if perpetual else "",
        "instId": inst_id(each),
        "instType": inst_type(each),
        "lever": "100" if perpetual else "10",
        "listTime": "1548133413000",
        "lotSz": number(lot_size(each)),
        "maxLmtSz": "100000000",
        "maxMktSz": "100000000",
        "minSz": size(each, each.min_quantity.lots),
        "optType": "",
        "quoteCcy": "" if perpetual else each.quote,
        "ruleType": "normal",
        "settleCcy": each.quote if perpetual else "",
        "state": "live",
        "stk": "",
        "tickSz": number(each.tick_size),
        "uly": family(each) if perpetual else "",
    }


def trades(host: Host, each: Instrument) -> list[dict[str, Any]]:
    """Return the last trade; none before the first one."""
    update = host.exchange.last_price(each.symbol)
    if update is None:
        return []
    return [
        {
            "instId": inst_id(each),
            "px": ticks(each, update.price.ticks),
            "side": "buy",
            "sz": size(each, 1),
            "tradeId": str(host.position),
            "ts": str(ms(update.at)),
        }
    ]


def candles(
    host: Host, each: Instrument, length: timedelta, limit: int, before_ms: int
) -> list[list[str]]:
    """Return bars that opened before a moment, newest first."""
    bars = host.exchange.candles(each.symbol, length, 100_000)
    some = [bar for bar in bars if not before_ms or ms(bar.opened_at) < before_ms]
    return [candle(each, bar) for bar in reversed(some[-limit:])]


def candle(each: Instrument, bar: Candle) -> list[str]:
    """Return a bar: contracts (or base), base (or quote), quote, and whether it is confirmed."""
    prices = [ticks(each, price.ticks) for price in (bar.open, bar.high, bar.low, bar.close)]
    base, quote = lots(each, bar.volume.lots), _worth(each, [bar])
    by_base = [base, quote] if each.kind is MarketKind.PERPETUAL else [quote, quote]
    opened, confirmed = str(ms(bar.opened_at)), "1" if bar.closed else "0"
    return [opened, *prices, size(each, bar.volume.lots), *by_base, confirmed]


def day(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the last 24 hours; None before the first price."""
    bars = host.exchange.candles(each.symbol, timedelta(minutes=1), 1440)
    if not bars:
        return None
    count = sum(bar.volume.lots for bar in bars)
    perpetual = each.kind is MarketKind.PERPETUAL
    last = ticks(each, bars[-1].close.ticks)
    return {
        "askPx": last,
        "bidPx": last,
        "high24h": ticks(each, max(bar.high.ticks for bar in bars)),
        "instId": inst_id(each),
        "instType": inst_type(each),
        "last": last,
        "low24h": ticks(each, min(bar.low.ticks for bar in bars)),
        "open24h": ticks(each, bars[0].open.ticks),
        "ts": str(ms(host.exchange.now)),
        "vol24h": size(each, count),
        "volCcy24h": lots(each, count) if perpetual else _worth(each, bars),
    }


def _worth(each: Instrument, bars: Sequence[Candle]) -> str:
    return number(each.notional_of(sum(bar.close.ticks * bar.volume.lots for bar in bars)))


def funding(host: Host, each: Instrument) -> dict[str, Any]:
    """Return the funding that is due next."""
    due = (ms(host.exchange.now) // _FUNDING_EVERY + 1) * _FUNDING_EVERY
    return {
        "fundingRate": _FUNDING_RATE,
        "fundingTime": str(due),
        "instId": inst_id(each),
        "instType": inst_type(each),
        "method": "current_period",
        "nextFundingRate": "",
        "nextFundingTime": str(due + _FUNDING_EVERY),
        "ts": str(ms(host.exchange.now)),
    }


def mark(host: Host, each: Instrument) -> dict[str, Any] | None:
    """Return the mark price; None before the first trade."""
    update = host.exchange.last_price(each.symbol)
    if update is None:
        return None
    return {
        "instId": inst_id(each),
        "instType": inst_type(each),
        "markPx": ticks(each, update.price.ticks),
        "ts": str(ms(update.at)),
    }

"""Gate's public answers: markets, trades, candles, tickers, funding."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from domain.market import Candle, PriceUpdate
from domain.money import EXACT, Instrument, MarketKind
from workers.exchange.fronts.gate.rows import name
from workers.exchange.fronts.rows import lots, ms, number, ticks
from workers.exchange.host import Host

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
FUNDING_EVERY: Final = 28_800
#: What is told as the rate that is due next: a tape's own rate is known when it is due.
FUNDING_RATE: Final = "0.0001"


def contract(host: Host, each: Instrument) -> dict[str, Any]:
    """Return a contract: of one lot each, so that sizes are lots."""
    update = host.exchange.last_price(each.symbol)
    last = ticks(each, update.price.ticks if update else 0)
    return {
        "name": name(each),
        "type": "direct",
        "status": "trading",
        "quanto_multiplier": number(each.lot_size),
        "order_price_round": number(each.tick_size),
        "mark_price_round": number(each.tick_size),
        "order_size_min": each.min_quantity.lots,
        "order_size_max": 1_000_000_000,
        "order_price_deviate": "0.5",
        "enable_decimal": False,
        "leverage_min": "1",
        "leverage_max": "125",
        "maker_fee_rate": number(each.maker_fee),
        "taker_fee_rate": number(each.taker_fee),
        "mark_type": "index",
        "mark_price": last,
        "index_price": last,
        "last_price": last,
        "funding_rate": FUNDING_RATE,
        "funding_interval": FUNDING_EVERY,
        "funding_next_apply": (ms(host.exchange.now) // 1000 // FUNDING_EVERY + 1) * FUNDING_EVERY,
        "in_delisting": False,
        "create_time": 0,
    }


def pair(each: Instrument) -> dict[str, Any]:
    """Return a pair. Steps are told by their decimals: one of 5 looks finer than it is."""
    return {
        "id": name(each),
        "base": each.base,
        "quote": each.quote,
        "fee": "0.2",
        "min_base_amount": number(each.base_of(each.min_quantity)),
        "min_quote_amount": number(each.min_notional),
        "amount_precision": _decimals(each.lot_size),
        "precision": _decimals(each.tick_size),
        "trade_status": "tradable",
        "sell_start": 0,
        "buy_start": 0,
        "type": "normal",
    }


def _decimals(step: Decimal) -> int:
    return max(0, -int(step.normalize(EXACT).as_tuple().exponent))


def trade(host: Host, each: Instrument, update: PriceUpdate) -> dict[str, Any]:
    """Return the last trade as a question is answered."""
    at, price = ms(update.at), ticks(each, update.price.ticks)
    if each.kind is MarketKind.PERPETUAL:
        # Seconds under both names, as the venue has them.
        both = f"{at // 1000}.{at % 1000:03d}"
        return {
            "id": str(host.position),
            "create_time": both,
            "create_time_ms": both,
            "contract": name(each),
            "size": "1",
            "price": price,
        }
    return {
        "id": str(host.position),
        "create_time": str(at // 1000),
        "create_time_ms": f"{at}.000000",
        "currency_pair": name(each),
        "side": "buy",
        "amount": number(each.lot_size),
        "price": price,
    }


def trade_told(host: Host, each: Instrument, update: PriceUpdate) -> dict[str, Any]:
    """Return the last trade as a stream tells it."""
    row, at = trade(host, each, update), ms(update.at)
    milliseconds = at if each.kind is MarketKind.PERPETUAL else f"{at}.4578"
    return row | {
        "id": host.position,
        "create_time": at // 1000,
        "create_time_ms": milliseconds,
    }


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
    """Return the last 24 hours; None before the first price."""
    bars = host.exchange.candles(each.symbol, timedelta(minutes=1), 1440)
    if not bars:
        return None
    first, last = bars[0].open.ticks, bars[-1].close.ticks
    change = EXACT.divide(Decimal(100 * (last - first)), Decimal(first))
    traded = sum(each.close.ticks * each.volume.lots for each in bars)
    quote, volume = number(each.notional_of(traded)), sum(bar.volume.lots for bar in bars)
    row: dict[str, Any] = {
        "last": ticks(each, last),
        "change_percentage": number(change.quantize(Decimal("0.01"))),
        "high_24h": ticks(each, max(bar.high.ticks for bar in bars)),
        "low_24h": ticks(each, min(bar.low.ticks for bar in bars)),
    }
    if each.kind is MarketKind.SPOT:
        base = lots(each, volume)
        return row | {"currency_pair": name(each), "base_volume": base, "quote_volume": quote}
    return row | {
        "contract": name(each),
        "volume_24h": str(volume),
        "volume_24h_base": lots(each, volume),
        "volume_24h_quote": quote,
        "volume_24h_settle": quote,
        "mark_price": row["last"],
        "index_price": row["last"],
        "funding_rate": FUNDING_RATE,
        "funding_rate_indicative": FUNDING_RATE,
    }

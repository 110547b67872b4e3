"""OKX's words: sides, states, candle lengths, orders, executions, pages."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.pages import Row, walk
from activities.venues.ccxt.quirks import bar, from_ms, status_of
from domain.market import Balance, Candle, Position
from domain.money import ZERO
from domain.orders import Fill, OrderReport, OrderStatus, RefusalReason, Side

SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
STATES: Final = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "mmp_canceled": OrderStatus.CANCELED,
}
#: From six hours on the bars without `utc` begin in Hong Kong's time.
INTERVALS: Final[Mapping[timedelta, str]] = {
    timedelta(minutes=1): "1m",
    timedelta(minutes=3): "3m",
    timedelta(minutes=5): "5m",
    timedelta(minutes=15): "15m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1H",
    timedelta(hours=2): "2H",
    timedelta(hours=4): "4H",
    timedelta(hours=6): "6Hutc",
    timedelta(hours=12): "12Hutc",
    timedelta(days=1): "1Dutc",
}
#: "The post-only order will take liquidity": why it was canceled as soon as it was accepted.
_WOULD_CROSS: Final = "31"
PAGE: Final = 100


def order_in(market: Market, row: Mapping[str, Any]) -> OrderReport:
    """Return the order of a row, which REST and stream share."""
    filled = market.quantity(row["accFillSz"] or 0, "accFillSz")
    # Somebody else's market buy may be counted in quote: of that only the executions can be told.
    by_quote = row.get("tgtCcy") == "quote_ccy"
    return OrderReport(
        client_id=row["clOrdId"],
        order_id=row["ordId"],
        symbol=market.symbol,
        side=SIDES[row["side"]],
        status=status_of(STATES, row["state"], filled),
        quantity=filled if by_quote else market.quantity(row["sz"], "sz"),
        filled=filled,
        price=market.optional_price(row["px"], "px"),
        reduce_only=str(row.get("reduceOnly", "")).lower() == "true",
        at=from_ms(row["uTime"]),
        reason=RefusalReason.WOULD_CROSS if row.get("cancelSource") == _WOULD_CROSS else None,
    )


def fill_in(market: Market, row: Mapping[str, Any]) -> Fill:
    """Return an execution of the list."""
    return _fill(market, row, row["fee"], row["feeCcy"], row.get("fillTime") or row["ts"])


def fill_of_order(market: Market, row: Mapping[str, Any]) -> Fill | None:
    """Return the last execution that an order's row of the stream tells of; None without one."""
    told = all(row.get(name) for name in ("tradeId", "fillPx", "fillFee", "execType", "fillTime"))
    if not told or decimal(row.get("fillSz") or 0, "fillSz") == 0:
        return None
    asset = row.get("fillFeeCcy") or row.get("feeCcy") or market.instrument.quote
    return _fill(market, row, row["fillFee"], asset, row["fillTime"])


def _fill(market: Market, row: Mapping[str, Any], fee: Any, asset: str, at: Any) -> Fill:
    return Fill(
        fill_id=row["tradeId"],
        client_id=row["clOrdId"],
        order_id=row["ordId"],
        symbol=market.symbol,
        side=SIDES[row["side"]],
        price=market.price(row["fillPx"], "fillPx"),
        quantity=market.quantity(row["fillSz"], "fillSz"),
        fee=charged(fee, "fee"),
        fee_asset=asset,
        maker=row["execType"] == "M",
        at=from_ms(at),
    )


def charged(fee: Any, field: str) -> Decimal:
    """Return a fee, or its rate, as what is paid: OKX writes what the account gains."""
    number = decimal(fee or 0, field)
    return number.copy_negate() if number else ZERO


def position_in(market: Market, row: Mapping[str, Any]) -> Position:
    """Return a position; flat if its size is empty."""
    lots = market.lots(row["pos"] or 0, "pos")
    if row.get("posSide") == "short":  # in hedge mode sizes have no sign
        lots = -abs(lots)
    return Position(
        market.symbol,
        lots,
        market.cost(lots, row["avgPx"] or 0, "avgPx"),
        ZERO,
        market.near(row.get("markPx"), "markPx"),
        market.near(row.get("liqPx"), "liqPx"),
    )


def balance_in(row: Mapping[str, Any]) -> Balance:
    """Return an asset; what is frozen is held by orders, and as margin where margin is cross."""
    return Balance(
        row["ccy"],
        decimal(row["cashBal"] or 0, "cashBal"),
        decimal(row.get("frozenBal") or 0, "frozenBal"),
    )


async def pages(
    ask: Callable[[Mapping[str, Any]], Awaitable[Any]], params: Mapping[str, Any], cursor: str
) -> list[Row]:
    """Return all rows: newest first, and behind a full page come those before its last one."""

    async def page(named: Mapping[str, Any]) -> Sequence[Row]:
        rows: Sequence[Row] = await ask({**params, "limit": str(PAGE), **named})
        return rows

    return await walk(page, PAGE, lambda rows: {"after": rows[-1][cursor]})


def older_than(since: datetime, now: datetime, span: timedelta) -> bool:
    """Return whether a moment lies before what an endpoint of the last *span* surely covers."""
    return now - since > span - timedelta(hours=1)


def candle_in(market: Market, row: Sequence[Any]) -> Candle:
    """Return a bar; its volume is in contracts, or in base on spot."""
    return bar(market, row, closed=row[8] == "1")

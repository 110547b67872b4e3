"""OKX's words: codes, sides, states, candle lengths, orders, executions, pages."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.meanings import Meaning
from activities.venues.ccxt.quirks import from_ms, status_of
from domain.market import Balance, Position
from domain.money import ZERO
from domain.orders import Fill, OrderReport, OrderStatus, RefusalReason, Side

CODES: Final[Mapping[str, Meaning]] = {
    # Some orders that met one of these had been placed.
    "50004": Meaning.UNKNOWN,
    "51149": Meaning.UNKNOWN,
    "50001": Meaning.UNAVAILABLE,
    "50005": Meaning.UNAVAILABLE,
    "50013": Meaning.UNAVAILABLE,
    "50026": Meaning.UNAVAILABLE,
    "60016": Meaning.UNAVAILABLE,
    "63999": Meaning.UNAVAILABLE,
    "64008": Meaning.UNAVAILABLE,
    "50011": Meaning.RATE_LIMITED,
    "50061": Meaning.RATE_LIMITED,
    "60014": Meaning.RATE_LIMITED,
    "60023": Meaning.RATE_LIMITED,
    "50007": Meaning.AUTHENTICATION,
    "50008": Meaning.AUTHENTICATION,
    "50030": Meaning.AUTHENTICATION,
    "50100": Meaning.AUTHENTICATION,
    "50101": Meaning.AUTHENTICATION,
    "50103": Meaning.AUTHENTICATION,
    "50104": Meaning.AUTHENTICATION,
    "50105": Meaning.AUTHENTICATION,
    "50106": Meaning.AUTHENTICATION,
    "50107": Meaning.AUTHENTICATION,
    "50110": Meaning.AUTHENTICATION,
    "50111": Meaning.AUTHENTICATION,
    "50112": Meaning.AUTHENTICATION,
    "50113": Meaning.AUTHENTICATION,
    "50114": Meaning.AUTHENTICATION,
    "50119": Meaning.AUTHENTICATION,
    "50120": Meaning.AUTHENTICATION,
    "60001": Meaning.AUTHENTICATION,
    "60002": Meaning.AUTHENTICATION,
    "60003": Meaning.AUTHENTICATION,
    "60004": Meaning.AUTHENTICATION,
    "60005": Meaning.AUTHENTICATION,
    "60007": Meaning.AUTHENTICATION,
    "60009": Meaning.AUTHENTICATION,
    "60011": Meaning.AUTHENTICATION,
    "60024": Meaning.AUTHENTICATION,
    "60032": Meaning.AUTHENTICATION,
    "50102": Meaning.CLOCK,
    "60006": Meaning.CLOCK,
    "50000": Meaning.INVALID,
    "50002": Meaning.INVALID,
    "50006": Meaning.INVALID,
    "50014": Meaning.INVALID,
    "50015": Meaning.INVALID,
    "50016": Meaning.INVALID,
    "50024": Meaning.INVALID,
    "51000": Meaning.INVALID,
    "51003": Meaning.INVALID,
    "51004": Meaning.INVALID,
    "51005": Meaning.INVALID,
    "51006": Meaning.INVALID,
    "51007": Meaning.INVALID,
    "51020": Meaning.INVALID,
    "51100": Meaning.INVALID,
    "51116": Meaning.INVALID,
    "51118": Meaning.INVALID,
    "51120": Meaning.INVALID,
    "51121": Meaning.INVALID,
    "51122": Meaning.INVALID,
    "51136": Meaning.INVALID,
    "51137": Meaning.INVALID,
    "51138": Meaning.INVALID,
    "60012": Meaning.INVALID,
    "60013": Meaning.INVALID,
    "60018": Meaning.INVALID,
    "51001": Meaning.UNKNOWN_SYMBOL,
    "51015": Meaning.UNKNOWN_SYMBOL,
    "51008": Meaning.INSUFFICIENT_FUNDS,
    "51119": Meaning.INSUFFICIENT_FUNDS,
    "51127": Meaning.INSUFFICIENT_FUNDS,
    "51131": Meaning.INSUFFICIENT_FUNDS,
    "51023": Meaning.REDUCE_ONLY,
    "51112": Meaning.REDUCE_ONLY,
    "51169": Meaning.REDUCE_ONLY,
    "51170": Meaning.REDUCE_ONLY,
    "51205": Meaning.REDUCE_ONLY,
    "51011": Meaning.DUPLICATE,
    "51016": Meaning.DUPLICATE,
    # Of a cancel: unknown, canceled, filled, none pending, being canceled. A look-up tells.
    "51400": Meaning.NOT_FOUND,
    "51401": Meaning.NOT_FOUND,
    "51402": Meaning.NOT_FOUND,
    "51405": Meaning.NOT_FOUND,
    "51410": Meaning.NOT_FOUND,
    "51603": Meaning.NOT_FOUND,
}
#: What its desk says of orders and settings begins so; such a code is a no, listed above or not.
DEFINITE: Final = ("51", "54", "59")
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
) -> list[Mapping[str, Any]]:
    """Return all rows: newest first, and behind a full page come those before its last one."""
    page = list(await ask({**params, "limit": str(PAGE)}))
    rows = page
    while len(page) == PAGE:
        after = page[-1][cursor]
        page = list(await ask({**params, "limit": str(PAGE), "after": after}))
        rows = [*rows, *page]
    return rows


def older_than(since: datetime, now: datetime, span: timedelta) -> bool:
    """Return whether a moment lies before what an endpoint of the last *span* surely covers."""
    return now - since > span - timedelta(hours=1)

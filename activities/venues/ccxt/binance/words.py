"""Binance's words: sides, statuses, candle lengths, orders, pages."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.pages import Row, walk
from activities.venues.ccxt.quirks import from_ms, status_of
from domain.orders import OrderReport, OrderStatus, RefusalReason, Side

SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
STATUSES: Final = {
    "NEW": OrderStatus.OPEN,
    "PENDING_NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "PENDING_CANCEL": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}
INTERVALS: Final[Mapping[timedelta, str]] = {
    timedelta(minutes=1): "1m",
    timedelta(minutes=3): "3m",
    timedelta(minutes=5): "5m",
    timedelta(minutes=15): "15m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1h",
    timedelta(hours=2): "2h",
    timedelta(hours=4): "4h",
    timedelta(hours=6): "6h",
    timedelta(hours=8): "8h",
    timedelta(hours=12): "12h",
    timedelta(days=1): "1d",
}


def order_in(market: Market, row: Mapping[str, Any]) -> OrderReport:
    """Return the order of a REST answer.

    The answer to a spot cancel carries our id as `origClientOrderId`, beside the cancel's own.
    """
    filled = market.quantity(row["executedQty"], "executedQty")
    status = status_of(STATUSES, row["status"], filled)
    return OrderReport(
        client_id=row.get("origClientOrderId") or row["clientOrderId"],
        order_id=str(row["orderId"]),
        symbol=market.symbol,
        side=SIDES[row["side"]],
        status=status,
        quantity=market.quantity(row["origQty"], "origQty"),
        filled=filled,
        price=market.optional_price(row["price"], "price"),
        reduce_only=bool(row.get("reduceOnly", False)),
        at=from_ms(row.get("updateTime") or row["transactTime"]),
        reason=reason_of(status, row.get("timeInForce")),
    )


def reason_of(status: OrderStatus, time_in_force: Any) -> RefusalReason | None:
    """Return why an order ended: a GTX order expires only because it would have crossed."""
    if status is OrderStatus.EXPIRED and time_in_force == "GTX":
        return RefusalReason.WOULD_CROSS
    return None


async def page_on(
    ask: Callable[[Mapping[str, Any]], Awaitable[Any]],
    params: Mapping[str, Any],
    cursor: str,
    size: int,
) -> list[Row]:
    """Return all rows: a full page is followed by one that begins behind its last id.

    With the cursor no times may be given, so rows behind the span come too: they do no harm.
    """
    key = "orderId" if cursor == "orderId" else "id"

    async def page(named: Mapping[str, Any]) -> Sequence[Row]:
        rows: Sequence[Row] = await ask(named or params)
        return rows

    def behind(rows: Sequence[Row]) -> Mapping[str, Any]:
        return {"symbol": params["symbol"], "limit": size, cursor: int(rows[-1][key]) + 1}

    return await walk(page, size, behind)

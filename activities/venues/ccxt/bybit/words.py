"""Bybit's words: sides, statuses, candle lengths, orders, executions."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.quirks import from_ms, status_of
from domain.errors import VenueError
from domain.market import Balance, Position
from domain.money import ZERO, MarketKind, Quantity, add
from domain.orders import Fill, OrderReport, OrderStatus, RefusalReason, Side

SIDES: Final = {"Buy": Side.BUY, "Sell": Side.SELL}
SIDE_WORDS: Final = {side: word for word, side in SIDES.items()}
STATUSES: Final = {
    "Created": OrderStatus.OPEN,
    "New": OrderStatus.OPEN,
    "Untriggered": OrderStatus.OPEN,  # a person's stop order, which waits
    "Triggered": OrderStatus.OPEN,
    "PartiallyFilled": OrderStatus.PARTIALLY_FILLED,
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELED,
    "PartiallyFilledCanceled": OrderStatus.CANCELED,
    "Deactivated": OrderStatus.CANCELED,
    "Rejected": OrderStatus.REJECTED,
}
#: Executions that change what is held; the others are funding and settlements.
TRADES: Final = frozenset({"Trade", "AdlTrade", "BustTrade", "BlockTrade"})
_WOULD_CROSS: Final = "EC_PostOnlyWillTakeLiquidity"
INTERVALS: Final[Mapping[timedelta, str]] = {
    timedelta(minutes=1): "1",
    timedelta(minutes=3): "3",
    timedelta(minutes=5): "5",
    timedelta(minutes=15): "15",
    timedelta(minutes=30): "30",
    timedelta(hours=1): "60",
    timedelta(hours=2): "120",
    timedelta(hours=4): "240",
    timedelta(hours=6): "360",
    timedelta(hours=12): "720",
    timedelta(days=1): "D",
}


def order_in(market: Market, row: Mapping[str, Any]) -> OrderReport:
    """Return an order, of a REST answer or of the stream: their fields are the same."""
    filled = market.quantity(row["cumExecQty"] or 0, "cumExecQty")
    # The price of a market order is the worst one that Bybit's protection lets it have.
    limit = row["price"] if row["orderType"] == "Limit" else None
    crossed = row.get("rejectReason") == _WOULD_CROSS
    return OrderReport(
        client_id=row["orderLinkId"],
        order_id=row["orderId"],
        symbol=market.symbol,
        side=SIDES[row["side"]],
        status=status_of(STATUSES, row["orderStatus"], filled),
        quantity=market.quantity(row["qty"], "qty"),
        filled=filled,
        price=market.optional_price(limit, "price"),
        reduce_only=bool(row.get("reduceOnly", False)),
        at=from_ms(row["updatedTime"]),
        reason=RefusalReason.WOULD_CROSS if crossed else None,
    )


def fill_in(market: Market, row: Mapping[str, Any]) -> Fill:
    """Return an execution, of a REST answer or of the stream."""
    return Fill(
        fill_id=row["execId"],
        client_id=row["orderLinkId"],
        order_id=row["orderId"],
        symbol=market.symbol,
        side=SIDES[row["side"]],
        price=market.price(row["execPrice"], "execPrice"),
        quantity=market.quantity(row["execQty"], "execQty"),
        fee=decimal(row["execFee"] or 0, "execFee"),
        fee_asset=row.get("feeCurrency") or _fee_asset(market, row),
        maker=bool(row["isMaker"]),
        at=from_ms(row["execTime"]),
    )


def filled_in(market: Market, row: Mapping[str, Any], *, reduce_only: bool) -> OrderReport:
    """Return the order as an execution of the stream tells of it, with that execution."""
    fill = fill_in(market, row)
    quantity = market.quantity(row["orderQty"], "orderQty")
    leaves = market.quantity(row["leavesQty"], "leavesQty")
    limit = row["orderPrice"] if row["orderType"] == "Limit" else None
    return OrderReport(
        client_id=fill.client_id,
        order_id=fill.order_id,
        symbol=market.symbol,
        side=fill.side,
        status=OrderStatus.PARTIALLY_FILLED if leaves else OrderStatus.FILLED,
        quantity=quantity,
        filled=Quantity(quantity.lots - leaves.lots),
        price=market.optional_price(limit, "orderPrice"),
        reduce_only=reduce_only,
        at=fill.at,
        fill=fill,
    )


def balance_in(row: Mapping[str, Any]) -> Balance:
    """Return a coin of the wallet; spot orders, orders and positions each lock a part of it."""
    names = ("locked", "totalOrderIM", "totalPositionIM")  # empty where the margin mode has none
    locked = add(*(_optional(row, name) for name in names))
    return Balance(row["coin"], decimal(row["walletBalance"] or 0, "walletBalance"), locked)


def position_in(market: Market, row: Mapping[str, Any], entry: str) -> Position:
    """Return a position; *entry* names the field of its average price: stream and REST differ."""
    lots = market.lots(row["size"] or 0, "size") * (-1 if row["side"] == "Sell" else 1)
    return Position(
        market.symbol,
        lots,
        market.cost(lots, row[entry] or 0, entry),
        ZERO,
        market.near(row["markPrice"], "markPrice"),
        market.near(row["liqPrice"], "liqPrice"),
    )


def _optional(row: Mapping[str, Any], name: str) -> Decimal:
    return decimal(row.get(name) or 0, name)


def _fee_asset(market: Market, row: Mapping[str, Any]) -> str:
    """Return what a fee was paid in: of spot what was bought, and of a rebate what was sold."""
    instrument = market.instrument
    if instrument.kind is MarketKind.PERPETUAL:
        return instrument.quote
    charged = decimal(row["execFee"] or 0, "execFee") >= 0
    return instrument.base if (row["side"] == "Buy") is charged else instrument.quote


def rows_of(told: Mapping[str, Any], part: str) -> Sequence[Any]:
    """Return the list in a part of an answer; one that is not there is no empty one."""
    rows = (told.get(part) or {}).get("list")
    if not isinstance(rows, list):
        raise VenueError(f"bybit: an unreadable answer came: {part} has no list")
    return rows

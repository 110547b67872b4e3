"""Gate's words: candle lengths, seconds, and the rows of its two kinds of order."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.quirks import from_ms
from domain.errors import VenueError
from domain.money import EXACT, Quantity
from domain.orders import Fill, OrderReport, OrderStatus, RefusalReason, Side

#: What client ids must begin with; the venue keeps it in all its answers.
PREFIX: Final = "t-"
#: Without it sizes of contracts that trade in parts come rounded, in answers and in streams.
EXACT_SIZES: Final[Mapping[str, str]] = {"X-Gate-Size-Decimal": "1"}

INTERVALS: Final[Mapping[timedelta, str]] = {
    timedelta(seconds=10): "10s",
    timedelta(minutes=1): "1m",
    timedelta(minutes=5): "5m",
    timedelta(minutes=15): "15m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1h",
    timedelta(hours=4): "4h",
    timedelta(hours=8): "8h",
    timedelta(days=1): "1d",
}
#: Where an order's last change is told, the best first.
_TIMES: Final = (
    "update_time_ms",
    "update_time",
    "finish_time_ms",
    "finish_time",
    "create_time_ms",
    "create_time",
)
_NO_SECONDS: Final = 10**11
_SPOT: Final = {
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.FILLED,
    "cancelled": OrderStatus.CANCELED,
}
#: Why an order ended, where that is not simply a cancel; all other words are one.
_ENDS: Final = {
    "filled": OrderStatus.FILLED,
    "ioc": OrderStatus.EXPIRED,
    "fok": OrderStatus.EXPIRED,
}


def id_in(text: Any) -> str:
    """Return a client id without its prefix; the marks of orders by hand (`web`) stay."""
    return str(text or "").removeprefix(PREFIX)


def moment(value: Any) -> datetime:
    """Return the time of a count of seconds or of milliseconds, text or number.

    Some fields are either, whatever they are called (`create_time_ms` of a trade, `update_time`
    of a stream): so much later than now as seconds would be, they can only be milliseconds.
    """
    count = decimal(value, "a time")
    return from_ms(count if count > _NO_SECONDS else EXACT.multiply(count, Decimal(1000)))


def future_in(market: Market, row: Mapping[str, Any]) -> OrderReport:
    """Return an order of contracts: `size` is signed, `left` what is not filled of it."""
    size, left = market.lots(row["size"], "size"), market.lots(row["left"], "left")
    filled = Quantity(abs(size - left))
    finished = row["status"] == "finished"
    status = _ended(row.get("finish_as")) if finished else OrderStatus.OPEN
    if status is OrderStatus.OPEN and filled:
        status = OrderStatus.PARTIALLY_FILLED
    return OrderReport(
        client_id=id_in(row["text"]),
        order_id=str(row["id"]),
        symbol=market.symbol,
        side=Side.BUY if size > 0 else Side.SELL,
        status=status,
        quantity=Quantity(abs(size)),
        filled=filled,
        price=market.optional_price(row["price"], "price"),
        reduce_only=bool(row.get("is_reduce_only", False)),
        at=_changed_at(row),
        reason=_reason(row),
    )


def spot_in(market: Market, row: Mapping[str, Any]) -> OrderReport:
    """Return an order of coins, of an answer (which has a status) or a stream (an event)."""
    filled = market.quantity(_filled(row), "amount")
    by_quote = row["type"] == "market" and row["side"] == "buy"
    status = _spot_status(row)
    if status is OrderStatus.OPEN and filled:
        status = OrderStatus.PARTIALLY_FILLED
    return OrderReport(
        client_id=id_in(row["text"]),
        order_id=str(row["id"]),
        symbol=market.symbol,
        side=Side(row["side"]),
        status=status,
        quantity=filled if by_quote else market.quantity(row["amount"], "amount"),
        filled=filled,
        price=None if row["type"] == "market" else market.optional_price(row["price"], "price"),
        at=_changed_at(row),
        reason=_reason(row),
    )


def _filled(row: Mapping[str, Any]) -> Any:
    """Return what was filled in base. A market buy, which we never send, counts in quote."""
    if row.get("filled_amount") not in (None, ""):
        return row["filled_amount"]
    return EXACT.subtract(decimal(row["amount"], "amount"), decimal(row["left"], "left"))


def _spot_status(row: Mapping[str, Any]) -> OrderStatus:
    if "event" in row:
        if row["event"] != "finish":
            return OrderStatus.OPEN
        word = row.get("finish_as")
        # Before there was a reason, nothing being left told a fill from a cancel.
        return _ended(word or ("filled" if decimal(row["left"], "left") == 0 else "cancelled"))
    try:
        status = _SPOT[row["status"]]
    except KeyError:
        raise VenueError(
            f"an order's status must be one of {', '.join(_SPOT)}, was {row.get('status')!r}"
        ) from None
    ended = _ended(row.get("finish_as"))
    return ended if status is OrderStatus.CANCELED else status


def _ended(word: Any) -> OrderStatus:
    return _ENDS.get(str(word), OrderStatus.CANCELED)


def _reason(row: Mapping[str, Any]) -> RefusalReason | None:
    return RefusalReason.WOULD_CROSS if row.get("finish_as") == "poc" else None


def future_fill(market: Market, row: Mapping[str, Any]) -> Fill:
    """Return an execution of contracts; each list has its own name for the id."""
    size = market.lots(row["size"], "size")
    fee, asset = _fee(row, market.instrument.quote)
    return Fill(
        fill_id=str(row.get("trade_id") or row["id"]),
        client_id=_own(row),
        order_id=str(row["order_id"]),
        symbol=market.symbol,
        side=Side.BUY if size > 0 else Side.SELL,
        price=market.price(row["price"], "price"),
        quantity=market.quantity(row["size"], "size"),
        fee=fee,
        fee_asset=asset,
        maker=row["role"] == "maker",
        at=moment(row.get("create_time_ms") or row["create_time"]),
    )


def spot_fill(market: Market, row: Mapping[str, Any]) -> Fill:
    """Return an execution of coins: its fee is in what was bought, unless GT or points pay it."""
    bought = market.instrument.base if row["side"] == "buy" else market.instrument.quote
    fee, asset = _fee(row, row.get("fee_currency") or bought)
    return Fill(
        fill_id=str(row["id"]),
        client_id=_own(row),
        order_id=str(row["order_id"]),
        symbol=market.symbol,
        side=Side(row["side"]),
        price=market.price(row["price"], "price"),
        quantity=market.quantity(row["amount"], "amount"),
        fee=fee,
        fee_asset=asset,
        maker=row["role"] == "maker",
        at=moment(row["create_time_ms"]),
    )


def _changed_at(row: Mapping[str, Any]) -> datetime:
    """Return when an order changed last; one that works has a zero for its end."""
    for name in _TIMES:
        if row.get(name) and decimal(row[name], name):
            return moment(row[name])
    raise VenueError(f"an order must have one of {', '.join(_TIMES)}, was {row}")


def _own(row: Mapping[str, Any]) -> str:
    """Return the client id of an execution; "" where only the order knows it."""
    text = str(row.get("text") or "")
    return id_in(text) if text.startswith(PREFIX) else ""


def _fee(row: Mapping[str, Any], asset: str) -> tuple[Decimal, str]:
    """Return what was charged and in what: one of three fields has it."""
    for name, paid_in in (("fee", asset), ("gt_fee", "GT"), ("point_fee", "POINT")):
        fee = decimal(row.get(name) or 0, name)
        if fee:
            return fee, paid_in
    return Decimal(0), asset

"""Bitget's words: sides, statuses, candle lengths, orders and fills of REST and stream."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from activities.venues.ccxt.markets import Market, decimal
from activities.venues.ccxt.quirks import from_ms, status_of
from domain.money import NOTHING, ZERO, Quantity
from domain.orders import Fill, OrderReport, OrderStatus, RefusalReason, Side

PRODUCT: Final = "USDT-FUTURES"
SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
STATUSES: Final = {
    "init": OrderStatus.OPEN,
    "new": OrderStatus.OPEN,
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,  # perpetuals
    "cancelled": OrderStatus.CANCELED,  # spot
}
#: As perpetuals and all streams call them; the longer ones begin at UTC only under these names.
INTERVALS: Final[Mapping[timedelta, str]] = {
    timedelta(minutes=1): "1m",
    timedelta(minutes=3): "3m",
    timedelta(minutes=5): "5m",
    timedelta(minutes=15): "15m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1H",
    timedelta(hours=4): "4H",
    timedelta(hours=6): "6Hutc",
    timedelta(hours=12): "12Hutc",
    timedelta(days=1): "1Dutc",
}
#: Where the REST side of spot has other names.
SPOT_INTERVALS: Final[Mapping[str, str]] = {
    "1m": "1min",
    "3m": "3min",
    "5m": "5min",
    "15m": "15min",
    "30m": "30min",
    "1H": "1h",
    "4H": "4h",
}
#: A post-only order that would cross is canceled by the matching engine, so this soon.
_AT_ONCE: Final = timedelta(seconds=1)
_REMEMBERED: Final = 10_000


class Remembered:
    """The last of what this process asked for, where the venue's rows do not tell it."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, client_id: str) -> None:
        """Remember an id and forget the oldest."""
        self._ids[client_id] = None
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._ids


class Words:
    """Reads orders of one kind of market.

    The venue says of a canceled post-only order neither that it would have crossed nor, in spot's
    list, that it was post-only. So it counts as one that would have crossed if it was post-only,
    ended unfilled at once, and was not canceled from here. After a restart spot's look-ups tell no
    reason; the stream does.
    """

    def __init__(self, *, perpetual: bool) -> None:
        self._perpetual = perpetual
        self.post_only = Remembered()
        self.canceled = Remembered()
        #: Spot's market buys, which are sent with a limit that is no more than a bound.
        self.bounded = Remembered()

    def order(self, market: Market, row: Mapping[str, Any]) -> OrderReport:
        """Return the order of a REST row."""
        filled = market.quantity(row.get("baseVolume") or 0, "baseVolume")
        # Details of perpetuals call it state; spot's open orders call the price an average.
        word = row.get("state") or row.get("status")
        price = row["price"] if "price" in row else row.get("priceAvg")
        return self._report(market, row, word, price, row["size"], filled, None)

    def told(self, market: Market, row: Mapping[str, Any]) -> OrderReport:
        """Return the order of a stream's row, with the execution that caused it."""
        filled = market.quantity(row.get("accBaseVolume") or 0, "accBaseVolume")
        # In spot's stream size is the order's worth.
        size = row["size"] if self._perpetual else row["newSize"]
        fill = _told_fill(market, row)
        return self._report(market, row, row["status"], row.get("price"), size, filled, fill)

    def _report(  # noqa: PLR0917 - what the two kinds of rows differ in
        self,
        market: Market,
        row: Mapping[str, Any],
        word: Any,
        price: Any,
        size: Any,
        filled: Quantity,
        fill: Fill | None,
    ) -> OrderReport:
        status = status_of(STATUSES, word, filled)
        client_id = row.get("clientOid") or ""
        at_market = row.get("orderType") == "market"
        # The size of a market buy on spot is what it may cost.
        by_cost = at_market and not self._perpetual and row["side"] == "buy"
        unlimited = at_market or client_id in self.bounded
        return OrderReport(
            client_id=client_id,
            order_id=str(row["orderId"]),
            symbol=market.symbol,
            side=SIDES[row["side"]],
            status=status,
            quantity=filled if by_cost else market.quantity(size, "size"),
            filled=filled,
            price=None if unlimited else market.optional_price(price, "price"),
            reduce_only=str(row.get("reduceOnly", "")).lower() == "yes",
            at=from_ms(row.get("uTime") or row["cTime"]),
            reason=self._reason(row, client_id, status, filled),
            fill=fill,
        )

    def _reason(
        self, row: Mapping[str, Any], client_id: str, status: OrderStatus, filled: Quantity
    ) -> RefusalReason | None:
        if status is not OrderStatus.CANCELED or filled != NOTHING or client_id in self.canceled:
            return None
        post_only = row.get("force") == "post_only" or client_id in self.post_only
        if not post_only or row.get("cancelReason") == "stp_cancel":
            return None
        lived = from_ms(row.get("uTime") or row["cTime"]) - from_ms(row["cTime"])
        return RefusalReason.WOULD_CROSS if lived <= _AT_ONCE else None

    def fill(self, market: Market, row: Mapping[str, Any]) -> Fill:
        """Return the execution of a REST row; whose order it was is not in it."""
        price, size = ("price", "baseVolume") if self._perpetual else ("priceAvg", "size")
        details = row["feeDetail"]
        detail = details[0] if isinstance(details, list) else details
        # Paid in the venue's own coin, the fee stands elsewhere. What is charged is negative.
        paid = "totalDeductionFee" if detail.get("deduction") == "yes" else "totalFee"
        return Fill(
            fill_id=str(row["tradeId"]),
            client_id="",
            order_id=str(row["orderId"]),
            symbol=market.symbol,
            side=SIDES[row["side"]],
            price=market.price(row[price], price),
            quantity=market.quantity(row[size], size),
            fee=ZERO - decimal(detail.get(paid) or 0, paid),
            fee_asset=detail["feeCoin"],
            maker=row["tradeScope"] == "maker",
            at=from_ms(row["cTime"]),
        )


def _told_fill(market: Market, row: Mapping[str, Any]) -> Fill | None:
    """Return the newest execution; a row of another status repeats an old one."""
    if row["status"] not in ("partially_filled", "filled") or not row.get("tradeId"):
        return None
    return Fill(
        fill_id=str(row["tradeId"]),
        client_id=row.get("clientOid") or "",
        order_id=str(row["orderId"]),
        symbol=market.symbol,
        side=SIDES[row["side"]],
        price=market.price(row["fillPrice"], "fillPrice"),
        quantity=market.quantity(row["baseVolume"], "baseVolume"),
        fee=ZERO - decimal(row.get("fillFee") or 0, "fillFee"),
        fee_asset=row.get("fillFeeCoin") or market.instrument.quote,
        maker=str(row["tradeScope"]).upper().startswith("M"),
        at=from_ms(row["fillTime"]),
    )

"""Rows of Bybit's answers and messages; orders and executions are alike in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from domain.market import FundingPayment, Position
from domain.money import EXACT, ZERO, Instrument, MarketKind, add
from domain.orders import Fill, OrderReport, OrderStatus, RefusalReason, Side
from workers.exchange.fronts.margin import Margin
from workers.exchange.fronts.rows import average, lots, ms, number, number_of, price, ticks

CATEGORIES: Final = {"linear": MarketKind.PERPETUAL, "spot": MarketKind.SPOT}
_NAMES: Final = {kind: name for name, kind in CATEGORIES.items()}
_STATUSES: Final = {
    OrderStatus.OPEN: "New",
    OrderStatus.PARTIALLY_FILLED: "PartiallyFilled",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELED: "Cancelled",
    OrderStatus.EXPIRED: "Cancelled",
    OrderStatus.REJECTED: "Rejected",
}
#: Ids of perpetuals look like this, those of spot are numbers.
_UUID: Final = "00000000-0000-4000-8000-{:012d}"


@dataclass(frozen=True, slots=True)
class Word:
    """What the client called an order: type and time in force."""

    type: str
    in_force: str


def word_of(report: OrderReport) -> Word:
    """Return what an order was probably called, after a restart."""
    return Word("Limit", "GTC") if report.price else Word("Market", "IOC")


def symbol(instrument: Instrument) -> str:
    """Return what Bybit calls an instrument: the same on both sides."""
    return f"{instrument.base}{instrument.quote}"


def category(instrument: Instrument) -> str:
    """Return what Bybit calls its kind."""
    return _NAMES[instrument.kind]


def id_of(instrument: Instrument, inner_id: str) -> str:
    """Return the id of an order or execution."""
    count = number_of(inner_id)
    return _UUID.format(count) if instrument.kind is MarketKind.PERPETUAL else str(count)


def inner_order_id(order_id: str) -> str:
    """Return the host's id of an order."""
    digits = order_id.rpartition("-")[2]
    return f"O{int(digits)}" if digits.isdecimal() else ""


def order(instrument: Instrument, report: OrderReport, word: Word, created: int) -> dict[str, Any]:
    """Return an order."""
    spot = instrument.kind is MarketKind.SPOT
    status = _STATUSES[report.status]
    if spot and status == "Cancelled" and report.filled:
        status = "PartiallyFilledCanceled"
    mean = number(average(instrument, report.value, report.filled.lots))
    crossed = report.reason is RefusalReason.WOULD_CROSS
    row = {
        "category": category(instrument),
        "symbol": symbol(instrument),
        "orderId": id_of(instrument, report.order_id),
        "orderLinkId": report.client_id,
        "side": report.side.capitalize(),
        "orderType": word.type,
        # Of a market order: what protection left of "any price". It need not lie on a tick.
        "price": price(instrument, report) if word.type == "Limit" else mean,
        "qty": lots(instrument, report.quantity.lots),
        "timeInForce": word.in_force,
        "orderStatus": status,
        "cancelType": "CancelByUser" if status == "Cancelled" and not crossed else "UNKNOWN",
        "rejectReason": "EC_PostOnlyWillTakeLiquidity" if crossed else "EC_NoError",
        "avgPrice": mean if report.filled else "",
        "leavesQty": lots(instrument, report.leaves.lots),
        "cumExecQty": lots(instrument, report.filled.lots),
        "cumExecValue": number(instrument.notional_of(report.value)),
        "cumExecFee": number(add(*report.fees.values())) if report.fees else "0",
        "reduceOnly": report.reduce_only,
        "positionIdx": 0,
        "isLeverage": "0",
        "stopOrderType": "",
        "triggerPrice": "",
        "createdTime": str(created),
        "updatedTime": "0" if report.at is None else str(ms(report.at)),
    }
    return row if spot else row | {"tpslMode": "UNKNOWN"}


def execution(
    instrument: Instrument, fill: Fill, report: OrderReport, word: Word
) -> dict[str, Any]:
    """Return an execution; *report* is its order, as it stood right after it."""
    spot = instrument.kind is MarketKind.SPOT
    return {
        "category": category(instrument),
        "symbol": symbol(instrument),
        "orderId": id_of(instrument, fill.order_id),
        "orderLinkId": fill.client_id,
        "side": fill.side.capitalize(),
        "orderType": word.type,
        "orderPrice": price(instrument, report),
        "orderQty": lots(instrument, report.quantity.lots),
        "leavesQty": lots(instrument, report.quantity.lots - report.filled.lots),
        "execId": _random(id_of(instrument, fill.fill_id)),
        "execType": "Trade",
        "execPrice": ticks(instrument, fill.price.ticks),
        "execQty": lots(instrument, fill.quantity.lots),
        "execValue": number(instrument.notional(fill.price, fill.quantity)),
        "execFee": number(fill.fee),
        "feeCurrency": fill.fee_asset if spot else "",
        "feeRate": number(instrument.maker_fee if fill.maker else instrument.taker_fee),
        "isMaker": fill.maker,
        "isLeverage": "0",
        "stopOrderType": "",
        "closedSize": "",
        "seq": number_of(fill.fill_id),
        "execTime": str(ms(fill.at)),
    }


def funding_execution(instrument: Instrument, payment: FundingPayment) -> dict[str, Any]:
    """Return a funding payment as the list of executions has it: the fee is positive if paid."""
    return {
        "symbol": symbol(instrument),
        "orderId": id_of(instrument, payment.payment_id),
        "orderLinkId": "",
        "side": "Sell" if payment.amount < 0 else "Buy",
        "orderType": "UNKNOWN",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "execId": id_of(instrument, payment.payment_id),
        "execType": "Funding",
        "execPrice": number(instrument.tick_size),
        "execQty": number(instrument.lot_size),
        "execValue": "0",
        "execFee": number(EXACT.minus(payment.amount)),
        "feeCurrency": "",
        "feeRate": "0.0001",
        "isMaker": False,
        "seq": number_of(payment.payment_id),
        "execTime": str(ms(payment.at)),
    }


def settlement(instrument: Instrument, payment: FundingPayment) -> dict[str, Any]:
    """Return a funding payment as the account's log has it: positive if received."""
    return {
        "id": f"{number_of(payment.payment_id)}_{symbol(instrument)}_1",
        "symbol": symbol(instrument),
        "category": category(instrument),
        "side": "None",
        "transactionTime": str(ms(payment.at)),
        "type": "SETTLEMENT",
        "currency": instrument.quote,
        "funding": number(payment.amount),
        "fee": "0",
        "cashFlow": "0",
        "change": number(payment.amount),
        "tradeId": id_of(instrument, payment.payment_id),
        "orderId": "",
        "orderLinkId": "",
    }


def wallet(margins: Sequence[Margin], on_spot: dict[str, Any]) -> dict[str, Any]:
    """Return the unified wallet; *on_spot* is what open spot orders lock, by coin.

    No coin vouches for the positions of another here, so the account is as safe as the least safe.
    """
    return {
        "accountType": "UNIFIED",
        "accountMMRate": number(max((each.share for each in margins), default=ZERO)),
        "totalEquity": "",
        "totalWalletBalance": "",
        "coin": [_coin(each, on_spot) for each in margins],
    }


def _coin(of: Margin, on_spot: dict[str, Any]) -> dict[str, Any]:
    balance = of.balance
    locked = min(on_spot.get(balance.asset, ZERO), balance.locked)
    margin = EXACT.subtract(balance.locked, locked)
    return {
        "coin": balance.asset,
        "walletBalance": number(balance.total),
        "equity": number(of.equity),
        "locked": number(locked),
        "totalOrderIM": number(margin),
        "totalPositionIM": "0",
        "totalPositionMM": number(of.maintenance),
        "unrealisedPnl": number(of.gain),
        "borrowAmount": "0",
        "availableToWithdraw": "",
    }


def locked_on_spot(instrument: Instrument, report: OrderReport) -> tuple[str, Any]:
    """Return what a working spot order locks."""
    if report.side is Side.SELL:
        return instrument.base, instrument.base_of(report.leaves)
    if report.price is None:
        return instrument.quote, ZERO
    return instrument.quote, instrument.notional(report.price, report.leaves)


def position(
    instrument: Instrument, held: Position | None, leverage: int, mean_name: str
) -> dict[str, Any]:
    """Return a position, a flat one too; *mean_name* is what its average price is called."""
    count, cost = (held.lots, held.cost) if held else (0, 0)
    mark = instrument.price_of(held.mark) if held and held.mark else ZERO
    mean = average(instrument, cost, count)
    amount = EXACT.multiply(instrument.lot_size, count)
    return {
        "category": category(instrument),
        "symbol": symbol(instrument),
        "positionIdx": 0,
        "side": "Buy" if count > 0 else "Sell" if count else "",
        "size": lots(instrument, abs(count)),
        mean_name: number(mean),
        "positionValue": number(abs(EXACT.multiply(amount, mean))),
        "markPrice": number(mark) if held else "",
        "liqPrice": "",
        "leverage": str(leverage),
        "tradeMode": 0,
        "positionStatus": "Normal",
        "unrealisedPnl": number(EXACT.multiply(amount, EXACT.subtract(mark, mean))),
        "createdTime": "1",
        "updatedTime": "1",
    }


def paged(
    instrument: Instrument | None, found: Sequence[Any], first: int, limit: int
) -> dict[str, Any]:
    """Return a page. The cursor comes percent-encoded, as it has to be sent."""
    page = found[first : first + limit]
    more = first + limit < len(found)
    told = {"list": page, "nextPageCursor": f"row%3A{first + limit}" if more else ""}
    return told if instrument is None else told | {"category": category(instrument)}


def _random(number: str) -> str:
    """Return an id that tells no order, as those of executions are: always the same of *number*."""
    return str(UUID(sha256(number.encode()).hexdigest()[:32]))

"""Rows of Bitget's answers and streams; numbers and times are text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.market import Balance, FundingPayment, Position
from domain.money import Instrument, MarketKind
from domain.orders import Fill, OrderReport, OrderStatus
from workers.exchange.fronts.margin import Margin, gain_of
from workers.exchange.fronts.rows import average, lots, ms, number, number_of, price, ticks

PRODUCT: Final = "USDT-FUTURES"


@dataclass(frozen=True, slots=True)
class Word:
    """What the client called an order: type and how long it may work."""

    type: str
    force: str


def word_of(report: OrderReport) -> Word:
    """Return what an order was probably called, after a restart."""
    return Word("limit" if report.price else "market", "gtc")


def good(data: Any, at: int) -> dict[str, Any]:
    """Return a good answer."""
    return {"code": "00000", "msg": "success", "requestTime": at, "data": data}


def error(code: str, message: str, at: int) -> dict[str, Any]:
    """Return an error's body."""
    return {"code": code, "msg": message, "requestTime": at, "data": None}


def symbol(instrument: Instrument) -> str:
    """Return what Bitget calls an instrument, of either kind."""
    return f"{instrument.base}{instrument.quote}"


def status(instrument: Instrument, report: OrderReport) -> str:
    """Return an order's status: the two kinds spell one of them differently."""
    match report.status:
        case OrderStatus.OPEN:
            return "live"
        case OrderStatus.PARTIALLY_FILLED | OrderStatus.FILLED:
            return str(report.status)
        case _:
            return "canceled" if instrument.kind is MarketKind.PERPETUAL else "cancelled"


def name(report: OrderReport) -> dict[str, str]:
    """Return how an order is answered for."""
    return {"orderId": str(number_of(report.order_id)), "clientOid": report.client_id}


def order(instrument: Instrument, report: OrderReport, word: Word, created: int) -> dict[str, Any]:
    """Return an order as details and lists of perpetuals, and details of spot, tell it."""
    at = created if report.at is None else ms(report.at)
    row: dict[str, Any] = {
        **name(report),
        "symbol": symbol(instrument),
        "size": lots(instrument, report.quantity.lots),
        "price": price(instrument, report),
        "priceAvg": _average(instrument, report),
        "baseVolume": lots(instrument, report.filled.lots),
        "quoteVolume": number(instrument.notional_of(report.value)),
        "orderType": word.type,
        "side": str(report.side),
        "enterPointSource": "API",
        "orderSource": "normal",
        "cTime": str(created),
        "uTime": str(at),
    }
    if instrument.kind is MarketKind.SPOT:
        ended = not report.status.working and report.status is not OrderStatus.FILLED
        reason = "normal_cancel" if ended else ""
        return row | {
            "userId": "1",
            "status": status(instrument, report),
            "feeDetail": "",
            "tpslType": "normal",
            "cancelReason": reason,
        }
    return row | _contract(instrument, report, word) | {"fee": "0", "totalProfits": "0"}


def _contract(instrument: Instrument, report: OrderReport, word: Word) -> dict[str, Any]:
    return {
        "force": word.force,
        "posSide": "net",
        "posMode": "one_way_mode",
        "tradeSide": f"{report.side}_single",
        "marginCoin": instrument.quote,
        "marginMode": "crossed",
        "leverage": "10",
        "reduceOnly": "YES" if report.reduce_only else "NO",
    }


def spot_open(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return spot's row of an open order, which calls its price an average."""
    left = {key: row[key] for key in row if key not in ("price", "feeDetail", "cancelReason")}
    return left | {"priceAvg": row["price"], "basePrice": "0"}


def _average(instrument: Instrument, report: OrderReport) -> str:
    if not report.filled.lots:
        return "" if instrument.kind is MarketKind.PERPETUAL else "0"
    return number(average(instrument, report.value, report.filled.lots))


def told_order(
    instrument: Instrument, report: OrderReport, word: Word, created: int
) -> dict[str, Any]:
    """Return an order as streams tell it."""
    at = created if report.at is None else ms(report.at)
    worth = instrument.notional_of(
        report.quantity.lots * (report.price.ticks if report.price else 0)
    )
    row: dict[str, Any] = {
        **name(report),
        "instId": symbol(instrument),
        "price": price(instrument, report),
        "orderType": word.type,
        "force": word.force,
        "side": str(report.side),
        "accBaseVolume": lots(instrument, report.filled.lots),
        "priceAvg": _average(instrument, report) or "0",
        "status": status(instrument, report),
        "feeDetail": [],
        "enterPointSource": "API",
        "cTime": str(created),
        "uTime": str(at),
    }
    if instrument.kind is MarketKind.SPOT:
        size = {"newSize": lots(instrument, report.quantity.lots), "size": number(worth)}
    else:
        size = {"size": lots(instrument, report.quantity.lots), "notionalUsd": number(worth)}
        row |= _contract(instrument, report, word)
        row["reduceOnly"] = row["reduceOnly"].lower()
    return row | size | (_newest(instrument, report.fill) if report.fill else {})


def _newest(instrument: Instrument, each: Fill) -> dict[str, Any]:
    return {
        "fillPrice": ticks(instrument, each.price.ticks),
        "tradeId": str(number_of(each.fill_id)),
        "baseVolume": lots(instrument, each.quantity.lots),
        "fillTime": str(ms(each.at)),
        "fillFee": number(-each.fee),
        "fillFeeCoin": each.fee_asset,
        "tradeScope": "M" if each.maker else "T",
    }


def fill(instrument: Instrument, each: Fill) -> dict[str, Any]:
    """Return an execution; our client id is not in it, and what is charged is negative."""
    detail = {
        "deduction": "no",
        "feeCoin": each.fee_asset,
        "totalDeductionFee": "",
        "totalFee": number(-each.fee),
    }
    at = str(ms(each.at))
    row: dict[str, Any] = {
        "tradeId": str(number_of(each.fill_id)),
        "symbol": symbol(instrument),
        "orderId": str(number_of(each.order_id)),
        "side": str(each.side),
        "tradeScope": "maker" if each.maker else "taker",
        "cTime": at,
    }
    traded = ticks(instrument, each.price.ticks)
    size, worth = (
        lots(instrument, each.quantity.lots),
        instrument.notional(each.price, each.quantity),
    )
    if instrument.kind is MarketKind.SPOT:
        spot = {"priceAvg": traded, "size": size, "amount": number(worth), "uTime": at}
        return row | spot | {"userId": "1", "orderType": "limit", "feeDetail": detail}
    return row | {
        "price": traded,
        "baseVolume": size,
        "quoteVolume": number(worth),
        "feeDetail": [detail],
        "profit": "0",
        "enterPointSource": "api",
        "tradeSide": f"{each.side}_single",
        "posMode": "one_way_mode",
    }


def spot_balance(balance: Balance, at: int) -> dict[str, Any]:
    """Return a spot wallet."""
    return {
        "coin": balance.asset,
        "available": number(balance.free),
        "frozen": number(balance.locked),
        "locked": "0",
        "limitAvailable": "0",
        "uTime": str(at),
    }


def wallet(margin: Margin) -> dict[str, Any]:
    """Return a futures wallet with what its positions would gain and need."""
    balance, equity = margin.balance, number(margin.equity)
    return {
        "marginCoin": balance.asset,
        "locked": number(balance.locked),
        "available": number(balance.total),
        "crossedMaxAvailable": number(balance.free),
        "isolatedMaxAvailable": number(balance.free),
        "maxTransferOut": number(balance.free),
        "accountEquity": equity,
        "usdtEquity": equity,
        "crossedRiskRate": number(margin.share),
        "unrealizedPL": number(margin.gain),
    }


def told_wallet(margin: Margin) -> dict[str, Any]:
    """Return a futures wallet as streams tell it."""
    balance, equity = margin.balance, number(margin.equity)
    return {
        "marginCoin": balance.asset,
        "frozen": number(balance.locked),
        "available": number(balance.total),
        "maxOpenPosAvailable": number(balance.free),
        "maxTransferOut": number(balance.free),
        "equity": equity,
        "usdtEquity": equity,
        "unrealizedPL": number(margin.gain),
    }


def position(instrument: Instrument, held: Position) -> dict[str, Any]:
    """Return a position as REST and streams tell it."""
    entry = average(instrument, held.cost, held.lots)
    mark = instrument.price_of(held.mark) if held.mark else entry
    size = lots(instrument, abs(held.lots))
    return {
        "marginCoin": instrument.quote,
        "symbol": symbol(instrument),
        "instId": symbol(instrument),
        "holdSide": "long" if held.lots > 0 else "short",
        "available": size,
        "locked": "0",
        "frozen": "0",
        "total": size,
        "leverage": "10",
        "achievedProfits": "0",
        "openPriceAvg": number(entry),
        "marginMode": "crossed",
        "posMode": "one_way_mode",
        "unrealizedPL": number(gain_of(instrument, held)),
        "liquidationPrice": "0",
        "markPrice": number(mark),
    }


def bill(instrument: Instrument, payment: FundingPayment) -> dict[str, Any]:
    """Return a funding payment."""
    return {
        "billId": str(number_of(payment.payment_id)),
        "symbol": symbol(instrument),
        "amount": number(payment.amount),
        "fee": "0",
        "feeByCoupon": "",
        "businessType": "contract_settle_fee",
        "coin": instrument.quote,
        "cTime": str(ms(payment.at)),
    }


def wrapped(name: str, told: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """Return a page as perpetuals have it: null if it is empty."""
    return {name: told or None, "endId": told[-1][key] if told else None}

"""Rows of OKX's answers and messages: all numbers and times are text, swaps count contracts."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from domain.market import FundingPayment, Position
from domain.money import EXACT, Instrument, MarketKind
from domain.orders import Fill, OrderReport, OrderStatus, RefusalReason, Side
from workers.exchange.fronts.margin import Margin
from workers.exchange.fronts.rows import average, lots, ms, number, number_of, ticks

#: A contract is ten lots, and a tenth of one can be traded.
_LOTS_OF_CONTRACT: Final = 10
_STATES: Final = {
    OrderStatus.OPEN: "live",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
}
_CROSSED: Final = "The post-only order will take liquidity in maker orders"
#: Why an order was canceled: code and words.
_ENDED_BY_TYPE: Final = {
    "fok": ("13", "FOK order was canceled due to incompletely filled"),
    "ioc": ("14", "IOC order was partially canceled due to incompletely filled"),
}
_BY_USER: Final = ("1", "Order canceled by user")


def envelope(data: Sequence[Any], code: str = "0", message: str = "") -> dict[str, Any]:
    """Return the body of every answer."""
    return {"code": code, "data": list(data), "msg": message}


def inst_id(instrument: Instrument) -> str:
    """Return what OKX calls an instrument."""
    name = family(instrument)
    return f"{name}-SWAP" if instrument.kind is MarketKind.PERPETUAL else name


def inst_type(instrument: Instrument) -> str:
    """Return what OKX calls its kind."""
    return "SWAP" if instrument.kind is MarketKind.PERPETUAL else "SPOT"


def family(instrument: Instrument) -> str:
    """Return base and quote."""
    return f"{instrument.base}-{instrument.quote}"


def lot_size(instrument: Instrument) -> Decimal:
    """Return the smallest step of an amount: in contracts, or in base."""
    if instrument.kind is MarketKind.PERPETUAL:
        return EXACT.divide(Decimal(1), Decimal(_LOTS_OF_CONTRACT))
    return instrument.lot_size


def contract_value(instrument: Instrument) -> Decimal:
    """Return a contract in base."""
    return EXACT.multiply(Decimal(_LOTS_OF_CONTRACT), instrument.lot_size)


def size(instrument: Instrument, count: int) -> str:
    """Return signed lots in OKX's unit."""
    if instrument.kind is MarketKind.PERPETUAL:
        return number(EXACT.multiply(Decimal(count), lot_size(instrument)))
    return lots(instrument, count)


def result(client_id: str, report: OrderReport | None, code: str, message: str) -> dict[str, Any]:
    """Return what became of one order or cancel: an id and a code, nothing else."""
    at = str(ms(report.at)) if report is not None and report.at is not None else ""
    return {
        "clOrdId": client_id,
        "ordId": "" if report is None else str(number_of(report.order_id)),
        "sCode": code,
        "sMsg": message,
        "tag": "",
        "ts": at,
    }


def order(
    instrument: Instrument, report: OrderReport, word: str, created_ms: int, last: Fill | None
) -> dict[str, Any]:
    """Return an order; *last* is its last execution."""
    at = 0 if report.at is None else ms(report.at)
    by_quote = instrument.kind is MarketKind.PERPETUAL or report.side is Side.SELL
    asset = instrument.quote if by_quote else instrument.base
    source, why = _canceled(report, word)
    paid = report.fee_in(asset)
    perpetual = instrument.kind is MarketKind.PERPETUAL
    mean = number(average(instrument, report.value, report.filled.lots)) if report.filled else ""
    return {
        "accFillSz": size(instrument, report.filled.lots),
        "avgPx": mean,
        "cTime": str(created_ms),
        "cancelSource": source,
        "cancelSourceReason": why,
        "category": "normal",
        "ccy": "",
        "clOrdId": report.client_id,
        "fee": number(paid.copy_negate() if paid else paid),
        "feeCcy": asset,
        "fillPx": ticks(instrument, last.price.ticks) if last else "",
        "fillSz": size(instrument, last.quantity.lots) if last else "0",
        "fillTime": str(ms(last.at)) if last else "",
        "instId": inst_id(instrument),
        "instType": inst_type(instrument),
        "lever": "10" if perpetual else "",
        "ordId": str(number_of(report.order_id)),
        "ordType": word,
        "pnl": "0",
        "posSide": "net" if perpetual else "",
        "px": ticks(instrument, report.price.ticks) if report.price else "",
        "rebate": "0",
        "rebateCcy": asset,
        "reduceOnly": "true" if report.reduce_only else "false",
        "side": report.side.value,
        "source": "",
        "state": _STATES.get(report.status, "canceled"),
        "sz": size(instrument, report.quantity.lots),
        "tag": "",
        "tdMode": "cross" if perpetual else "cash",
        "tgtCcy": "base_ccy" if word == "market" and not perpetual else "",
        "tradeId": str(number_of(last.fill_id)) if last else "",
        "uTime": str(at),
    }


def pushed(row: Mapping[str, Any], last: Fill | None) -> dict[str, Any]:
    """Return an order's row as the stream tells it: with the fee of its last execution."""
    fee = last.fee.copy_negate() if last and last.fee else Decimal(0)
    return {
        **row,
        "amendResult": "",
        "code": "0",
        "execType": ("M" if last.maker else "T") if last else "",
        "fillFee": number(fee),
        "fillFeeCcy": last.fee_asset if last else "",
        "fillNotionalUsd": "",
        "msg": "",
        "notionalUsd": "",
        "reqId": "",
    }


def _canceled(report: OrderReport, word: str) -> tuple[str, str]:
    if report.status.working or report.status is OrderStatus.FILLED:
        return "", ""
    if report.reason is RefusalReason.WOULD_CROSS:
        return "31", _CROSSED
    return _ENDED_BY_TYPE.get(word, _BY_USER)


def fill(instrument: Instrument, each: Fill) -> dict[str, Any]:
    """Return an execution."""
    at = str(ms(each.at))
    return {
        "billId": str(number_of(each.fill_id)),
        "clOrdId": each.client_id,
        "execType": "M" if each.maker else "T",
        "fee": number(each.fee.copy_negate() if each.fee else each.fee),
        "feeCcy": each.fee_asset,
        "feeRate": "",
        "fillPnl": "0",
        "fillPx": ticks(instrument, each.price.ticks),
        "fillSz": size(instrument, each.quantity.lots),
        "fillTime": at,
        "instId": inst_id(instrument),
        "instType": inst_type(instrument),
        "ordId": str(number_of(each.order_id)),
        "posSide": "net",
        "side": each.side.value,
        "subType": "1" if each.side is Side.BUY else "2",
        "tag": "",
        "tradeId": str(number_of(each.fill_id)),
        "ts": at,
    }


def wallets(margins: Sequence[Margin], at_ms: int) -> dict[str, Any]:
    """Return the account's wallets, as futures mode has them: margin is told of each currency."""
    return {
        "adjEq": "",
        "details": [_wallet(each, at_ms) for each in margins],
        "isoEq": "0",
        "mgnRatio": "",
        "mmr": "",
        "totalEq": "0",
        "uTime": str(at_ms),
    }


def _wallet(margin: Margin, at_ms: int) -> dict[str, Any]:
    balance, ratio = margin.balance, margin.ratio
    return {
        "availBal": number(balance.free),
        "availEq": number(balance.free),
        "cashBal": number(balance.total),
        "ccy": balance.asset,
        "eq": number(margin.equity),
        "frozenBal": number(balance.locked),
        "isoEq": "0",
        "mgnRatio": "" if ratio is None else number(ratio),
        "mmr": "" if ratio is None else number(margin.maintenance),
        "ordFrozen": "0",
        "uTime": str(at_ms),
        "upl": number(margin.gain),
    }


def position(instrument: Instrument, held: Position | None, lever: int, at: int) -> dict[str, Any]:
    """Return a position; one that is closed has no prices."""
    count, cost = (held.lots, held.cost) if held else (0, 0)
    mean = average(instrument, cost, count)
    mark = instrument.price_of(held.mark) if held and held.mark else mean
    return {
        "adl": "0",
        "availPos": "",
        "avgPx": number(mean) if count else "",
        "ccy": instrument.quote,
        "instId": inst_id(instrument),
        "instType": inst_type(instrument),
        "lever": str(lever),
        "liqPx": "",
        "markPx": number(mark) if count else "",
        "mgnMode": "cross",
        "pos": size(instrument, count),
        "posId": "1",
        "posSide": "net",
        "uTime": str(at),
        "upl": "0" if count else "",
    }


def bill(instrument: Instrument, payment: FundingPayment) -> dict[str, Any]:
    """Return a funding payment."""
    amount = number(payment.amount)
    return {
        "bal": "",
        "balChg": amount,
        "billId": str(number_of(payment.payment_id)),
        "ccy": instrument.quote,
        "fee": "0",
        "instId": inst_id(instrument),
        "instType": inst_type(instrument),
        "mgnMode": "cross",
        "pnl": amount,
        "posBalChg": "0",
        "subType": "174" if payment.amount > 0 else "173",
        "ts": str(ms(payment.at)),
        "type": "8",
    }

"""Rows of Binance's REST answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.market import Balance, FundingPayment, Position
from domain.money import EXACT, Instrument, MarketKind, add
from domain.orders import Fill, OrderReport, OrderStatus, Side
from workers.exchange.fronts.margin import Margin
from workers.exchange.fronts.rows import average, lots, ms, number, number_of, price, ticks


class Purpose(StrEnum):
    """What an order's row answers: spot has a shape for each."""

    PLACED = "placed"
    CANCELED = "canceled"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Word:
    """What the client called an order: type and time in force."""

    type: str
    in_force: str


def word_of(report: OrderReport) -> Word:
    """Return what an order was probably called, after a restart."""
    return Word("LIMIT" if report.price else "MARKET", "GTC")


def error(code: int, message: str) -> dict[str, Any]:
    """Return an error's body."""
    return {"code": code, "msg": message}


def symbol(instrument: Instrument) -> str:
    """Return what Binance calls an instrument."""
    return f"{instrument.base}{instrument.quote}"


def status(report: OrderReport) -> str:
    """Return an order's status."""
    return "NEW" if report.status is OrderStatus.OPEN else report.status.upper()


def order(
    instrument: Instrument, report: OrderReport, word: Word, purpose: Purpose
) -> dict[str, Any]:
    """Return an order."""
    perpetual = instrument.kind is MarketKind.PERPETUAL
    at = 0 if report.at is None else ms(report.at)
    quote = number(instrument.notional_of(report.value))
    row: dict[str, Any] = {
        "symbol": symbol(instrument),
        "orderId": number_of(report.order_id),
        "clientOrderId": report.client_id,
        "price": price(instrument, report),
        "origQty": lots(instrument, report.quantity.lots),
        "executedQty": lots(instrument, report.filled.lots),
        "status": status(report),
        "timeInForce": word.in_force,
        "type": word.type,
        "side": report.side.upper(),
    }
    if perpetual:
        return row | {
            "avgPrice": number(average(instrument, report.value, report.filled.lots)),
            "cumQuote": quote,
            "reduceOnly": report.reduce_only,
            "closePosition": False,
            "positionSide": "BOTH",
            "stopPrice": "0",
            "workingType": "CONTRACT_PRICE",
            "origType": word.type,
            "updateTime": at,
        }
    row |= {"orderListId": -1, "cummulativeQuoteQty": quote}
    if purpose is Purpose.ASKED:
        return row | {"isWorking": report.status.working, "updateTime": at}
    if purpose is Purpose.CANCELED:
        row |= {"origClientOrderId": report.client_id, "clientOrderId": f"cancel{row['orderId']}"}
    return row | {"transactTime": at}


def fill(instrument: Instrument, each: Fill) -> dict[str, Any]:
    """Return an execution; our client id is not in it."""
    row = {
        "symbol": symbol(instrument),
        "id": number_of(each.fill_id),
        "orderId": number_of(each.order_id),
        "price": ticks(instrument, each.price.ticks),
        "qty": lots(instrument, each.quantity.lots),
        "quoteQty": number(instrument.notional(each.price, each.quantity)),
        "commission": number(each.fee),
        "commissionAsset": each.fee_asset,
        "time": ms(each.at),
    }
    bought = each.side is Side.BUY
    if instrument.kind is MarketKind.SPOT:
        return row | {"isBuyer": bought, "isMaker": each.maker, "isBestMatch": True}
    return row | {
        "side": each.side.upper(),
        "buyer": bought,
        "maker": each.maker,
        "positionSide": "BOTH",
        "realizedPnl": "0",
    }


def account(margins: Sequence[Margin]) -> dict[str, Any]:
    """Return a futures account in single-asset mode, whose totals are those of USDT only."""
    totals = [each for each in margins if each.balance.asset == "USDT"]
    return {
        "totalMaintMargin": number(add(*(each.maintenance for each in totals))),
        "totalWalletBalance": number(add(*(each.balance.total for each in totals))),
        "totalUnrealizedProfit": number(add(*(each.gain for each in totals))),
        "totalMarginBalance": number(add(*(each.equity for each in totals))),
        "assets": [_asset(each) for each in margins],
        "positions": [],
    }


def _asset(margin: Margin) -> dict[str, Any]:
    balance = margin.balance
    return {
        "asset": balance.asset,
        "walletBalance": number(balance.total),
        "unrealizedProfit": number(margin.gain),
        "marginBalance": number(margin.equity),
        "maintMargin": number(margin.maintenance),
        "initialMargin": number(balance.locked),
        "availableBalance": number(balance.free),
        "updateTime": 1,
    }


def spot_balance(balance: Balance) -> dict[str, Any]:
    """Return a spot wallet."""
    return {
        "asset": balance.asset,
        "free": number(balance.free),
        "locked": number(balance.locked),
    }


def position(instrument: Instrument, held: Position) -> dict[str, Any]:
    """Return a position."""
    entry = average(instrument, held.cost, held.lots)
    mark = instrument.price_of(held.mark) if held.mark else entry
    amount = EXACT.multiply(instrument.lot_size, held.lots)
    profit = EXACT.multiply(amount, EXACT.subtract(mark, entry))
    return {
        "symbol": symbol(instrument),
        "positionSide": "BOTH",
        "positionAmt": lots(instrument, held.lots),
        "entryPrice": number(entry),
        "breakEvenPrice": number(entry),
        "markPrice": number(mark),
        "unRealizedProfit": number(profit),
        "notional": number(EXACT.multiply(amount, mark)),
        "liquidationPrice": "0",
        "marginAsset": instrument.quote,
        "updateTime": 1,
    }


def income(instrument: Instrument, payment: FundingPayment) -> dict[str, Any]:
    """Return a funding payment."""
    return {
        "symbol": symbol(instrument),
        "incomeType": "FUNDING_FEE",
        "income": number(payment.amount),
        "asset": instrument.quote,
        "info": "FUNDING_FEE",
        "time": ms(payment.at),
        "tranId": number_of(payment.payment_id),
        "tradeId": "",
    }

"""Rows of Gate's answers and streams: contracts are signed sizes, coins are amounts and sides.

Futures sizes are text, as for all who send `X-Gate-Size-Decimal: 1`. One contract is one lot.
"""

from datetime import datetime
from typing import Any, Final

from domain.market import Balance, FundingPayment, Position
from domain.money import Instrument, MarketKind
from domain.orders import Fill, OrderReport, OrderStatus, Side
from workers.exchange.fronts.margin import Margin
from workers.exchange.fronts.rows import average, lots, ms, number, number_of, price, ticks

_ENDS: Final = {
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELED: "cancelled",
    OrderStatus.REJECTED: "cancelled",
    OrderStatus.EXPIRED: "ioc",
}
_SPOT: Final = {OrderStatus.FILLED: "closed"}


def error(kind: MarketKind, label: str, text: str) -> dict[str, Any]:
    """Return an error's body: futures have details where spot has messages."""
    return {"label": label, "detail" if kind is MarketKind.PERPETUAL else "message": text}


def name(instrument: Instrument) -> str:
    """Return what Gate calls a contract, and a pair."""
    return f"{instrument.base}_{instrument.quote}"


def seconds(at: datetime) -> str:
    """Return seconds with their thousandths."""
    count = ms(at)
    return f"{count // 1000}.{count % 1000:03d}"


def in_force(report: OrderReport) -> str:
    """Return what an order was probably told, after a restart."""
    return "gtc" if report.price else "ioc"


def future(
    instrument: Instrument, report: OrderReport, tif: str, created: datetime
) -> dict[str, Any]:
    """Return an order of contracts."""
    sign, changed = report.side.sign, report.at or created
    row: dict[str, Any] = {
        "id": str(number_of(report.order_id)),
        "user": "0",
        "contract": name(instrument),
        "create_time": seconds(created),
        "update_time": seconds(changed),
        "size": str(sign * report.quantity.lots),
        "left": str(sign * (report.quantity.lots - report.filled.lots)),
        "iceberg": "0",
        "price": price(instrument, report),
        "fill_price": number(average(instrument, report.value, report.filled.lots)),
        "tif": tif,
        "text": f"t-{report.client_id}",
        "is_reduce_only": report.reduce_only,
        "is_close": False,
        "is_liq": False,
        "status": "open" if report.status.working else "finished",
        "mkfr": number(instrument.maker_fee),
        "tkfr": number(instrument.taker_fee),
        "amend_text": "-",
        "stp_act": "-",
        "stp_id": "0",
    }
    if not report.status.working:
        row |= {"finish_as": _ENDS[report.status], "finish_time": seconds(changed)}
    return row


def future_told(row: dict[str, Any], report: OrderReport) -> dict[str, Any]:
    """Return an order as a stream tells it: whole seconds, milliseconds beside them."""
    row = dict(row)
    for field in ("create_time", "finish_time"):
        whole, _, part = row.pop(field, "0.000").partition(".")
        row |= {field: int(whole), f"{field}_ms": int(whole + part)}
    whole, _, part = row["update_time"].partition(".")
    if report.status.working:
        row["finish_as"] = "_update" if report.filled else "_new"
    return row | {"update_time": int(whole + part), "update_id": 1}


def spot(
    instrument: Instrument, report: OrderReport, tif: str, created: datetime
) -> dict[str, Any]:
    """Return an order of coins."""
    changed = report.at or created
    bought = instrument.base if report.side is Side.BUY else instrument.quote
    quote = number(instrument.notional_of(report.value))
    left = report.quantity.lots - report.filled.lots
    return {
        "id": str(number_of(report.order_id)),
        "text": f"t-{report.client_id}",
        "amend_text": "-",
        "create_time": str(ms(created) // 1000),
        "update_time": str(ms(changed) // 1000),
        "create_time_ms": ms(created),
        "update_time_ms": ms(changed),
        "status": "open" if report.status.working else _SPOT.get(report.status, "cancelled"),
        "currency_pair": name(instrument),
        "type": "limit" if report.price else "market",
        "account": "spot",
        "side": str(report.side),
        "amount": lots(instrument, report.quantity.lots),
        "price": price(instrument, report),
        "time_in_force": tif,
        "iceberg": "0",
        "left": lots(instrument, left),
        "filled_amount": lots(instrument, report.filled.lots),
        "fill_price": quote,
        "filled_total": quote,
        "avg_deal_price": number(average(instrument, report.value, report.filled.lots)),
        "fee": number(report.fee_in(bought)),
        "fee_currency": bought,
        "point_fee": "0",
        "gt_fee": "0",
        "gt_discount": False,
        "rebated_fee": "0",
        "rebated_fee_currency": instrument.quote,
        "finish_as": _ENDS.get(report.status, "open"),
    }


def spot_told(row: dict[str, Any], report: OrderReport) -> dict[str, Any]:
    """Return an order as a stream tells it: an event instead of a status, times as text."""
    row = {field: value for field, value in row.items() if field != "status"}
    row |= {field: str(row[field]) for field in ("create_time_ms", "update_time_ms")}
    event = "update" if report.filled else "put"
    return row | {"event": event if report.status.working else "finish", "user": 0}


def future_fill(instrument: Instrument, fill: Fill, id_field: str) -> dict[str, Any]:
    """Return an execution of contracts; each list calls its id something else."""
    return {
        id_field: str(number_of(fill.fill_id)),
        "create_time": ms(fill.at) / 1000,
        "contract": name(instrument),
        "order_id": str(number_of(fill.order_id)),
        "size": str(fill.side.sign * fill.quantity.lots),
        "price": ticks(instrument, fill.price.ticks),
        "role": "maker" if fill.maker else "taker",
        "text": f"t-{fill.client_id}",
        "fee": number(fill.fee),
        "point_fee": "0",
    }


def future_fill_told(instrument: Instrument, fill: Fill) -> dict[str, Any]:
    """Return an execution of contracts as a stream tells it."""
    row = future_fill(instrument, fill, "id")
    # A number, as the venue sends it.
    fee = float(fill.fee)
    return row | {"create_time": ms(fill.at) // 1000, "create_time_ms": ms(fill.at), "fee": fee}


def spot_fill(instrument: Instrument, fill: Fill) -> dict[str, Any]:
    """Return an execution of coins."""
    return {
        "id": str(number_of(fill.fill_id)),
        "create_time": str(ms(fill.at) // 1000),
        "create_time_ms": f"{ms(fill.at)}.000000",
        "currency_pair": name(instrument),
        "side": str(fill.side),
        "role": "maker" if fill.maker else "taker",
        "amount": lots(instrument, fill.quantity.lots),
        "price": ticks(instrument, fill.price.ticks),
        "order_id": str(number_of(fill.order_id)),
        "fee": number(fill.fee),
        "fee_currency": fill.fee_asset,
        "point_fee": "0",
        "gt_fee": "0",
        "amend_text": "-",
        "text": f"t-{fill.client_id}",
    }


def spot_fill_told(instrument: Instrument, fill: Fill) -> dict[str, Any]:
    """Return an execution of coins as a stream tells it: some fields are numbers."""
    row = spot_fill(instrument, fill)
    return row | {
        "id": number_of(fill.fill_id),
        "create_time": ms(fill.at) // 1000,
        "create_time_ms": f"{ms(fill.at)}.456",
        "user_id": 0,
    }


def wallet(margin: Margin) -> dict[str, Any]:
    """Return a futures wallet of a classic account in the newer margin mode."""
    balance = margin.balance
    return {
        "user": 0,
        "currency": balance.asset,
        "total": number(balance.total),
        "unrealised_pnl": number(margin.gain),
        "maintenance_margin": number(margin.maintenance),
        "position_margin": "0",
        "order_margin": number(balance.locked),
        "available": number(balance.free),
        "point": "0",
        "bonus": "0",
        "in_dual_mode": False,
        "enable_credit": False,
        "enable_evolved_classic": True,
        "margin_mode": 0,
    }


def coins(balance: Balance) -> dict[str, Any]:
    """Return a spot wallet."""
    return {
        "currency": balance.asset,
        "available": number(balance.free),
        "locked": number(balance.locked),
        "update_id": 1,
    }


def coins_told(balance: Balance, at: datetime) -> dict[str, Any]:
    """Return a spot wallet as a stream tells it."""
    return {
        "timestamp": str(ms(at) // 1000),
        "timestamp_ms": str(ms(at)),
        "user": "0",
        "currency": balance.asset,
        "change": "0",
        "total": number(balance.total),
        "available": number(balance.free),
        "freeze": number(balance.locked),
        "freeze_change": "0",
        "change_type": "order-match",
    }


def position(instrument: Instrument, held: Position | None, leverage: int) -> dict[str, Any]:
    """Return a position of cross margin; a flat one has a row too."""
    count, cost = (held.lots, held.cost) if held else (0, 0)
    entry = average(instrument, cost, count)
    mark = instrument.price_of(held.mark) if held and held.mark else entry
    return {
        "user": 0,
        "contract": name(instrument),
        "size": str(count),
        "leverage": "0",
        "cross_leverage_limit": str(leverage),
        "leverage_max": "125",
        "entry_price": number(entry),
        "mark_price": number(mark),
        "liq_price": "0",
        "margin": "0",
        "mode": "single",
        "realised_pnl": "0",
        "unrealised_pnl": "0",
        "pending_orders": 0,
        "update_time": 1,
        "update_id": 1,
    }


def funding(instrument: Instrument, payment: FundingPayment) -> dict[str, Any]:
    """Return a funding payment."""
    return {
        "time": ms(payment.at) / 1000,
        "change": number(payment.amount),
        "balance": "0",
        "type": "fund",
        "text": name(instrument),
        "contract": name(instrument),
        "trade_id": "0",
    }

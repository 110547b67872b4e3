"""Between domain values and their messages; client and server use this one module.

On the wire money is in human units (quote per base, base, quote). Ticks and lots exist on either
side of it only, so every function that meets a price takes the instrument.
"""

from dataclasses import replace
from datetime import datetime

from activities.venues.wire import (
    MARKET_KIND,
    REASON,
    SIDE,
    STATUS,
    TIME_IN_FORCE,
    TYPE,
    decimal_in,
    from_time,
    lots_in,
    lots_out,
    optional_price_in,
    price_in,
    price_out,
    to_decimal,
    to_time,
    value_in,
    value_out,
)
from domain.conditions import FundingRate
from domain.errors import InvalidValueError
from domain.market import Balance, Candle, FundingPayment, Position, PriceUpdate, Terms
from domain.money import NOTHING, Instrument, Quantity, Rounding
from domain.orders import Fill, OrderReport, OrderRequest, Refusal
from opensqt.market_maker.v1 import events_pb2, exchange_pb2, resources_pb2


def instrument_out(instrument: Instrument) -> resources_pb2.SymbolInfo:
    """Return an instrument as a client is told of it."""
    return resources_pb2.SymbolInfo(
        symbol=instrument.symbol,
        kind=MARKET_KIND.to_wire(instrument.kind),
        base_asset=instrument.base,
        quote_asset=instrument.quote,
        tick_size=to_decimal(instrument.tick_size),
        step_size=to_decimal(instrument.lot_size),
        min_quantity=lots_out(instrument, instrument.min_quantity.lots),
        min_notional=to_decimal(instrument.min_notional),
        maker_fee=to_decimal(instrument.maker_fee),
        taker_fee=to_decimal(instrument.taker_fee),
        contract_size=to_decimal(instrument.contract_size),
    )


def instrument_in(info: resources_pb2.SymbolInfo) -> Instrument:
    """Return the instrument; a minimum quantity between two lots becomes the next whole lot."""
    instrument = Instrument(
        symbol=info.symbol,
        kind=MARKET_KIND.from_wire(info.kind, "SymbolInfo.kind"),
        base=info.base_asset,
        quote=info.quote_asset,
        tick_size=decimal_in(info, "tick_size"),
        lot_size=decimal_in(info, "step_size"),
        min_quantity=NOTHING,
        min_notional=decimal_in(info, "min_notional"),
        maker_fee=decimal_in(info, "maker_fee"),
        taker_fee=decimal_in(info, "taker_fee"),
        contract_size=decimal_in(info, "contract_size"),
    )
    minimum = instrument.quantity(decimal_in(info, "min_quantity"), Rounding.UP)
    return replace(instrument, min_quantity=minimum)


def request_out(instrument: Instrument, request: OrderRequest) -> exchange_pb2.PlaceOrderRequest:
    """Return a request. What it is for, and was decided at, stays with us: no venue needs it."""
    return exchange_pb2.PlaceOrderRequest(
        client_order_id=request.client_id,
        symbol=request.symbol,
        side=SIDE.to_wire(request.side),
        type=TYPE.to_wire(request.type),
        time_in_force=TIME_IN_FORCE.to_wire(request.time_in_force),
        quantity=lots_out(instrument, request.quantity.lots),
        price=price_out(instrument, request.price),
        post_only=request.post_only,
        reduce_only=request.reduce_only,
    )


def request_in(instrument: Instrument, message: exchange_pb2.PlaceOrderRequest) -> OrderRequest:
    """Return a request, or raise InvalidValueError naming the field that is wrong."""
    if not message.client_order_id:
        raise InvalidValueError("PlaceOrderRequest.client_order_id must not be empty")
    return OrderRequest(
        client_id=message.client_order_id,
        symbol=instrument.symbol,
        side=SIDE.from_wire(message.side, "PlaceOrderRequest.side"),
        quantity=Quantity(lots_in(instrument, message, "quantity")),
        price=optional_price_in(instrument, message, "price"),
        type=TYPE.from_wire(message.type, "PlaceOrderRequest.type"),
        time_in_force=TIME_IN_FORCE.from_wire(
            message.time_in_force, "PlaceOrderRequest.time_in_force"
        ),
        post_only=message.post_only,
        reduce_only=message.reduce_only,
    )


def order_out(instrument: Instrument, report: OrderReport) -> resources_pb2.Order:
    """Return an order as it stands."""
    return resources_pb2.Order(
        order_id=report.order_id,
        client_order_id=report.client_id,
        symbol=report.symbol,
        side=SIDE.to_wire(report.side),
        status=STATUS.to_wire(report.status),
        price=price_out(instrument, report.price),
        quantity=lots_out(instrument, report.quantity.lots),
        executed_quantity=lots_out(instrument, report.filled.lots),
        executed_value=value_out(instrument, report.value),
        fees=[
            resources_pb2.Fee(asset=asset, amount=to_decimal(amount))
            for asset, amount in report.fees.items()
        ],
        reduce_only=report.reduce_only,
        reason=None if report.reason is None else REASON.to_wire(report.reason),
        updated_at=None if report.at is None else to_time(report.at),
        last_fill=None if report.fill is None else fill_out(instrument, report.fill),
    )


def order_in(instrument: Instrument, order: resources_pb2.Order) -> OrderReport:
    """Return a report, or raise InvalidValueError if it cannot be read exactly."""
    return OrderReport(
        client_id=order.client_order_id,
        order_id=order.order_id,
        symbol=order.symbol,
        side=SIDE.from_wire(order.side, "Order.side"),
        status=STATUS.from_wire(order.status, "Order.status"),
        quantity=Quantity(lots_in(instrument, order, "quantity")),
        filled=Quantity(lots_in(instrument, order, "executed_quantity")),
        value=value_in(instrument, order, "executed_value"),
        price=optional_price_in(instrument, order, "price"),
        fees={fee.asset: decimal_in(fee, "amount") for fee in order.fees},
        reduce_only=order.reduce_only,
        at=from_time(order, "updated_at") if order.HasField("updated_at") else None,
        reason=REASON.from_wire(order.reason, "Order.reason") if order.reason else None,
        fill=fill_in(instrument, order.last_fill) if order.HasField("last_fill") else None,
    )


def fill_out(instrument: Instrument, fill: Fill) -> resources_pb2.Fill:
    """Return an execution."""
    return resources_pb2.Fill(
        fill_id=fill.fill_id,
        client_order_id=fill.client_id,
        order_id=fill.order_id,
        symbol=fill.symbol,
        side=SIDE.to_wire(fill.side),
        price=price_out(instrument, fill.price),
        quantity=lots_out(instrument, fill.quantity.lots),
        fee=resources_pb2.Fee(asset=fill.fee_asset, amount=to_decimal(fill.fee)),
        maker=fill.maker,
        filled_at=to_time(fill.at),
    )


def fill_in(instrument: Instrument, fill: resources_pb2.Fill) -> Fill:
    """Return an execution."""
    return Fill(
        fill_id=fill.fill_id,
        client_id=fill.client_order_id,
        order_id=fill.order_id,
        symbol=fill.symbol,
        side=SIDE.from_wire(fill.side, "Fill.side"),
        price=price_in(instrument, fill, "price"),
        quantity=Quantity(lots_in(instrument, fill, "quantity")),
        fee=decimal_in(fill.fee, "amount"),
        fee_asset=fill.fee.asset,
        maker=fill.maker,
        at=from_time(fill, "filled_at"),
    )


def refusal_out(instrument: Instrument | None, refusal: Refusal) -> resources_pb2.Refusal:
    """Return a definite no."""
    known = instrument is not None and refusal.best is not None
    return resources_pb2.Refusal(
        client_order_id=refusal.client_id,
        reason=REASON.to_wire(refusal.reason),
        message=refusal.message,
        best_price=price_out(instrument, refusal.best) if instrument and known else None,
    )


def refusal_in(instrument: Instrument, refusal: resources_pb2.Refusal) -> Refusal:
    """Return a definite no."""
    return Refusal(
        client_id=refusal.client_order_id,
        reason=REASON.from_wire(refusal.reason, "Refusal.reason"),
        message=refusal.message,
        best=optional_price_in(instrument, refusal, "best_price"),
    )


def position_out(instrument: Instrument, position: Position) -> resources_pb2.Position:
    """Return a position."""
    return resources_pb2.Position(
        symbol=position.symbol,
        size=lots_out(instrument, position.lots),
        cost=value_out(instrument, position.cost),
        realized_pnl=to_decimal(position.realized),
        mark_price=price_out(instrument, position.mark),
        liquidation_price=price_out(instrument, position.liquidation),
    )


def position_in(instrument: Instrument, position: resources_pb2.Position) -> Position:
    """Return a position."""
    return Position(
        symbol=position.symbol,
        lots=lots_in(instrument, position, "size"),
        cost=value_in(instrument, position, "cost"),
        realized=decimal_in(position, "realized_pnl"),
        mark=optional_price_in(instrument, position, "mark_price"),
        liquidation=optional_price_in(instrument, position, "liquidation_price"),
    )


def balance_out(balance: Balance) -> resources_pb2.Balance:
    """Return what an account owns of an asset."""
    return resources_pb2.Balance(
        asset=balance.asset, total=to_decimal(balance.total), locked=to_decimal(balance.locked)
    )


def balance_in(balance: resources_pb2.Balance) -> Balance:
    """Return what an account owns of an asset."""
    return Balance(balance.asset, decimal_in(balance, "total"), decimal_in(balance, "locked"))


def terms_in(account: resources_pb2.Account) -> Terms:
    """Return how the account trades perpetuals; a server that does not tell it is unreadable."""
    return Terms(decimal_in(account, "leverage"), account.one_way)


def times_in(account: resources_pb2.Account) -> tuple[datetime, datetime]:
    """Return the time of the server's clock, and of its market."""
    return from_time(account, "time"), from_time(account, "market_time")


def payment_out(payment: FundingPayment) -> resources_pb2.FundingPayment:
    """Return a funding payment."""
    return resources_pb2.FundingPayment(
        payment_id=payment.payment_id,
        symbol=payment.symbol,
        amount=to_decimal(payment.amount),
        paid_at=to_time(payment.at),
    )


def payment_in(payment: resources_pb2.FundingPayment) -> FundingPayment:
    """Return a funding payment."""
    return FundingPayment(
        payment.payment_id,
        payment.symbol,
        decimal_in(payment, "amount"),
        from_time(payment, "paid_at"),
    )


def funding_rate_out(rate: FundingRate) -> resources_pb2.FundingRate:
    """Return a funding rate."""
    return resources_pb2.FundingRate(
        symbol=rate.symbol,
        rate=to_decimal(rate.rate),
        at=to_time(rate.at),
        mark=None if rate.mark is None else to_decimal(rate.mark),
    )


def funding_rate_in(rate: resources_pb2.FundingRate) -> FundingRate:
    """Return a funding rate; one without its number is unreadable, not 0."""
    return FundingRate(
        rate.symbol,
        decimal_in(rate, "rate"),
        from_time(rate, "at"),
        decimal_in(rate, "mark") if rate.HasField("mark") else None,
    )


def price_update_out(instrument: Instrument, update: PriceUpdate) -> events_pb2.PriceChange:
    """Return a price."""
    return events_pb2.PriceChange(
        symbol=update.symbol,
        price=price_out(instrument, update.price),
        bid=price_out(instrument, update.bid),
        ask=price_out(instrument, update.ask),
        changed_at=to_time(update.at),
    )


def price_update_in(instrument: Instrument, change: events_pb2.PriceChange) -> PriceUpdate:
    """Return a price."""
    return PriceUpdate(
        symbol=change.symbol,
        price=price_in(instrument, change, "price"),
        at=from_time(change, "changed_at"),
        bid=optional_price_in(instrument, change, "bid"),
        ask=optional_price_in(instrument, change, "ask"),
    )


def candle_out(instrument: Instrument, candle: Candle) -> resources_pb2.Candle:
    """Return a bar."""
    return resources_pb2.Candle(
        symbol=candle.symbol,
        opened_at=to_time(candle.opened_at),
        open=price_out(instrument, candle.open),
        high=price_out(instrument, candle.high),
        low=price_out(instrument, candle.low),
        close=price_out(instrument, candle.close),
        volume=lots_out(instrument, candle.volume.lots),
        is_closed=candle.closed,
    )


def candle_in(instrument: Instrument, candle: resources_pb2.Candle) -> Candle:
    """Return a bar."""
    return Candle(
        symbol=candle.symbol,
        opened_at=from_time(candle, "opened_at"),
        open=price_in(instrument, candle, "open"),
        high=price_in(instrument, candle, "high"),
        low=price_in(instrument, candle, "low"),
        close=price_in(instrument, candle, "close"),
        volume=Quantity(lots_in(instrument, candle, "volume")),
        closed=candle.is_closed,
    )

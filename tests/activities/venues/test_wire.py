"""What goes over the wire comes back the same, or is an error that names the field."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.venues import messages
from activities.venues.wire import REASON, SIDE, STATUS, from_decimal, to_decimal
from domain.conditions import FundingRate
from domain.errors import InvalidValueError
from domain.market import Balance, Candle, FundingPayment, Position, PriceUpdate
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import (
    Fill,
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
)
from opensqt.market_maker.v1 import exchange_pb2, resources_pb2, types_pb2

INSTRUMENT = Instrument(
    symbol="BTCUSDT",
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.05"),
    lot_size=Decimal("0.00001"),
    min_quantity=Quantity(3),
    min_notional=Decimal("5.5"),
    maker_fee=Decimal("-0.00005"),
    taker_fee=Decimal("1E-3"),
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
times = st.integers(0, 4 * 10**15).map(lambda us: EPOCH + timedelta(microseconds=us))
names = st.text("abc123", min_size=1, max_size=28)
prices = st.integers(1, 10**12).map(Price)
quantities = st.integers(0, 10**15).map(Quantity)
amounts = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=12)
fills = st.builds(
    Fill,
    names,
    names,
    names,
    st.just("BTCUSDT"),
    st.sampled_from(Side),
    prices,
    quantities,
    amounts,
    names,
    st.booleans(),
    times,
)
reports = st.builds(
    OrderReport,
    client_id=names,
    order_id=names,
    symbol=st.just("BTCUSDT"),
    side=st.sampled_from(Side),
    status=st.sampled_from(OrderStatus),
    quantity=quantities,
    filled=quantities,
    value=st.integers(0, 10**24),
    price=st.none() | prices,
    fees=st.dictionaries(names, amounts, max_size=2),
    reduce_only=st.booleans(),
    at=st.none() | times,
    reason=st.none() | st.sampled_from(RefusalReason),
    fill=st.none() | fills,
)


def over_the_wire(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


@given(reports)
def test_a_report_comes_back_the_same(report: OrderReport) -> None:
    order = over_the_wire(messages.order_out(INSTRUMENT, report))
    assert messages.order_in(INSTRUMENT, order) == report


@given(
    st.builds(
        OrderRequest,
        names,
        st.just("BTCUSDT"),
        st.sampled_from(Side),
        quantities,
        st.none() | prices,
        st.sampled_from(OrderType),
        st.sampled_from(TimeInForce),
        st.booleans(),
        st.booleans(),
    )
)
def test_a_request_comes_back_the_same(request: Any) -> None:
    message = over_the_wire(messages.request_out(INSTRUMENT, request))
    assert messages.request_in(INSTRUMENT, message) == request


@given(names, st.sampled_from(RefusalReason), st.text(max_size=50), st.none() | prices)
def test_a_refusal_comes_back_the_same(
    client_id: str, reason: RefusalReason, text: str, best: Price | None
) -> None:
    refusal = Refusal(client_id, reason, text, best)
    message = over_the_wire(messages.refusal_out(INSTRUMENT, refusal))
    assert messages.refusal_in(INSTRUMENT, message) == refusal


@given(st.integers(-(10**9), 10**9), st.integers(), amounts, st.none() | prices)
def test_a_position_comes_back_the_same(
    lots: int, cost: int, realized: Decimal, mark: Price | None
) -> None:
    position = Position("BTCUSDT", lots, cost % 10**24, realized, mark)
    message = over_the_wire(messages.position_out(INSTRUMENT, position))
    assert messages.position_in(INSTRUMENT, message) == position


@given(prices, st.none() | prices, quantities, times, amounts)
def test_market_data_and_money_come_back_the_same(
    price: Price, bid: Price | None, volume: Quantity, at: datetime, amount: Decimal
) -> None:
    update = PriceUpdate("BTCUSDT", price, at, bid, None)
    wire = over_the_wire(messages.price_update_out(INSTRUMENT, update))
    assert messages.price_update_in(INSTRUMENT, wire) == update
    candle = Candle("BTCUSDT", at, price, price + 5, price, price + 1, volume, closed=False)
    wire = over_the_wire(messages.candle_out(INSTRUMENT, candle))
    assert messages.candle_in(INSTRUMENT, wire) == candle
    balance = Balance("BTC", amount, abs(amount))
    assert messages.balance_in(over_the_wire(messages.balance_out(balance))) == balance
    paid = FundingPayment("p1", "BTCUSDT", amount, at)
    assert messages.payment_in(over_the_wire(messages.payment_out(paid))) == paid


@given(amounts, times, st.none() | amounts)
def test_a_funding_rate_comes_back_the_same(
    rate: Decimal, at: datetime, mark: Decimal | None
) -> None:
    told = FundingRate("BTCUSDT", rate, at, mark)
    assert messages.funding_rate_in(over_the_wire(messages.funding_rate_out(told))) == told


def test_a_funding_rate_without_its_number_is_an_error_never_0() -> None:
    told = messages.funding_rate_out(FundingRate("BTCUSDT", Decimal(0), EPOCH))
    told.ClearField("rate")
    with pytest.raises(InvalidValueError, match=r"FundingRate\.rate"):
        messages.funding_rate_in(over_the_wire(told))


def test_an_instrument_comes_back_the_same() -> None:
    assert messages.instrument_in(over_the_wire(messages.instrument_out(INSTRUMENT))) == INSTRUMENT


@pytest.mark.parametrize("codec", [SIDE, STATUS, REASON])
@pytest.mark.parametrize("number", [0, 99])
def test_an_unknown_number_of_an_enum_is_an_error_never_a_default(codec: Any, number: int) -> None:
    with pytest.raises(InvalidValueError, match=f"Order.x must be one of .* was {number}"):
        codec.from_wire(number, "Order.x")


@pytest.mark.parametrize(
    "text", ["", "1e5", "NaN", "Infinity", "+1", "1.", ".5", "٣", "1" * 40, "1,5"]
)
def test_what_is_not_plain_decimal_text_is_an_error(text: str) -> None:
    with pytest.raises(InvalidValueError, match="price must be a decimal number"):
        from_decimal(types_pb2.Decimal(value=text), "price")


def test_decimals_are_never_written_with_an_exponent() -> None:
    assert to_decimal(Decimal("1E-12")).value == "0.000000000001"
    assert to_decimal(Decimal("1E+3")).value == "1000"


@pytest.mark.parametrize(
    "field, value",
    [
        ("price", "0.07"),
        ("price", "0"),
        ("price", "-5"),
        ("quantity", "0.000015"),
        ("quantity", "-1"),
    ],
)
def test_a_request_between_two_steps_is_an_error(field: str, value: str) -> None:
    request = OrderRequest("a", "BTCUSDT", Side.BUY, Quantity(5), Price(5))
    message = messages.request_out(INSTRUMENT, request)
    getattr(message, field).value = value
    with pytest.raises(InvalidValueError):
        messages.request_in(INSTRUMENT, message)


def test_an_absent_quantity_is_an_error_not_zero() -> None:
    message = exchange_pb2.PlaceOrderRequest(client_order_id="a", side="ORDER_SIDE_BUY")
    with pytest.raises(InvalidValueError, match=r"PlaceOrderRequest\.quantity"):
        messages.request_in(INSTRUMENT, message)


def test_an_absent_time_is_an_error_not_1970() -> None:
    with pytest.raises(InvalidValueError, match=r"FundingPayment\.paid_at"):
        messages.payment_in(
            resources_pb2.FundingPayment(amount=types_pb2.Decimal(value="1"), payment_id="p")
        )

"""Rows of recorded data become events, or one message says which row is wrong."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.errors import InvalidValueError
from domain.market import Candle
from domain.money import Price, Quantity
from domain.simulation import decode
from domain.simulation.tape import CandleClosed, FundingDue, Quoted, TradePrinted
from tests.domain.simulation.helpers import SPOT

AT = datetime(2024, 8, 8, 23, 54, 16, 322000, tzinfo=UTC)
TRADE = {"trade_time_ms": "1723161256322", "price": "61800", "qty": "0.06", "is_buyer_maker": ""}
QUOTE = {
    "time_ms": "1723161256322",
    "recv_us": "1723161255088169",
    "bid_price": "61800",
    "bid_qty": "0.509",
    "ask_price": "61801.00",
    "ask_qty": "2",
}
CANDLE = {
    "open_time_ms": "1723161256322",
    "open": "10",
    "high": "12",
    "low": "9",
    "close": "11.0",
    "volume": "1.239",
}


@pytest.mark.parametrize("flag, maker", [("true", True), ("False", False), ("", None)])
def test_a_trade(flag: str, maker: bool | None) -> None:
    (event,) = decode.trades(SPOT, [TRADE | {"is_buyer_maker": flag}])
    assert event == TradePrinted(SPOT.symbol, Price(61800), Quantity(6), AT, maker)


def test_an_aggregated_trade() -> None:
    row = {"transact_time_ms": "1723161256322", "price": "5", "qty": "1", "is_buyer_maker": "true"}
    (event,) = decode.aggregated_trades(SPOT, [row])
    assert event == TradePrinted(SPOT.symbol, Price(5), Quantity(100), AT, buyer_is_maker=True)


def test_quantities_are_rounded_down_and_trades_of_less_than_a_lot_left_out() -> None:
    rows = [TRADE | {"qty": "0.0199"}, TRADE | {"qty": "0.0099"}]
    assert [event.quantity.lots for event in decode.trades(SPOT, rows)] == [1]


def test_a_quote_and_one_without_the_time_of_the_exchange() -> None:
    first, second = decode.quotes(SPOT, [QUOTE, QUOTE | {"time_ms": ""}])
    assert first == Quoted(SPOT.symbol, Price(61800), Price(61801), Quantity(50), Quantity(200), AT)
    assert second.at == datetime(2024, 8, 8, 23, 54, 15, 88169, tzinfo=UTC)


def test_a_candle_closes_an_interval_after_it_opened() -> None:
    (event,) = decode.candles(SPOT, [CANDLE], timedelta(minutes=5))
    assert event == CandleClosed(
        Candle(SPOT.symbol, AT, Price(10), Price(12), Price(9), Price(11), Quantity(123)),
        timedelta(minutes=5),
    )
    assert event.at == AT + timedelta(minutes=5)


def test_funding_of_one_exchange() -> None:
    row = {"funding_time_ms": "1723161256322", "funding_rate": "-0.000101"}
    rows = [row | {"exchange": "gate"}, row | {"exchange": "binance"}]
    assert list(decode.funding(SPOT, rows, "binance")) == [
        FundingDue(SPOT.symbol, Decimal("-0.000101"), AT)
    ]


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"price": "61800.5"}, "line 3: price must be a positive multiple of the tick size 1"),
        ({"price": "-5"}, "price must be a positive multiple"),
        ({"price": "x"}, "price must be a number, was 'x'"),
        ({"price": "NaN"}, "price must be finite, was 'NaN'"),
        ({"qty": "-1"}, "not negative"),
        ({"is_buyer_maker": "maybe"}, "true or false, was 'maybe'"),
        ({"trade_time_ms": "1.5"}, "trade_time_ms must be a whole number, was '1.5'"),
        ({"trade_time_ms": None}, "column trade_time_ms is missing"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(wrong: dict, words: str) -> None:
    events = decode.trades(SPOT, [TRADE, TRADE | wrong])
    next(events)
    with pytest.raises(InvalidValueError, match=words) as caught:
        next(events)
    assert str(caught.value).startswith("line 3: ")


def test_a_column_of_another_kind_of_file_is_missed() -> None:
    with pytest.raises(InvalidValueError, match="line 2: column is_buyer_maker is missing"):
        list(decode.trades(SPOT, [CANDLE]))


@pytest.mark.parametrize("wrong", [{"high": "10"}, {"low": "11"}])
def test_a_candle_encloses_its_ends(wrong: dict) -> None:
    with pytest.raises(InvalidValueError, match="must enclose"):
        list(decode.candles(SPOT, [CANDLE | wrong], timedelta(minutes=1)))

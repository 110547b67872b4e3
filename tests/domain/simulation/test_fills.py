"""What trades, quotes and candles do to resting orders."""

from datetime import timedelta

import pytest

from domain.money import Price, Quantity
from domain.orders import OrderStatus
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import CandleRule, Liquidity
from tests.domain.simulation.helpers import (
    BUY,
    SELL,
    SPOT,
    START,
    closed,
    exchange,
    limit,
    printed,
    quoted,
)


def filled(at: SimulatedExchange, client_id: str) -> int:
    report = at.look_up("ann", SPOT.symbol, client_id)
    assert report is not None
    return report.filled.lots


def test_a_trade_fills_what_it_reaches_best_price_first_then_oldest() -> None:
    at = exchange()
    for client_id, ticks in (("a1", 99), ("a2", 100), ("a3", 100), ("a4", 97)):
        at.place("ann", limit(client_id, BUY, ticks, 10))
    at.on(printed(98, 24))
    assert [filled(at, client_id) for client_id in ("a1", "a2", "a3", "a4")] == [4, 10, 10, 0]
    fills = at.fills_since("ann", SPOT.symbol, START)
    assert [(fill.client_id, fill.price.ticks, fill.maker) for fill in fills] == [
        ("a2", 100, True),  # each at its own price
        ("a3", 100, True),
        ("a1", 99, True),
    ]


def test_a_partial_fill_is_reported_with_running_totals() -> None:
    at = exchange()
    at.place("ann", limit("a1", SELL, 100, 10))
    at.on(printed(100, 4))
    at.on(printed(103, 4))
    at.on(printed(101, 4))
    reports = [report for _, report in at.reports_after("ann", 0)]
    assert [(each.status, each.filled.lots, each.value) for each in reports] == [
        (OrderStatus.OPEN, 0, 0),
        (OrderStatus.PARTIALLY_FILLED, 4, 400),
        (OrderStatus.PARTIALLY_FILLED, 8, 800),
        (OrderStatus.FILLED, 10, 1000),
    ]
    # fees: 0.1 % of 4, 4 and 2 USDT
    assert [str(each.fee_in("USDT")) for each in reports] == ["0", "0.00400", "0.00800", "0.01000"]
    assert [each.fill.fill_id for each in reports if each.fill] == ["F1", "F2", "F3"]


def test_unlimited_liquidity_fills_whole_orders() -> None:
    at = exchange(liquidity=Liquidity.UNLIMITED)
    at.place("ann", limit("a1", BUY, 100, 10))
    at.place("ann", limit("a2", BUY, 99, 10))
    at.on(printed(99, 1))
    assert [filled(at, "a1"), filled(at, "a2")] == [10, 10]


@pytest.mark.parametrize("touch, lots", [(True, 10), (False, 0)])
def test_a_trade_at_the_price_of_an_order_fills_it_only_by_touch(touch: bool, lots: int) -> None:
    at = exchange(touch=touch)
    at.place("ann", limit("a1", BUY, 100, 10))
    at.place("ann", limit("a2", SELL, 102, 10))
    at.on(printed(100))
    at.on(printed(102))
    assert [filled(at, "a1"), filled(at, "a2")] == [lots, lots]
    at.on(printed(99))
    at.on(printed(103))
    assert [filled(at, "a1"), filled(at, "a2")] == [10, 10]


def test_a_trade_between_the_best_orders_fills_nothing() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 100, 10))
    at.place("ann", limit("a2", SELL, 102, 10))
    at.on(printed(101))
    assert len(at.reports_after("ann", 0)) == 2


def test_a_quote_that_reaches_an_order_fills_it_once_per_quantity_quoted() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 100, 50))
    at.on(quoted(98, 100, ask_lots=10))
    assert filled(at, "a1") == 10
    at.on(quoted(97, 100, ask_lots=10))  # the same ask: those lots are gone
    assert filled(at, "a1") == 10
    at.on(quoted(97, 100, ask_lots=12))  # two more came
    assert filled(at, "a1") == 12
    at.on(quoted(97, 99, ask_lots=5))  # another ask
    assert filled(at, "a1") == 17
    at.on(quoted(97, 101, ask_lots=5))
    assert filled(at, "a1") == 17


def test_a_bid_that_reaches_a_resting_sell_fills_it_at_its_own_price() -> None:
    at = exchange()
    at.place("ann", limit("a1", SELL, 100, 50))
    at.on(quoted(101, 103, bid_lots=10))
    at.on(quoted(101, 102, bid_lots=10))
    at.on(quoted(102, 103, bid_lots=10))
    assert filled(at, "a1") == 20
    assert {fill.price for fill in at.fills_since("ann", SPOT.symbol, START)} == {Price(100)}


def test_while_nothing_traded_the_middle_of_the_quote_is_the_price() -> None:
    at = exchange()
    at.on(quoted(98, 101))
    update = at.last_price(SPOT.symbol)
    assert update is not None
    assert (update.price, update.bid, update.ask) == (Price(99), Price(98), Price(101))
    at.on(printed(97))
    at.on(quoted(200, 201))
    update = at.last_price(SPOT.symbol)
    assert update is not None
    assert (update.price, update.bid, update.ask) == (Price(97), Price(200), Price(201))


def test_there_is_no_price_before_the_first_one() -> None:
    assert exchange().last_price(SPOT.symbol) is None


@pytest.mark.parametrize(
    "rule, buy, sell, lots",
    [
        (CandleRule.PESSIMISTIC, 95, 105, 0),
        (CandleRule.PESSIMISTIC, 96, 104, 10),
        (CandleRule.TOUCH, 95, 105, 10),
        (CandleRule.TOUCH, 94, 106, 0),
    ],
)
def test_a_candle_fills_what_its_rule_says(
    rule: CandleRule, buy: int, sell: int, lots: int
) -> None:
    at = exchange(candle_rule=rule)
    at.place("ann", limit("a1", BUY, buy, 10))
    at.place("ann", limit("a2", SELL, sell, 10))
    at.on(closed(100, 105, 95, 101))
    assert [filled(at, "a1"), filled(at, "a2")] == [lots, lots]
    fills = at.fills_since("ann", SPOT.symbol, START)
    assert {fill.price.ticks for fill in fills} <= {buy, sell}
    assert {fill.at for fill in fills} <= {START + timedelta(minutes=1)}


@pytest.mark.parametrize("close, first", [(101, "a1"), (99, "a2")])
def test_a_candle_that_rose_went_down_first_and_its_volume_is_shared(
    close: int, first: str
) -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 96, 10))
    at.place("ann", limit("a2", SELL, 104, 10))
    at.on(closed(100, 110, 90, close, volume=15))
    second = "a2" if first == "a1" else "a1"
    assert [filled(at, first), filled(at, second)] == [10, 5]


def test_a_candle_of_unlimited_liquidity_fills_both_sides_whole() -> None:
    at = exchange(liquidity=Liquidity.UNLIMITED)
    at.place("ann", limit("a1", BUY, 96, 10))
    at.place("ann", limit("a2", SELL, 104, 10))
    at.on(closed(100, 110, 90, 100, volume=1))
    assert [filled(at, "a1"), filled(at, "a2")] == [10, 10]


def test_an_order_placed_while_a_candle_forms_fills_in_the_next_one() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 96, 10), START + timedelta(seconds=1))
    at.on(closed(100, 105, 90, 100))
    assert filled(at, "a1") == 0
    at.on(closed(100, 105, 90, 100, minute=1))
    assert filled(at, "a1") == 10


def test_an_order_placed_when_a_candle_closed_fills_in_the_next_one() -> None:
    at = exchange()
    at.on(closed(100, 105, 90, 100))
    at.place("ann", limit("a1", BUY, 96, 10))
    at.on(closed(100, 105, 90, 100, minute=1))
    assert filled(at, "a1") == 10


def test_time_never_runs_backwards() -> None:
    at = exchange()
    at.advance(START + timedelta(seconds=9))
    at.on(printed(100, second=3))
    at.place("ann", limit("a1", BUY, 96, 10), START)
    assert at.now == START + timedelta(seconds=9)
    report = at.look_up("ann", SPOT.symbol, "a1")
    assert report is not None
    assert report.at == at.now
    assert at.orders_since("ann", SPOT.symbol, at.now) == [report]
    assert at.orders_since("ann", SPOT.symbol, at.now + timedelta(microseconds=1)) == []


def test_a_cancel_brings_its_own_time() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 96, 10))
    canceled = at.cancel("ann", SPOT.symbol, "a1", START + timedelta(seconds=3))
    assert canceled is not None
    assert canceled.at == at.now == START + timedelta(seconds=3)


def test_one_look_shows_open_orders_of_before_and_what_changed_since() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 90, 10))
    at.place("ann", limit("a2", BUY, 99, 10))
    at.place("ann", limit("a3", BUY, 95, 10))
    at.cancel("ann", SPOT.symbol, "a3")
    later = START + timedelta(seconds=5)
    at.on(printed(99, second=5))
    view = at.account_view("ann", SPOT.symbol, later)
    assert [(order.client_id, order.status) for order in view.orders] == [
        ("a1", OrderStatus.OPEN),
        ("a2", OrderStatus.FILLED),
    ]
    assert [fill.quantity for fill in view.fills] == [Quantity(10)]
    assert view.at == later
    assert view.balances == tuple(at.balances("ann"))
    assert (view.positions, view.funding) == ((), ())

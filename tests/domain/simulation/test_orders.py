"""What becomes of an order when it arrives."""

import pytest

from domain.errors import InvalidValueError
from domain.money import Price, Quantity
from domain.orders import OrderRequest, OrderStatus, OrderType, RefusalReason, TimeInForce
from tests.domain.simulation.helpers import (
    BUY,
    PERPETUAL,
    SELL,
    SPOT,
    START,
    accepted,
    exchange,
    limit,
    market,
    printed,
    quoted,
    refused,
    totals,
)

FOK = TimeInForce.FOK
IOC = TimeInForce.IOC


def test_a_limit_order_rests_and_is_seen_everywhere() -> None:
    at = exchange()
    report = accepted(at.place("ann", limit("a1", BUY, 100, 5)))
    assert (report.status, report.price, report.leaves) == (
        OrderStatus.OPEN,
        Price(100),
        Quantity(5),
    )
    assert at.open_orders("ann", SPOT.symbol) == [report]
    assert at.look_up("ann", SPOT.symbol, "a1") == report
    assert at.orders_since("ann", SPOT.symbol, START) == [report]
    assert at.reports_after("ann", 0) == [(1, report)]
    assert at.open_orders("bob", SPOT.symbol) == []


def test_a_client_id_names_one_order_for_ever() -> None:
    at = exchange()
    first = accepted(at.place("ann", limit("a1", BUY, 100, 5)))
    assert at.place("ann", limit("a1", SELL, 200, 7)) == first
    at.on(printed(100))
    again = accepted(at.place("ann", limit("a1", BUY, 100, 5)))
    assert (again.order_id, again.status) == (first.order_id, OrderStatus.FILLED)
    assert len(at.reports_after("ann", 0)) == 2
    assert accepted(at.place("bob", limit("a1", BUY, 100, 5))).order_id != first.order_id


def test_a_refused_order_does_not_exist_and_its_id_is_free() -> None:
    at = exchange()
    refused(at.place("ann", limit("a1", BUY, 99, 2)))
    assert at.look_up("ann", SPOT.symbol, "a1") is None
    assert at.reports_after("ann", 0) == []
    accepted(at.place("ann", limit("a1", BUY, 100, 5)))


def test_a_crossing_limit_order_takes_the_best_price_first_and_rests_with_the_remainder() -> None:
    at = exchange()
    at.place("bob", limit("b1", SELL, 102, 5))
    at.place("bob", limit("b2", SELL, 101, 3))
    at.place("bob", limit("b3", SELL, 101, 4))
    report = accepted(at.place("ann", limit("a1", BUY, 102, 20)))
    assert report.filled == Quantity(12)
    assert report.value == 101 * 3 + 101 * 4 + 102 * 5
    assert report.status is OrderStatus.PARTIALLY_FILLED
    fills = at.fills_since("ann", SPOT.symbol, START)
    assert [(fill.price.ticks, fill.quantity.lots, fill.maker) for fill in fills] == [
        (101, 3, False),
        (101, 4, False),
        (102, 5, False),
    ]
    assert [fill.client_id for fill in at.fills_since("bob", SPOT.symbol, START)] == [
        "b2",
        "b3",
        "b1",
    ]
    assert at.open_orders("ann", SPOT.symbol)[0].leaves == Quantity(8)


def test_resting_orders_come_before_the_market_outside_at_the_same_price() -> None:
    at = exchange()
    at.on(quoted(99, 101))
    at.place("bob", limit("b1", SELL, 101, 3))
    at.place("bob", limit("b2", SELL, 102, 3))
    report = accepted(at.place("ann", market("a1", BUY, 10)))
    assert report.status is OrderStatus.FILLED
    assert report.value == 101 * 10  # 3 of bob, 7 of the market; nobody pays 102
    assert [fill.client_id for fill in at.fills_since("bob", SPOT.symbol, START)] == ["b1"]


def test_without_quotes_the_market_stands_one_tick_beside_the_last_price() -> None:
    at = exchange()
    at.on(printed(100))
    assert accepted(at.place("ann", market("a1", BUY, 10))).value == 101 * 10
    assert accepted(at.place("ann", market("a2", SELL, 10))).value == 99 * 10


def test_at_one_tick_nobody_outside_buys() -> None:
    at = exchange()
    at.on(printed(1))
    assert refused(at.place("ann", market("a1", SELL, 1000))).reason is RefusalReason.OTHER
    update = at.last_price(SPOT.symbol)
    assert update is not None
    assert (update.bid, update.ask) == (None, Price(2))


def test_a_market_order_is_refused_while_nobody_would_trade() -> None:
    outcome = refused(exchange().place("ann", market("a1", BUY, 10)))
    assert outcome.reason is RefusalReason.OTHER
    assert "no price" in outcome.message


def test_a_market_order_takes_what_rests_and_the_remainder_expires_when_there_is_no_price() -> None:
    at = exchange()
    at.place("bob", limit("b1", SELL, 101, 6))
    report = accepted(at.place("ann", market("a1", BUY, 10)))
    assert (report.status, report.filled) == (OrderStatus.EXPIRED, Quantity(6))
    assert [each.status for _, each in at.reports_after("ann", 0)] == [
        OrderStatus.OPEN,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.EXPIRED,
    ]


def test_immediate_or_cancel_never_rests() -> None:
    at = exchange()
    at.place("bob", limit("b1", SELL, 101, 6))
    report = accepted(at.place("ann", limit("a1", BUY, 101, 10, time_in_force=IOC)))
    assert (report.status, report.filled) == (OrderStatus.EXPIRED, Quantity(6))
    assert at.open_orders("ann", SPOT.symbol) == []


@pytest.mark.parametrize(
    "lots, status, filled", [(6, OrderStatus.FILLED, 6), (7, OrderStatus.EXPIRED, 0)]
)
def test_fill_or_kill_fills_whole_or_not_at_all(
    lots: int, status: OrderStatus, filled: int
) -> None:
    at = exchange()
    at.place("bob", limit("b1", SELL, 101, 6))
    report = accepted(at.place("ann", limit("a1", BUY, 101, lots, time_in_force=FOK)))
    assert (report.status, report.filled) == (status, Quantity(filled))


def test_post_only_is_refused_with_the_price_that_would_not_cross() -> None:
    at = exchange()
    at.on(quoted(99, 101))
    outcome = refused(at.place("ann", limit("a1", BUY, 101, 5, post_only=True)))
    assert (outcome.reason, outcome.best) == (RefusalReason.WOULD_CROSS, Price(100))
    outcome = refused(at.place("ann", limit("a1", SELL, 98, 5, post_only=True)))
    assert (outcome.reason, outcome.best) == (RefusalReason.WOULD_CROSS, Price(100))
    accepted(at.place("ann", limit("a1", BUY, 100, 5, post_only=True)))
    outcome = refused(at.place("bob", limit("b1", SELL, 100, 5, post_only=True)))
    assert outcome.best == Price(101)


def test_no_price_is_offered_where_there_is_none() -> None:
    at = exchange()
    at.place("bob", limit("b1", SELL, 1, 500))
    assert refused(at.place("ann", limit("a1", BUY, 1, 500, post_only=True))).best is None


@pytest.mark.parametrize(
    "request_, words",
    [
        (limit("", BUY, 100, 5), "client id"),
        (limit("a1", BUY, 100, 0), "at least one lot, was 0"),
        (OrderRequest("a1", SPOT.symbol, BUY, Quantity(5)), "needs a price"),
        (market("a1", BUY, 5, price=Price(7)), "has no price, was 7"),
        (market("a1", BUY, 5, post_only=True), "post-only"),
        (limit("a1", BUY, 100, 5, post_only=True, time_in_force=IOC), "was limit ioc"),
        (limit("a1", BUY, 1000, 1), "at least 0.02 BTC, was 0.01"),
        (limit("a1", BUY, 99, 2), "at least 2 USDT, was 1.98"),
        (limit("a1", BUY, 100, 5, "ETH/USDT"), "was ETH/USDT"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(request_: OrderRequest, words: str) -> None:
    at = exchange()
    at.on(printed(100))
    outcome = refused(at.place("ann", request_))
    assert outcome.reason is RefusalReason.INVALID
    assert words in outcome.message


def test_a_canceled_order_gives_back_what_it_locked_and_stays_known() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 100, 5))
    canceled = at.cancel("ann", SPOT.symbol, "a1")
    assert canceled is not None
    assert canceled.status is OrderStatus.CANCELED
    assert at.cancel("ann", SPOT.symbol, "a1") == canceled
    assert at.look_up("ann", SPOT.symbol, "a1") == canceled
    assert at.open_orders("ann", SPOT.symbol) == []
    assert all(balance.locked == 0 for balance in at.balances("ann"))


def test_an_order_is_found_only_by_its_account_and_symbol() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 100, 5))
    assert at.cancel("bob", SPOT.symbol, "a1") is None
    assert at.cancel("ann", PERPETUAL.symbol, "a1") is None
    assert at.look_up("ann", SPOT.symbol, "a2") is None


def test_an_account_may_trade_with_itself_and_only_loses_the_fees() -> None:
    at = exchange()
    before = totals(at, "ann")
    at.place("ann", limit("a1", BUY, 100, 5))
    at.place("ann", limit("a2", SELL, 100, 5))
    after = totals(at, "ann")
    # 0.05 BTC for 5 USDT: 0.1 % of the base to the maker's buy, 0.2 % of the quote to the sell
    assert str(before["BTC"] - after["BTC"]) == "0.00005"
    assert str(before["USDT"] - after["USDT"]) == "0.01000"


def test_unknown_accounts_and_symbols_are_mistakes_not_empty_answers() -> None:
    at = exchange()
    with pytest.raises(InvalidValueError, match="account must be one of ann, bob, was eve"):
        at.balances("eve")
    with pytest.raises(InvalidValueError, match="symbol must be one of"):
        at.open_orders("ann", "ETH/USDT")
    with pytest.raises(InvalidValueError, match="ETH/USDT is not traded"):
        at.on(printed(100, symbol="ETH/USDT"))


def test_reports_are_numbered_from_one_and_a_number_never_given_is_a_mistake() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 100, 5))
    at.on(printed(100, 2))
    numbered = at.reports_after("ann", 0)
    assert [number for number, _ in numbered] == [1, 2]
    assert at.reports_after("ann", 1) == numbered[1:]
    assert at.reports_after("ann", 2) == []
    with pytest.raises(InvalidValueError, match=r"0 \.\. 2, was 3"):
        at.reports_after("ann", 3)


def test_market_type_is_told_by_the_type_not_by_the_price() -> None:
    at = exchange()
    at.on(printed(100))
    request = OrderRequest("a1", SPOT.symbol, SELL, Quantity(10), type=OrderType.MARKET)
    assert accepted(at.place("ann", request)).status is OrderStatus.FILLED

"""The book keeps price-time priority and is never crossed."""

import pytest

from domain.errors import IllegalTransitionError
from domain.orders import Side
from domain.simulation.book import NO_ASK, NO_BID, Book
from domain.simulation.order import Order
from tests.domain.simulation.helpers import BUY, SELL, SPOT, START


def order(number: int, side: Side, ticks: int) -> Order:
    return Order(
        number, f"O{number}", "ann", str(number), SPOT.symbol, side, 5, ticks, False, START, START
    )


def test_best_prices_follow_what_is_added_and_removed() -> None:
    book = Book()
    assert (book.best_bid, book.best_ask) == (NO_BID, NO_ASK)
    low, high, ask = order(1, BUY, 98), order(2, BUY, 99), order(3, SELL, 101)
    for each in (low, high, ask):
        book.add(each)
    assert (book.best_bid, book.best_ask) == (99, 101)
    book.remove(high)
    book.remove(ask)
    assert (book.best_bid, book.best_ask) == (98, NO_ASK)


@pytest.mark.parametrize(
    "side, limit, numbers",
    [
        (BUY, 98, [2, 4, 1]),
        (BUY, 99, [2, 4]),
        (BUY, 100, []),
        (SELL, 101, [5]),
        (SELL, 102, [5, 3]),
    ],
)
def test_orders_come_best_price_first_then_oldest(
    side: Side, limit: int, numbers: list[int]
) -> None:
    book = Book()
    for number, each, ticks in (
        (1, BUY, 98),
        (2, BUY, 99),
        (3, SELL, 102),
        (4, BUY, 99),
        (5, SELL, 101),
    ):
        book.add(order(number, each, ticks))
    assert [each.number for each in book.orders(side, limit)] == numbers


def test_an_order_that_would_cross_is_a_bug_and_changes_nothing() -> None:
    book = Book()
    book.add(order(1, BUY, 99))
    book.add(order(2, SELL, 101))
    for crossing in (order(3, BUY, 101), order(4, SELL, 99)):
        with pytest.raises(IllegalTransitionError, match="crosses"):
            book.add(crossing)
    assert [each.number for each in book.orders(BUY, 1)] == [1]
    assert [each.number for each in book.orders(SELL, 200)] == [2]

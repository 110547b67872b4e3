"""What others bid and ask: takers go through it, and it meets what rests beyond it."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from domain.errors import InvalidValueError
from domain.money import Price, Quantity
from domain.orders import OrderStatus, RefusalReason, TimeInForce
from domain.simulation.crowd import (
    FUNDING_EVERY,
    CrowdSpec,
    depth_around,
    funding_rate_of,
    settlement_after,
    settlement_at,
)
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.ladder import ANY_QUANTITY
from domain.simulation.tape import DepthShown, FundingAnnounced, FundingDue
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
    refused,
)

CROWD = CrowdSpec(seed=7, levels=20)


def shown(bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]) -> DepthShown:
    sides = [tuple((Price(at), Quantity(lots)) for at, lots in side) for side in (bids, asks)]
    return DepthShown(SPOT.symbol, sides[0], sides[1], START)


def deep() -> SimulatedExchange:
    """Bids 99 x 10, 98 x 20; asks 101 x 10, 102 x 20."""
    at = exchange()
    at.on(shown([(99, 10), (98, 20)], [(101, 10), (102, 20)]))
    return at


def fills(at: SimulatedExchange, account: str = "ann") -> list[tuple[int, int]]:
    return [
        (fill.price.ticks, fill.quantity.lots)
        for fill in at.fills_since(account, SPOT.symbol, START)
    ]


def test_a_taker_goes_through_the_levels_best_price_first() -> None:
    at = deep()
    accepted(at.place("ann", market("a1", BUY, 25)))
    assert fills(at) == [(101, 10), (102, 15)]


def test_what_was_taken_is_gone_until_depth_is_shown_anew() -> None:
    at = deep()
    at.place("ann", market("a1", BUY, 25))
    assert at.book(SPOT.symbol, 5) == ([(99, 10), (98, 20)], [(102, 5)])
    at.on(shown([(99, 10)], [(101, 10)]))
    assert at.book(SPOT.symbol, 5) == ([(99, 10)], [(101, 10)])


def test_a_market_order_beyond_all_levels_expires_with_what_it_got() -> None:
    at = deep()
    report = accepted(at.place("ann", market("a1", SELL, 50)))
    assert fills(at) == [(99, 10), (98, 20)]
    assert (report.status, report.filled) == (OrderStatus.EXPIRED, Quantity(30))
    empty = refused(at.place("ann", market("a2", SELL, 5)))
    assert empty.reason is RefusalReason.OTHER


def test_an_order_to_fill_or_kill_counts_the_levels_up_to_its_price() -> None:
    at = deep()
    killed = accepted(at.place("ann", limit("a1", BUY, 101, 11, time_in_force=TimeInForce.FOK)))
    assert (killed.status, killed.filled) == (OrderStatus.EXPIRED, Quantity(0))
    done = accepted(at.place("ann", limit("a2", BUY, 102, 30, time_in_force=TimeInForce.FOK)))
    assert done.status is OrderStatus.FILLED


def test_resting_orders_come_before_others_at_the_same_price() -> None:
    at = deep()
    at.place("bob", limit("b1", SELL, 101, 4))
    at.place("ann", market("a1", BUY, 10))
    assert fills(at, "bob") == [(101, 4)]
    assert at.book(SPOT.symbol, 1)[1] == [(101, 4)]  # of the others ten, six went


def test_the_rest_of_a_taker_rests_and_is_seen_in_the_book() -> None:
    at = deep()
    at.place("ann", limit("a1", BUY, 101, 15))
    assert at.book(SPOT.symbol, 5) == ([(101, 5), (99, 10), (98, 20)], [(102, 20)])


def test_depth_that_reaches_a_resting_order_fills_it_at_its_own_price() -> None:
    at = deep()
    at.place("ann", limit("a1", BUY, 100, 12))
    at.on(shown([(97, 10)], [(98, 5), (99, 4), (103, 1)]))
    assert fills(at) == [(100, 5), (100, 4)]
    assert at.book(SPOT.symbol, 5) == ([(100, 3), (97, 10)], [(103, 1)])


def test_without_depth_the_book_is_one_level_that_takes_any_quantity() -> None:
    at = exchange()
    assert at.book(SPOT.symbol, 5) == ([], [])
    at.on(printed(100))
    at.place("ann", limit("a1", BUY, 98, 3))
    assert at.book(SPOT.symbol, 5) == ([(99, ANY_QUANTITY), (98, 3)], [(101, ANY_QUANTITY)])


def test_depth_and_funding_survive_a_restart() -> None:
    at = deep()
    at.place("ann", market("a1", BUY, 12))
    at.on(printed(50, symbol=PERPETUAL.symbol))
    at.on(FundingDue(PERPETUAL.symbol, Decimal("0.0001"), START + timedelta(hours=8)))
    due_at = START + timedelta(hours=16)
    at.on(FundingAnnounced(PERPETUAL.symbol, Decimal("-0.0002"), due_at, START))
    again = SimulatedExchange.restore(at.rules, json.loads(json.dumps(at.dump())))
    for each in (at, again):
        assert each.book(SPOT.symbol, 5) == ([(99, 10), (98, 20)], [(102, 18)])
        (settled,) = each.funding_rates(PERPETUAL.symbol)
        assert (settled.rate, settled.mark) == (Decimal("0.0001"), Decimal(50))
        due = each.next_funding(PERPETUAL.symbol)
        assert due is not None
        assert (due.rate, due.at) == (Decimal("-0.0002"), due_at)


def test_a_settlement_ends_its_announcement() -> None:
    at = exchange()
    due_at = START + timedelta(hours=8)
    at.on(FundingAnnounced(PERPETUAL.symbol, Decimal("0.0001"), due_at, START))
    at.on(FundingDue(PERPETUAL.symbol, Decimal("0.0003"), START + timedelta(hours=1)))
    assert at.next_funding(PERPETUAL.symbol) is not None  # another one came before
    at.on(FundingDue(PERPETUAL.symbol, Decimal("0.0001"), due_at))
    assert at.next_funding(PERPETUAL.symbol) is None


# ---- others made from a seed


def test_others_stand_beside_the_price_in_order_and_never_cross() -> None:
    for ticks in (1, 2, 100, 600_000):
        around = depth_around(CROWD, SPOT, Price(ticks), 3, START)
        bids = [price.ticks for price, _ in around.bids]
        asks = [price.ticks for price, _ in around.asks]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert [bids[0] if bids else 0, asks[0]] == [ticks - 1, ticks + 1]
        assert len(asks) == 20
        assert all(quantity for _, quantity in (*around.bids, *around.asks))


def test_the_same_seed_has_the_same_others_and_another_one_has_not() -> None:
    one, two = (depth_around(CROWD, SPOT, Price(9000), 5, START) for _ in range(2))
    assert one == two
    assert depth_around(CrowdSpec(8, 20), SPOT, Price(9000), 5, START) != one


def test_the_book_moves_with_the_price_and_some_of_it_with_time() -> None:
    now = depth_around(CROWD, SPOT, Price(9000), 5, START)
    later = depth_around(CROWD, SPOT, Price(9000), 6, START)
    assert now.bids != later.bids
    assert len(set(now.bids) & set(later.bids)) > 10


@pytest.mark.parametrize("levels", [0, 201])
def test_a_crowd_has_some_levels_and_not_too_many(levels: int) -> None:
    with pytest.raises(InvalidValueError, match="levels"):
        CrowdSpec(1, levels)


def test_funding_is_settled_at_the_full_eighth_hours() -> None:
    eight = datetime.fromisoformat("2024-08-08T08:00:00+00:00")
    assert settlement_at(settlement_after(START)) == eight
    assert settlement_at(settlement_after(eight)) == eight + FUNDING_EVERY


def test_funding_rates_stay_within_what_venues_have() -> None:
    rates = {funding_rate_of(1, number) for number in range(500)}
    assert min(rates) >= Decimal("-0.0001")
    assert max(rates) <= Decimal("0.0003")
    assert len(rates) > 100

"""Where entries rest: windows, hysteresis, slack, directions, bounds, budget and skew."""

import pytest

from domain.grid.events import FeedChanged, PriceMoved, Resynced
from domain.grid.state import begin
from domain.money import Price, Quantity
from domain.orders import Side
from tests.domain.grid.harness import (
    PERPETUAL,
    SPOT,
    T0,
    TAG,
    Runner,
    configured,
    kinds,
    places,
    requests,
)


def test_entries_are_placed_nearest_first_within_the_window() -> None:
    run = Runner(configured(), 10_000)
    # 100 / 990 = 0.10101.. -> 101 lots, 100 / 980 -> 102, 100 / 970 -> 103
    assert places(run.actions) == [("buy", 9_900, 101), ("buy", 9_800, 102), ("buy", 9_700, 103)]


def test_a_short_grid_is_the_mirror() -> None:
    run = Runner(configured(direction="short"), 10_000)
    assert places(run.actions) == [("sell", 10_100, 99), ("sell", 10_200, 98), ("sell", 10_300, 97)]


def test_a_neutral_grid_enters_on_both_sides_buys_first() -> None:
    run = Runner(configured(direction="neutral", buy_window=2, sell_window=1), 10_000)
    assert [side for side, _, _ in places(run.actions)] == ["buy", "sell", "buy"]
    assert run.ladder() == {"buy": [9_800, 9_900], "sell": [10_100]}


def test_nothing_is_sent_before_the_first_price() -> None:
    run = Runner(configured(), live=False)
    actions = run.tell(FeedChanged(live=True, at=T0))
    assert kinds(actions) == ["Resync"]


def test_nothing_is_sent_before_the_venue_has_shown_its_orders() -> None:
    run = Runner(configured(), live=False)
    assert run.decide(PriceMoved(Price(10_000), T0)) == ()
    assert kinds(run.decide(FeedChanged(live=True, at=T0))) == ["Resync"]
    assert len(run.decide(Resynced((), T0))) == 3


def test_the_center_stays_until_the_next_level_is_reached() -> None:
    run = Runner(configured(), 10_000)
    before = run.state
    assert run.moves(10_099) == []
    assert run.state is before
    assert places(run.moves(10_100)) == [("buy", 10_000, 100)]
    assert run.state.center == 101


def test_an_entry_is_canceled_only_beyond_the_window_and_its_slack() -> None:
    run = Runner(configured(), 10_000)
    run.moves(10_100)
    assert run.ladder()["buy"] == [9_700, 9_800, 9_900, 10_000]
    run.moves(10_200)
    assert run.ladder()["buy"] == [9_800, 9_900, 10_000, 10_100]


def test_entries_the_price_has_moved_into_stay() -> None:
    run = Runner(configured(), 10_000)
    run.venue.price = 9_900
    run.tell(PriceMoved(Price(9_900), T0))  # told before its fill
    assert 9_900 in run.ladder()["buy"]


def test_exits_pass_and_entries_respect_the_budget() -> None:
    run = Runner(configured(order_budget=2), 10_000)
    assert run.ladder()["buy"] == [9_800, 9_900]
    run.moves(9_800)
    assert run.ladder() == {"buy": [], "sell": [9_900, 10_000]}
    run.books_agree()


def test_nothing_opens_outside_the_bounds() -> None:
    run = Runner(configured(bounds={"lower": "980", "upper": "995"}), 10_000)
    assert run.ladder()["buy"] == [9_800, 9_900]
    run.moves(10_100)
    assert run.ladder()["buy"] == [9_800, 9_900]


def test_a_range_opens_nothing_beyond_its_ends() -> None:
    config = configured(
        range={"lower": "980", "upper": "1010", "levels": 4}, direction="neutral", sell_window=5
    )
    run = Runner(config, 10_000)
    assert run.ladder() == {"buy": [9_800, 9_900], "sell": [10_100]}
    # above the range all its levels are buys, but the last, which has no level to leave at
    run = Runner(config, 12_000)
    assert run.ladder() == {"buy": [9_800, 9_900, 10_000], "sell": []}


def test_entries_stop_at_the_last_price_there_is() -> None:
    run = Runner(configured(interval="500", amount="1000"), 10_000)
    assert run.ladder()["buy"] == [5_000]


def test_geometric_levels_keep_their_ratio() -> None:
    run = Runner(configured(spacing="geometric", step_percent="1"), 10_000)
    # 10000 / 1.01 = 9900.99, / 1.0201 = 9802.96, / 1.030301 = 9705.90
    assert run.ladder()["buy"] == [9_706, 9_803, 9_901]


def test_levels_of_less_than_a_tick_carry_nothing() -> None:
    config = configured(PERPETUAL, spacing="geometric", step_percent="0.4", buy_window=3)
    run = Runner(config, 100)  # 100, 99.6, 99.2 ticks, and 100.4 is the center
    assert [(order.request.price, run.state.slots[99].exit) for order in run.venue.working()] == [
        (Price(99), Price(100))
    ]


@pytest.mark.parametrize("amount,lots", [("4.9", None), ("5.1", 5)])
def test_a_level_under_the_venues_minimum_is_left_out(amount: str, lots: int | None) -> None:
    run = Runner(configured(SPOT, amount=amount, buy_window=1), 10_200)
    sent = [request.quantity for request in requests(run.actions)]
    assert sent == ([Quantity(lots)] if lots else [])


def test_a_level_that_could_be_entered_but_not_left_is_left_out() -> None:
    # sold at 1010 for 5.05, to be bought back at 1000 for 5.00, or at 990 for 4.95
    run = Runner(configured(direction="short", amount="5.06", sell_window=1), 10_000)
    assert run.ladder()["sell"] == [10_100]
    run = Runner(configured(direction="short", amount="5.06", sell_window=1), 9_900)
    assert run.ladder()["sell"] == []


def test_a_long_inventory_shifts_the_window_down_and_no_further_than_told() -> None:
    run = Runner(configured(skew={"factor": "1", "max_levels": 2}), 10_000)
    run.moves(9_900)  # one level held: the window is one lower
    assert run.state.center == 99
    assert run.ladder()["buy"] == [9_500, 9_600, 9_700, 9_800]
    run.moves(9_700)
    assert run.state.center == 97
    assert min(run.ladder()["buy"]) == 9_200  # 97 - 2 - 3, not 97 - 4 - 3
    run.books_agree()


def test_a_short_inventory_shifts_the_window_up() -> None:
    run = Runner(configured(direction="short", skew={"factor": "1", "max_levels": 2}), 10_000)
    run.moves(10_100)
    assert max(run.ladder()["sell"]) == 10_500


def test_orders_are_post_only_and_exits_reduce_only_where_there_are_positions() -> None:
    run = Runner(configured(), 10_000)
    run.moves(9_900)
    assert all(request.post_only for request in requests(run.actions))
    assert [r.reduce_only for r in requests(run.actions)] == [
        not r.entry for r in requests(run.actions)
    ]
    spot = Runner(configured(SPOT, post_only={"enabled": False}), 10_000)
    spot.moves(9_900)
    assert not any(r.post_only or r.reduce_only for r in requests(spot.actions))


def test_the_state_before_the_first_event_waits_for_everything() -> None:
    state = begin(configured(), TAG)
    assert not state.feed_live
    assert not state.synced
    assert state.floating() == 0
    assert state.entries(Side.BUY) == []

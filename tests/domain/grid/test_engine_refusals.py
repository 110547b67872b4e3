"""What a refusal means: another try, a pause of the slot, or a taker; never a hot loop."""

import pytest

from domain.grid.events import (
    Alert,
    AlertLevel,
    FeedChanged,
    GridEvent,
    PriceMoved,
    Reported,
    Resynced,
    StopAsked,
    TimePassed,
)
from domain.grid.spec import StopMode
from domain.grid.state import Phase
from domain.money import Price
from domain.orders import OrderStatus, RefusalReason, Side
from tests.domain.grid.harness import (
    T0,
    Runner,
    absent,
    configured,
    kinds,
    places,
    refused,
    requests,
)


def test_a_post_only_refusal_is_tried_again_at_a_fresh_price() -> None:
    run = Runner(configured(buy_window=1))
    run.moves(9_900)
    run.venue.price = 10_050  # the exit at 10000 would take
    run.fills(Side.BUY, 9_800)
    actions = run.fills(Side.SELL, 10_000)
    assert places(actions)[0] == ("buy", 9_900, 101)
    run.venue.price = 9_700
    run.fills(Side.BUY, 9_900)
    assert run.order(Side.SELL, 10_000).leaves == 101
    run.books_agree()


def test_an_exit_that_would_take_is_made_at_the_better_price() -> None:
    run = Runner(configured(buy_window=1))
    order = run.order(Side.BUY, 9_900)
    full = run.venue.fill(order, order.leaves)
    run.venue.price = 10_050
    actions = run.tell(Reported(full))
    assert [place for place in places(actions) if place[0] == "sell"] == [
        ("sell", 10_000, 101),
        ("sell", 10_051, 101),
    ]
    run.books_agree()


def test_after_three_refusals_the_slot_pauses_until_something_moves() -> None:
    run = Runner(configured(buy_window=1), live=False)
    run.tell(*_live())
    sent = list(run.decide(PriceMoved(Price(10_000), T0)))
    for _ in range(3):
        (request,) = requests(sent)
        sent = list(run.decide(refused(request.client_id, RefusalReason.WOULD_CROSS)))
    (request,) = requests(sent)
    assert run.decide(refused(request.client_id, RefusalReason.WOULD_CROSS)) == ()
    assert run.slot(9_900).blocked
    assert places(run.waits()) == [("buy", 9_900, 101)]


def test_a_grid_that_may_take_takes_after_its_retries() -> None:
    config = configured(buy_window=1, post_only={"then": "taker", "retries": 1})
    run = Runner(config, live=False)
    run.tell(*_live())
    sent = list(run.decide(PriceMoved(Price(10_000), T0)))
    for post_only in (True, True, False):
        (request,) = requests(sent)
        assert request.post_only is post_only
        sent = list(run.decide(refused(request.client_id, RefusalReason.WOULD_CROSS)))


def test_accepted_and_then_canceled_as_crossing_is_the_same() -> None:
    run = Runner(configured(buy_window=1))
    for _ in range(3):
        order = run.order(Side.BUY, 9_900)
        run.venue.end(order, OrderStatus.CANCELED, RefusalReason.WOULD_CROSS)
        assert places(run.tell(Reported(order.report()))) == [("buy", 9_900, 101)]
    order = run.order(Side.BUY, 9_900)
    run.venue.end(order, OrderStatus.CANCELED, RefusalReason.WOULD_CROSS)
    assert run.tell(Reported(order.report())) == []


@pytest.mark.parametrize(
    "reason,alerts",
    [
        (RefusalReason.INSUFFICIENT_FUNDS, 1),
        (RefusalReason.INVALID, 1),
        (RefusalReason.OTHER, 1),
        (RefusalReason.RISK, 0),
    ],
)
def test_any_other_refusal_rests_the_slot_until_the_center_moves(
    reason: RefusalReason, alerts: int
) -> None:
    run = Runner(configured(buy_window=2), live=False)
    run.tell(*_live())
    (first, _) = requests(run.decide(PriceMoved(Price(10_000), T0)))
    actions = run.decide(refused(first.client_id, reason))
    assert kinds(actions) == ["Alert"] * alerts
    assert run.slot(9_900).blocked
    again = places(run.decide(PriceMoved(Price(10_100), T0)))
    assert ("buy", 9_900, 101) in again


@pytest.mark.parametrize(
    "status", [OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED]
)
def test_an_end_nobody_asked_for_rests_the_slot_until_time_passes(status: OrderStatus) -> None:
    run = Runner(configured(buy_window=1))
    order = run.order(Side.BUY, 9_900)
    run.venue.end(order, status, None)
    assert run.tell(Reported(order.report())) == []
    assert places(run.tell(TimePassed(T0))) == [("buy", 9_900, 101)]


def test_a_refusal_of_an_order_that_was_seen_alive_is_nonsense() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    before = run.state
    assert run.tell(refused(order.request.client_id, RefusalReason.OTHER)) == []
    assert run.tell(absent(order.request.client_id)) == []
    assert run.tell(refused("somebody", RefusalReason.OTHER)) == []
    assert run.state == before


def test_a_refused_close_is_tried_again_when_time_passes() -> None:
    run = Runner(configured())
    run.moves(9_900)
    ended = run.perform(run.decide(StopAsked(StopMode.CLOSE, T0)))
    (close,) = requests(action for event in ended for action in run.decide(event))
    (alert,) = run.tell(refused(close.client_id, RefusalReason.OTHER))
    assert isinstance(alert, Alert)
    assert alert.level is AlertLevel.ERROR
    assert run.tell(PriceMoved(Price(9_000), T0)) == []
    run.waits()
    assert run.state.phase is Phase.FINISHED
    run.books_agree()


def _live() -> list[GridEvent]:
    return [FeedChanged(live=True, at=T0), Resynced((), T0)]

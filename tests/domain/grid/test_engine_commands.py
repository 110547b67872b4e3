"""What people and circumstances ask of a run: pause, stop, risk, feed, trigger, settings."""

from dataclasses import replace
from typing import Any

import pytest

from domain.errors import InvalidValueError
from domain.grid.engine import check_reconfigure, step
from domain.grid.events import (
    Alert,
    AlertLevel,
    FeedChanged,
    GridAction,
    PauseAsked,
    PriceMoved,
    ReconfigureAsked,
    Reported,
    ResumeAsked,
    RiskChanged,
    StopAsked,
    TimePassed,
    VolatilityMeasured,
)
from domain.grid.spec import StopMode
from domain.grid.state import Phase
from domain.grid.watch import watch
from domain.money import Price
from domain.orders import OrderRequest, OrderStatus, RefusalReason, Side
from tests.domain.grid.harness import (
    PERPETUAL,
    SPOT,
    T0,
    D,
    Runner,
    VenueOrder,
    absent,
    configured,
    is_market,
    kinds,
    places,
    refused,
    requests,
)


def test_a_pause_cancels_entries_and_lets_exits_pass() -> None:
    run = Runner(configured())
    run.moves(9_900)
    order = run.order(Side.BUY, 9_800)
    full = run.venue.fill(order, order.leaves)
    actions = run.tell(PauseAsked(T0), Reported(full))
    assert kinds(actions).count("Cancel") == 3
    assert run.ladder() == {"buy": [], "sell": [9_900, 10_000]}
    assert run.tell(PauseAsked(T0)) == []
    assert places(run.tell(ResumeAsked(T0))) != []
    assert run.tell(ResumeAsked(T0)) == []
    run.books_agree()


def test_a_halt_cancels_entries_of_both_sides_and_lets_exits_pass() -> None:
    run = Runner(configured(direction="neutral"))
    run.moves(9_900)
    run.tell(RiskChanged(halted=True, at=T0, why="volume"))
    assert run.ladder() == {"buy": [], "sell": [10_000]}
    assert run.state.halted_why == "volume"
    assert kinds(run.moves(9_700)) == []
    run.tell(RiskChanged(halted=False, at=T0))
    assert run.ladder()["buy"] == [9_400, 9_500, 9_600]
    run.books_agree()


def test_a_stale_feed_opens_nothing_and_closes_all_the_same() -> None:
    run = Runner(configured())
    run.tell(FeedChanged(live=False, at=T0))
    actions = run.fills(Side.BUY, 9_900)
    assert places(actions) == [("sell", 10_000, 101)]


def test_stopping_with_keep_leaves_everything_as_it_is() -> None:
    run = Runner(configured())
    run.moves(9_900)
    assert run.tell(StopAsked(StopMode.KEEP, T0)) == []
    assert run.state.finished
    assert run.ladder()["sell"] == [10_000]


def test_stopping_with_cancel_ends_the_orders_and_keeps_the_position() -> None:
    run = Runner(configured())
    run.moves(9_900)
    actions = run.tell(StopAsked(StopMode.CANCEL, T0))
    assert kinds(actions) == ["Cancel"] * 4
    assert run.state.finished
    assert run.state.position_lots == 101
    run.books_agree()


@pytest.mark.parametrize("direction,side", [("long", Side.SELL), ("short", Side.BUY)])
def test_stopping_with_close_trades_the_position_back_as_one(direction: str, side: Side) -> None:
    run = Runner(configured(direction=direction))
    run.moves(9_800 if direction == "long" else 10_200)
    run.venue.price = 10_000
    actions = run.tell(StopAsked(StopMode.CLOSE, T0))
    (close,) = [r for r in requests(actions) if is_market(r)]
    assert close.side is side
    assert close.reduce_only
    assert not close.entry
    assert run.state.finished
    assert run.venue.base == 0
    assert run.state.floating() == 0
    run.books_agree()


def test_longs_and_shorts_that_cancel_out_are_realized_without_a_trade() -> None:
    run = Runner(configured(direction="neutral", amount="97.85"))
    run.fills(Side.BUY, 9_900, 90)
    run.fills(Side.SELL, 10_100, 90)
    run.tell(StopAsked(StopMode.CLOSE, T0))
    assert not any(is_market(request) for request in requests(run.actions))
    assert run.state.finished
    assert run.state.totals.grid_profit == D("1.8")  # 0.090 x 20
    assert run.state.floating() == 0
    run.books_agree()


def test_a_run_that_shares_its_market_never_asks_to_only_reduce() -> None:
    run = Runner(configured(shared=True))
    run.moves(9_800)
    run.tell(StopAsked(StopMode.CLOSE, T0))
    assert any(not request.entry for request in requests(run.actions))
    assert not any(request.reduce_only for request in requests(run.actions))
    run.books_agree()


def test_a_close_of_what_somebody_else_has_closed_ends_and_says_so() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    close = closing(run)
    (alert,) = run.decide(refused(close.client_id, RefusalReason.REDUCE_ONLY))
    assert run.state.finished
    assert isinstance(alert, Alert)
    assert "closed by somebody else" in run.state.stop_why


def test_what_is_too_small_to_close_is_told() -> None:
    run = Runner(configured(SPOT))
    run.fills(Side.BUY, 9_900)
    actions = run.tell(StopAsked(StopMode.CLOSE, T0))
    (alert,) = [action for action in actions if isinstance(action, Alert)]
    assert alert.message == "0.000899 BTC is left: below what the venue trades"
    assert run.state.finished
    run.books_agree()


def closing(run: Runner) -> OrderRequest:
    """Stop *run* and return the order that closes it, which nobody has answered yet."""
    actions: tuple[GridAction, ...] = run.decide(StopAsked(StopMode.CLOSE, T0))
    while not any(is_market(request) for request in requests(actions)):
        inbox = run.perform(actions)
        actions = tuple(action for event in inbox for action in run.decide(event))
    (close,) = requests(actions)
    return close


def test_what_is_worth_too_little_at_the_venues_price_is_left_and_told() -> None:
    run = Runner(configured(replace(PERPETUAL, min_notional=D(9))))
    run.fills(Side.BUY, 9_900, 10)
    close = closing(run)
    (alert,) = run.decide(refused(close.client_id, RefusalReason.INVALID))
    assert isinstance(alert, Alert)
    assert alert.message.startswith("0.010 BTC is left: ")
    assert run.state.finished
    assert run.state.position_lots == 10


def test_a_close_of_plenty_that_the_venue_finds_invalid_is_tried_again() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    close = closing(run)
    run.decide(refused(close.client_id, RefusalReason.INVALID))
    assert not run.state.finished
    assert [is_market(request) for request in requests(run.waits())] == [True]


def test_a_close_that_is_invalid_again_and_again_ends_with_what_is_left_said() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    close = closing(run)
    for _ in range(2):
        run.decide(refused(close.client_id, RefusalReason.INVALID))
        assert not run.state.finished
        (close,) = requests(run.decide(TimePassed(T0)))
    (alert,) = run.decide(refused(close.client_id, RefusalReason.INVALID))
    assert isinstance(alert, Alert)
    assert alert.level is AlertLevel.ERROR
    assert "0.101 BTC is left" in alert.message
    assert alert.message in run.state.stop_why
    assert run.state.finished
    assert run.state.position_lots == 101


@pytest.mark.parametrize("reason", [RefusalReason.OTHER, RefusalReason.INSUFFICIENT_FUNDS])
def test_refusals_for_other_reasons_in_between_are_no_row(reason: RefusalReason) -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    close = closing(run)
    for refusal in [RefusalReason.INVALID, RefusalReason.INVALID, reason] * 3:
        run.decide(refused(close.client_id, refusal))
        assert not run.state.finished
        (close,) = requests(run.decide(TimePassed(T0)))


def test_a_close_that_ends_early_is_sent_again_for_the_rest() -> None:
    run = Runner(configured())
    run.moves(9_800)
    (place,) = [
        action
        for event in run.perform(run.decide(StopAsked(StopMode.CLOSE, T0)))
        for action in run.decide(event)
    ]
    (request,) = requests([place])
    order = VenueOrder(request, "close-1")
    run.venue.orders[request.client_id] = order
    partly = run.venue.fill(order, 100)
    run.tell(Reported(partly))
    assert run.state.closing is not None
    assert run.tell(Reported(partly)) == []
    run.venue.end(order, OrderStatus.EXPIRED, None)
    assert run.tell(Reported(order.report())) == []
    assert places(run.waits()) == [("sell", 0, 103)]
    assert run.state.finished
    run.books_agree()


def test_a_late_fill_of_a_closing_order_counts() -> None:
    run = Runner(configured())
    run.moves(9_800)
    (place,) = [
        action
        for event in run.perform(run.decide(StopAsked(StopMode.CLOSE, T0)))
        for action in run.decide(event)
    ]
    (request,) = requests([place])
    assert places(run.tell(absent(request.client_id))) == [("sell", 0, 203)]
    late = VenueOrder(request, "close-1")
    run.tell(Reported(run.venue.fill(late, 3)))
    assert run.state.position_lots == -3
    run.books_agree()


def test_half_closed_is_not_a_place_to_stay() -> None:
    run = Runner(configured())
    run.moves(9_800)
    for event in run.perform(run.decide(StopAsked(StopMode.CLOSE, T0))):
        run.decide(event)
    run.decide(StopAsked(StopMode.KEEP, T0))
    assert run.state.stop_mode is StopMode.CLOSE
    assert run.state.phase is Phase.STOPPING


def test_a_stop_waits_for_the_view_it_has_asked_for() -> None:
    run = Runner(configured(), live=False)
    (resync,) = run.decide(FeedChanged(live=True, at=T0))
    assert run.decide(StopAsked(StopMode.CLOSE, T0)) == ()
    assert not run.state.finished
    run.tell(*run.perform([resync]))
    assert run.state.finished


def test_a_stop_before_the_first_price_closes_what_was_found() -> None:
    run = Runner(configured())
    run.moves(9_900)
    again = Runner(configured(), live=False)
    again.venue = run.venue
    again.tell(FeedChanged(live=True, at=T0))
    assert again.state.price is None
    again.tell(StopAsked(StopMode.CLOSE, T0))
    assert again.state.finished
    assert again.venue.base == 0


def test_a_finished_run_does_nothing_more() -> None:
    run = Runner(configured())
    run.tell(StopAsked(StopMode.CANCEL, T0))
    before = run.state
    events = (
        PriceMoved(Price(1), T0),
        TimePassed(T0),
        ResumeAsked(T0),
        FeedChanged(live=True, at=T0),
        RiskChanged(halted=True, at=T0),
        StopAsked(StopMode.CLOSE, T0),
        VolatilityMeasured(D(900), T0),
    )
    assert run.tell(*events) == []
    assert run.state == before


# --- trigger and alarms


@pytest.mark.parametrize("trigger,through", [("1010", 10_100), ("990", 9_900)])
def test_a_grid_waits_for_its_trigger_from_either_side(trigger: str, through: int) -> None:
    run = Runner(configured(trigger_price=trigger))
    assert str(run.state.phase) == "waiting"
    assert run.actions[1:] == []
    assert run.moves(through - (1 if through > 10_000 else -1)) == []
    assert len(run.moves(through)) == 3
    assert run.state.phase is Phase.RUNNING


def test_a_trigger_at_the_first_price_starts_at_once() -> None:
    assert Runner(configured(trigger_price="1000")).state.phase is Phase.RUNNING


def test_a_trigger_that_is_pulled_in_a_pause_is_remembered() -> None:
    run = Runner(configured(trigger_price="1010"))
    run.tell(PauseAsked(T0))
    assert run.moves(10_100) == []
    assert len(run.tell(ResumeAsked(T0))) == 3
    waiting = Runner(configured(trigger_price="1010"))
    waiting.tell(PauseAsked(T0), ResumeAsked(T0))
    assert waiting.state.phase is Phase.WAITING


@pytest.mark.parametrize(
    "alarm,price,then,base",
    [
        ("stop_loss", 9_500, "close", 0),
        ("stop_loss", 9_500, "keep", 1),
        ("take_profit", 10_500, "close", 0),
    ],
)
def test_an_alarm_ends_the_run_as_told(alarm: str, price: int, then: str, base: int) -> None:
    rule: dict[str, Any] = {alarm: {"price": str(price / 10), "then": then}}
    run = Runner(configured(**rule))
    run.moves(9_900)
    actions = run.moves(price)
    assert any(
        isinstance(a, Alert) and f"{alarm} {price / 10} reached" in a.message for a in actions
    )
    assert run.state.finished
    assert bool(run.venue.base) == bool(base)
    run.books_agree()


def test_a_stopping_run_waits_for_no_price() -> None:
    run = Runner(configured())
    run.decide(StopAsked(StopMode.CANCEL, T0))
    assert watch(run.state).quiet(Price(1))


# --- epochs


def test_a_new_interval_cancels_the_old_entries_before_new_ones_go_out() -> None:
    run = Runner(configured(adaptive={}))
    actions = run.decide(VolatilityMeasured(D(150), T0))
    assert kinds(actions) == ["Cancel"] * 3  # 100 -> 150
    run.tell(*run.perform(actions))
    assert run.ladder()["buy"] == [9_600, 9_750, 9_900]
    assert run.state.epoch == 1


def test_a_held_slot_keeps_the_exit_of_its_own_epoch() -> None:
    run = Runner(configured(adaptive={}))
    run.moves(9_900)
    run.tell(VolatilityMeasured(D(200), T0))
    assert run.ladder()["sell"] == [10_000]
    assert run.slot(9_900).exit == Price(10_000)
    run.books_agree()


def test_a_held_slot_of_an_older_lattice_stands_for_the_level_beside_it() -> None:
    run = Runner(configured(adaptive={}, interval="10"))
    run.moves(9_700)  # 9900, 9800 and 9700 are held
    run.tell(VolatilityMeasured(D(130), T0))
    # levels of 130: 9750 is beside 9800 and 9700, 9620 is a level of its own
    assert run.state.lattice is not None
    assert 9_620 in run.ladder()["buy"]
    assert 9_750 not in run.ladder()["buy"]


def test_volatility_says_nothing_before_the_first_price_or_without_an_interval() -> None:
    run = Runner(configured(adaptive={}), live=False)
    assert run.decide(VolatilityMeasured(D(900), T0)) == ()
    fixed = Runner(configured(spacing="geometric", step_percent="1"))
    assert fixed.decide(VolatilityMeasured(D(900), T0)) == ()
    assert Runner(configured(adaptive={})).decide(VolatilityMeasured(D(110), T0)) == ()


# --- settings


def reconfigured(run: Runner, **fields: Any) -> list[GridAction]:
    config = configured(run.state.config.instrument, **fields)
    check_reconfigure(run.state, config)
    return list(run.tell(ReconfigureAsked(config, T0)))


def test_other_windows_touch_only_the_difference() -> None:
    run = Runner(configured())
    assert kinds(reconfigured(run, buy_window=5)) == ["Place", "Place"]
    assert kinds(reconfigured(run, buy_window=1)) == ["Cancel"] * 3
    assert run.ladder()["buy"] == [9_800, 9_900]  # one level of slack


def test_another_interval_moves_the_ladder() -> None:
    run = Runner(configured())
    run.moves(9_900)
    reconfigured(run, interval="20")
    assert run.ladder() == {"buy": [9_400, 9_600, 9_800], "sell": [10_000]}
    run.books_agree()


def test_another_amount_keeps_the_ladder_where_it_is() -> None:
    run = Runner(configured(spacing="geometric", step_percent="1"))
    run.moves(10_050)
    before = run.ladder()
    reconfigured(run, spacing="geometric", step_percent="1", amount="200")
    assert run.ladder() == before
    assert run.order(Side.BUY, 9_901).request.quantity.lots == 201


def test_a_smaller_budget_and_tighter_bounds_cancel_what_is_too_much() -> None:
    run = Runner(configured())
    reconfigured(run, order_budget=1)
    assert run.ladder()["buy"] == [9_900]
    reconfigured(run, bounds={"upper": "985"})
    assert run.ladder()["buy"] == [9_700, 9_800]


def test_a_trigger_can_be_changed_or_dropped_while_waiting() -> None:
    run = Runner(configured(trigger_price="1010"))
    reconfigured(run, trigger_price="995")
    run.moves(9_999)
    assert str(run.state.phase) == "waiting"
    run.moves(9_950)
    assert run.state.phase is Phase.RUNNING
    dropped = Runner(configured(trigger_price="1010"))
    reconfigured(dropped)
    assert len(dropped.moves(10_000)) == 3


def test_settings_before_the_first_price_are_simply_taken() -> None:
    run = Runner(configured(), live=False)
    assert reconfigured(run, interval="20") == []
    assert run.state.lattice is None


@pytest.mark.parametrize(
    "fields,message",
    [
        ({"direction": "short"}, "direction: a run keeps its direction long, was short"),
        ({"account": "other"}, "account: a run keeps its account paper, was other"),
    ],
)
def test_a_run_keeps_what_it_is(fields: dict[str, Any], message: str) -> None:
    run = Runner(configured())
    config = configured(**fields)
    with pytest.raises(InvalidValueError, match=message):
        check_reconfigure(run.state, config)
    before = run.state
    (alert,) = step(before, ReconfigureAsked(config, T0)).actions
    assert isinstance(alert, Alert)
    assert message in alert.message
    assert step(before, ReconfigureAsked(config, T0)).state == before


def test_a_run_keeps_its_symbol_and_its_steps() -> None:
    run = Runner(configured())
    with pytest.raises(InvalidValueError, match="symbol: a run keeps its symbol"):
        check_reconfigure(run.state, configured(SPOT))
    finer = configured(replace(PERPETUAL, tick_size=D("0.01")))
    with pytest.raises(InvalidValueError, match=r"tick_size: a run keeps its tick_size 0\.1, was"):
        check_reconfigure(run.state, finer)


def test_a_run_that_stops_takes_no_new_settings() -> None:
    run = Runner(configured())
    run.decide(StopAsked(StopMode.CANCEL, T0))
    with pytest.raises(InvalidValueError, match="a run that is stopping takes no new settings"):
        check_reconfigure(run.state, configured())
    assert kinds(run.decide(ReconfigureAsked(configured(), T0))) == ["Alert"]


def test_a_refused_entry_tries_again_after_a_resume() -> None:
    run = Runner(configured(buy_window=1), live=False)
    run.tell(FeedChanged(live=True, at=T0))
    (request,) = requests(run.decide(PriceMoved(Price(10_000), T0)))
    run.decide(refused(request.client_id, RefusalReason.OTHER))
    run.decide(PauseAsked(T0))
    assert places(run.tell(ResumeAsked(T0))) == [("buy", 9_900, 101)]


def test_tighter_bounds_cancel_what_rests_outside_and_nothing_else() -> None:
    run = Runner(configured())
    actions = reconfigured(run, bounds={"upper": "985"})
    assert kinds(actions) == ["Cancel"]
    assert run.ladder()["buy"] == [9_700, 9_800]

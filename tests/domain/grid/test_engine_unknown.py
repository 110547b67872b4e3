"""What is not known stays not known until it was looked up; then every order exists once."""

from dataclasses import replace

from domain.grid.events import (
    Alert,
    AlertLevel,
    Cancel,
    FeedChanged,
    LookUp,
    Place,
    PriceMoved,
    Reported,
    Resync,
    Resynced,
    StopAsked,
    TimePassed,
)
from domain.grid.slot import SlotState
from domain.grid.spec import StopMode
from domain.grid.state import Phase, begin
from domain.money import Price, Quantity
from domain.order_ids import OrderKey, Purpose, decode, encode, run_tag
from domain.orders import OrderStatus, Side
from tests.domain.grid.harness import (
    T0,
    TAG,
    Runner,
    absent,
    configured,
    kinds,
    places,
    requests,
    unknown,
)


def unanswered(run: Runner) -> str:
    """Send one entry whose answer is lost and return its id."""
    run.tell(FeedChanged(live=True, at=T0), Resynced((), T0))
    (request,) = requests(run.decide(PriceMoved(Price(10_000), T0)))
    assert kinds(run.decide(unknown(request.client_id))) == ["Alert"]
    run.venue.place(request)
    return request.client_id


def test_an_unknown_outcome_keeps_its_slot_until_it_was_looked_up() -> None:
    run = Runner(configured(buy_window=1), live=False)
    client_id = unanswered(run)
    assert run.slot(9_900).state is SlotState.PENDING
    actions = run.tell(TimePassed(T0))
    assert actions == [LookUp("BTC/USDT:USDT", client_id)]
    assert run.slot(9_900).state is SlotState.LOCKED
    assert run.tell(TimePassed(T0)) == []


def test_a_doubt_is_told_once_however_often_it_is_confirmed() -> None:
    run = Runner(configured(buy_window=1))
    client_id = run.order(Side.BUY, 9_900).request.client_id
    told = [run.decide(unknown(client_id)) for _ in range(3)]
    wanted = f"order {client_id} is in doubt and will be looked up: no answer"
    assert told == [(Alert(AlertLevel.WARNING, wanted),), (), ()]


def test_a_proved_absence_frees_the_slot_and_sends_under_a_new_name() -> None:
    run = Runner(configured(buy_window=1), live=False)
    client_id = unanswered(run)
    run.venue.orders.clear()
    _, place = run.tell(TimePassed(T0))
    assert isinstance(place, Place)
    before, after = decode(client_id), decode(place.request.client_id)
    assert before is not None
    assert after == replace(before, generation=before.generation + 1)


def test_an_order_the_venue_does_not_show_is_looked_up_not_forgotten() -> None:
    run = Runner(configured(buy_window=1))
    order = run.order(Side.BUY, 9_900)
    actions = run.decide(Resynced((), T0))
    assert actions == (LookUp("BTC/USDT:USDT", order.request.client_id),)
    assert run.slot(9_900).state is SlotState.LOCKED
    run.tell(Reported(order.report()))
    assert not run.slot(9_900).order.unknown  # type: ignore[union-attr]


def test_an_order_that_is_missing_and_then_absent_is_over() -> None:
    run = Runner(configured(buy_window=1))
    order = run.order(Side.BUY, 9_900)
    run.decide(Resynced((), T0))
    del run.venue.orders[order.request.client_id]
    assert places(run.tell(absent(order.request.client_id))) == [("buy", 9_900, 101)]


def test_a_fill_while_nobody_listened_is_found_and_its_exit_placed_once() -> None:
    run = Runner(configured())
    run.tell(FeedChanged(live=False, at=T0))
    order = run.order(Side.BUY, 9_900)
    run.venue.fill(order, order.leaves)
    actions = run.tell(FeedChanged(live=True, at=T0))
    assert kinds(actions)[0] == "Resync"
    assert places(actions)[0] == ("sell", 10_000, 101)
    assert run.state.center == 100  # what happened then says nothing of the price of now
    assert run.tell(FeedChanged(live=True, at=T0)) == [Resync("BTC/USDT:USDT")]
    run.books_agree()


def test_an_order_of_ours_that_no_slot_owns_is_canceled() -> None:
    run = Runner(configured())
    state = run.state
    run.moves(10_200)  # 9700 is canceled
    lost = next(o for o in run.venue.orders.values() if o.status is OrderStatus.CANCELED)
    lost.status = OrderStatus.OPEN
    run.state = replace(run.state, closed=())
    actions = run.tell(Resynced((lost.report(),), T0))
    assert [a.client_id for a in actions if isinstance(a, Cancel)] == [lost.request.client_id]
    assert state.generation == 3


def test_a_stale_view_cancels_nothing_that_is_known_to_be_over() -> None:
    run = Runner(configured())
    old = tuple(order.report() for order in run.venue.orders.values())
    run.moves(9_900)
    before = run.state.position_lots
    actions = run.decide(Resynced(old, T0))
    assert not any(isinstance(action, Cancel) for action in actions)
    assert run.state.position_lots == before


def test_a_lost_cancel_is_asked_for_again() -> None:
    run = Runner(configured())
    decided = run.decide(PriceMoved(Price(10_200), T0))
    (cancel,) = [action for action in decided if isinstance(action, Cancel)]
    run.perform([action for action in decided if action is not cancel])
    assert kinds(run.decide(unknown(cancel.client_id))) == ["Alert"]
    actions = run.tell(TimePassed(T0))
    assert kinds(actions)[0] == "LookUp"
    assert cancel in actions
    assert 9_700 not in run.state.slots


def test_a_cancel_that_was_never_sent_is_asked_for_again_after_a_resync() -> None:
    run = Runner(configured())
    actions = run.decide(PriceMoved(Price(10_200), T0))
    (cancel,) = [action for action in actions if isinstance(action, Cancel)]
    assert cancel in run.tell(FeedChanged(live=True, at=T0))
    assert 9_700 not in run.state.slots


def test_a_canceled_order_the_venue_has_forgotten_is_over() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_700)
    del run.venue.orders[order.request.client_id]
    run.moves(10_200)
    assert 9_700 not in run.state.slots


def test_an_order_under_way_is_not_canceled_before_it_is_known() -> None:
    run = Runner(configured(buy_window=1), live=False)
    client_id = unanswered(run)
    assert run.decide(StopAsked(StopMode.CANCEL, T0)) == ()
    actions = run.tell(TimePassed(T0))
    assert kinds(actions) == ["LookUp", "Cancel"]
    assert run.state.phase is Phase.FINISHED
    assert client_id in run.venue.orders


# --- power loss: the state is older than what the venue has seen


def after_power_loss() -> tuple[Runner, Runner]:
    """Return a run that went on, and one that starts again from before it sent anything."""
    run = Runner(configured())
    run.moves(9_900)
    again = Runner(configured(), live=False)
    again.venue = run.venue
    again.state = replace(begin(configured(), TAG), price=Price(10_000))
    return run, again


def test_orders_the_state_never_knew_are_adopted() -> None:
    run, again = after_power_loss()
    again.tell(FeedChanged(live=True, at=T0), PriceMoved(Price(9_900), T0))
    assert again.state.generation >= run.state.generation
    assert again.ladder() == {"buy": [9_600, 9_700, 9_800], "sell": [10_000]}
    again.books_agree()


def test_lost_orders_may_be_told_in_any_order() -> None:
    run, again = after_power_loss()
    again.tell(PriceMoved(Price(9_900), T0))
    reports = [order.report() for order in run.venue.orders.values()]
    again.state = replace(again.state, lattice=run.state.lattice, center=99)
    for report in reversed(reports):
        again.tell(Reported(report))
    assert again.state.position_lots == 101
    assert again.state.unseen == ()
    assert again.state.slots[9_900].exiting
    again.books_agree()


def test_a_lost_entry_on_no_level_of_ours_is_canceled() -> None:
    _, again = after_power_loss()
    again.state = begin(configured(interval="30"), TAG)
    again.tell(FeedChanged(live=True, at=T0), PriceMoved(Price(9_900), T0))
    assert again.ladder()["buy"] == [9_000, 9_300, 9_600]
    again.books_agree()


def test_a_lost_close_is_counted_and_gone_on_with() -> None:
    run, again = after_power_loss()
    stored = run.state
    run.moves(9_800)
    run.tell(StopAsked(StopMode.CLOSE, T0))
    assert run.state.finished
    again.state = stored
    again.tell(FeedChanged(live=True, at=T0))
    assert again.state.finished
    assert run.venue.base == 0
    again.books_agree()
    assert again.state.totals.grid_profit == run.state.totals.grid_profit


def test_ids_of_other_runs_are_none_of_our_business() -> None:
    run = Runner(configured())
    other = encode(OrderKey(run_tag("another"), Purpose.ENTRY_BUY, 9_900, 99))
    order = run.order(Side.BUY, 9_900)
    stranger = replace(order.report(), client_id=other)
    before = run.state
    assert not any(isinstance(a, Cancel) for a in run.tell(Resynced((stranger,), T0)))
    assert run.state.generation == before.generation


def test_a_closing_order_of_unknown_outcome_is_looked_up() -> None:
    run = Runner(configured())
    run.moves(9_900)
    run.perform(run.decide(StopAsked(StopMode.CLOSE, T0)))
    canceled = [o for o in run.venue.orders.values() if o.status is OrderStatus.CANCELED]
    actions = [run.decide(Reported(order.report())) for order in canceled]
    (close,) = requests(actions[-1])
    run.decide(unknown(close.client_id))
    run.tell(TimePassed(T0))  # it never arrived: another is sent
    assert run.state.finished
    assert run.venue.base == 0
    assert run.state.totals.grid_profit == 0
    run.books_agree()


def test_a_live_order_in_doubt_is_not_canceled_before_it_is_known() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_700)
    run.decide(unknown(order.request.client_id))
    assert "Cancel" not in kinds(run.decide(PriceMoved(Price(10_200), T0)))
    assert "Cancel" in kinds(run.tell(TimePassed(T0)))


def test_a_late_fill_of_an_exit_whose_slot_is_forgotten_is_still_a_sale() -> None:
    run = Runner(configured())
    run.moves(9_900)
    order = run.order(Side.SELL, 10_000)
    missed = run.venue.fill(order, 101)
    run.tell(Reported(replace(missed, filled=Quantity(100), value=100 * 10_000)))
    assert run.state.position_lots == 1
    run.state = replace(run.state, slots={k: s for k, s in run.state.slots.items() if k != 9_900})
    run.tell(Reported(missed))
    slot = run.slot(9_900)
    assert (slot.side, slot.exit, slot.holding.lots) == (Side.BUY, Price(10_000), -1)

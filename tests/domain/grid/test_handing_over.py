"""An emergency exit takes over: the grid cancels, closes nothing, and does not count its orders."""

from domain.grid.engine import step
from domain.grid.events import Cancel, OutcomeUnknown, PriceMoved, Reported, ResumeAsked, StopAsked
from domain.grid.spec import StopMode
from domain.money import Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode
from domain.orders import OrderReport, OrderStatus, Side, Unknown
from tests.domain.grid.harness import PERPETUAL, T0, Runner, absent, configured, requests
from tests.domain.grid.test_engine_commands import closing

HAND_OVER = StopAsked(StopMode.CANCEL, T0, handed_over=True)


def test_all_orders_are_canceled_and_what_is_held_stays() -> None:
    run = Runner(configured())
    run.moves(9_800)
    held, working = run.state.position_lots, {o.client_id for o in run.state.working()}
    assert held > 0
    actions = run.tell(HAND_OVER)
    assert {each.client_id for each in actions if isinstance(each, Cancel)} == working
    assert requests(actions) == []
    assert run.state.finished
    assert (run.state.position_lots, run.state.stop_why) == (
        held,
        "an emergency exit took over",
    )
    assert not run.venue.working()


def test_in_the_middle_of_a_close_it_closes_no_further() -> None:
    run = Runner(configured())
    run.moves(9_800)
    close = closing(run)
    run.tell(OutcomeUnknown(Unknown(close.client_id)))
    run.tell(HAND_OVER)
    assert not run.state.finished  # that order may have arrived
    assert requests(run.tell(absent(close.client_id))) == []
    assert run.state.finished
    assert run.state.position_lots > 0


def test_nothing_makes_it_trade_again() -> None:
    run = Runner(configured())
    run.moves(9_800)
    actions = run.decide(HAND_OVER)
    for event in (
        StopAsked(StopMode.CLOSE, T0),
        ResumeAsked(T0),
        PriceMoved(Price(9_000), T0),
        HAND_OVER,
    ):
        assert run.decide(event) == ()
    assert requests(run.tell(*run.perform(actions))) == []
    assert run.state.finished
    assert run.state.position_lots > 0


def test_the_orders_of_the_exit_are_not_its_own() -> None:
    run = Runner(configured())
    run.moves(9_800)
    key = OrderKey(run.state.tag, Purpose.LEAVE_SELL, 1, 10_000)
    report = OrderReport(
        encode(key),
        "v9",
        PERPETUAL.symbol,
        Side.SELL,
        OrderStatus.FILLED,
        Quantity(5),
        Quantity(5),
        5 * 9_800,
    )
    assert step(run.state, Reported(report)).state is run.state

"""Whatever the venue does on the way out, it ends flat, and never on the other side."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from domain.grid.events import (
    Alert,
    AlertLevel,
    LookUp,
    OutcomeUnknown,
    Place,
    Reported,
    TimePassed,
)
from domain.money import Price, Quantity
from domain.order_ids import Purpose, decode
from domain.orders import (
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    RefusalReason,
    Side,
    Unknown,
)
from domain.risk.leaving import PATIENCE, Leaving, LeavingStep, Phase, leave, step
from domain.risk.leaving_events import (
    AskPosition,
    CancelAll,
    LeavingAction,
    LeavingEvent,
    OrdersCanceled,
    PositionSeen,
)
from tests.domain.grid.harness import PERPETUAL, SPOT, T0, TAG, D, absent, refused

STATES = TypeAdapter(Leaving)
EVENTS: TypeAdapter[LeavingEvent] = TypeAdapter(LeavingEvent)
ACTIONS: TypeAdapter[LeavingAction] = TypeAdapter(LeavingAction)
SYMBOL = PERPETUAL.symbol
LATER = TimePassed(T0 + timedelta(seconds=1))


class Way:
    """A way out that has been told things, and what it asked for."""

    def __init__(self, begun: LeavingStep) -> None:
        self.state = begun.state
        self.actions = list(begun.actions)

    def tell(self, *events: LeavingEvent) -> list[LeavingAction]:
        first = len(self.actions)
        for event in events:
            restored = STATES.validate_json(STATES.dump_json(self.state))
            assert restored == self.state
            decided = step(restored, EVENTS.validate_json(EVENTS.dump_json(event)))
            for action in decided.actions:
                assert ACTIONS.validate_json(ACTIONS.dump_json(action)) == action
            self.state = decided.state
            self.actions += decided.actions
        return self.actions[first:]

    def sent(self) -> OrderRequest:
        """Return the last order that was sent."""
        return [action.request for action in self.actions if isinstance(action, Place)][-1]

    def fills(self, lots: int | None = None, *, ended: bool = True) -> list[LeavingAction]:
        return self.tell(Reported(report(self.sent(), lots, ended=ended)))


def report(request: OrderRequest, lots: int | None = None, *, ended: bool = True) -> OrderReport:
    filled = request.quantity if lots is None else Quantity(lots)
    over = OrderStatus.FILLED if filled == request.quantity else OrderStatus.CANCELED
    status = over if ended else OrderStatus.PARTIALLY_FILLED
    return OrderReport(
        request.client_id, "v1", request.symbol, request.side, status, request.quantity, filled
    )


def begun(lots: int = 100, **fields: Any) -> Way:
    """Return a way out whose orders are canceled, and whose position was seen."""
    instrument = fields.pop("instrument", PERPETUAL)
    way = Way(leave(instrument, TAG, lots, T0, "a test", **fields))
    way.tell(OrdersCanceled(), PositionSeen(lots, Price(10_000)))
    return way


# --- the straight way


def test_it_cancels_checks_closes_in_steps_and_checks_again() -> None:
    way = Way(leave(PERPETUAL, TAG, 100, T0, "liquidation is near", steps=3))
    assert way.actions == [
        Alert(AlertLevel.CRITICAL, f"leaving {SYMBOL}: liquidation is near"),
        CancelAll(SYMBOL),
    ]
    assert way.tell(OrdersCanceled()) == [AskPosition(SYMBOL)]
    (place,) = way.tell(PositionSeen(100))
    assert isinstance(place, Place)
    request = place.request
    assert (request.side, request.quantity, request.type) == (
        Side.SELL,
        Quantity(34),
        OrderType.MARKET,
    )
    assert (request.reduce_only, request.entry) == (True, False)
    way.fills()
    assert (way.state.debt, way.sent().quantity) == (66, Quantity(34))
    way.fills()
    assert way.sent().quantity == Quantity(32)
    assert way.fills() == [AskPosition(SYMBOL)]
    assert not way.state.finished
    (done,) = way.tell(PositionSeen(0))
    assert done == Alert(AlertLevel.WARNING, f"left {SYMBOL}: 0 lots are open")
    assert (way.state.phase, way.state.debt) == (Phase.FLAT, 0)
    before = way.state
    assert way.tell(PositionSeen(9), LATER, OrdersCanceled()) == []
    assert way.state == before


def test_a_short_position_is_bought_back() -> None:
    way = begun(-10)
    assert (way.sent().side, way.sent().quantity) == (Side.BUY, Quantity(10))
    assert way.state.debt_at(Price(10_000)) == D("-10")


def test_every_order_has_an_id_of_its_own() -> None:
    way = begun(steps=5)
    for _ in range(4):
        way.fills()
    ids = [action.request.client_id for action in way.actions if isinstance(action, Place)]
    assert len(set(ids)) == 5
    keys = [decode(client_id) for client_id in ids]
    assert [key.generation for key in keys if key] == [1, 2, 3, 4, 5]


def test_its_ids_are_of_the_run_and_say_which_way_out_it_is() -> None:
    key = decode(begun(number=3).sent().client_id)
    assert key is not None
    assert (key.run_tag, key.purpose, key.key) == (TAG, Purpose.LEAVE_SELL, 3)


def test_what_is_held_beside_others_is_not_told_only_to_be_reduced() -> None:
    assert begun().sent().reduce_only
    assert not begun(alone=False).sent().reduce_only


def test_a_step_that_is_counted_in_what_was_seen_leads_to_no_other_side() -> None:
    way = begun(100, steps=2)
    way.tell(OutcomeUnknown(Unknown(way.sent().client_id)))
    restarted = Way(LeavingStep(replace(way.state, lots=20)))  # the look came after the step
    restarted.actions = list(way.actions)
    assert restarted.fills(50) == [AskPosition(SYMBOL)]
    (again,) = restarted.tell(PositionSeen(50))
    assert isinstance(again, Place)
    assert (again.request.side, again.request.quantity) == (Side.SELL, Quantity(50))


def test_a_debt_that_ages_is_told_ever_less_often() -> None:
    way = Way(leave(PERPETUAL, TAG, 100, T0, "a test"))
    told: dict[int, str] = {}
    for minute in range(200):
        for action in way.tell(TimePassed(T0 + timedelta(minutes=minute))):
            if isinstance(action, Alert):
                told[minute] = action.message
    assert list(told) == [1, 5, 15, 60, 120, 180]
    assert told[5] == f"0.100 BTC of {SYMBOL} is still to be closed after 5 min"


def test_without_a_debt_nothing_ages() -> None:
    way = begun()
    way.fills()
    assert way.tell(TimePassed(T0 + timedelta(days=1))) == [AskPosition(SYMBOL)]


def test_spot_knows_no_reduce_only() -> None:
    assert not begun(instrument=SPOT).sent().reduce_only


def test_a_share_is_given_back_and_the_rest_is_kept() -> None:
    way = begun(100, share=D("0.5"))
    assert (way.state.debt, way.sent().quantity) == (50, Quantity(50))
    way.fills()
    way.tell(PositionSeen(50))
    assert (way.state.phase, way.state.lots) == (Phase.FLAT, 50)


def test_what_is_already_less_than_what_to_keep_is_left_alone() -> None:
    way = Way(leave(PERPETUAL, TAG, -100, T0, "a test", share=D("0.5")))
    way.tell(OrdersCanceled(), PositionSeen(-30))
    assert (way.state.phase, way.state.lots) == (Phase.FLAT, -30)


def test_the_last_step_takes_what_would_be_too_little_for_another() -> None:
    instrument = replace(PERPETUAL, min_quantity=Quantity(10))
    way = begun(23, instrument=instrument, steps=2)
    assert way.sent().quantity == Quantity(12)
    way.fills()
    assert way.sent().quantity == Quantity(11)
    assert begun(15, instrument=instrument, steps=5).sent().quantity == Quantity(15)


# --- orders that will not go away


def test_cancels_are_asked_for_again_and_after_a_while_not_waited_for() -> None:
    way = Way(leave(PERPETUAL, TAG, 100, T0, "a test"))
    for _ in range(PATIENCE - 1):
        assert way.tell(LATER) == [CancelAll(SYMBOL)]
    assert way.tell(LATER) == [CancelAll(SYMBOL), AskPosition(SYMBOL)]
    way.tell(PositionSeen(100))
    way.fills()
    assert way.tell(PositionSeen(0)) == []  # an order may still fill
    assert not way.state.finished
    assert way.tell(LATER) == [CancelAll(SYMBOL), AskPosition(SYMBOL)]
    assert way.tell(OrdersCanceled()) == [AskPosition(SYMBOL)]
    way.tell(PositionSeen(3))  # one did
    way.fills()
    way.tell(PositionSeen(0))
    assert way.state.phase is Phase.FLAT


def test_orders_gone_while_a_step_is_under_way_do_not_disturb_it() -> None:
    way = Way(leave(PERPETUAL, TAG, 100, T0, "a test"))
    way.tell(*[LATER] * PATIENCE, PositionSeen(100))
    assert way.tell(OrdersCanceled(), OrdersCanceled()) == []
    assert way.fills() == [AskPosition(SYMBOL)]


# --- a venue that will not


@pytest.mark.parametrize(
    "reason",
    [RefusalReason.OTHER, RefusalReason.REDUCE_ONLY, RefusalReason.INSUFFICIENT_FUNDS],
)
def test_a_refusal_is_told_and_tried_again_when_time_passes(reason: RefusalReason) -> None:
    way = begun()
    refusal = way.tell(refused(way.sent().client_id, reason))
    assert refusal == [
        Alert(AlertLevel.ERROR, "a closing order was refused: no"),
        AskPosition(SYMBOL),
    ]
    assert way.tell(PositionSeen(100)) == []  # not at once
    assert way.tell(LATER) == [AskPosition(SYMBOL)]
    (again,) = way.tell(PositionSeen(100))
    assert isinstance(again, Place)


def test_nobody_to_trade_with_waits_and_a_part_goes_on_at_once() -> None:
    way = begun()
    assert way.fills(0) == []
    assert way.tell(LATER) == [AskPosition(SYMBOL)]
    way.tell(PositionSeen(100))
    way.fills(30)
    assert (way.sent().quantity, way.state.debt) == (Quantity(70), 70)


def test_a_part_that_is_filled_counts_while_the_rest_still_works() -> None:
    way = begun()
    assert way.fills(30, ended=False) == []
    assert way.state.debt == 70
    assert way.fills(30, ended=False) == []  # told twice
    assert way.state.debt == 70
    way.fills(100)
    assert way.state.debt == 0


def test_an_unknown_outcome_is_looked_up_and_nothing_is_sent_meanwhile() -> None:
    way = begun()
    client_id = way.sent().client_id
    assert way.tell(OutcomeUnknown(Unknown(client_id))) == []
    assert way.state.order is not None
    assert way.state.order.unknown
    assert way.tell(PositionSeen(100)) == []  # perhaps of before that order
    assert way.tell(LATER, LATER) == [LookUp(SYMBOL, client_id)] * 2
    (again,) = way.tell(absent(client_id))
    assert isinstance(again, Place)
    assert again.request.client_id != client_id


def test_news_of_other_orders_changes_nothing() -> None:
    way = begun()
    before = way.state
    other = replace(way.sent(), client_id="other")
    way.tell(
        Reported(report(other)),
        refused("other", RefusalReason.OTHER),
        OutcomeUnknown(Unknown("other")),
    )
    assert way.state == before


def test_steps_that_are_too_small_become_one() -> None:
    way = begun(100, steps=50)  # 2 lots at 1000.0 are a notional of 2, the least is 5
    assert way.sent().quantity == Quantity(2)
    way.tell(refused(way.sent().client_id, RefusalReason.INVALID), LATER, PositionSeen(100))
    assert way.sent().quantity == Quantity(100)


def test_steps_that_are_too_large_become_smaller() -> None:
    way = begun(100)
    way.tell(refused(way.sent().client_id, RefusalReason.INVALID), LATER, PositionSeen(100))
    assert way.sent().quantity == Quantity(50)


def test_a_rest_that_the_venue_does_not_trade_stays_and_is_a_visible_debt() -> None:
    way = begun(2)
    assert way.sent().quantity == Quantity(2)  # venues may take it, since it only reduces
    (said,) = way.tell(refused(way.sent().client_id, RefusalReason.INVALID))
    assert isinstance(said, Alert)
    assert (way.state.phase, way.state.debt) == (Phase.LEFT_OVER, 2)
    assert way.state.debt_at(Price(10_000)) == 2


def test_without_a_price_only_the_quantity_can_be_too_little() -> None:
    way = Way(leave(PERPETUAL, TAG, 2, T0, "a test"))
    way.tell(OrdersCanceled(), PositionSeen(2))
    way.tell(refused(way.sent().client_id, RefusalReason.INVALID))
    assert not way.state.finished


def test_a_position_that_turned_is_closed_from_the_other_side() -> None:
    way = begun()
    way.fills()
    way.tell(PositionSeen(-4))  # an order of before has filled after all
    assert (way.sent().side, way.sent().quantity) == (Side.BUY, Quantity(4))


# --- any venue at all


@given(
    st.integers(-300, 300).filter(bool),
    st.integers(1, 7),
    st.sampled_from([D(1), D("0.5")]),
    st.lists(st.sampled_from("fpunralx"), max_size=40),
)
def test_whatever_the_venue_does_it_ends_flat_and_never_on_the_other_side(
    lots: int, steps: int, share: Any, faults: list[str]
) -> None:
    way = Way(leave(PERPETUAL, TAG, lots, T0, "a test", steps=steps, share=share))
    goal, held, arrived = way.state.target, lots, dict[str, OrderReport]()
    todo = list(way.actions)
    for _ in range(400):
        if way.state.finished:
            break
        if not todo:
            todo += way.tell(LATER)
            continue
        action, fault = todo.pop(0), faults.pop(0) if faults else ""
        match action:
            case CancelAll() if fault != "x":
                todo += way.tell(OrdersCanceled())
            case AskPosition() if fault != "x":
                todo += way.tell(PositionSeen(held, Price(10_000)))
            case LookUp(_, client_id) if fault != "x":
                known = arrived.get(client_id)
                todo += way.tell(Reported(known) if known else absent(client_id))
            case Place(request) if fault in ("r", "u"):
                reason = RefusalReason.OTHER
                lost = OutcomeUnknown(Unknown(request.client_id))
                event: LeavingEvent = lost if fault == "u" else refused(request.client_id, reason)
                todo += way.tell(event)
            case Place(request):
                part = {"f": 0, "p": request.quantity.lots // 2}.get(fault, request.quantity.lots)
                held += request.side.sign * part
                said = arrived[request.client_id] = report(request, part)
                unheard = fault in ("l", "n")  # it arrived, its answer did not
                lost = OutcomeUnknown(Unknown(request.client_id))
                todo += way.tell(lost if unheard else Reported(said))
                assert held * lots >= 0, "on the other side"
                assert abs(held) >= abs(goal), "more than was asked for"
            case _:
                pass
    assert way.state.phase is Phase.FLAT
    assert (held, way.state.debt) == (goal, 0)

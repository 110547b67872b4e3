"""The flaws of the earlier system's grid and slots, one by one: here they cannot come back.

Numbers are those of its audit (docs/flaws.md). A flaw that cannot exist here has a line there.
"""

import inspect
from dataclasses import FrozenInstanceError, replace
from itertools import chain
from pathlib import Path

import pytest
from pydantic import TypeAdapter

import domain.grid
from domain.grid.config import bind
from domain.grid.engine import step
from domain.grid.events import (
    Cancel,
    FeedChanged,
    PriceMoved,
    Reported,
    Resynced,
    RiskChanged,
    TimePassed,
    VolatilityMeasured,
)
from domain.grid.slot import Slot, SlotState, WorkingOrder
from domain.grid.spec import parse_spec
from domain.grid.state import GridState
from domain.money import Price, Quantity
from domain.order_ids import LENGTH, Purpose, decode
from domain.orders import OrderStatus, RefusalReason, Side
from domain.position import Holding
from tests.domain.grid.harness import (
    SPOT,
    T0,
    D,
    Runner,
    configured,
    kinds,
    places,
    refused,
    requests,
    unknown,
)

STATES = TypeAdapter(GridState)


def test_g1_an_amount_is_quote_and_never_a_quantity() -> None:
    spec = parse_spec({"symbol": "BTC/USDT", "interval": "10", "amount": 30, "buy_window": 1})
    run = Runner(bind(spec, SPOT), 10_000)
    (request,) = requests(run.actions)
    # 30 / 990 = 0.0303.. base, not 30
    assert request.quantity == Quantity(30)
    assert SPOT.base_of(request.quantity) == D("0.030")
    with pytest.raises(TypeError):
        _ = Price(1) < Quantity(1)  # type: ignore[operator]


def test_g2_a_filled_slot_sends_one_exit_and_its_fill_empties_that_slot() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900, 40)
    order = run.order(Side.BUY, 9_900)
    run.tell(Reported(run.venue.cancel(order.request.client_id) or order.report()), TimePassed(T0))
    for price in (9_950, 9_951, 9_952, 9_953):
        run.tell(PriceMoved(Price(price), T0))
    exits = [r for r in requests(run.actions) if not r.entry]
    assert [(r.side, r.price, r.quantity) for r in exits] == [
        (Side.SELL, Price(10_000), Quantity(40))
    ]
    key = decode(exits[0].client_id)
    assert key is not None
    assert key.key == 9_900  # the slot it came from, not the one at its price
    run.fills(Side.SELL, 10_000)
    assert run.slot(9_900).holding == Holding()
    run.books_agree()


def test_g3_an_exit_is_for_what_the_slot_holds() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900, 40)
    order = run.order(Side.BUY, 9_900)
    run.tell(PriceMoved(Price(10_000), T0))
    assert order.status is OrderStatus.CANCELED
    assert places(run.actions)[-1] == ("sell", 10_000, 40)  # of 101 that were ordered


def test_g4_a_restart_at_another_price_places_no_second_grid() -> None:
    run = Runner(configured())
    run.moves(10_030)
    restored = Runner(configured(), live=False)
    restored.venue, restored.state = run.venue, STATES.validate_json(STATES.dump_json(run.state))
    restored.venue.price = 10_047
    restored.tell(FeedChanged(live=True, at=T0), PriceMoved(Price(10_047), T0))
    assert places(restored.actions) == []
    assert restored.ladder()["buy"] == [9_700, 9_800, 9_900]


def test_g5_a_new_spacing_replaces_the_old_entries() -> None:
    run = Runner(configured(adaptive={}, buy_window=4))
    actions = run.decide(VolatilityMeasured(D(150), T0))
    assert kinds(actions) == ["Cancel"] * 4  # and nothing new while they work
    run.tell(*run.perform(actions))
    assert len(run.ladder()["buy"]) == 4
    assert all(price % 150 == 0 for price in run.ladder()["buy"])


def test_g6_the_skew_is_in_levels_and_clamped() -> None:
    run = Runner(configured(skew={"factor": "1", "max_levels": 5}, buy_window=20, interval="1"))
    run.moves(9_800)  # twenty levels are held
    lowest = min(run.ladder()["buy"])
    assert run.state.center == 980
    assert lowest == (980 - 5 - 20) * 10


def test_g7_exits_about_to_fill_stay_and_keep_the_target_of_their_entry() -> None:
    run = Runner(configured(direction="neutral", adaptive={}, skew={"factor": "1"}))
    run.moves(9_900)
    actions = run.tell(VolatilityMeasured(D(300), T0), PriceMoved(Price(9_999), T0))
    exit_id = run.order(Side.SELL, 10_000).request.client_id
    assert exit_id not in [action.client_id for action in actions if isinstance(action, Cancel)]
    assert run.slot(9_900).exit == Price(10_000)


def test_g8_risk_stops_openings_of_both_sides_and_no_exit_of_either() -> None:
    run = Runner(configured(direction="neutral"))
    run.moves(10_100)  # a short is open, its exit is a buy
    assert 10_000 in run.ladder()["buy"]
    run.tell(RiskChanged(halted=True, at=T0))
    assert run.ladder() == {"buy": [10_000], "sell": []}
    run.moves(10_400)
    assert run.ladder() == {"buy": [10_000], "sell": []}


def test_g9_ids_are_a_function_of_the_state_and_tell_the_side() -> None:
    one, other = Runner(configured(direction="neutral")), Runner(configured(direction="neutral"))
    ids = [request.client_id for request in requests(one.actions)]
    assert ids == [request.client_id for request in requests(other.actions)]
    assert all(len(client_id) == LENGTH <= 28 for client_id in ids)
    for request in requests(one.actions):
        key = decode(request.client_id)
        assert key is not None
        buys = (Purpose.ENTRY_BUY, Purpose.EXIT_BUY, Purpose.CLOSE_BUY)
        assert (key.purpose in buys) == (request.side is Side.BUY)


def test_g10_there_is_one_strategy_and_its_actions_have_one_order() -> None:
    run = Runner(configured(direction="neutral"))
    run.moves(9_900)
    shuffled = replace(run.state, slots=dict(sorted(run.state.slots.items(), reverse=True)))
    for event in (PriceMoved(Price(9_500), T0), RiskChanged(halted=True, at=T0), TimePassed(T0)):
        assert step(shuffled, event).actions == step(run.state, event).actions
    grid = Path(inspect.getfile(domain.grid)).parent
    steps = [path.name for path in grid.glob("*.py") if "\ndef step(" in path.read_text()]
    assert steps == ["engine.py"]


def test_s1_a_partial_fill_survives_the_cancel_of_the_rest() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900, 60)
    order = run.order(Side.BUY, 9_900)
    run.tell(Reported(run.venue.cancel(order.request.client_id) or order.report()))
    assert run.state.position_lots == 60
    run.books_agree()


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.EXPIRED])
def test_s2_a_rejected_or_expired_order_locks_no_slot(status: OrderStatus) -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    run.venue.end(order, status, None)
    run.tell(Reported(order.report()))
    assert run.slot(9_900).state is SlotState.FREE
    run.waits()
    assert run.slot(9_900).state is SlotState.LOCKED


def test_s3_an_opening_sell_of_a_neutral_grid_is_a_short_position() -> None:
    run = Runner(configured(direction="neutral"))
    run.moves(10_100)
    assert run.state.position_lots == -99
    assert run.slot(10_100).holding.lots == -99
    assert run.order(Side.BUY, 10_000).request.quantity == Quantity(99)
    run.books_agree()


def test_s5_no_error_forgets_a_live_order() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    client_id = order.request.client_id
    run.tell(unknown(client_id))  # a request for it timed out
    assert run.slot(9_900).state is SlotState.LOCKED
    run.tell(refused(client_id, RefusalReason.OTHER))  # a late refusal of an order seen alive
    assert run.slot(9_900).state is SlotState.LOCKED
    run.moves(10_010)
    assert run.ladder()["buy"].count(9_900) == 1


def test_s6_a_snapshot_is_a_value_and_not_a_window_into_the_engine() -> None:
    run = Runner(configured())
    before, slots = run.state, dict(run.state.slots)
    run.moves(9_700)
    assert before.slots == slots
    with pytest.raises(FrozenInstanceError):
        before.slots[9_900].blocked = True  # type: ignore[misc]


def test_s7_a_fill_that_races_its_cancel_is_counted() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_700)
    (cancel, *_) = run.decide(PriceMoved(Price(10_200), T0))
    assert isinstance(cancel, Cancel)
    assert run.slot(9_700).state is SlotState.LOCKED  # until the venue says so
    run.tell(Reported(run.venue.fill(order, order.leaves)))
    assert run.state.position_lots == 103


def test_s8_partly_filled_then_canceled_keeps_its_part_and_nothing_waits_for_ever() -> None:
    run = Runner(configured(buy_window=1), live=False)
    run.tell(FeedChanged(live=True, at=T0))
    (request,) = requests(run.decide(PriceMoved(Price(10_000), T0)))
    run.decide(unknown(request.client_id))
    assert kinds(run.tell(TimePassed(T0)))[0] == "LookUp"  # absent: another is sent
    assert run.slot(9_900).state is SlotState.LOCKED
    run.fills(Side.BUY, 9_900, 60)
    order = run.order(Side.BUY, 9_900)
    run.venue.end(order, OrderStatus.EXPIRED, None)
    run.tell(Reported(order.report()))
    assert run.state.position_lots == 60


def test_s9_a_report_is_counted_once_after_any_time_and_restart() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    full = run.venue.fill(order, order.leaves)
    run.tell(Reported(full))
    for _ in range(20):
        run.waits()
    run.state = STATES.validate_json(STATES.dump_json(run.state))
    before = run.state
    run.tell(Reported(replace(full, order_id="0")), Reported(full))
    assert run.state == before
    other = run.order(Side.BUY, 9_800)  # with the same venue id, as ids parsed to 0 were
    run.tell(Reported(replace(run.venue.fill(other, other.leaves), order_id=order.order_id)))
    assert run.state.position_lots == 101 + 102


def test_s10_a_restored_state_keeps_the_lattice_the_counters_and_the_profit() -> None:
    run = Runner(configured(spacing="geometric", step_percent="1"))
    run.moves(9_900)
    run.moves(10_100)
    assert run.state.totals.grid_profit > 0
    again = STATES.validate_json(STATES.dump_json(run.state))
    assert again.lattice == run.state.lattice
    assert (again.generation, again.totals) == (run.state.generation, run.state.totals)


def test_s11_a_view_of_the_venue_books_every_order_where_it_belongs() -> None:
    run = Runner(configured())
    run.moves(9_900)
    order = run.order(Side.BUY, 9_800)
    run.venue.fill(order, 50)
    reports = [known.report() for known in run.venue.orders.values()]
    views = (reports, reports[::-1])
    states = [step(run.state, Resynced(tuple(view), T0)).state for view in views]
    assert states[0] == states[1]
    assert states[0].slots[9_800].order is not None
    assert states[0].slots[9_800].order.side is Side.BUY
    assert states[0].position_lots == 151


def test_s12_empty_slots_are_forgotten_and_quiet_ticks_change_no_state() -> None:
    run = Runner(configured())
    for price in chain(range(14_000, 11_000, -77), range(11_000, 15_000, 77)):
        run.moves(price)
    assert run.state.totals.cycles >= 29
    assert len(run.state.slots) <= 3 + 1 + 3
    before = run.state
    run.tell(PriceMoved(run.state.price or Price(1), T0))
    assert run.state is before


def test_the_types_that_hold_state_are_frozen() -> None:
    state = Runner(configured(), live=False).state
    slot = Slot(Price(1), Price(2), Side.BUY, epoch=0)
    with pytest.raises(FrozenInstanceError):
        state.generation = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        slot.epoch = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        slot.holding.lots = 1  # type: ignore[misc]
    order = WorkingOrder("id", Side.BUY, Price(1), Quantity(1), entry=True)
    with pytest.raises(FrozenInstanceError):
        order.unknown = True  # type: ignore[misc]

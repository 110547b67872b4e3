"""The state of a run is small, and is the same after it was stored."""

from pydantic import TypeAdapter

from domain.grid.engine import step
from domain.grid.events import PauseAsked, PriceMoved
from domain.grid.state import GridState
from domain.money import Price
from tests.domain.grid.harness import SPOT, T0, Runner, configured

STATES = TypeAdapter(GridState)


def large() -> Runner:
    """Return a run with 200 slots, half of them held, and a full memory of closed orders."""
    config = configured(SPOT, interval="2", buy_window=100, order_budget=500, amount="1000")
    run = Runner(config, 100_000)
    run.moves(100_000 - 101 * 20)
    for ticks in range(40):
        run.moves(100_000 - 101 * 20 + (40 if ticks % 2 else 0))
    return run


def test_two_hundred_slots_take_less_than_a_hundred_kilobytes() -> None:
    run = large()
    assert len(run.state.slots) >= 200
    assert len(run.state.closed) == 64
    assert len(STATES.dump_json(run.state)) < 100_000


def test_a_stored_state_is_the_same_and_goes_on_the_same() -> None:
    state = large().state
    again = STATES.validate_json(STATES.dump_json(state))
    assert again == state
    for event in (PriceMoved(Price(97_000), T0), PriceMoved(Price(101_000), T0), PauseAsked(T0)):
        one, other = step(state, event), step(again, event)
        assert one == other
        state, again = one.state, other.state


def test_empty_slots_are_forgotten() -> None:
    run = Runner(configured(), 10_000)
    for price in range(10_000, 30_000, 90):
        run.moves(price)
    assert len(run.state.slots) <= 5

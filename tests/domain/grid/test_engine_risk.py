"""Risk on and off: openings of both sides go, exits of both sides stay (decision D9, flaw G-8)."""

import pytest

from domain.grid.events import Cancel, FeedChanged, Place, PriceMoved, Reported, RiskChanged
from domain.money import Price
from domain.orders import Side
from tests.domain.grid.harness import T0, Runner, configured, held, places, requests

HALT = RiskChanged(halted=True, at=T0, why="a storm")
CLEAR = RiskChanged(halted=False, at=T0)


@pytest.mark.parametrize(
    "direction,moves,exits",
    [
        ("long", [9_800], {"buy": [], "sell": [9_900, 10_000]}),
        ("short", [10_200], {"buy": [10_000, 10_100], "sell": []}),
        ("neutral", [9_800], {"buy": [], "sell": [9_900, 10_000]}),
        ("neutral", [10_200], {"buy": [10_000, 10_100], "sell": []}),
    ],
)
def test_a_halt_cancels_openings_and_no_exit_whichever_way_a_grid_earns(
    direction: str, moves: list[int], exits: dict[str, list[int]]
) -> None:
    run = Runner(configured(direction=direction))
    for price in moves:
        run.moves(price)
    entries = {order.request.client_id for order in run.venue.working() if order.request.entry}
    actions = run.tell(HALT)
    canceled = {action.client_id for action in actions if isinstance(action, Cancel)}
    assert canceled == entries
    assert entries
    assert run.ladder() == exits
    assert run.state.halted_why == "a storm"
    run.books_agree()


@pytest.mark.parametrize(
    "direction,out,back",
    [("long", 9_800, 10_000), ("short", 10_200, 10_000), ("neutral", 9_800, 10_000)],
)
def test_while_halted_exits_fill_and_nothing_is_opened(direction: str, out: int, back: int) -> None:
    run = Runner(configured(direction=direction))
    run.moves(out)
    run.tell(HALT)
    for price in (out, back, 2 * back - out, out - 300, out + 300, back):
        assert not [a for a in run.moves(price) if isinstance(a, Place) and a.request.entry]
    run.waits()
    assert run.state.position_lots == 0
    assert run.ladder() == {"buy": [], "sell": []}
    run.tell(CLEAR)
    assert run.ladder() != {"buy": [], "sell": []}
    run.books_agree()


@pytest.mark.parametrize(
    "direction,side,ticks", [("long", "buy", 9_900), ("short", "sell", 10_100)]
)
def test_a_part_that_fills_as_the_cancel_goes_out_gets_its_exit(
    direction: str, side: str, ticks: int
) -> None:
    run = Runner(configured(direction=direction))
    order = run.order(Side(side), ticks)
    actions = run.decide(HALT)
    part = Reported(run.venue.fill(order, 40))
    followed = run.tell(part)
    assert places(followed) == []  # the cancel has not been answered: the slot has one order
    run.tell(*run.perform(actions))
    assert [lots for _, _, lots in places(run.actions[-1:])] == [40]
    assert not requests(run.actions[-1:])[0].entry
    assert held(run.state) == run.venue.base


def test_an_opening_under_way_when_the_halt_comes_is_canceled_once_it_is_known() -> None:
    run = Runner(configured(buy_window=1), live=False)
    run.tell(FeedChanged(live=True, at=T0))
    (place,) = run.decide(PriceMoved(Price(10_000), T0))
    assert run.decide(HALT) == ()  # nobody knows yet whether there is anything to cancel
    assert isinstance(place, Place)
    arrived = run.venue.place(place.request)
    assert not [order for order in run.venue.working() if not order.request.entry]
    run.tell(Reported(arrived))  # type: ignore[arg-type]
    assert run.ladder() == {"buy": [], "sell": []}


def test_a_halt_told_twice_does_nothing_more() -> None:
    run = Runner(configured(direction="neutral"))
    run.tell(HALT)
    before = run.state
    assert run.tell(HALT) == []
    assert run.state == before

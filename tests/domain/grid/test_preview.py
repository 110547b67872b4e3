"""What a grid would do, shown before anybody risks anything."""

import pytest

from domain.errors import InvalidValueError
from domain.grid.events import PauseAsked, ReconfigureAsked
from domain.grid.preview import preview, preview_change
from domain.money import Price
from domain.orders import Side
from tests.domain.grid.harness import SPOT, T0, D, Runner, configured


def test_a_preview_shows_what_the_engine_would_place() -> None:
    shown = preview(configured(buy_window=2), Price(10_000))
    first, second = shown.orders
    assert (first.side, first.price, first.quantity, first.exit) == (
        Side.BUY,
        D(990),
        D("0.101"),
        D(1000),
    )
    # 0.101 x (10 - 0.0002 x 1990)
    assert first.profit == D("0.969802")
    assert shown.capital == first.notional + second.notional == D("99.990") + D("99.960")
    assert shown.warnings == ()


def test_levels_under_the_minimum_are_named() -> None:
    shown = preview(configured(SPOT, amount="4"), Price(10_000))
    assert shown.too_small == (D(970), D(980), D(990))
    assert "3 of the levels (970.0 to 990.0) get no order" in shown.warnings[0]


def test_a_preview_says_why_nothing_would_be_placed() -> None:
    waiting = preview(configured(trigger_price="1010"), Price(10_000))
    assert waiting.warnings == ("nothing is placed before the price reaches 1010",)
    outside = preview(configured(bounds={"upper": "900"}), Price(10_000))
    assert outside.warnings == ("no level lies inside the window and the bounds at this price",)


def test_a_grid_that_does_not_pay_is_not_shown() -> None:
    with pytest.raises(InvalidValueError, match="does not cover the fees"):
        preview(configured(SPOT, interval="1"), Price(10_000))


def test_a_change_shows_what_would_be_canceled_and_changes_nothing() -> None:
    run = Runner(configured())
    before = run.state
    asked = (ReconfigureAsked(configured(interval="20"), T0),)
    shown = preview_change(run.state, asked, Price(10_000))
    assert len(shown.cancels) == 3
    assert run.state is before


def test_a_change_of_the_ladder_shows_the_new_orders_behind_the_cancels() -> None:
    run = Runner(configured(), 10_000)
    wider = configured(interval="20")
    shown = preview_change(run.state, (ReconfigureAsked(wider, T0),), Price(10_000))
    assert len(shown.cancels) == len(run.state.working())
    assert [line.price for line in shown.orders] == [D(980), D(960), D(940)]
    assert shown.warnings == ()


def test_a_paused_run_says_why_it_would_place_nothing() -> None:
    run = Runner(configured(), 10_000)
    run.tell(PauseAsked(T0))
    shown = preview_change(run.state, (ReconfigureAsked(configured(), T0),), Price(10_000))
    assert shown.orders == ()
    assert shown.warnings == ("the run is paused: no entries before it resumes",)

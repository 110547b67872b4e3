"""How a run reads: in the venue's units, with a word where something is not as usual."""

from domain.grid.events import FeedChanged, PriceMoved, Resynced, RiskChanged, StopAsked
from domain.grid.spec import StopMode
from domain.grid.state import begin
from domain.grid.view import slots, status, table
from domain.money import Price
from domain.orders import RefusalReason, Side
from tests.domain.grid.harness import (
    T0,
    TAG,
    D,
    Runner,
    configured,
    refused,
    requests,
)


def test_a_status_is_in_the_venues_units() -> None:
    run = Runner(configured())
    run.moves(9_900)
    shown = status(run.state)
    assert (shown.price, shown.center, shown.interval) == (D(990), D(990), D(10))
    assert (shown.position, shown.slots_held, shown.working_orders) == (D("0.101"), 1, 4)
    # nothing is earned at 990, 0.0002 x 0.101 x 990 were paid
    assert shown.total == D("-0.019998")
    assert (shown.quiet_low, shown.quiet_high) == (D("980.1"), D("999.9"))
    assert status(run.state, Price(10_000)).floating == D("1.010")


def test_a_run_before_its_first_price_has_no_numbers() -> None:
    shown = status(begin(configured(), TAG))
    assert shown.price is shown.center is shown.interval is shown.quiet_low is None
    assert shown.feed == "stale"


def test_a_price_under_half_an_interval_has_no_center() -> None:
    run = Runner(configured(interval="5000"), 10_000)
    assert status(run.state).center is None


def test_a_band_without_ends_shows_none() -> None:
    config = configured(range={"lower": "900", "upper": "950", "levels": 6})
    run = Runner(config, 10_000)
    assert status(run.state).quiet_high is None
    run.tell(StopAsked(StopMode.CANCEL, T0))
    assert status(run.state).quiet_low is None


def test_what_is_unusual_about_a_slot_is_said() -> None:
    run = Runner(configured())
    run.decide(Resynced((), T0))
    assert {view.note for view in slots(run.state)} == {"outcome unknown, being looked up"}
    run = Runner(configured())
    run.decide(RiskChanged(halted=True, at=T0, why="a crash"))
    assert {view.note for view in slots(run.state)} == {"being canceled"}
    assert status(run.state).risk == "halted: a crash"


def test_a_resting_slot_says_what_it_waits_for() -> None:
    run = Runner(configured(buy_window=1), live=False)
    run.decide(Resynced((), T0))
    run.tell(FeedChanged(live=True, at=T0))
    (request,) = requests(run.decide(PriceMoved(Price(10_000), T0)))
    run.decide(refused(request.client_id, RefusalReason.OTHER))
    (view,) = slots(run.state)
    assert view.note == "waits for the price to move"
    assert view.order == ""


def test_the_table_reads_from_the_top_down() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900, 40)
    lines = table(run.state).splitlines()
    assert lines[0] == "```text"
    assert lines[2].split() == ["990.0", "LOCKED", "0.040", "entry", "buy", "990.0", "0.040/0.101"]
    assert lines[3].split()[:4] == ["980.0", "LOCKED", "·", "entry"]
    assert lines[-1] == "```"

"""The preflight of a simple run: a new one never begins without, one that goes on waits paused."""

from decimal import Decimal
from pathlib import Path

import pytest

from activities.messages import Accepted
from domain.errors import InvalidValueError, PreflightError, VenueUnavailableError
from domain.grid.state import Phase
from domain.orders import OrderStatus
from tests.activities.odd import OddVenue
from tests.workers.test_simple import RUN, Desk, grid
from workers.simple_run import SimpleRun
from workers.wiring import desks

LADDER = [9_800, 9_900, 10_000]


class Oddly(Desk):
    """A laptop that sees its exchange through an odd venue."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.venue = OddVenue(self.market, "paper")  # type: ignore[assignment]

    @property
    def odd(self) -> OddVenue:
        assert isinstance(self.venue, OddVenue)
        return self.venue


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Oddly:
    return Oddly(tmp_path)


async def open_run(desk: Oddly, *accepted: str) -> None:
    with desk.store() as store:
        async with desk.ledger() as ledger:
            names = Accepted(accepted, "ann", "a test")
            account = desks("paper", desk.venue, ledger)
            await SimpleRun.open(RUN, grid(), account, store, accepted=names)


async def test_a_start_that_does_not_pass_leaves_nothing_behind(desk: Oddly) -> None:
    desk.odd.leverage = Decimal(20)
    with pytest.raises(PreflightError, match="paper/leverage: The leverage is 20"):
        await open_run(desk)
    with desk.store() as store:
        assert store.load() is None
    async with desk.ledger() as ledger:
        assert await ledger.runs() == []
        assert await ledger.reserved() == {}
    desk.odd.leverage = None
    await open_run(desk)


async def test_a_start_is_tried_again_when_the_venue_tells_more(desk: Oddly) -> None:
    desk.odd.deaf = frozenset(["clock"])
    with pytest.raises(VenueUnavailableError, match="paper/clock"):
        await open_run(desk)
    desk.odd.deaf = frozenset()
    await open_run(desk)
    async with desk.ledger() as ledger:
        (run,) = await ledger.runs()
        assert run.status == "running"


async def test_what_is_accepted_is_recorded_and_a_wrong_name_is_refused(desk: Oddly) -> None:
    desk.odd.locked = Decimal(99_999)
    with pytest.raises(InvalidValueError, match="balance, fees, foreign_orders"):
        await open_run(desk, "anything")
    await open_run(desk, "balance")
    async with desk.ledger() as ledger:
        (entry,) = await ledger.audit_trail(RUN)
        assert (entry.who, entry.command, entry.why) == ("ann", "accept balance", "a test")


async def test_one_that_goes_on_and_does_not_pass_keeps_its_exits_and_opens_nothing(
    desk: Oddly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.simple_preflight._AGAIN", 0.05)
    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == LADDER)
        desk.trade(10_000)
        await process.until(lambda: desk.resting() == [9_700, 9_800, 9_900, 10_100])
    desk.odd.one_way = False
    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == [10_100])
        assert process.run.state.phase is Phase.PAUSED
        desk.odd.one_way = True
        await process.until(lambda: desk.resting() == [9_700, 9_800, 9_900, 10_100])
    async with desk.ledger() as ledger:
        (run,) = await ledger.runs()
        assert run.status == "running"
        trail = await ledger.audit_trail(RUN)
        assert [(each.command, each.who) for each in trail] == [
            ("resume", "preflight"),
            ("pause", "preflight"),
        ]


async def test_one_that_was_held_back_goes_on_at_the_next_start_that_passes(
    desk: Oddly,
) -> None:
    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == LADDER)
    desk.odd.one_way = False
    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == [])
    desk.odd.one_way = True
    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == LADDER)
    assert len(desk.orders(OrderStatus.OPEN)) == 3


async def test_one_whose_venue_does_not_tell_everything_goes_on_once_it_does(
    desk: Oddly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.simple_preflight._TRIES", (0.01,) * 1000)
    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == LADDER)
    desk.odd.deaf = frozenset(["terms"])
    async with desk.process(grid()) as process:
        await process.until(lambda: True)
        desk.odd.deaf = frozenset()
        await process.until(lambda: process.run.state.feed_live and process.run.state.synced)
    assert desk.resting() == LADDER
    assert len(desk.orders()) == 3  # nothing was canceled meanwhile


async def test_a_run_that_is_to_end_is_not_looked_at(desk: Oddly) -> None:
    from domain.grid.spec import StopMode

    async with desk.process(grid()) as process:
        await process.until(lambda: desk.resting() == LADDER)
    desk.odd.one_way = False
    async with desk.process(grid(), stop=StopMode.CANCEL) as process:
        assert (await process.ended()) is not None
    assert desk.resting() == []

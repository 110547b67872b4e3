"""The feed of an account: what each run hears, in what order, and what nobody has to hear."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from activities.exits import Exits
from activities.feed import Feed
from activities.messages import FeedBatch
from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.records import Watch as StoredWatch
from domain.errors import VenueUnavailableError
from domain.grid.config import bind
from domain.grid.events import FeedChanged, GridEvent, Place, PriceMoved, Reported, RiskChanged
from domain.grid.spec import parse_spec
from domain.grid.state import begin
from domain.grid.watch import Watch, watch
from domain.money import Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import OrderReport, OrderRequest, Side
from domain.risk.leaving import Phase as ExitPhase
from domain.risk.scope import OVERALL, Scope, ScopeKind
from domain.risk.way_out import Debt, WayOut
from tests.activities.wire import (
    ACCOUNT,
    INSTRUMENT,
    SYMBOL,
    TAG,
    Desk,
    cancel,
    desk_at,
    order,
    told,
)
from tests.eventually import eventually

WATCH: TypeAdapter[Watch] = TypeAdapter(Watch)
WHOLE = Scope(ScopeKind.ACCOUNT, ACCOUNT)


@dataclass
class Runs:
    """The runs of the account as the feed knows them: they keep what they are told."""

    batches: list[tuple[str, FeedBatch]] = field(default_factory=list)
    open_gate: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: int = 0
    most_in_flight: int = 0
    ended: set[str] = field(default_factory=set)
    refused: int = 0
    #: The exits that were begun; the first so many could not be.
    left: list[str] = field(default_factory=list)
    cannot_leave: int = 0

    async def leave(self, way: WayOut) -> bool:
        if self.cannot_leave:
            self.cannot_leave -= 1
            return False
        self.left.append(f"{way.run_id} {way.number}")
        return True

    async def deliver(self, workflow_id: str, batch: FeedBatch) -> bool:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.open_gate.wait()
        finally:
            self.in_flight -= 1
        if workflow_id in self.ended:
            self.refused += 1
            return False
        self.batches.append((workflow_id, batch))
        return True

    def events(self, workflow_id: str = "a run") -> list[GridEvent]:
        return [e for name, batch in self.batches if name == workflow_id for e in batch.events]

    def words(self, workflow_id: str = "a run") -> list[str]:
        """Return what a run heard, of all but that it stands clear."""
        told = (event for event in self.events(workflow_id) if not _is_clear(event))
        return [_word(event) for event in told]

    def of_orders(self, workflow_id: str = "a run") -> list[str]:
        return [_word(e) for e in self.events(workflow_id) if isinstance(e, Reported)]


def _is_clear(event: GridEvent) -> bool:
    return isinstance(event, RiskChanged) and not event.halted


def _word(event: GridEvent) -> str:
    match event:
        case FeedChanged(live):
            return "live" if live else "stale"
        case PriceMoved(price):
            return str(price.ticks)
        case Reported():
            return told([event])[0]
        case _:
            return event.kind


class Unreliable:
    """A venue whose streams break off when told, and stay down as long as told."""

    def __init__(self, desk: Desk) -> None:
        self._venue = desk.wire
        self._broken = asyncio.Event()
        self.down = False
        self.tries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def break_streams(self) -> None:
        self._broken.set()

    @asynccontextmanager
    async def reports(self) -> AsyncIterator[AsyncIterator[OrderReport]]:
        self.tries += 1
        if self.down:
            raise VenueUnavailableError("the venue is down")
        self._broken = asyncio.Event()
        async with self._venue.reports() as reports:
            yield self._until_broken(reports)

    async def _until_broken(
        self, reports: AsyncIterator[OrderReport]
    ) -> AsyncIterator[OrderReport]:
        broken = asyncio.create_task(self._broken.wait())
        report = asyncio.ensure_future(anext(reports))
        try:
            while True:
                done, _ = await asyncio.wait({broken, report}, return_when=asyncio.FIRST_COMPLETED)
                if broken in done:
                    raise VenueUnavailableError("the stream broke off")
                yield report.result()
                report = asyncio.ensure_future(anext(reports))
        finally:
            broken.cancel()
            report.cancel()
            await asyncio.gather(broken, report, return_exceptions=True)


@dataclass
class Scene:
    """A feed at work."""

    desk: Desk
    runs: Runs
    venue: Unreliable
    feed: Feed
    risk: RiskDesk

    async def hears(self, *words: str, run: str = "a run") -> None:
        """Wait until *run* has heard exactly *words*."""
        wanted = list(words)
        try:
            await eventually(lambda: self.runs.words(run) == wanted)
        except AssertionError:
            assert self.runs.words(run) == wanted

    async def hears_of_orders(self, *words: str, run: str = "a run") -> None:
        """Wait until *run* has heard exactly *words* of orders; prices race them."""
        wanted = list(words)
        try:
            await eventually(lambda: self.runs.of_orders(run) == wanted)
        except AssertionError:
            assert self.runs.of_orders(run) == wanted

    async def watched(self, run: str, tag: str, what: Watch) -> None:
        stored = {"tag": tag, "watch": WATCH.dump_python(what, mode="json")}
        await self.desk.ledger.watch(StoredWatch(run, ACCOUNT, SYMBOL, run, stored))

    async def attached(self, run: str = "a run") -> None:
        await eventually(lambda: run in self.feed._routes, what=f"a route to {run}")

    async def seen(self, price: int) -> None:
        """Wait until the feed has seen *price*, news or not."""
        await eventually(lambda: self._last() == price, what=f"the price {price}")

    def _last(self) -> int | None:
        last = self.feed._routes["a run"].last
        return last.price.ticks if last else None


def a_watch(**changes: Any) -> Watch:
    """Return what a run watches that trades around 60000 in steps of 100."""
    spec = parse_spec({"symbol": SYMBOL, "interval": "100", "amount": "125"})
    config = bind(spec, INSTRUMENT)
    state = begin(config, TAG)
    state = replace(state, lattice=config.lattice(Price(60_000)), price=Price(60_000), center=600)
    return replace(watch(state), **changes)


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A feed that has told its one run that the streams are live, and the price."""
    async with desk_at(tmp_path / "ledger.db") as desk:
        await desk.warm()
        runs, venue = Runs(), Unreliable(desk)
        runs.open_gate.set()
        risk = RiskDesk(desk.ledger, clock=desk.clock)
        feed = Feed(
            ACCOUNT,
            venue,
            desk.ledger,
            desk.orders,
            risk,
            deliver=runs.deliver,
            leave=runs.leave,
            session="s",
            clock=desk.clock,
        )
        scene = Scene(desk, runs, venue, feed, risk)
        await scene.watched("a run", TAG, a_watch())
        task = asyncio.create_task(feed.run())
        try:
            await scene.hears("live", "60000")
            await eventually(lambda: any(map(_is_clear, runs.events())), what="where it stands")
            runs.batches.clear()
            yield scene
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_fill_is_told_and_is_in_the_ledger_before(scene: Scene) -> None:
    request = order(1)
    await scene.desk.do(Place(request))
    scene.runs.open_gate.clear()
    scene.desk.trade(59_900)
    await eventually(lambda: scene.runs.in_flight == 1, what="a batch on its way")
    stored = await scene.desk.ledger.order(request.client_id)
    assert stored is not None
    assert (stored.status, stored.filled) == ("filled", Quantity(2))
    assert len(await scene.desk.ledger.fills_of_run("a run")) == 1
    scene.runs.open_gate.set()
    await scene.hears_of_orders("filled")


async def test_an_acknowledgment_is_no_news(scene: Scene) -> None:
    await scene.desk.do(Place(order(1)))
    await scene.desk.do(Place(order(2, price=59_800)))
    scene.desk.trade(59_800)
    await scene.hears_of_orders("filled", "filled")  # and no "open" before them


async def test_the_report_of_an_answered_cancel_is_no_news(scene: Scene) -> None:
    await scene.desk.do(Place(order(1)), Place(order(2, price=59_800)))
    await scene.desk.do(cancel(order(1)))
    scene.desk.trade(59_800)
    await scene.hears_of_orders("filled")


async def test_a_cancel_that_nobody_here_asked_for_is_told(scene: Scene) -> None:
    request = order(1)
    await scene.desk.do(Place(request))
    await scene.desk.wire.venue.cancel(SYMBOL, request.client_id)
    await scene.hears_of_orders("canceled")


async def test_every_part_of_a_fill_is_told(scene: Scene) -> None:
    await scene.desk.do(Place(order(1, lots=4)))
    scene.desk.trade(59_900, lots=1)
    await scene.hears_of_orders("partially_filled")
    scene.desk.trade(59_900, lots=9)
    await scene.hears_of_orders("partially_filled", "filled")


async def test_prices_inside_the_band_are_no_news(scene: Scene) -> None:
    for price in (60_001, 59_970, 60_040):
        scene.desk.trade(price)
        await scene.seen(price)
    scene.desk.trade(60_150)
    await scene.hears("60150")


async def test_one_batch_is_in_flight_and_the_next_takes_all_that_came(scene: Scene) -> None:
    requests = [order(n, price=60_000 - 100 * n) for n in (1, 2, 3)]
    await scene.desk.do(*map(Place, requests))
    scene.runs.open_gate.clear()
    scene.desk.trade(59_900)
    await eventually(lambda: scene.runs.in_flight == 1, what="a batch on its way")
    scene.desk.trade(59_800)
    scene.desk.trade(59_700)
    await eventually(lambda: pending(scene) == 2, what="two reports that wait")
    scene.runs.open_gate.set()
    await eventually(lambda: scene.runs.words().count("filled") == 3, what="three fills")
    assert scene.runs.most_in_flight == 1
    first, second = (batch.number for _, batch in scene.runs.batches)
    assert second == first + 1
    assert {batch.session for _, batch in scene.runs.batches} == {"s"}


def pending(scene: Scene) -> int:
    """Return how many reports wait for the run."""
    others = scene.feed._routes["a run"]._others
    return sum(isinstance(event, Reported) for event in others)


async def test_lost_streams_are_told_once_and_then_that_they_are_back(scene: Scene) -> None:
    await scene.desk.do(Place(order(1)))
    scene.venue.down = True
    scene.venue.break_streams()
    await scene.hears("stale")
    before = scene.venue.tries
    await eventually(lambda: scene.venue.tries >= before + 3, what="three more tries")
    scene.desk.trade(59_900)
    assert scene.runs.words() == ["stale"]
    scene.venue.down = False
    # The fill itself is no report any more: to find it is what the run asks the venue for.
    await eventually(lambda: scene.runs.words()[:2] == ["stale", "live"], what="live again")
    lost = scene.runs.events()[0]
    assert isinstance(lost, FeedChanged)
    assert lost.why == "the stream broke off"


async def test_the_first_price_after_a_reconnect_is_news_whatever_it_is(scene: Scene) -> None:
    scene.venue.break_streams()
    await scene.hears("stale", "live", "60000")


async def test_a_watch_that_cannot_be_read_stops_no_other_run(scene: Scene) -> None:
    broken = StoredWatch("broken", ACCOUNT, SYMBOL, "broken", {"tag": "x"})
    await scene.desk.ledger.watch(broken)
    await scene.watched("b run", run_tag("b run"), a_watch())
    await scene.attached("b run")
    await scene.hears("live", "60000", run="b run")
    assert scene.runs.words("broken") == []
    assert "broken" not in scene.feed._routes


async def test_reports_go_to_the_run_that_their_id_names(scene: Scene) -> None:
    tag = run_tag("b run")
    await scene.watched("b run", tag, a_watch())
    await scene.hears("live", "60000", run="b run")
    key = OrderKey(tag, Purpose.ENTRY_BUY, 59_900, 1)
    await scene.desk.do(Place(replace(order(1), client_id=encode(key))))
    scene.desk.trade(59_900)
    await scene.hears_of_orders("filled", run="b run")
    assert scene.runs.of_orders("a run") == []


async def test_orders_of_others_are_told_to_nobody(scene: Scene) -> None:
    by_hand = OrderRequest("by-hand", SYMBOL, Side.BUY, Quantity(1), Price(59_990))
    await scene.desk.wire.venue.place(by_hand)
    scene.desk.trade(59_990)
    await eventually(lambda: foreign(scene), what="the fill of somebody else in the ledger")
    assert scene.runs.words() == []


async def foreign(scene: Scene) -> bool:
    fills = await scene.desk.ledger.fills_of_account(
        ACCOUNT, SYMBOL, scene.desk.clock.now, foreign=True
    )
    return len(fills) == 1


async def test_new_settings_of_a_run_are_watched(scene: Scene) -> None:
    spec = parse_spec({"symbol": SYMBOL, "interval": "400", "amount": "125"})
    wide = bind(spec, INSTRUMENT).lattice(Price(60_000))
    await scene.watched("a run", TAG, a_watch(lattice=wide, center=0))
    await eventually(
        lambda: scene.feed._routes["a run"].watch.lattice == wide, what="the new watch"
    )
    scene.desk.trade(60_150)
    await scene.seen(60_150)
    scene.desk.trade(60_900)
    await eventually(lambda: scene.runs.words()[-1:] == ["60900"], what="a price outside")
    assert "60150" not in scene.runs.words()[1:]  # the first one after a change may be news


async def test_a_run_that_has_ended_is_not_watched_any_more(scene: Scene) -> None:
    await scene.desk.do(Place(order(1)))
    scene.runs.ended.add("a run")
    scene.desk.trade(59_900)
    await eventually(lambda: watching(scene), what="no watch any more")
    await eventually(lambda: not scene.feed._routes, what="no route any more")


async def watching(scene: Scene, *runs: str) -> bool:
    return [watch.run_id for watch in await scene.desk.ledger.watches(ACCOUNT)] == list(runs)


async def test_a_fill_is_told_also_while_the_ledger_is_locked(scene: Scene) -> None:
    await scene.desk.do(Place(order(1)))
    with scene.desk.locked():
        scene.desk.trade(59_900)
        await scene.hears_of_orders("filled")


async def test_an_outage_of_the_ledger_ends_no_stream(scene: Scene) -> None:
    """A run that has ended cannot be unwatched while the ledger is locked: that can wait."""
    await scene.desk.do(Place(order(1)))
    await scene.watched("b run", run_tag("b run"), a_watch())
    await scene.hears("live", "60000", run="b run")
    scene.runs.ended.add("a run")
    with scene.desk.locked():
        scene.desk.trade(59_900)
        await eventually(lambda: scene.runs.refused, what="a refused delivery")
        await scene.hears("live", "60000", "59900", run="b run")
    assert scene.venue.tries == 1
    await eventually(lambda: watching(scene, "b run"), what="no watch of the run that ended")


# --- risk ----------------------------------------------------------------------------------------


async def test_a_trip_by_anybody_is_told_once_and_so_is_its_end(scene: Scene) -> None:
    async with Ledger.open(sqlite_url(scene.desk.path)) as elsewhere:
        somebody = RiskDesk(elsewhere, clock=scene.desk.clock)
        await somebody.trip(OVERALL, "ann", "news")
        await scene.hears("risk_changed")
        (halted,) = scene.runs.events()
        assert isinstance(halted, RiskChanged)
        assert "by ann: news" in halted.why
        # Nothing that changes beside it is news of it.
        await somebody.trip(Scope(ScopeKind.RUN, "b run"), "ann", "news")
        scene.desk.trade(60_150)
        await scene.hears("risk_changed", "60150")
        await somebody.reset(OVERALL, "ann", "over")
        await eventually(lambda: len(scene.runs.events()) == 3, what="the end of it")
        assert _is_clear(scene.runs.events()[-1])


async def test_where_a_run_stands_is_told_before_that_the_streams_are_live(scene: Scene) -> None:
    await scene.risk.trip(Scope(ScopeKind.RUN, "b run"), "ann", "news")
    await scene.watched("b run", run_tag("b run"), a_watch())
    await scene.hears("risk_changed", "live", "60000", run="b run")
    assert scene.runs.words() == []


async def test_streams_that_stay_silent_open_the_breaker_of_the_account(scene: Scene) -> None:
    scene.venue.down = True
    scene.venue.break_streams()
    await scene.hears("stale")
    scene.desk.clock.passes(301)
    await scene.hears("stale", "risk_changed")
    breaker = (await scene.risk.known([WHOLE])).breakers[WHOLE]
    assert (
        breaker.reason == f"the feed of account {ACCOUNT} is silent for 301 s, the limit is 300 s"
    )
    scene.venue.down = False
    await eventually(lambda: "live" in scene.runs.words(), what="live again")
    await eventually(lambda: forgotten(scene), what="the end of the silence")
    assert not (await scene.risk.known([WHOLE])).breakers[WHOLE].lets_through


async def forgotten(scene: Scene) -> bool:
    return not (await scene.risk.known([WHOLE])).breakers[WHOLE].measures.stale


async def test_an_exit_that_was_asked_for_is_begun_once_as_soon_as_it_can_be(scene: Scene) -> None:
    run = await scene.desk.ledger.run("a run")
    assert run is not None
    scene.runs.cannot_leave = 2
    exits = Exits(scene.desk.ledger, scene.risk, scene.desk.clock)
    way = await exits.ask(run, "ann", "news")
    await scene.hears("risk_changed")  # its breaker
    await eventually(lambda: scene.runs.left == ["a run 1"], what="the exit")
    await exits.end(way, Debt(ExitPhase.FLAT, Decimal(0), None, 0))
    await exits.ask(run, "ann", "more news")
    await eventually(lambda: scene.runs.left == ["a run 1", "a run 2"], what="the next exit")

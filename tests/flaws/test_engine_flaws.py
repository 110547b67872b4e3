"""The flaws of the earlier system's engines and durability, one by one: they cannot come back.

Numbers are those of its audit (docs/flaws.md). A flaw that cannot exist here has a line there.
"""

import ast
import inspect
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError

from activities.executing import as_failures
from activities.exit_runs import ExitActivities
from activities.leg_runs import LegActivities
from activities.margin_looks import MarginActivities
from activities.portfolio_runs import PortfolioActivities
from activities.routes import Route
from activities.runs import RunActivities
from activities.services import ServiceActivities
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.errors import (
    AuthenticationError,
    CorruptCheckpointError,
    NotSentError,
    RateLimitedError,
    SchemaOutdatedError,
    UnknownOutcomeError,
    VenueUnavailableError,
)
from domain.grid.engine import step
from domain.grid.events import (
    Cancel,
    FeedChanged,
    GridEvent,
    LookUp,
    OutcomeUnknown,
    Place,
    PriceMoved,
    Refused,
    Reported,
    Resync,
    Resynced,
    RiskChanged,
    StopAsked,
    Surfaced,
)
from domain.grid.spec import StopMode
from domain.grid.state import GridState
from domain.grid.watch import watch
from domain.market import PriceUpdate
from domain.money import Price
from domain.orders import Refusal, RefusalReason, Unknown
from tests.activities.wire import (
    TAG,
    Desk,
    cancel,
    client_id,
    desk_at,
    leave,
    look_up,
    order,
    told,
)
from tests.domain.grid.harness import T0, Runner, configured
from workers.durable import account_worker, services_worker
from workflows import (
    alerts,
    arbitrage,
    calls,
    feed,
    grid,
    names,
    pair,
    pair_calls,
    portfolio_calls,
    risk,
)
from workflows import exit as exit_
from workflows.messages import GridRunInput

STATES = TypeAdapter(GridState)


@pytest.fixture(name="desk")
async def _desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_at(tmp_path / "ledger.db") as desk:
        await desk.warm()
        yield desk


# --- engines and persistence -----------------------------------------------------------------


def test_e1_a_state_that_cannot_be_loaded_is_no_fresh_start(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    upgrade(sqlite_url(path))
    with CheckpointStore.open(path, "run") as store:
        store.load()
        store.save(b"state", T0)
        store.flush()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE checkpoints SET payload = 'other'")
    with CheckpointStore.open(path, "run") as store, pytest.raises(CorruptCheckpointError):
        store.load()
    # A workflow that cannot read what it carries stands still; it neither fails nor starts over.
    carried = GridRunInput(configured().spec, Runner(configured()).state)
    payload = json.loads(TypeAdapter(GridRunInput).dump_json(carried))
    payload["state"]["generation"] = "many"
    with pytest.raises(ValidationError):
        TypeAdapter(GridRunInput).validate_python(payload)


async def test_e2_a_fill_is_on_disk_before_the_engine_hears_of_it(desk: Desk) -> None:
    await desk.do(Place(order(1)))
    desk.trade(59_900)
    (event,) = await desk.do(look_up(order(1)))
    assert told([event]) == ["filled"]
    with closing(sqlite3.connect(desk.path)) as connection:
        rows = connection.execute("SELECT status, filled_lots FROM orders WHERE generation = 1")
        assert rows.fetchall() == [("filled", 2)]


def test_e3_nothing_is_sent_before_the_venue_was_asked_and_what_vanished_is_looked_up() -> None:
    run = Runner(configured(), live=False)
    run.decide(PriceMoved(Price(10_000), T0))
    assert run.decide(FeedChanged(live=True, at=T0)) == (Resync("BTC/USDT:USDT"),)
    placed = [a.request for a in run.decide(Resynced((), T0)) if isinstance(a, Place)]
    assert len(placed) == 3
    run.tell(*run.perform([Place(request) for request in placed]))
    run.decide(FeedChanged(live=False, at=T0))
    run.decide(FeedChanged(live=True, at=T0))
    shown = tuple(order.report() for order in run.venue.working())[:2]
    vanished = {request.client_id for request in placed} - {r.client_id for r in shown}
    asked = [a.client_id for a in run.decide(Resynced(shown, T0)) if isinstance(a, LookUp)]
    assert set(asked) == vanished


async def test_e4_two_runs_share_a_database_and_the_state_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    upgrade(sqlite_url(path))
    for run_id in ("one", "two"):
        with CheckpointStore.open(path, run_id) as store:
            store.load()
            store.save(run_id.encode(), T0)
            store.flush()
    for run_id in ("one", "two"):
        with CheckpointStore.open(path, run_id) as store:
            assert store.load() == run_id.encode()
    run = Runner(configured())
    run.tell(RiskChanged(halted=True, at=T0, why="a crash"))
    restored = STATES.validate_json(STATES.dump_json(run.state))
    assert restored == run.state
    assert (restored.lattice, restored.halted, restored.halted_why) == (
        run.state.lattice,
        True,
        "a crash",
    )


async def test_e5_an_order_is_recorded_before_it_leaves_and_its_id_is_predictable(
    desk: Desk,
) -> None:
    first = Runner(configured()).actions
    assert first == Runner(configured()).actions  # the same ids, whenever it is asked
    desk.wire.before = [KeyboardInterrupt()]  # type: ignore[list-item]  # the process dies
    with pytest.raises(KeyboardInterrupt):
        await desk.do(Place(order(1)))
    assert desk.wire.marked == {client_id(1): True}
    desk.restarted()
    await desk.do(Place(order(1)))
    assert desk.calls("place") == [client_id(1)]  # the one before it died, none after


@pytest.mark.parametrize(
    "failure",
    [
        NotSentError("no line"),
        UnknownOutcomeError("no answer"),
        VenueUnavailableError("down"),
        AuthenticationError("wrong key"),
        RateLimitedError("slow down", retry_after=timedelta(minutes=5)),
    ],
)
async def test_e6_every_action_has_an_outcome_whatever_fails(
    desk: Desk, failure: Exception
) -> None:
    desk.wire.before = [failure] * 40
    desk.wire.deaf = [VenueUnavailableError("down")] * 40
    actions = [Place(order(1)), Place(leave(2)), cancel(order(0, price=50_000))]
    events = await desk.do(*actions)
    assert len(events) == 3
    assert all(isinstance(event, Refused | OutcomeUnknown) for event in events)


def test_e7_cancels_are_applied_risk_stops_entries_only() -> None:
    run = Runner(configured())
    run.moves(9_900)
    held = run.state.position_lots
    assert held > 0
    run.tell(RiskChanged(halted=True, at=T0, why="volume"))
    working = run.state.working()
    assert [order for order in working if order.entry] == []  # canceled, and known to be
    assert sum(order.quantity.lots for order in working) == held  # the exits stay
    assert {o.request.client_id for o in run.venue.working()} == {o.client_id for o in working}


async def test_e7_an_answer_that_cannot_be_saved_is_applied_all_the_same(desk: Desk) -> None:
    await desk.do(Place(order(1)))
    with desk.locked():
        assert told(await desk.do(cancel(order(1)))) == ["canceled"]


# --- durable runs ----------------------------------------------------------------------------


def test_d1_a_cancel_names_the_order_as_we_and_as_the_venue_do() -> None:
    run = Runner(configured())
    cancels = [a for a in run.tell(StopAsked(StopMode.CANCEL, T0)) if isinstance(a, Cancel)]
    by_client = {o.request.client_id: o.order_id for o in run.venue.orders.values()}
    assert len(cancels) == 3
    assert {c.client_id: c.order_id for c in cancels} == by_client
    assert all(by_client.values())


def test_d2_what_is_on_its_way_is_not_sent_again() -> None:
    run = Runner(configured(), live=False)
    for event in (FeedChanged(live=True, at=T0), PriceMoved(Price(10_000), T0)):
        run.decide(event)
    first = run.decide(Resynced((), T0))
    assert sum(isinstance(action, Place) for action in first) == 3
    for price in (10_001, 9_999, 10_000):  # nothing was answered yet
        assert run.decide(PriceMoved(Price(price), T0)) == ()
    assert names.feed_workflow_id("paper") == "feed.paper"  # and a workflow starts under one id


def test_d3_a_worker_has_every_workflow_and_activity_that_is_asked_for() -> None:
    asked = _names_of("execute_activity", "execute_local_activity", "start_activity")
    offered = {
        member.__temporal_activity_definition.name
        for kind in (
            RunActivities,
            ExitActivities,
            ServiceActivities,
            LegActivities,
            MarginActivities,
            PortfolioActivities,
        )
        for _, member in inspect.getmembers(kind)
        if hasattr(member, "__temporal_activity_definition")
    }
    assert asked == offered
    source = inspect.getsource(account_worker)
    assert "[grid, FeedRun, EmergencyExit, pair, trade]" in source
    for own in ("activities_of", "leg_activities_of", "margin_activities_of"):
        assert own in source
    assert "[kind, AlertRun]" in inspect.getsource(services_worker)
    assert inspect.signature(services_worker).parameters["kind"].default is risk.RiskGuard
    assert inspect.signature(account_worker).parameters["grid"].default is grid.GridRun
    assert grid.GridRun.__temporal_workflow_definition.name == names.GRID_RUN  # type: ignore[attr-defined]
    assert feed.FeedRun.__temporal_workflow_definition.name == names.FEED_RUN  # type: ignore[attr-defined]
    assert inspect.signature(account_worker).parameters["pair"].default is arbitrage.ArbitrageRun
    assert inspect.signature(account_worker).parameters["trade"].default is pair.PairTradeRun
    leaving = exit_.EmergencyExit.__temporal_workflow_definition  # type: ignore[attr-defined]
    assert leaving.name == names.EMERGENCY_EXIT


def _names_of(*methods: str) -> set[str]:
    """Return the first arguments of all calls of *methods*, and of `_told`, in the workflows."""
    found: set[str] = set()
    for module in (alerts, calls, exit_, feed, grid, pair_calls, portfolio_calls, risk):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
            if called not in (*methods, "_told"):
                continue
            name = node.args[0]
            if isinstance(name, ast.Name):  # `_told` itself hands on what it was given
                assert name.id == "name"
                continue
            assert isinstance(name, ast.Constant)
            found.add(str(name.value))
    return found


async def test_d4_failures_are_failures_and_results_survive_the_wire(desk: Desk) -> None:
    with pytest.raises(ApplicationError) as failed:
        async with as_failures():
            raise RateLimitedError("slow down", retry_after=timedelta(seconds=7))
    assert failed.value.next_retry_delay == timedelta(seconds=7)
    with pytest.raises(ApplicationError) as failed:
        async with as_failures():
            raise AuthenticationError("wrong key")
    assert (failed.value.type, failed.value.non_retryable) == ("AuthenticationError", True)
    await desk.do(Place(order(1)))
    desk.trade(59_900)
    events: list[GridEvent] = [
        *await desk.do(look_up(order(1))),
        Refused(Refusal("a", RefusalReason.WOULD_CROSS, "too high", Price(7))),
        OutcomeUnknown(Unknown("b", "no answer")),
    ]
    (report,) = (event.report for event in events if isinstance(event, Reported))
    events.append(Surfaced((report,), ("c",)))
    payloads = await pydantic_data_converter.encode([events])
    (back,) = await pydantic_data_converter.decode(payloads, [list[GridEvent]])
    assert back == events


def test_d5_a_decision_changes_nothing_but_what_it_returns() -> None:
    run = Runner(configured())
    before, kept = run.state, STATES.dump_json(run.state)
    event = Reported(run.venue.fill(run.venue.working()[0], 50))
    once, again = step(before, event), step(before, event)
    assert once == again
    assert once.state != before
    assert STATES.dump_json(before) == kept


def test_d6_quiet_ticks_reach_no_workflow() -> None:
    run = Runner(configured())
    route = Route("r", TAG, "r", watch(run.state))
    route.live(T0)
    route.price(PriceUpdate("BTC/USDT:USDT", Price(10_000), T0))
    assert len(route.take()) == 2
    for number in range(1_000):
        route.price(PriceUpdate("BTC/USDT:USDT", Price(9_970 + number % 60), T0))
    assert route.take() == ()


async def test_d7_an_order_is_sent_once_also_where_venues_take_duplicates(desk: Desk) -> None:
    for _ in range(3):
        desk.wire.after = [UnknownOutcomeError("the line broke")]
        await desk.do(Place(order(1)))
        desk.restarted()
    assert desk.calls("place") == [client_id(1)]


def test_d8_a_close_is_for_what_is_held_and_opens_nothing() -> None:
    run = Runner(configured())
    run.moves(9_900)
    held = run.state.position_lots
    actions = run.tell(StopAsked(StopMode.CLOSE, T0))
    (close,) = (a.request for a in actions if isinstance(a, Place))
    assert (close.quantity.lots, close.side, close.reduce_only) == (held, "sell", True)
    assert run.state.position_lots == 0
    flat = Runner(configured())
    assert not any(isinstance(a, Place) for a in flat.tell(StopAsked(StopMode.CLOSE, T0)))


def test_d9_tables_are_made_by_migrations_only(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    with closing(sqlite3.connect(path)) as connection:
        with pytest.raises(SchemaOutdatedError):
            Ledger.open(sqlite_url(path))
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    root = Path(__file__).parents[2]
    sources = [p for floor in ("activities", "workers") for p in (root / floor).rglob("*.py")]
    assert sources
    assert [p for p in sources if "create_all" in p.read_text()] == []

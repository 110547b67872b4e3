"""One tape, three runners, in lockstep: the market waits until a runner has handled all it heard.

What a runner asks of the exchange is written down by its own order desk, so the lists compared are
what was really sent. Run tags differ by nature; ids are rewritten to one tag before comparing.
"""

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, cast

import pytest
from pydantic import TypeAdapter
from temporalio.client import Client, WorkflowHandle

import activities.runs
import workers.simple_run
from activities.account import AccountDesk
from activities.feed import Feed
from activities.gate import SizeGate
from activities.messages import FeedBatch
from activities.orders import OrderDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket, PaperVenue
from domain.grid.config import bind
from domain.grid.events import (
    Cancel,
    GridAction,
    GridEvent,
    LookUp,
    PauseAsked,
    Place,
    ReconfigureAsked,
    ResumeAsked,
    StopAsked,
)
from domain.grid.spec import CANDLE_LENGTHS, GridSpec, StopMode
from domain.grid.state import begin
from domain.grid.watch import Watch, watch
from domain.money import Instrument
from domain.order_ids import OrderKey, decode, encode, run_tag
from domain.orders import OrderReport, Refusal
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import MarketEvent
from workers.backtest import OrderAction, play
from workers.durable import account_worker
from workers.simple_run import SimpleRun
from workers.wiring import Desks, ensure_feed
from workflows.messages import (
    Command,
    GridResult,
    GridRunInput,
    ReconfigureGrid,
    StopGrid,
    Taken,
)
from workflows.names import account_queue, feed_workflow_id

#: New settings, an end, `pause` or `resume`.
Asked = GridSpec | StopMode | str

ACCOUNT = "paper"
RUN = "parity"
RICH = {"USDT": Decimal(1_000_000)}
_TAG = "parity00"
_ID = re.compile(r"q[0-9a-z]{26}")
_ACTIONS: TypeAdapter[list[OrderAction]] = TypeAdapter(list[OrderAction])
_STORED_WATCH = TypeAdapter(Watch)
#: When somebody did something on a wall clock; the one thing runs may differ in.
_CLOCKS = ("sent_at", "updated_at")


@dataclass(frozen=True)
class Scenario:
    """A grid, what happens at its market, and what people ask for behind which event."""

    instrument: Instrument
    spec: GridSpec
    tape: Sequence[MarketEvent]
    commands: Mapping[int, Asked] = field(default_factory=dict)

    @property
    def orders(self) -> Mapping[int, Asked]:
        """The commands, with the end of the run behind the last event."""
        return {**self.commands, len(self.tape) - 1: StopMode.CLOSE}

    def event(self, command: Asked) -> GridEvent:
        at = self.tape[0].at
        if isinstance(command, GridSpec):
            return ReconfigureAsked(bind(command, self.instrument), at)
        if isinstance(command, StopMode):
            return StopAsked(command, at)
        return PauseAsked(at) if command == "pause" else ResumeAsked(at)


@dataclass(frozen=True)
class Outcome:
    """What a runner did, and what its ledger says of it."""

    actions: str
    ledger: Sequence[str]
    residual: Decimal | None
    fills: int


class Recorder(OrderDesk):
    """An order desk that keeps what it was asked to do, in the order in which it is done."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.batches: list[list[OrderAction]] = []

    async def submit(
        self, instrument: Instrument, actions: Sequence[GridAction]
    ) -> list[GridEvent]:
        firsts = [each for each in actions if isinstance(each, Cancel | LookUp)]
        batch: list[OrderAction] = [*firsts, *(a for a in actions if isinstance(a, Place))]
        if batch and self.batches[-1:] != [batch]:  # a local activity may be run again
            self.batches.append(batch)
        return await super().submit(instrument, actions)


class OpenFeed(Feed):
    """A feed that tells how far it is."""

    made: "OpenFeed | None" = None

    def __init__(self, *args: Any, **options: Any) -> None:
        deliver = options["deliver"]

        async def counted(workflow_id: str, batch: FeedBatch) -> bool:
            self.flying = True
            done = await deliver(workflow_id, batch)
            self.sent, self.flying = Taken(batch.session, batch.number), False
            return bool(done)

        super().__init__(*args, **{**options, "deliver": counted})
        OpenFeed.made = self
        self.flying = False
        self.sent = Taken()
        self.read = 0
        self.settling: list[OrderReport] = []

    async def _keep(self, report: OrderReport) -> None:
        await super()._keep(report)
        self.read += 1

    async def _settle(self, route: Any, report: OrderReport) -> None:
        self.settling.append(report)
        await super()._settle(route, report)
        self.settling.remove(report)

    def behind(self, exchange: SimulatedExchange) -> str:
        """Return why this feed has not told everything, or nothing if it has."""
        route = self._routes.get(RUN)
        if route is None:
            return "no route"
        if self.read < len(exchange.reports_after(ACCOUNT, 0)):
            return "reports are unread"
        if route.last != exchange.last_price(route.symbol):
            return "the price is unread"
        if route.watch.adaptive is not None:
            length = CANDLE_LENGTHS[route.watch.adaptive.candle]
            bars = [bar for bar in exchange.candles(route.symbol, length, 2) if bar.closed]
            if bars and route._candles[-1:] != bars[-1:]:
                return "a candle is unread"
        if any(not self._desk.has_answered(report) for report in self.settling):
            return "a report settles"
        if route.pending or self.flying or not self.sent.number:
            return "news waits"
        return ""

    @property
    def quiet(self) -> tuple[int, int] | None:
        return self._routes[RUN].quiet

    @property
    def shape(self) -> Watch:
        return self._routes[RUN].watch


class Runner(Protocol):
    """What the harness asks of a runner."""

    async def handled(self, feed: OpenFeed) -> str:
        """Return what is not handled yet, or nothing."""
        ...

    async def obey(self, command: Asked) -> None: ...

    async def result(self) -> GridResult: ...


class Lab:
    """An exchange of its own, a ledger of its own, and the desks over both."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self.scenario = scenario
        self.path = directory / "ledger.db"
        upgrade(sqlite_url(self.path))
        rules = ExchangeRules((scenario.instrument,), {ACCOUNT: RICH})
        self.exchange = SimulatedExchange(rules, scenario.tape[0].at)
        self.exchange.on(scenario.tape[0])
        self.market = PaperMarket(self.exchange)
        self.venue = PaperVenue(self.market, ACCOUNT)
        self.ledger = Ledger.open(sqlite_url(self.path), synchronous="NORMAL")
        self.desk = Recorder(ACCOUNT, self.venue, self.ledger, SizeGate())
        self.books = AccountDesk(ACCOUNT, self.venue, self.ledger)

    @property
    def desks(self) -> Desks:
        return Desks(ACCOUNT, self.venue, self.ledger, self.desk, self.books)

    def outcome(self, actions: Sequence[OrderAction], residual: Decimal | None) -> Outcome:
        self.ledger.close()
        text = _ACTIONS.dump_json(list(actions), indent=1).decode()
        fills = self.exchange.fills_since(
            ACCOUNT, self.scenario.instrument.symbol, self.scenario.tape[0].at
        )
        return Outcome(_one_tag(text), _rows(self.path), residual, len(fills))

    async def drive(self, runner: Runner) -> Outcome:
        """Play the tape, stopping where the feed or the exchange has news; then end the run."""
        scenario = self.scenario
        await self._settle(runner)
        seen, minute = self._count(), self._minute()
        for number, event in enumerate(scenario.tape[1:], 1):
            self.exchange.on(event)
            if self._matters(event) or self._count() != seen or self._minute() != minute:
                self.market.tell()
                await self._settle(runner)
                seen, minute = self._count(), self._minute()
            command = scenario.orders.get(number)
            if command is not None:
                await runner.obey(command)
                if isinstance(command, StopMode):
                    break
                await self._settle(runner)
                seen = self._count()
        result = await runner.result()
        sent = [action for batch in self.desk.batches for action in batch]
        return self.outcome(sent, result.residual)

    def _matters(self, event: MarketEvent) -> bool:
        assert OpenFeed.made is not None
        quiet = OpenFeed.made.quiet
        update = self.exchange.last_price(self.scenario.instrument.symbol)
        assert update is not None
        return quiet is None or not quiet[0] <= update.price.ticks <= quiet[1]

    def _count(self) -> int:
        return len(self.exchange.reports_after(ACCOUNT, 0))

    def _minute(self) -> Any:
        """Return what changes whenever a candle closes that the run waits for."""
        adaptive = self.scenario.spec.adaptive
        if adaptive is None:
            return None
        return self.exchange.now.timestamp() // CANDLE_LENGTHS[adaptive.candle].total_seconds()

    async def _settle(self, runner: Runner) -> None:
        """Wait until the feed has told everything and the runner has handled it."""
        deadline = time.monotonic() + 30
        why, looks = "the feed has not begun", 0
        while time.monotonic() < deadline:
            feed = OpenFeed.made
            if feed is not None:
                why = feed.behind(self.exchange) or await runner.handled(feed)
                why = why or feed.behind(self.exchange)
                if not why:
                    return
            looks += 1
            await asyncio.sleep(0 if looks < 20 else 0.001)
        pytest.fail(f"the runner came to no rest: {why}")


# --- the three runners -----------------------------------------------------------------------


async def plain(scenario: Scenario, directory: Path) -> Outcome:
    """Run the plain loop, and write the ledger that its outcomes make."""
    lab = Lab(scenario, directory)
    tag = run_tag("plain")
    await lab.books.prepare(RUN, tag, scenario.spec)
    state = begin(bind(scenario.spec, scenario.instrument), tag)
    commands = {number: [scenario.event(each)] for number, each in scenario.orders.items()}
    played = play(lab.exchange, ACCOUNT, state, scenario.tape[1:], commands)
    assert played.state.finished
    requests = [action.request for action in played.actions if isinstance(action, Place)]
    at = lab.exchange.now
    await lab.ledger.mark_sending(ACCOUNT, requests, at)
    refusals = [each for each in played.outcomes if isinstance(each, Refusal)]
    await lab.ledger.record_refusals(ACCOUNT, refusals, at)
    reports = [report for _, report in lab.exchange.reports_after(ACCOUNT, 0)]
    await lab.ledger.record_reports(ACCOUNT, reports)
    books = await lab.books.finish(RUN, scenario.spec.symbol)
    assert books is not None
    return lab.outcome(played.actions, books.residual)


class _Simple:
    def __init__(self, scenario: Scenario, run: SimpleRun) -> None:
        self._scenario = scenario
        self._run = run
        self._task = asyncio.create_task(run.run())

    async def handled(self, feed: OpenFeed) -> str:
        if self._task.done():
            self._task.result()
        if not self._run.idle:
            return "the runner works"
        now = replace(watch(self._run.state), center=0)
        return "" if feed.shape == now else "the feed watches something else"

    async def obey(self, command: Asked) -> None:
        self._run.tell(self._scenario.event(command))

    async def result(self) -> GridResult:
        result = await asyncio.wait_for(self._task, 30)
        assert result is not None
        return result


async def simple(scenario: Scenario, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Run the simple runner with a real checkpoint."""
    lab = Lab(scenario, directory)
    _observe(monkeypatch)
    upgrade(sqlite_url(directory / "simple.db"))
    with CheckpointStore.open(directory / "simple.db", RUN) as store:
        run = await SimpleRun.open(RUN, scenario.spec, lab.desks, store)
        return await lab.drive(_Simple(scenario, run))


class _Durable:
    def __init__(self, handle: "WorkflowHandle[Any, Any]", ledger: Ledger) -> None:
        self._handle = handle
        self._ledger = ledger
        self._known: tuple[Taken, Watch] | None = None

    async def handled(self, feed: OpenFeed) -> str:
        if self._known == (feed.sent, feed.shape):
            return ""  # nothing was sent since it was asked
        taken = await self._handle.query("taken", result_type=cast("type", Taken | None))
        if taken != feed.sent:
            return f"the workflow has handled {taken}, not {feed.sent}"
        stored = await self._ledger.watches(ACCOUNT)
        wanted = [_STORED_WATCH.validate_python(each.what["watch"]) for each in stored]
        if wanted != [feed.shape]:
            return "the feed watches something else"
        self._known = (feed.sent, feed.shape)
        return ""

    async def obey(self, command: Asked) -> None:
        self._known = None
        if isinstance(command, GridSpec):
            await self._handle.execute_update("reconfigure", ReconfigureGrid(command))
        elif isinstance(command, StopMode):
            await self._handle.execute_update("stop", StopGrid(command))
        else:
            await self._handle.execute_update(command, Command())

    async def result(self) -> GridResult:
        result: GridResult = await asyncio.wait_for(self._handle.result(), 30)
        return result


async def durable(
    scenario: Scenario, directory: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> Outcome:
    """Run GridRun and FeedRun on a real Temporal server, with a worker in this process."""
    lab = Lab(scenario, directory)
    _observe(monkeypatch)
    async with _worker(client, lab):
        handle = await client.start_workflow(
            "GridRun",
            GridRunInput(scenario.spec),
            id=RUN,
            task_queue=account_queue(ACCOUNT),
            task_timeout=timedelta(seconds=10),  # so that no local activity is run again
            result_type=GridResult,
        )
        return await lab.drive(_Durable(handle, lab.ledger))


@asynccontextmanager
async def _worker(client: Client, lab: Lab) -> AsyncIterator[None]:
    async with account_worker(client, lab.desks):
        await ensure_feed(client, ACCOUNT)
        try:
            yield
        finally:
            feed = client.get_workflow_handle(feed_workflow_id(ACCOUNT))
            await feed.terminate("the test is over")


def _observe(monkeypatch: pytest.MonkeyPatch) -> None:
    OpenFeed.made = None
    monkeypatch.setattr(activities.runs, "Feed", OpenFeed)
    monkeypatch.setattr(workers.simple_run, "Feed", OpenFeed)


# --- comparing -------------------------------------------------------------------------------


def _one_tag(text: str) -> str:
    """Return *text* with the ids in it as if all runs had the same tag."""
    return _ID.sub(_retagged, text)


def _retagged(found: re.Match[str]) -> str:
    key = decode(found[0])
    assert key is not None
    return encode(OrderKey(_TAG, key.purpose, key.key, key.generation))


def _rows(path: Path) -> Sequence[str]:
    """Return the orders and fills of a ledger as text, without what a wall clock said."""
    rows: list[str] = []
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    for table, order in (("orders", "substr(client_id, 20, 6)"), ("fills", "at, fill_id")):
        for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}"):  # noqa: S608
            told = {k: row[k] for k in row.keys() if k not in (*_CLOCKS, "run_tag")}  # noqa: SIM118
            rows.append(f"{table} {_one_tag(str(told))}")
    connection.close()
    return rows

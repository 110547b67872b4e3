"""Runners in lockstep with a market: it waits until a runner has handled all that it heard.

What a runner asks of a venue is written down by its own order desk, so the lists compared are what
was really sent. Run tags differ by nature; ids are rewritten to one tag before comparing.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol, Self, cast

import pytest
from pydantic import TypeAdapter
from temporalio.client import Client, WorkflowHandle

import activities.runs
import workers.simple_run
from activities.feed import Feed
from activities.messages import FeedBatch
from activities.orders import OrderDesk
from activities.routes import Route
from activities.store.ledger import Ledger
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
from domain.grid.watch import Watch, watch
from domain.market import PriceUpdate
from domain.money import Instrument, Price
from domain.order_ids import OrderKey, decode, encode
from domain.orders import OrderReport
from domain.simulation.exchange import SimulatedExchange
from workers.backtest import OrderAction
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

_TAG = "lockstep"
_ID = re.compile(r"q[0-9a-z]{26}")
_ACTIONS: TypeAdapter[list[OrderAction]] = TypeAdapter(list[OrderAction])
_STORED_WATCH = TypeAdapter(Watch)
_PATIENCE = 60
#: Looks come at once at first, for a runner in this process needs a few turns of the loop only;
#: then ever later, or looking would be all that is done (seconds).
_PAUSE, _LONGEST = 0.001, 0.02


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

    @property
    def actions(self) -> list[OrderAction]:
        """All that was asked, in order."""
        return [action for batch in self.batches for action in batch]


class OpenFeed(Feed):
    """A feed of one run that tells how far it is."""

    #: The newest feed of each account.
    made: ClassVar[dict[str, "OpenFeed"]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        deliver = options["deliver"]

        async def counted(workflow_id: str, batch: FeedBatch) -> bool:
            self.flying = True
            done = await deliver(workflow_id, batch)
            self.sent, self.flying = Taken(batch.session, batch.number), False
            return bool(done)

        super().__init__(*args, **{**options, "deliver": counted})
        OpenFeed.made[self._account] = self
        self.flying = False
        self.sent = Taken()
        #: Reports that came, and the lots that they say are filled of each order.
        self.read = 0
        self.filled: dict[str, int] = {}
        self.settling: list[OrderReport] = []

    async def _keep(self, report: OrderReport) -> None:
        await super()._keep(report)
        self.read += 1
        self.filled[report.client_id] = max(
            report.filled.lots, self.filled.get(report.client_id, 0)
        )

    async def _settle(self, route: Any, report: OrderReport) -> None:
        self.settling.append(report)
        await super()._settle(route, report)
        self.settling.remove(report)

    def behind(self, exchange: SimulatedExchange) -> str:
        """Return what this feed has not told, of all but reports; nothing if it has."""
        route = self.route
        if route is None:
            return "no route"
        last = exchange.last_price(route.symbol)
        if last is None or route.last is None or (last.price, last.at) != _seen(route.last):
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
    def route(self) -> Route | None:
        """The way to the one run, once it is watched for."""
        return next(iter(self._routes.values()), None)

    @property
    def quiet(self) -> tuple[int, int] | None:
        """The ticks between which no price is news."""
        return self.route.quiet if self.route else None

    @property
    def shape(self) -> Watch | None:
        """What the run wants watched, as far as the feed knows."""
        return self.route.watch if self.route else None


def _seen(update: PriceUpdate) -> tuple[Price, datetime]:
    """Return what every stream tells of a price; few tell the quotes beside it."""
    return (update.price, update.at)


def observe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all feeds be open ones from now on."""
    OpenFeed.made.clear()
    monkeypatch.setattr(activities.runs, "Feed", OpenFeed)
    monkeypatch.setattr(workers.simple_run, "Feed", OpenFeed)


class Runner(Protocol):
    """What the lockstep asks of a runner."""

    async def handled(self, feed: OpenFeed) -> str:
        """Return what is not handled yet, or nothing."""
        ...

    async def obey(self, command: Asked) -> None:
        """Let somebody ask for something."""
        ...

    async def result(self) -> GridResult:
        """Return what came of the run, which was told to end."""
        ...


class SimpleRunner:
    """A simple run that works inside the context."""

    def __init__(self, run: SimpleRun) -> None:
        self.run = run

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def handled(self, feed: OpenFeed) -> str:
        if self._task.done():
            self._task.result()
        if not self.run.idle:
            return "the runner works"
        now = replace(watch(self.run.state), center=0)
        return "" if feed.shape == now else "the feed watches something else"

    async def obey(self, command: Asked) -> None:
        state = self.run.state
        self.run.tell(event_of(command, state.config.instrument, datetime.now(UTC)))

    async def result(self) -> GridResult:
        result = await asyncio.wait_for(self._task, _PATIENCE)
        assert result is not None
        return result


def event_of(command: Asked, instrument: Instrument, at: datetime) -> GridEvent:
    """Return the event that *command* is to an engine."""
    if isinstance(command, GridSpec):
        return ReconfigureAsked(bind(command, instrument), at)
    if isinstance(command, StopMode):
        return StopAsked(command, at)
    return PauseAsked(at) if command == "pause" else ResumeAsked(at)


class DurableRunner:
    """A run on a Temporal server."""

    def __init__(self, handle: "WorkflowHandle[Any, Any]", account: str, ledger: Ledger) -> None:
        self.handle = handle
        self._account = account
        self._ledger = ledger
        self._known: tuple[Taken, Watch | None] | None = None

    async def handled(self, feed: OpenFeed) -> str:
        if self._known == (feed.sent, feed.shape):
            return ""  # nothing was sent since it was asked
        taken = await self.handle.query("taken", result_type=cast("type", Taken | None))
        if taken != feed.sent:
            return f"the workflow has handled {taken}, not {feed.sent}"
        stored = await self._ledger.watches(self._account)
        wanted = [_STORED_WATCH.validate_python(each.what["watch"]) for each in stored]
        if wanted != [feed.shape]:
            return "the feed watches something else"
        self._known = (feed.sent, feed.shape)
        return ""

    async def obey(self, command: Asked) -> None:
        self._known = None
        if isinstance(command, GridSpec):
            await self.handle.execute_update("reconfigure", ReconfigureGrid(command))
        elif isinstance(command, StopMode):
            await self.handle.execute_update("stop", StopGrid(command))
        else:
            await self.handle.execute_update(command, Command())

    async def result(self) -> GridResult:
        result: GridResult = await asyncio.wait_for(self.handle.result(), _PATIENCE)
        return result


@asynccontextmanager
async def durable_run(
    client: Client, run_id: str, spec: GridSpec, desks: Desks
) -> AsyncIterator[DurableRunner]:
    """Run GridRun and FeedRun on a real Temporal server, with a worker in this process."""
    async with account_worker(client, desks):
        await ensure_feed(client, desks.account)
        try:
            handle = await client.start_workflow(
                "GridRun",
                GridRunInput(spec),
                id=run_id,
                task_queue=account_queue(desks.account),
                task_timeout=timedelta(seconds=10),  # so that no local activity is run again
                result_type=GridResult,
            )
            yield DurableRunner(handle, desks.account, desks.ledger)
        finally:
            feed = client.get_workflow_handle(feed_workflow_id(desks.account))
            await feed.terminate("the test is over")


async def come_to_rest(account: str, behind: Callable[[OpenFeed], Awaitable[str]]) -> None:
    """Wait until *behind* finds nothing that the account's feed and its run have still to do."""
    deadline = time.monotonic() + _PATIENCE
    why, pause = "the feed has not begun", 0.0
    while time.monotonic() < deadline:
        feed = OpenFeed.made.get(account)
        if feed is not None:
            why = await behind(feed)
            if not why:
                return
        await asyncio.sleep(pause if pause > _PAUSE else 0)
        pause = min(pause + _PAUSE / 20, _LONGEST)
    pytest.fail(f"{account} came to no rest: {why}")


# --- comparing -------------------------------------------------------------------------------


def told(actions: Sequence[OrderAction]) -> str:
    """Return *actions* as text that is the same for every run that did the same."""
    return one_tag(_ACTIONS.dump_json(list(actions), indent=1).decode())


def one_tag(text: str) -> str:
    """Return *text* with the ids in it as if all runs had the same tag."""
    return _ID.sub(_retagged, text)


def _retagged(found: re.Match[str]) -> str:
    key = decode(found[0])
    assert key is not None
    return encode(OrderKey(_TAG, key.purpose, key.key, key.generation))

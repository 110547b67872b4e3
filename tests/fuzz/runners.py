"""Three who run the same script: the plain loop, the simple runner, and the durable one.

All are told the same, one thing after another, and say when they have come to rest. They differ in
what becomes of a killed one: a simple run knows what its checkpoint knows, and a durable one has
what was under way done again. The plain loop can be either, in a few lines: it is the yardstick.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

from temporalio import activity
from temporalio.client import Client, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.messages import (
    Books,
    ClearInput,
    FeedBatch,
    NoteInput,
    Prepared,
    PrepareInput,
    RenewInput,
    RunKey,
    SettleInput,
    SubmitInput,
)
from activities.runs import RunActivities
from activities.store.checkpoint import CheckpointStore
from domain.errors import VenueError, VenueUnavailableError
from domain.grid.config import bind
from domain.grid.engine import step
from domain.grid.events import (
    BookAction,
    Cancel,
    Correct,
    FeedChanged,
    GridAction,
    GridEvent,
    LookUp,
    Place,
    Resync,
    Resynced,
    TellDivergence,
)
from domain.grid.spec import GridSpec, StopMode
from domain.grid.state import GridState, begin
from domain.order_ids import run_tag
from tests.fuzz.board import LINES, Line
from tests.fuzz.world import CALL, World
from tests.lockstep import Asked, event_of
from workers.simple_run import SimpleRun
from workflows.messages import (
    Command,
    GridResult,
    GridRunInput,
    ReconfigureGrid,
    StopGrid,
    Taken,
)

QUEUE: Final = "fuzz"
T = TypeVar("T")


class Rest(Enum):
    """How somebody came to rest."""

    READY = "ready"
    KILLED = "killed"  # to be started anew
    ENDED = "ended"


class Runner(Protocol):
    """Who runs a script."""

    world: World

    @property
    def state(self) -> GridState: ...

    async def begin(self) -> None:
        """Start the run."""
        ...

    async def tell(self, *batches: Sequence[GridEvent]) -> None:
        """Tell it what a feed tells."""
        ...

    async def obey(self, command: Asked, *, allowed: bool) -> None:
        """Let somebody ask for something, which it may do or not as it stands."""
        ...

    async def rest(self) -> Rest:
        """Return when it has handled all that it was told, and compared itself if it must."""
        ...

    async def restart(self) -> None:
        """Kill the process that works on it, and let another one go on. It hears of that."""
        ...

    async def result(self) -> GridResult:
        """Return what came of the run, which has ended."""
        ...

    async def close(self) -> None:
        """Let go of the run, wherever it is."""
        ...


def lost(world: World) -> FeedChanged:
    """Return what a run is told when its process was started anew."""
    return FeedChanged(live=False, at=world.clock(), why="the process was started again")


# --- the plain loop --------------------------------------------------------------------------


class _KilledError(Exception):
    """The process of a plain loop that forgets has been killed."""


class Plain:
    """`step` over the events, and nothing else."""

    def __init__(self, world: World, *, forgets: bool) -> None:
        self.world = world
        self._forgets = forgets
        self._inbox: deque[GridEvent] = deque()
        self._resync = False
        self._result: GridResult | None = None
        #: Whether a trap has sprung: from then on it matters who is killed.
        self.killed = False
        world.trap.spring = self._die

    @property
    def state(self) -> GridState:
        return self._state

    async def _die(self) -> None:
        self.killed = True
        if self._forgets:
            raise _KilledError
        self.world.reopen()
        raise VenueUnavailableError("the worker was killed, and its work is done again")

    async def begin(self) -> None:
        world, tag = self.world, run_tag(self.world.run_id)
        spec = world.script.config.spec
        await world.books.prepare(world.run_id, tag, spec)
        self._state = begin(bind(spec, world.instrument), tag)

    async def tell(self, *batches: Sequence[GridEvent]) -> None:
        for batch in batches:
            self._inbox.extend(batch)

    async def obey(self, command: Asked, *, allowed: bool) -> None:
        if allowed:
            self._inbox.append(event_of(command, self.world.instrument, self.world.clock()))

    async def rest(self) -> Rest:
        try:
            while self._inbox and not self._state.finished:
                await self._handle(self._inbox.popleft())
                if self._resync and not self._inbox:
                    self._inbox.append(await self._compare())
        except _KilledError:
            return Rest.KILLED
        return Rest.ENDED if self._state.finished else Rest.READY

    async def _handle(self, event: GridEvent) -> None:
        todo = deque([event])
        while todo:
            decided = step(self._state, todo.popleft())
            self._state = decided.state
            self._resync |= any(isinstance(each, Resync) for each in decided.actions)
            books = [each for each in decided.actions if isinstance(each, Correct | TellDivergence)]
            if books:
                todo.extend(await self._settle(books))
            orders = [each for each in decided.actions if isinstance(each, Cancel | LookUp | Place)]
            if orders:
                todo.extend(await self._submit(orders))

    async def _submit(self, orders: Sequence[GridAction]) -> Sequence[GridEvent]:
        world = self.world
        token = CALL.set(object())
        try:
            return await _until_it_works(lambda: world.orders.submit(world.instrument, orders))
        finally:
            CALL.reset(token)

    async def _settle(self, books: Sequence[BookAction]) -> Sequence[GridEvent]:
        return await self.world.books.settle(self.world.run_id, self._state.config.symbol, books)

    async def _compare(self) -> Resynced:
        world, self._resync = self.world, False
        asked_at, fills = world.clock(), self._state.totals.fills
        world.door.open.set()
        symbol = self._state.config.symbol
        found = await _until_it_works(
            lambda: world.books.resync(world.run_id, symbol, self._state.tag)
        )
        return replace(found, asked_at=asked_at, fills=fills)

    async def restart(self) -> None:
        self.world.reopen()
        self._inbox.clear()
        self._resync = False
        await self.tell([lost(self.world)])

    async def result(self) -> GridResult:
        world, symbol = self.world, self._state.config.symbol
        books = await _until_it_works(lambda: world.books.finish(world.run_id, symbol))
        return GridResult.of(self._state, books)

    async def close(self) -> None:
        return


async def _until_it_works(call: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await call()
        except VenueError:
            await asyncio.sleep(0)


# --- the simple runner -----------------------------------------------------------------------


class SilentFeed:
    """In the place of a feed: scripts tell a run themselves what a feed would."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def stand_down(self) -> None:
        return


class DaylongSimpleRun(SimpleRun):
    """A simple run whose own look-ups of orders in doubt are a day away, as all of a script is."""

    look_again = timedelta(days=1)


class Simple:
    """The real simple runner, with its checkpoint."""

    def __init__(
        self, world: World, store: CheckpointStore, kind: type[SimpleRun] = DaylongSimpleRun
    ) -> None:
        self.world = world
        self._store = store
        self._kind = kind
        self._task: asyncio.Task[GridResult | None] | None = None
        self._killed = asyncio.Event()
        world.trap.spring = self._die

    @property
    def state(self) -> GridState:
        return self._run.state

    async def _die(self) -> None:
        self._killed.set()
        await asyncio.Event().wait()

    async def begin(self) -> None:
        world = self.world
        self._run = await self._kind.open(
            world.run_id, world.script.config.spec, world.desks, self._store, clock=world.clock
        )
        self._task = asyncio.create_task(self._run.run())

    async def tell(self, *batches: Sequence[GridEvent]) -> None:
        for batch in batches:
            self._run.tell(*batch)

    async def obey(self, command: Asked, *, allowed: bool) -> None:
        if allowed:
            self._run.tell(event_of(command, self.world.instrument, self.world.clock()))

    async def rest(self) -> Rest:
        run, door = self._run, self.world.door
        assert self._task is not None
        while True:
            await _first(self._task, run._idle.wait(), self._killed.wait())
            if self._task.done():
                self._task.result()
            if self._killed.is_set():
                return Rest.KILLED
            if run.state.finished:
                return Rest.ENDED
            if run._resync is None or run._resync.done():
                if run._idle.is_set():
                    return Rest.READY
                continue
            await _first(run._resync, door.came.wait())
            if door.came.is_set():
                await _first(self._task, door.let_in())
                await _first(run._resync, door.came.wait())

    async def restart(self) -> None:
        await self.close()
        self._killed.clear()
        self.world.reopen()
        spec = self._run.state.config.spec
        self._run = await self._kind.open(
            self.world.run_id, spec, self.world.desks, self._store, clock=self.world.clock
        )
        self._task = asyncio.create_task(self._run.run())

    async def result(self) -> GridResult:
        assert self._task is not None
        result = await self._task
        assert result is not None
        return result

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def _first(*waits: Awaitable[Any]) -> None:
    """Return when the first of *waits* is over; tasks among them go on, the rest is given up."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, wait in zip(tasks, waits, strict=True):
        if task is not wait:
            task.cancel()


# --- the durable runner ----------------------------------------------------------------------


class Durable:
    """The real workflow on a real Temporal server, told by signals as a feed tells it."""

    def __init__(self, world: World, client: Client, queue: str = QUEUE) -> None:
        self.world = world
        self._client = client
        self._queue = queue
        self._line = LINES[world.run_id] = Line()
        self._attempt = self._number = 0
        self._sent = Taken()
        self._before: FeedBatch | None = None
        WORLDS[world.run_id] = world
        world.trap.spring = self._die

    async def histories(self) -> list[WorkflowHistory]:
        """Return what Temporal knows of each workflow that the run took."""
        handles = [
            self._client.get_workflow_handle(self.world.run_id, run_id=each)
            for each in self._line.workflows
        ]
        return [await handle.fetch_history() for handle in handles]

    @property
    def state(self) -> GridState:
        notice = self._line.last
        assert notice is not None
        assert notice.state is not None
        return notice.state

    async def _die(self) -> None:
        self.world.reopen()
        raise VenueUnavailableError("the worker was killed, and its work is done again")

    async def begin(self) -> None:
        self._handle = await self._client.start_workflow(
            "GridRun",
            GridRunInput(self.world.script.config.spec),
            id=self.world.run_id,
            task_queue=self._queue,
            task_timeout=timedelta(seconds=120),  # so that no local activity is run again
            result_type=GridResult,
        )
        await self.rest()

    async def tell(self, *batches: Sequence[GridEvent]) -> None:
        for events in batches:
            self._number += 1
            session = f"{self.world.run_id}/{self._attempt}"
            batch = FeedBatch(session, self._number, tuple(events))
            echoes = self.world.script.echoes
            for each in (batch, self._before, batch) if echoes else (batch,):
                if each is not None and not await self._signaled(each):
                    return
            self._before, self._sent = batch, Taken(session, self._number)

    async def _signaled(self, batch: FeedBatch) -> bool:
        """Return whether the run was there to be told; the first of several batches may end it."""
        try:
            await self._handle.signal("feed", batch)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    async def obey(self, command: Asked, *, allowed: bool) -> None:
        try:
            await self._update(command)
        except WorkflowUpdateFailedError:
            if allowed:
                raise
        else:
            assert allowed, f"{command} was taken by a run that is {self.state.phase}"

    async def _update(self, command: Asked) -> None:
        if isinstance(command, GridSpec):
            await self._handle.execute_update("reconfigure", ReconfigureGrid(command))
        elif isinstance(command, StopMode):
            await self._handle.execute_update("stop", StopGrid(command))
        else:
            await self._handle.execute_update(command, Command())

    async def rest(self) -> Rest:
        line, door = self._line, self.world.door
        while True:
            line.news.clear()
            last = line.last
            if last is not None and last.state is not None and last.state.finished:
                return Rest.ENDED  # whatever it was told besides
            if last is not None and last.taken == self._sent and not last.waiting:
                if not last.asking:
                    return Rest.READY
                if door.came.is_set():
                    await door.let_in()
                    continue
                await _first(line.news.wait(), door.came.wait())
            else:
                await line.news.wait()

    async def restart(self) -> None:
        self.world.reopen()
        self._attempt, self._number = self._attempt + 1, 0
        await self.tell([lost(self.world)])

    async def result(self) -> GridResult:
        result: GridResult = await self._handle.result()
        return result

    async def close(self) -> None:
        LINES.pop(self.world.run_id, None)
        WORLDS.pop(self.world.run_id, None)
        last = self._line.last
        if last is None or last.state is None or not last.state.finished:
            await self._handle.terminate("the example is over")


#: The worlds that durable runs are in, by run id.
WORLDS: dict[str, World] = {}


async def _nothing(*_: object) -> None:
    """Start no feed, for the script is one; and no exit, for nobody asks for any."""


class ManyActivities:
    """The real activities of many accounts on one queue, each called for the world of its run."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def _of(self, run_id: str) -> RunActivities:
        desks = WORLDS[run_id].desks
        return RunActivities(
            desks.account,
            desks.venue,
            desks.ledger,
            desks.orders,
            desks.books,
            desks.risk,
            client=self._client,
            ensure_feed=_nothing,
            start_exit=_nothing,
        )

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        return [
            self.prepare,
            self.clear,
            self.renew,
            self.submit,
            self.resync,
            self.settle,
            self.finish,
            self.note,
        ]

    @activity.defn(name="prepare")
    async def prepare(self, asked: PrepareInput) -> Prepared:
        return await self._of(asked.run_id).prepare(asked)

    @activity.defn(name="clear")
    async def clear(self, asked: ClearInput) -> None:
        await self._of(asked.run_id).clear(asked)

    @activity.defn(name="renew")
    async def renew(self, asked: RenewInput) -> None:
        await self._of(asked.run_id).renew(asked)

    @activity.defn(name="submit")
    async def submit(self, asked: SubmitInput) -> list[GridEvent]:
        info = activity.info()
        CALL.set((info.workflow_run_id, info.activity_id))
        return await self._of(asked.run.run_id).submit(asked)

    @activity.defn(name="resync")
    async def resync(self, run: RunKey) -> Resynced:
        return await self._of(run.run_id).resync(run)

    @activity.defn(name="settle")
    async def settle(self, asked: SettleInput) -> list[GridEvent]:
        return await self._of(asked.run.run_id).settle(asked)

    @activity.defn(name="finish")
    async def finish(self, run: RunKey) -> Books | None:
        return await self._of(run.run_id).finish(run)

    @activity.defn(name="note")
    async def note(self, asked: NoteInput) -> None:
        await self._of(asked.run_id).note(asked)

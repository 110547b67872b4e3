"""One grid without Temporal: the loop of the simple runner, on the same engine and desks.

What the durable runner keeps in a history this one keeps in a checkpoint. The state that intends an
order is committed before the order is sent, and a state that could not be committed is not used: so
a process that dies at any instant knows, when it is started again, of every order it may have sent.
What it missed meanwhile it asks the venue for, as after any lost connection.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Self, TypeVar
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from activities.clock import utc_now
from activities.feed import Feed
from activities.messages import Accepted, FeedBatch, RenewInput, RestoreInput
from activities.store.checkpoint import CheckpointStore
from activities.store.records import Watch as StoredWatch
from domain.errors import (
    CorruptCheckpointError,
    InvalidValueError,
    PreflightError,
    StoreError,
    VenueError,
)
from domain.grid.comparing import is_in_doubt
from domain.grid.config import bind, check_profit
from domain.grid.engine import check_reconfigure, step
from domain.grid.events import (
    Alert,
    BookAction,
    Correct,
    FeedChanged,
    GridAction,
    GridEvent,
    ReconfigureAsked,
    Resync,
    StopAsked,
    TellDivergence,
    TimePassed,
)
from domain.grid.spec import GridSpec, StopMode
from domain.grid.state import GridState, begin
from domain.grid.view import exits
from domain.grid.watch import Watch, watch
from domain.order_ids import run_tag
from domain.risk.preflight import refuse_unknown_names
from domain.risk.way_out import WayOut, debt_of
from workers.handover import Handover
from workers.patience import patiently
from workers.rebuild import rebuilt
from workers.simple_preflight import SimplePreflight
from workers.tasks import end
from workers.wiring import Desks
from workflows.messages import GridResult

#: The layout of the stored state; another one is refused, not misread.
STATE_SCHEMA: Final = 1
#: An order of unknown outcome is looked up again after this long.
LOOK_AGAIN: Final = timedelta(seconds=3)
_NOTHING: Final = Accepted()
_KIND: Final = "simple"
_STATE: Final = TypeAdapter(GridState)
_WATCH: Final = TypeAdapter(Watch)
_log: Final = logging.getLogger(__name__)

T = TypeVar("T")


class SimpleRun:
    """One grid that this process runs; made by `open`."""

    look_again: ClassVar[timedelta] = LOOK_AGAIN

    def __init__(
        self,
        run_id: str,
        desks: Desks,
        store: CheckpointStore,
        clock: Callable[[], datetime],
        accepted: Accepted,
    ) -> None:
        self.run_id = run_id
        self._accepted = accepted
        self._preflight = SimplePreflight(self, desks.books, desks.ledger, accepted, clock)
        self._began = False
        self._held: asyncio.Task[None] | None = None
        self._desks = desks
        self._store = store
        self._clock = clock
        self._state: GridState | None = None
        self._inbox: deque[GridEvent] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._leaving = False
        self._ending: StopMode | None = None
        self._must_resync = False
        self._resync: asyncio.Task[None] | None = None
        self._look_again: asyncio.Task[None] | None = None
        self._handover = Handover(
            run_id, desks, store, clock, over=lambda: self.state.finished, news=self._news.set
        )

    @classmethod
    async def open(
        cls,
        run_id: str,
        spec: GridSpec,
        desks: Desks,
        store: CheckpointStore,
        *,
        discard: bool = False,
        stop: StopMode | None = None,
        accepted: Accepted = _NOTHING,
        clock: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Begin the run, or go on where its last process was, with *spec* if that was changed.

        *discard* forgets the checkpoint: what the run holds is then worked out from the ledger and
        the venue. *stop* ends the run in order once the venue has shown its orders. *accepted* is
        taken of the preflight as it is found. Raises CorruptCheckpointError if the checkpoint
        cannot be trusted, InvalidValueError if *spec* does not fit or the run has ended,
        PreflightError if what a new run needs is not in order, or a VenueError or StoreError.
        """
        refuse_unknown_names(accepted.names, [desks.account])
        run = cls(run_id, desks, store, clock, accepted)
        run._ending = stop
        if discard:
            store.discard()
        payload = store.load(STATE_SCHEMA)
        if payload is None:
            await run._begin(spec, discard=discard)
        else:
            await run._go_on(_read(run_id, payload), spec)
        return run

    @property
    def state(self) -> GridState:
        """The state that is committed."""
        if self._state is None:
            raise AssertionError("the run was not opened")
        return self._state

    @property
    def idle(self) -> bool:
        """Whether all that was told is handled, and nothing was asked that is not answered."""
        asking = self._resync is not None and not self._resync.done()
        return self._idle.is_set() and not asking

    def leave(self) -> None:
        """Stop working on the run, after the event at hand. Its orders stay at the venue."""
        self._leaving = True
        self._news.set()

    def tell(self, *events: GridEvent) -> None:
        """Let *events* be handled after what was told before."""
        self._inbox.extend(events)
        self._idle.clear()
        self._news.set()

    async def run(self, *others: Callable[[], Coroutine[Any, Any, None]]) -> GridResult | None:
        """Run until the grid has ended; None if told to leave before. To be called once.

        What the *others* do is canceled with it, and must not end before.
        Raises StoreUnavailableError or CorruptCheckpointError if a state could not be committed;
        nothing of what it had decided was sent then.
        """
        feed = Feed(
            self._desks.account,
            self._desks.venue,
            self._desks.ledger,
            self._desks.orders,
            self._desks.risk,
            deliver=self._deliver,
            leave=self._leave,
            session=self.run_id,
            watches=self._watches,
            clock=self._clock,
        )
        work = [
            self._whole(),
            self._follow(feed),
            self._reconcile_for_ever(),
            *(each() for each in others),
        ]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            beside = (self._resync, self._look_again, self._handover.task, self._held)
            await end(*tasks, *beside)
        if not self._is_done:
            return None
        await feed.stand_down()
        return await self._finish()

    @property
    def _is_done(self) -> bool:
        """Whether the grid has ended, and so has the exit that took over from it."""
        return self.state.finished and (self._handover.left or not self.state.handed_over)

    # --- the loop ----------------------------------------------------------------------------

    async def _whole(self) -> None:
        await self._loop()
        if self.state.finished and self.state.handed_over and not self._leaving:
            await self._left()

    async def _loop(self) -> None:
        while not self._leaving and not self.state.finished:
            self._handover.result()  # it ends by itself only after the grid, or it has failed
            if self._inbox:
                await self._handle(self._inbox.popleft())
                continue
            self._idle.set()
            self._news.clear()
            await self._news.wait()

    async def _handle(self, event: GridEvent) -> None:
        """Decide about one event, do it, and handle what came of it, before anything else."""
        todo = deque([event])
        while todo:
            decided = step(self.state, todo.popleft())
            if decided.state is not self._state:
                self._commit(decided.state)
            todo.extend(await self._perform(decided.actions))
        self._look_again_if_unknown()
        self._store.flush()

    def _commit(self, state: GridState) -> None:
        """Make *state* the one that counts, on disk before in memory (row DI-05)."""
        self._store.save(_STATE.dump_json(state), self._clock(), STATE_SCHEMA)
        self._state = state

    async def _perform(self, actions: Sequence[GridAction]) -> Sequence[GridEvent]:
        orders: list[GridAction] = []
        books: list[BookAction] = []
        for action in actions:
            if isinstance(action, Alert):
                await self._desks.risk.alerts.of_engine(self.run_id, [action])
            elif isinstance(action, Resync):
                self._start_resync()
            elif isinstance(action, Correct | TellDivergence):
                books.append(action)
            else:
                orders.append(action)
        settled: Sequence[GridEvent] = ()
        config = self.state.config
        if books:
            settled = await self._desks.books.settle(self.run_id, config.symbol, books)
        if not orders:
            return settled
        submit = self._desks.orders.submit
        outcomes = await self._patiently(lambda: submit(config.instrument, orders))
        return [*settled, *outcomes]

    def _start_resync(self) -> None:
        self._must_resync = True  # also while one is under way: it may have looked too early
        if self._resync is None or self._resync.done():
            self._resync = asyncio.create_task(self._ask_venue())

    async def _ask_venue(self) -> None:
        state, books = self.state, self._desks.books
        while self._must_resync:
            self._must_resync = False
            asked_at, fills = self._clock(), self.state.totals.fills
            try:
                resynced = await self._patiently(
                    lambda: books.resync(self.run_id, state.config.symbol, state.tag)
                )
                if not resynced.recorded:
                    await self._restore()
                    self._must_resync = True
            except (VenueError, StoreError) as error:  # what no retry can mend: wrong credentials
                _log.error("%s cannot compare with the venue: %s", self.run_id, error)
            else:
                self.tell(replace(resynced, asked_at=asked_at, fills=fills))

    async def _restore(self) -> None:
        """Tell a ledger that was lost of this run."""
        config = self.state.config
        asked = RestoreInput(
            self.run_id, self.state.tag, config.symbol, config.spec, config.instrument, _KIND
        )
        await self._patiently(lambda: self._desks.books.restore(asked))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(self.run_id, call)

    def _look_again_if_unknown(self) -> None:
        idle = self._look_again is None or self._look_again.done()
        if idle and is_in_doubt(self.state):
            self._look_again = asyncio.create_task(self._tick_after(self.look_again))

    async def _tick_after(self, pause: timedelta) -> None:
        await asyncio.sleep(pause.total_seconds())
        self.tell(TimePassed(self._clock()))

    async def _reconcile_for_ever(self) -> None:
        """Compare with the venue every interval, and let what rests try again."""
        while True:
            await asyncio.sleep(self.state.config.spec.reconcile_every)
            self.tell(TimePassed(self._clock()))
            self._start_resync()

    async def _follow(self, feed: Feed) -> None:
        """Stream. A run that goes on is looked at first, and goes on paused if it does not pass."""
        goes_on = not self._began and self._ending is None
        if goes_on and not await self._preflight.passes():
            self._held = asyncio.create_task(self._preflight.hold())
        await feed.run()

    # --- the way out -------------------------------------------------------------------------

    async def _leave(self, way: WayOut) -> bool:
        """Hand over to the exit that was asked for."""
        if not self._handover.begun and not self.state.handed_over:
            self.tell(StopAsked(StopMode.CANCEL, self._clock(), handed_over=True))
        self._handover.begin(way)
        return True

    async def _left(self) -> None:
        """Wait for the end of the exit, or for the word to leave it to another process."""
        leaving = await self._handover.resume()
        told = asyncio.create_task(self._told_to_leave())
        await asyncio.wait({leaving, told}, return_when=asyncio.FIRST_COMPLETED)
        await end(told)
        self._handover.result()

    async def _told_to_leave(self) -> None:
        while not self._leaving:
            self._news.clear()
            await self._news.wait()

    # --- the feed ----------------------------------------------------------------------------

    async def _deliver(self, _workflow_id: str, batch: FeedBatch) -> bool:
        """Take a batch; return when it is handled, so that what comes meanwhile comes together."""
        for event in batch.events:
            self.tell(event)
            if self._ending is not None and isinstance(event, FeedChanged) and event.live:
                # The engine waits with the end until the venue has shown its orders.
                self.tell(StopAsked(self._ending, self._clock()))
                self._ending = None
        await self._idle.wait()
        return True

    async def _watches(self) -> Sequence[StoredWatch]:
        """Return what to watch: never by way of the ledger, where a durable feed would find it."""
        now = watch(self.state)
        what = {"tag": self.state.tag, "watch": _WATCH.dump_python(now, mode="json")}
        return [StoredWatch(self.run_id, self._desks.account, now.symbol, self.run_id, what)]

    # --- start and end -----------------------------------------------------------------------

    async def _begin(self, spec: GridSpec, *, discard: bool) -> None:
        """Fix the tag of a run before anything is sent or recorded under it."""
        config = bind(spec, await self._desks.venue.instrument(spec.symbol))
        known = await self._desks.ledger.run(self.run_id)
        if known is not None and known.kind == _KIND and known.closed_at is None:
            if not discard:
                raise InvalidValueError(
                    f"run {self.run_id} is in the ledger, but its checkpoint was not found: "
                    "restore it, or start afresh from what the ledger and the venue say with "
                    "--discard-checkpoint"
                )
            orders = await self._desks.ledger.orders_of_run(self.run_id)
            corrections = await self._desks.ledger.corrections_of_run(self.run_id)
            self._commit(rebuilt(config, known.tag, orders, corrections))
            _log.warning("%s was worked out from %d orders", self.run_id, len(orders))
            return
        self._commit(begin(config, run_tag(f"{self.run_id}/{uuid4().hex}")))
        try:
            await self._prepare(spec)
        except (InvalidValueError, PreflightError):
            self._store.discard()  # it was never more than an intention
            raise

    async def _prepare(self, spec: GridSpec) -> None:
        books, tag = self._desks.books, self.state.tag
        await books.prepare(self.run_id, tag, spec, _KIND, self._accepted)
        self._began = True

    async def _go_on(self, state: GridState, spec: GridSpec) -> None:
        self._state = state
        known = await self._desks.ledger.run(self.run_id)
        if known is None and state.generation:  # it has traded: the ledger was lost
            await self._restore()
        elif known is None or known.tag != state.tag:
            await self._prepare(state.config.spec)
        elif known.closed_at is not None:
            raise InvalidValueError(
                f"run {self.run_id} has ended ({state.stop_why or 'stopped'}): start another one "
                "under another --name"
            )
        self.tell(FeedChanged(live=False, at=self._clock(), why="the process was started again"))
        if spec != state.config.spec and not state.finished:
            await self._reconfigure(spec)

    async def _reconfigure(self, spec: GridSpec) -> None:
        config = bind(spec, self.state.config.instrument)
        check_reconfigure(self.state, config)
        if self.state.price is not None:
            check_profit(config, self.state.price)
        state = self.state
        lots, waiting = state.position_lots, exits(state)
        await self._desks.books.renew(RenewInput(self.run_id, spec, lots, waiting, state.price))
        after = spec.model_dump(mode="json")
        await self._desks.books.note(self.run_id, "reconfigure", "", "another spec", after)
        self.tell(ReconfigureAsked(config, self._clock()))

    async def _finish(self) -> GridResult:
        symbol = self.state.config.symbol
        books = await self._patiently(lambda: self._desks.books.finish(self.run_id, symbol))
        result = GridResult.of(self.state, books)
        left = self._handover.result()
        if left is None or books is None:
            return result
        return replace(
            result,
            position=debt_of(left).base,
            grid_profit=books.grid_profit,
            floating=books.floating,
            fees=books.fees,
        )


def _read(run_id: str, payload: bytes) -> GridState:
    try:
        return _STATE.validate_json(payload)
    except ValidationError as error:
        raise CorruptCheckpointError(
            f"the checkpoint of run {run_id} is whole, but this program cannot read it "
            f"({error.error_count()} fields were not as expected). No order was sent. Use the "
            "version that wrote it, or start afresh with --discard-checkpoint"
        ) from error

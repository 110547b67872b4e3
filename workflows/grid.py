"""A grid as a Temporal workflow: wait, decide, perform, feed back.

All decisions are `domain.grid.engine.step`; this file only brings it events and carries its actions
out. The loop handles one event at a time, and what came of its actions before the next event, so
that the order of decisions does not depend on how signals happen to be batched.

Only the loop commands anything: signals, commands, pauses that ended and answers of the venue are
put into the inbox, and whatever is decided depends on the order of what is in it. An activity that
ended may be seen before or after them in a replay (decision 13).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, ClassVar, Final

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.messages import (
    Accepted,
    ClearInput,
    FeedBatch,
    NoteInput,
    PrepareInput,
    RenewInput,
    RestoreInput,
    RunKey,
    SettleInput,
    SubmitInput,
)
from domain.errors import InvalidValueError
from domain.grid.comparing import is_in_doubt
from domain.grid.config import GridConfig, bind, check_profit
from domain.grid.engine import check_reconfigure, step
from domain.grid.events import (
    Alert,
    BookAction,
    Correct,
    GridAction,
    GridEvent,
    PauseAsked,
    ReconcileAsked,
    ReconfigureAsked,
    ResumeAsked,
    Resync,
    Resynced,
    StopAsked,
    TellDivergence,
    TimePassed,
)
from domain.grid.preview import Preview, needs_to_go_on, preview_change
from domain.grid.spec import GridSpec, StopMode
from domain.grid.state import GridState, Phase, begin
from domain.grid.view import GridStatus, SlotView, exits, slots, status, table
from domain.grid.watch import Watch, watch
from domain.money import Price
from domain.order_ids import run_tag
from domain.risk.belief import Belief, belief
from domain.risk.preflight import refuse_unknown_names
from workflows import calls, names
from workflows.length import Length
from workflows.messages import (
    Command,
    GridResult,
    GridRunInput,
    ReconfigureGrid,
    ResumeGrid,
    StopGrid,
    Taken,
)

#: So many events replay in a fraction of a second; Temporal's own limit is a hundred times that.
ROLL_AT: Final = 400
#: Just to wake in a workflow task of its own.
_A_MOMENT: Final = timedelta(milliseconds=1)
#: A comparison that a person asked for is answered by then, certain or not: a doubtful one needs a
#: second look.
COMPARED_WITHIN: Final = timedelta(seconds=10)
#: An order of unknown outcome is looked up again after this long, and while nobody can tell, after
#: twice as long each time: a venue that is down for hours must not fill the history.
LOOK_AGAIN: Final = timedelta(seconds=3)
LOOK_AGAIN_AT_LEAST: Final = timedelta(seconds=60)


class _From(Enum):
    """What brought an item into the inbox."""

    BEFORE = auto()  # the workflow that this one goes on for
    FEED = auto()
    COMMAND = auto()
    CLOCK = auto()
    PAUSE = auto()
    VENUE = auto()


_EVENTS: Final = {
    _From.BEFORE: 0,
    _From.FEED: Length.SIGNAL + Length.TASK,
    _From.COMMAND: Length.UPDATE + Length.TASK,
    _From.CLOCK: Length.TIMER + Length.TASK,
    _From.PAUSE: Length.TIMER + Length.TASK,
    _From.VENUE: Length.ACTIVITY + Length.TASK,
}


@dataclass(slots=True)
class _Item:
    """An event in the inbox; `handled` is what a waiting update looks at.

    Without an event it is only there to be counted, or for what the loop does besides: a comparison
    with the venue that is due, or one that has failed.
    """

    event: GridEvent | None
    source: _From
    note: NoteInput | None = None
    resync: bool = False
    handled: bool = False


@workflow.defn(name=names.GRID_RUN)
class GridRun:
    """One grid from start to stop, through any number of workflows of one chain."""

    roll_at: ClassVar[int] = ROLL_AT
    look_again: ClassVar[timedelta] = LOOK_AGAIN

    @workflow.init
    def __init__(self, start: GridRunInput) -> None:
        self._spec = start.spec
        self._state = start.state
        self._inbox = deque(_Item(event, _From.BEFORE) for event in start.inbox)
        self._taken = start.taken
        self._watched = start.watched
        self._reconcile_at = start.reconcile_at
        self._must_resync = start.resync
        self._asking = False
        self._pausing = False
        self._ticking = False
        self._look_after = self.look_again
        self._told: tuple[str, str] | None = None
        self._canceled = False
        self._length = Length()
        self._tasks: set[asyncio.Task[None]] = set()
        info = workflow.info()
        self._run_id = info.workflow_id
        self._tag = run_tag(f"{info.workflow_id}/{info.first_execution_run_id}")

    @workflow.run
    async def run(self, start: GridRunInput) -> GridResult:
        """Run until stopped. A canceled workflow cancels its orders before it ends.

        Fails with InvalidValueError if the settings cannot be used, and with PreflightError if what
        the run needs is not in order; nothing was begun then.
        """
        if self._state is None:
            await self._prepare(start.spec, start.accepted)
        self._work = asyncio.create_task(self._loop())
        try:
            rolls = await asyncio.shield(self._work)
        except asyncio.CancelledError:
            await asyncio.shield(self._end_safely())
            raise
        if rolls:
            workflow.continue_as_new(self._carried())
        return await self._finish()

    async def _end_safely(self) -> None:
        """Cancel the orders of a canceled run: it may not leave them to nobody."""
        self._canceled = True
        self._tell(StopAsked(StopMode.CANCEL, workflow.now()), _From.COMMAND)
        rolled = await self._work
        if rolled:  # it was just about to go on elsewhere: it goes on here, to its end
            await self._loop()
        await self._finish()

    # --- the loop ----------------------------------------------------------------------------

    async def _loop(self) -> bool:
        """Handle events until the run ends (False) or should go on in a new workflow (True)."""
        if not self._ticking:
            self._start_clock()
        self._look_again_if_in_doubt()
        if self._must_resync:
            self._resync()
        self._show()
        while not self._grid.finished:
            if self._is_due() and await self._may_roll():
                return True
            await self._wait()
            await self._take(self._inbox[0])
        return False

    async def _wait(self) -> None:
        await workflow.wait_condition(lambda: bool(self._inbox))

    def _is_due(self) -> bool:
        """Return whether the run should go on in a new workflow.

        A comparison under way would be lost: its answer is waited for, though not for ever.
        """
        most = 2 * self.roll_at if self._asking else self.roll_at
        return self._length.reaches(most)

    async def _may_roll(self) -> bool:
        """Return whether the run can go on in a new workflow now, where its inbox goes along.

        It cannot while a command waits for its answer; then one more event is handled. The pause
        gives the roll a workflow task of its own: no local activity shares it.
        """
        self._length.add(Length.TIMER + Length.TASK)
        await workflow.sleep(_A_MOMENT, summary="go on in a new workflow")
        return workflow.all_handlers_finished() and not self._canceled

    async def _take(self, item: _Item) -> None:
        """Do what the first item of the inbox brings, whole, before it is taken out."""
        self._length.add(_EVENTS[item.source])
        if item.source is _From.CLOCK:
            self._start_clock()
        elif item.source is _From.PAUSE:
            self._pausing = False
        elif item.source is _From.VENUE:
            self._asking = False
            if self._must_resync:
                self._ask_venue()
        if item.resync:
            self._resync()
        if item.note is not None:
            self._length.add(Length.MARKER)
            await calls.note(item.note)
        if item.event is not None:
            if isinstance(item.event, Resynced) and not item.event.recorded:
                await self._restore()
            await self._handle(item.event)
        self._inbox.popleft()
        item.handled = True
        self._show()

    async def _handle(self, event: GridEvent) -> None:
        """Decide about one event, do it, and handle what came of it, before anything else."""
        todo = deque([event])
        while todo:
            decided = step(self._grid, todo.popleft())
            self._state = decided.state  # before the first await, so that queries see it
            todo.extend(await self._perform(decided.actions))
        self._look_again_if_in_doubt()

    async def _perform(self, actions: tuple[GridAction, ...]) -> list[GridEvent]:
        orders: list[GridAction] = []
        alerts: list[Alert] = []
        books: list[BookAction] = []
        for action in actions:
            if isinstance(action, Alert):
                alerts.append(action)
            elif isinstance(action, Resync):
                self._resync()
            elif isinstance(action, Correct | TellDivergence):
                books.append(action)
            else:
                orders.append(action)
        settled = await self._settle(tuple(books)) if books else []
        changed = self._watch_to_tell()
        if not orders and changed is None and not alerts:
            return settled
        self._length.add(Length.MARKER)
        asked = SubmitInput(self._key(), tuple(orders), changed, tuple(alerts))
        outcomes = await calls.submit(asked)
        if changed is not None:
            self._watched = changed
        return [*settled, *outcomes]

    async def _settle(self, books: tuple[BookAction, ...]) -> list[GridEvent]:
        self._length.add(Length.MARKER)
        return await calls.settle(SettleInput(self._key(), books))

    def _watch_to_tell(self) -> Watch | None:
        """Return what the feed must watch, if that is no longer what it was told."""
        now = replace(watch(self._grid), center=0)
        return None if now == self._watched else now

    def _resync(self) -> None:
        self._must_resync = True  # also while one is under way: it may have looked too early
        if not self._asking:
            self._ask_venue()

    def _ask_venue(self) -> None:
        self._must_resync, self._asking = False, True
        self._go(self._compare(workflow.now(), self._grid.totals.fills))

    async def _compare(self, asked_at: datetime, fills: int) -> None:
        resynced: Resynced | None = None
        try:
            answer = await calls.resync(self._key())
            resynced = replace(answer, asked_at=asked_at, fills=fills)
        except ActivityError as error:  # only what no retry can mend, such as wrong credentials
            why = error.cause
            workflow.logger.error("%s cannot compare with the venue: %s", self._run_id, why)
        self._tell(resynced, _From.VENUE)

    async def _restore(self) -> None:
        """Tell a ledger that was lost of this run; the next comparison finds it there."""
        config, key = self._grid.config, self._key()
        watched = replace(watch(self._grid), center=0)
        self._length.add(Length.ACTIVITY + Length.TASK)
        await calls.restore(
            RestoreInput(
                key.run_id, key.tag, key.symbol, config.spec, config.instrument, watch=watched
            )
        )
        self._resync()

    def _look_again_if_in_doubt(self) -> None:
        if not is_in_doubt(self._grid):
            self._look_after = self.look_again
        elif not self._pausing:
            self._pausing = True
            self._go(self._pause(self._look_after, "look again at what is in doubt", _From.PAUSE))
            self._look_after = min(2 * self._look_after, LOOK_AGAIN_AT_LEAST)

    def _start_clock(self) -> None:
        """Compare with the venue when it is due, a time that is carried over from run to run."""
        now, every = workflow.now(), timedelta(seconds=self._grid.config.spec.reconcile_every)
        if self._reconcile_at is None or self._reconcile_at <= now:
            self._reconcile_at = now + every
        self._ticking = True
        pause = self._reconcile_at - now
        self._go(self._pause(pause, "compare with the venue", _From.CLOCK))

    async def _pause(self, pause: timedelta, summary: str, source: _From) -> None:
        due = workflow.now() + pause  # what it is afterwards, a replay may be told otherwise
        await workflow.sleep(pause, summary=summary)
        self._tell(TimePassed(due), source, resync=source is _From.CLOCK)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- start, roll, end --------------------------------------------------------------------

    async def _prepare(self, spec: GridSpec, accepted: Accepted) -> None:
        try:
            asked = PrepareInput(self._run_id, self._tag, spec, accepted)
            prepared = await calls.prepare(asked)
        except (ActivityError, asyncio.CancelledError) as error:
            # A try that was under way may have failed by itself when the cancel came.
            task = asyncio.current_task()
            if is_cancelled_exception(error) or (task is not None and task.cancelling()):
                await asyncio.shield(calls.finish(RunKey(self._run_id, self._tag, spec.symbol)))
                raise asyncio.CancelledError from error
            if isinstance(error.__cause__, ApplicationError):  # what a person has to read
                raise error.__cause__ from None
            raise
        self._state = begin(bind(spec, prepared.instrument), self._tag)
        workflow.upsert_search_attributes(
            [
                names.STRATEGY.value_set("grid"),
                names.SYMBOL.value_set(spec.symbol),
                names.ACCOUNT.value_set(spec.account),
                names.VENUE.value_set(prepared.venue),
            ]
        )
        first = [_Item(event, _From.BEFORE) for event in await self._perform(())]
        self._inbox.extendleft(reversed(first))

    def _carried(self) -> GridRunInput:
        return GridRunInput(
            self._grid.config.spec,
            self._grid,
            tuple(item.event for item in self._inbox if item.event is not None),
            self._taken,
            self._watched,
            self._reconcile_at,
            resync=self._has_to_ask(),
        )

    def _has_to_ask(self) -> bool:
        """Return whether a comparison is wanted that the inbox has no answer to."""
        answered = any(item.source is _From.VENUE for item in self._inbox)
        wanted = self._must_resync or any(item.resync for item in self._inbox)
        return wanted or (self._asking and not answered)

    async def _finish(self) -> GridResult:
        # The exit that took over closes the books, when it has closed the position.
        books = None if self._grid.handed_over else await calls.finish(self._key())
        while not workflow.all_handlers_finished():  # a command that came too late gets its answer
            await workflow.wait_condition(
                lambda: bool(self._inbox) or workflow.all_handlers_finished()
            )
            while self._inbox:
                await self._take(self._inbox[0])
        return GridResult.of(self._grid, books)

    # --- what comes in -----------------------------------------------------------------------

    @workflow.signal(name="feed")
    def feed(self, raw: RawValue) -> None:
        """Take news of the account's feed. What cannot be read is made good by a resync."""
        try:
            batch = workflow.payload_converter().from_payload(raw.payload, FeedBatch)
        except Exception:  # noqa: BLE001 - whatever it is, a fill may hide in it
            workflow.logger.exception("a batch of the feed could not be read: asking the venue")
            self._tell(None, _From.FEED, resync=True)
            return
        if self._taken.covers(batch):
            return
        self._taken = Taken(batch.session, batch.number)
        first, *others = batch.events or (None,)
        self._tell(first, _From.FEED)
        for event in others:
            self._tell(event, _From.BEFORE)

    @workflow.signal(name="hand_over")
    def hand_over(self) -> None:
        """Cancel all orders and end: an emergency exit gives back what is held.

        After what came before. None of that opens anything: the exit is in the ledger already.
        """
        stop = StopAsked(StopMode.CANCEL, workflow.now(), handed_over=True)
        self._tell(stop, _From.COMMAND)

    @workflow.update
    async def pause(self, command: Command) -> GridStatus:
        """Cancel the entries and place no new ones; exits go on."""
        await self._command(PauseAsked(workflow.now()), "pause", command.by, command.why)
        return status(self._grid)

    @workflow.update
    async def resume(self, command: ResumeGrid) -> GridStatus:
        """Go on after a pause, if the preflight passes; else nothing changes."""
        await self._clear(command)
        await self._command(ResumeAsked(workflow.now()), "resume", command.by, command.why)
        return status(self._grid)

    @workflow.update
    async def reconcile(self, command: Command) -> GridStatus:
        """Compare with the venue now; return when nothing is in doubt, or after a while."""
        await self._command(ReconcileAsked(workflow.now()), "reconcile", command.by, command.why)
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(self._is_compared, timeout=COMPARED_WITHIN)
        return status(self._grid)

    def _is_compared(self) -> bool:
        return not (self._is_asking() or self._inbox or is_in_doubt(self._grid))

    @workflow.update
    async def stop(self, command: StopGrid) -> GridStatus:
        """End the run: keep, cancel or close what is at the venue."""
        event = StopAsked(command.mode, workflow.now())
        await self._command(event, f"stop {command.mode}", command.by, command.why)
        return status(self._grid)

    @workflow.update
    async def reconfigure(self, command: ReconfigureGrid) -> GridStatus:
        """Give the run other settings, if there is room for them; else nothing changes."""
        config = self._bound(command.spec)
        await self._renew(command.spec)
        event = ReconfigureAsked(config, workflow.now())
        after = command.spec.model_dump(mode="json")
        await self._command(event, "reconfigure", command.by, command.why, after)
        self._spec = command.spec
        return status(self._grid)

    @pause.validator
    def _can_pause(self, command: Command) -> None:  # noqa: ARG002 - the update's signature
        self._refuse_unless(Phase.RUNNING, Phase.WAITING, verb="pause")

    @resume.validator
    def _can_resume(self, command: ResumeGrid) -> None:
        self._refuse_unless(Phase.PAUSED, verb="resume")
        try:
            refuse_unknown_names(command.accepted, [self._grid.config.spec.account])
        except InvalidValueError as error:
            raise ApplicationError(str(error), type="InvalidValueError") from None

    @reconcile.validator
    def _can_reconcile(self, command: Command) -> None:  # noqa: ARG002 - the update's signature
        self._refuse_unless(
            Phase.WAITING, Phase.RUNNING, Phase.PAUSED, Phase.STOPPING, verb="reconcile"
        )

    @stop.validator
    def _can_stop(self, command: StopGrid) -> None:  # noqa: ARG002 - the update's signature
        self._refuse_unless(Phase.WAITING, Phase.RUNNING, Phase.PAUSED, Phase.STOPPING, verb="stop")

    @reconfigure.validator
    def _can_reconfigure(self, command: ReconfigureGrid) -> None:
        self._refuse_unless(Phase.WAITING, Phase.RUNNING, Phase.PAUSED, verb="reconfigure")
        try:
            check_reconfigure(self._grid, self._bound(command.spec))
        except InvalidValueError as error:
            raise ApplicationError(str(error), type="InvalidValueError") from None

    async def _clear(self, command: ResumeGrid) -> None:
        """Fail the update if the preflight does not pass. Others may stop the run meanwhile."""
        needs = needs_to_go_on(self._grid, workflow.now())
        accepted = Accepted(command.accepted, command.by, command.why)
        try:
            await calls.clear(ClearInput(self._run_id, self._grid.config.spec, needs, accepted))
        except ActivityError as error:
            raise _refusal(error) from None
        self._refuse_unless(Phase.PAUSED, verb="resume")

    async def _renew(self, spec: GridSpec) -> None:
        """Fail the update if there is no room within the limits for what the run would need."""
        grid = self._grid
        asked = RenewInput(self._run_id, spec, grid.position_lots, exits(grid), grid.price)
        try:
            await calls.renew(asked)
        except ActivityError as error:
            raise _refusal(error) from None
        self._refuse_unless(Phase.WAITING, Phase.RUNNING, Phase.PAUSED, verb="reconfigure")

    def _bound(self, spec: GridSpec) -> GridConfig:
        try:
            config = bind(spec, self._grid.config.instrument)
            if self._grid.price is not None:
                check_profit(config, self._grid.price)
        except InvalidValueError as error:
            raise ApplicationError(
                str(error), type="InvalidValueError", non_retryable=True
            ) from None
        return config

    def _refuse_unless(self, *phases: Phase, verb: str) -> None:
        if self._state is None:
            raise ApplicationError(
                f"cannot {verb}: the run is still being prepared", type="NotReady"
            )
        if self._state.phase not in phases:
            raise ApplicationError(
                f"cannot {verb}: the run is {self._state.phase}", type="WrongPhase"
            )

    async def _command(
        self, event: GridEvent, name: str, by: str, why: str, after: dict[str, object] | None = None
    ) -> None:
        item = self._tell(event, _From.COMMAND, NoteInput(self._run_id, name, by, why, after))
        await workflow.wait_condition(lambda: item.handled)

    def _tell(
        self,
        event: GridEvent | None,
        source: _From,
        note: NoteInput | None = None,
        *,
        resync: bool = False,
    ) -> _Item:
        item = _Item(event, source, note, resync)
        self._inbox.append(item)
        return item

    # --- what is shown -----------------------------------------------------------------------

    @workflow.query(name="status")
    def status(self) -> GridStatus:
        """Return what the run is doing."""
        return status(self._ready())

    @workflow.query(name="slots")
    def slots(self) -> list[SlotView]:
        """Return the slots, from the highest price down."""
        return list(slots(self._ready()))

    @workflow.query(name="preview")
    def preview(self, spec: GridSpec) -> Preview:
        """Return what a reconfiguration to *spec* would do; it does nothing."""
        state = self._ready()
        price = state.price or Price(1)
        event = ReconfigureAsked(self._bound(spec), workflow.now())
        return preview_change(state, (event,), price)

    @workflow.query(name="taken")
    def taken(self) -> Taken | None:
        """Return the last batch of the feed, if everything that came is handled; else None."""
        waits = self._state is None or self._inbox or self._is_asking()
        return None if waits else self._taken

    @workflow.query(name="belief")
    def belief(self) -> Belief:
        """Return what the run believes of its orders and its position."""
        return belief(self._ready())

    def _is_asking(self) -> bool:
        return self._asking or self._must_resync

    def _ready(self) -> GridState:
        if self._state is None:
            raise ApplicationError("the run is still being prepared", type="NotReady")
        return self._state

    def _show(self) -> None:
        """Show the slot table to whoever opens the run; search attributes only when they change."""
        state = self._grid
        workflow.set_current_details(table(state))
        told = (str(state.phase), "halted" if state.halted else "clear")
        if told != self._told:
            self._told = told
            phase, risk = told
            workflow.upsert_search_attributes(
                [names.PHASE.value_set(phase), names.RISK.value_set(risk)]
            )

    def _key(self) -> RunKey:
        return RunKey(self._run_id, self._tag, self._grid.config.symbol)

    @property
    def _grid(self) -> GridState:
        if self._state is None:  # a bug, so the workflow task fails and is tried again
            raise RuntimeError("the run has no state yet")
        return self._state


def _refusal(error: ActivityError) -> ApplicationError:
    """Return what a person has to read of an activity that failed."""
    if isinstance(error.cause, ApplicationError):
        return error.cause
    why = error.cause or error
    return ApplicationError(f"it was not found out in time: {why}", type="VenueUnavailableError")

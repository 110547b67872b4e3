"""How workflows call activities: names, time limits and retries, in one place.

An activity is named, not imported: its code would bring the database and the venues into the
sandbox. A local activity is re-run after a crash with its attempt count back at one, so everything
here is safe to repeat; that rests on client order ids and send markers, never on the attempt.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, cast

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from activities.messages import (
    Books,
    ClearInput,
    LeavingBegun,
    LeavingInput,
    NoteInput,
    Prepared,
    PrepareInput,
    RenewInput,
    RestoreInput,
    RiskCommand,
    RunKey,
    SettleInput,
    SubmitInput,
)
from domain.grid.events import GridEvent, Resynced
from domain.risk.leaving import Leaving
from domain.risk.leaving_events import LeavingAction, LeavingEvent
from domain.risk.way_out import WayOut
from workflows.timing import BEAT, CALL, SOON

#: More actions than this are no quick turn: they go to the queue, and signals are seen meanwhile.
LOCAL_AT_MOST: Final = 8
#: Of local activities. One that fails for hours must not fill the history: a task that waits for it
#: goes on in another one every second or two, but pauses of some seconds are timers.
_SOON_LOCAL: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=20)
)
_PAUSE_BY_TIMER: Final = timedelta(seconds=2)
#: Somebody waits for what a preflight comes to.
_CLEAR: Final = timedelta(seconds=12)


async def prepare(asked: PrepareInput) -> Prepared:
    """Open the books of a run; fails for good on a spec that does not fit."""
    prepared: Prepared = await workflow.execute_activity(
        "prepare",
        asked,
        result_type=Prepared,
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        # A canceled run closes the books that this may just be opening.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=asked.spec.symbol,
    )
    return prepared


async def clear(asked: ClearInput) -> None:
    """Make a preflight; fails if it does not pass, and if the venue does not answer in time."""
    await workflow.execute_activity(
        "clear",
        asked,
        start_to_close_timeout=_CLEAR,
        schedule_to_close_timeout=_CLEAR,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        summary="preflight",
    )


async def renew(asked: RenewInput) -> None:
    """Reserve what a run needs with other settings; fails for good if there is no room."""
    await workflow.execute_activity(
        "renew",
        asked,
        start_to_close_timeout=_CLEAR,
        schedule_to_close_timeout=_CLEAR,
        retry_policy=SOON,
        summary="reserve",
    )


async def submit(asked: SubmitInput) -> list[GridEvent]:
    """Carry out actions: in this worker if they are few, else through the queue."""
    if len(asked.actions) <= LOCAL_AT_MOST:
        return _events(
            await workflow.execute_local_activity(
                "submit",
                asked,
                result_type=list[GridEvent],
                start_to_close_timeout=CALL,
                retry_policy=_SOON_LOCAL,
                local_retry_threshold=_PAUSE_BY_TIMER,
            )
        )
    return _events(
        await workflow.execute_activity(
            "submit",
            asked,
            result_type=list[GridEvent],
            start_to_close_timeout=CALL,
            heartbeat_timeout=BEAT,
            retry_policy=SOON,
            summary=f"{len(asked.actions)} orders",
        )
    )


def _events(answer: list[GridEvent]) -> list[GridEvent]:
    return answer


async def resync(run: RunKey) -> Resynced:
    """Ask the venue for everything that concerns a run, for as long as it takes."""
    resynced: Resynced = await workflow.execute_activity(
        "resync",
        run,
        result_type=Resynced,
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        summary="compare with the venue",
    )
    return resynced


async def settle(asked: SettleInput) -> list[GridEvent]:
    """Put into the books what came of a comparison of positions."""
    return _events(
        await workflow.execute_local_activity(
            "settle",
            asked,
            result_type=list[GridEvent],
            start_to_close_timeout=CALL,
            retry_policy=_SOON_LOCAL,
            local_retry_threshold=_PAUSE_BY_TIMER,
        )
    )


async def restore(asked: RestoreInput) -> None:
    """Tell a ledger that was lost of a run, for as long as it takes."""
    await workflow.execute_activity(
        "restore",
        asked,
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        summary="the ledger does not know the run",
    )


async def finish(run: RunKey) -> Books | None:
    """Close the books of a run."""
    books: Books | None = await workflow.execute_activity(
        "finish",
        run,
        result_type=cast("type", Books | None),  # typed as a class, but any annotation decodes
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
    )
    return books


async def note(asked: NoteInput) -> None:
    """Put a command into the audit log."""
    await workflow.execute_local_activity(
        "note",
        asked,
        start_to_close_timeout=CALL,
        retry_policy=_SOON_LOCAL,
        local_retry_threshold=_PAUSE_BY_TIMER,
    )


async def trip(asked: RiskCommand) -> None:
    """Open a breaker in the ledger; refused with a sentence for people."""
    with _refusals():
        await workflow.execute_activity("trip", asked, **_of_risk(asked))


async def reset(asked: RiskCommand) -> None:
    """Close a breaker, or end the storm of the monitor; refused with a sentence for people."""
    with _refusals():
        await workflow.execute_activity("reset", asked, **_of_risk(asked))


def _of_risk(asked: RiskCommand) -> "workflow.ActivityConfig":
    return {
        "start_to_close_timeout": CALL,
        "retry_policy": SOON,
        "summary": asked.scope,
    }


@contextmanager
def _refusals() -> Iterator[None]:
    """Let people read why an activity refused, and not that one did."""
    try:
        yield
    except ActivityError as error:
        if isinstance(error.__cause__, ApplicationError):
            raise error.__cause__ from None
        raise


# --- emergency exits: none of these is local, see workflows/exit.py


async def begin_exit(way: WayOut) -> LeavingBegun:
    """Tell the run to hand over, and return what is open and the first step; tried for ever."""
    begun: LeavingBegun = await workflow.execute_activity(
        "begin_exit",
        way,
        result_type=LeavingBegun,
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        summary=f"take over from {way.run_id}",
    )
    return begun


async def perform_exit(
    way: WayOut, state: Leaving, actions: tuple[LeavingAction, ...]
) -> list[LeavingEvent]:
    """Carry out what a way out asks for."""
    events: list[LeavingEvent] = await workflow.execute_activity(
        "perform_exit",
        LeavingInput(way, state, actions),
        result_type=list[LeavingEvent],
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        summary=", ".join(action.kind for action in actions),
    )
    return events


async def end_exit(way: WayOut, state: Leaving) -> Books | None:
    """Close the books of the run that was left; tried for ever."""
    books: Books | None = await workflow.execute_activity(
        "end_exit",
        LeavingInput(way, state),
        result_type=cast("type", Books | None),
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
    )
    return books

"""Grid runs as Temporal knows them: start one, ask it, tell it; every wait has an end."""

import asyncio
import getpass
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, Self

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.messages import Accepted
from domain.grid.preview import Preview
from domain.grid.spec import GridSpec
from domain.grid.view import GridStatus, SlotView
from domain.risk.belief import Belief
from workers.cli import reach
from workers.cli.failures import (
    BadInputError,
    CommandError,
    UnreachableError,
    exists,
    no_run,
)
from workers.settings import Settings
from workflows import names
from workflows.messages import GridRunInput

#: A worker answers in milliseconds, also after a replay; more means that there is none.
_QUERY: Final = timedelta(seconds=4)
_UPDATE: Final = timedelta(seconds=15)
#: Local activities of a worker that died are done again after this long (temporal.md, item 5).
_TASK_TIMEOUT: Final = timedelta(seconds=3)
#: How a run that has no state yet answers a query; its error's type does not come through.
_NOT_READY: Final = "still being prepared"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class NoWorkerError(UnreachableError):
    """The run exists, and nobody works on it."""


class NotReadyError(CommandError):
    """The run was started and has not yet asked its venue for what it needs."""


class Runs:
    """The grid runs of one Temporal namespace."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Return the runs, or raise UnreachableError if Temporal does not answer."""
        return cls(await reach.temporal(settings), settings)

    async def start(self, name: str, spec: GridSpec, accepted: Accepted) -> None:
        """Start a run of *spec*, whose preflight may find what is *accepted*.

        Raises ExistsError if there is, or was, one of that name.
        """
        checked_name(name)
        self._settings.address_of(spec.account)
        try:
            async with _answers(self._settings, name, _UPDATE):
                await self._client.start_workflow(
                    names.GRID_RUN,
                    GridRunInput(spec, accepted=accepted),
                    id=name,
                    task_queue=names.account_queue(spec.account),
                    task_timeout=_TASK_TIMEOUT,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    static_summary=f"{spec.direction} grid on {spec.symbol}",
                )
        except WorkflowAlreadyStartedError:
            raise exists(name) from None

    async def is_open(self, name: str) -> bool:
        """Return whether the run's workflow has not ended; raises NotFoundError."""
        async with _answers(self._settings, name, _QUERY):
            described = await self._handle(name).describe()
            return described.status is WorkflowExecutionStatus.RUNNING

    async def status(self, name: str) -> GridStatus:
        """Return what the run is doing; raises NotFoundError or NoWorkerError."""
        async with _answers(self._settings, name, _QUERY):
            answer: GridStatus = await self._handle(name).query("status", result_type=GridStatus)
            return answer

    async def begun(self, name: str, patience: timedelta) -> GridStatus:
        """Return the first status of a run that was just started.

        Raises CommandError with the reason if it failed at once, NotReadyError if it takes longer.
        """
        ends = time.monotonic() + patience.total_seconds()
        while True:
            try:
                return await self.status(name)
            except NotReadyError:
                if not await self.is_open(name):
                    raise CommandError(await self._why_failed(name)) from None
                if time.monotonic() > ends:
                    raise
            await asyncio.sleep(0.05)

    async def _why_failed(self, name: str) -> str:
        try:
            async with _answers(self._settings, name, _QUERY):
                await self._handle(name).result()
        except WorkflowFailureError as error:
            return f"run {name} ended at once: {_cause(error)}"
        return f"run {name} ended at once"

    async def slots(self, name: str) -> list[SlotView]:
        """Return the run's slots, highest price first; raises NotFoundError or NoWorkerError."""
        async with _answers(self._settings, name, _QUERY):
            answer: list[SlotView] = await self._handle(name).query(
                "slots", result_type=list[SlotView]
            )
            return answer

    async def belief(self, name: str) -> Belief:
        """Return what the run believes; raises NotFoundError or NoWorkerError."""
        async with _answers(self._settings, name, _QUERY):
            answer: Belief = await self._handle(name).query("belief", result_type=Belief)
            return answer

    async def preview(self, name: str, spec: GridSpec) -> Preview:
        """Return what a reconfiguration to *spec* would do, or raise CommandError if refused."""
        async with _answers(self._settings, name, _QUERY):
            answer: Preview = await self._handle(name).query("preview", spec, result_type=Preview)
            return answer

    async def tell(self, name: str, update: str, message: Any) -> GridStatus:
        """Send an update and return the status after it; a refusal is a CommandError."""
        async with _answers(self._settings, name, _UPDATE):
            answer: GridStatus = await self._handle(name).execute_update(
                update, message, result_type=GridStatus
            )
            return answer

    def _handle(self, name: str) -> "WorkflowHandle[Any, Any]":
        return self._client.get_workflow_handle(name)


def checked_name(name: str) -> str:
    """Return *name*, or raise BadInputError if no run may be called that."""
    if not _NAME.fullmatch(name):
        raise BadInputError(
            "a run's name has 1 to 64 letters, digits, - and _, and begins with a letter or digit, "
            f"was {name!r}"
        )
    return name


def operator() -> str:
    """Return who asks, for the audit log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container may have a user id without a name


@asynccontextmanager
async def _answers(settings: Settings, name: str, limit: timedelta) -> AsyncIterator[None]:
    """Turn what Temporal says, or does not say within *limit*, into an error for a person."""
    silent = (
        f"no worker answered for run {name} within {limit.total_seconds():.0f} s: "
        "`opensqt doctor` tells what is missing, `opensqt up` starts it"
    )
    try:
        async with asyncio.timeout(limit.total_seconds()):
            yield
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise NoWorkerError(silent) from None
    except WorkflowUpdateFailedError as error:
        raise CommandError(_cause(error)) from None
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        if _NOT_READY in str(error):
            raise NotReadyError(f"run {name} is still being prepared: ask again") from None
        raise CommandError(_cause(error)) from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            if "completed" in error.message:
                raise CommandError(f"run {name} has ended: nothing can be changed") from None
            raise no_run(name) from None
        if error.status is RPCStatusCode.FAILED_PRECONDITION:
            raise NoWorkerError(silent) from None  # no poller on the queue
        raise UnreachableError(
            f"Temporal at {settings.temporal} could not answer for run {name} ({error.message}): "
            "`opensqt doctor` says what is wrong"
        ) from None


def _cause(error: BaseException) -> str:
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    return getattr(deepest, "message", None) or str(deepest)

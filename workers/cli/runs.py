"""Runs as Temporal knows them: start one, ask it, tell it; every wait has an end."""

import asyncio
import getpass
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

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
    NotFoundError,
    UnreachableError,
    exists,
    no_run,
)
from workers.settings import Settings
from workers.tasks import heed_cancel
from workflows import names
from workflows.messages import GridRunInput
from workflows.timing import TASK_TIMEOUT

#: A worker answers in milliseconds, also after a replay; more means that there is none.
QUERY: Final = timedelta(seconds=4)
_UPDATE: Final = timedelta(seconds=15)
#: How a run that has no state yet answers a query; its error's type does not come through.
_NOT_READY: Final = "still being prepared"
#: The commands for each kind of run.
_GROUPS: Final = {
    names.GRID_RUN: "grid",
    names.ARBITRAGE_RUN: "arb",
    names.PORTFOLIO_RUN: "portfolio",
}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


S = TypeVar("S")


class NoWorkerError(UnreachableError):
    """The run exists, and nobody works on it."""


class NotReadyError(CommandError):
    """The run was started and has not yet asked its venue for what it needs."""


class DurableRuns(Generic[S]):
    """The runs of one kind of workflow in one Temporal namespace; they tell of themselves as S."""

    #: The workflow, and the group of the commands for it.
    workflow: ClassVar[str]
    group: ClassVar[str]
    status_type: ClassVar[type[Any]]
    #: What people call one.
    noun: ClassVar[str] = "run"

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        #: Runs that were seen to be of this kind.
        self._ours: set[str] = set()

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Return the runs, or raise UnreachableError if Temporal does not answer."""
        return cls(await reach.temporal(settings), settings)

    async def _start(self, name: str, queue: str, message: Any, summary: str) -> None:
        """Start the workflow of a run at the workers of *queue*.

        Raises ExistsError if there is, or was, one of that name.
        """
        checked_name(name)
        try:
            async with self._answers(name, _UPDATE):
                await self._client.start_workflow(
                    self.workflow,
                    message,
                    id=name,
                    task_queue=queue,
                    task_timeout=TASK_TIMEOUT,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    static_summary=summary,
                )
        except WorkflowAlreadyStartedError:
            raise exists(name, self.group) from None
        self._ours.add(name)

    async def is_open(self, name: str) -> bool:
        """Return whether the run's workflow has not ended; raises NotFoundError."""
        async with self._answers(name, QUERY):
            described = await self._client.get_workflow_handle(name).describe()
            return described.status is WorkflowExecutionStatus.RUNNING

    async def status(self, name: str) -> S:
        """Return what the run is doing; raises NotFoundError or NoWorkerError."""
        async with self._answers(name, QUERY):
            handle = await self._handle(name)
            answer: S = await handle.query("status", result_type=self.status_type)
            return answer

    async def begun(self, name: str, patience: timedelta) -> S:
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
            async with self._answers(name, QUERY):
                await self._client.get_workflow_handle(name).result()
        except WorkflowFailureError as error:
            return f"run {name} ended at once: {_cause(error)}"
        return f"run {name} ended at once"

    async def tell(self, name: str, update: str, message: Any) -> S:
        """Send an update and return the status after it; a refusal is a CommandError."""
        async with self._answers(name, _UPDATE):
            handle = await self._handle(name)
            answer: S = await handle.execute_update(update, message, result_type=self.status_type)
            return answer

    async def _handle(self, name: str) -> "WorkflowHandle[Any, Any]":
        """Return the workflow of a run; raises NotFoundError if it is of another kind."""
        handle = self._client.get_workflow_handle(name)
        if name not in self._ours:
            kind = (await handle.describe()).workflow_type
            if kind != self.workflow:
                raise self._of_another_kind(name, kind)
            self._ours.add(name)
        return handle

    def _of_another_kind(self, name: str, kind: str) -> NotFoundError:
        if kind not in _GROUPS:
            return self._unknown(name)
        return NotFoundError(f"run {name} is another kind: `opensqt {_GROUPS[kind]} status {name}`")

    def _unknown(self, name: str) -> NotFoundError:
        """Return the error of a name that nothing of this kind has."""
        return no_run(name, self.group)

    @asynccontextmanager
    async def _answers(self, name: str, limit: timedelta) -> AsyncIterator[None]:
        """Turn what Temporal says, or does not say within *limit*, into an error for a person."""
        silent = NoWorkerError(
            f"no worker answered for {self.noun} {name} within {limit.total_seconds():.0f} s: "
            "`opensqt doctor` tells what is missing, `opensqt up` starts it"
        )
        try:
            async with asyncio.timeout(limit.total_seconds()):
                yield
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            heed_cancel()
            raise silent from None
        except WorkflowUpdateFailedError as error:
            raise CommandError(_cause(error)) from None
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            if _NOT_READY in str(error):
                raise NotReadyError(f"run {name} is still being prepared: ask again") from None
            raise CommandError(_cause(error)) from None
        except RPCError as error:
            raise self._failure(name, error, silent) from None

    def _failure(self, name: str, error: RPCError, silent: NoWorkerError) -> CommandError:
        if error.status is RPCStatusCode.NOT_FOUND and "completed" in error.message:
            return CommandError(f"{self.noun} {name} has ended: nothing can be changed")
        if error.status is RPCStatusCode.NOT_FOUND:
            return self._unknown(name)
        if error.status is RPCStatusCode.FAILED_PRECONDITION:
            return silent  # no poller on the queue
        return UnreachableError(
            f"Temporal at {self._settings.temporal} could not answer for {self.noun} {name} "
            f"({error.message}): `opensqt doctor` says what is wrong"
        )


class Runs(DurableRuns[GridStatus]):
    """Grid runs."""

    workflow = names.GRID_RUN
    group = "grid"
    status_type = GridStatus

    async def start(self, name: str, spec: GridSpec, accepted: Accepted) -> None:
        """Start a run of *spec*, whose preflight may find what is *accepted*.

        Raises ExistsError if there is, or was, one of that name.
        """
        self._settings.address_of(spec.account)
        message = GridRunInput(spec, accepted=accepted)
        told = f"{spec.direction} grid on {spec.symbol}"
        await self._start(name, names.account_queue(spec.account), message, told)

    async def slots(self, name: str) -> list[SlotView]:
        """Return the run's slots, highest price first; raises NotFoundError or NoWorkerError."""
        async with self._answers(name, QUERY):
            answer: list[SlotView] = await (await self._handle(name)).query(
                "slots", result_type=list[SlotView]
            )
            return answer

    async def belief(self, name: str) -> Belief:
        """Return what the run believes; raises NotFoundError or NoWorkerError."""
        async with self._answers(name, QUERY):
            answer: Belief = await (await self._handle(name)).query("belief", result_type=Belief)
            return answer

    async def preview(self, name: str, spec: GridSpec) -> Preview:
        """Return what a reconfiguration to *spec* would do, or raise CommandError if refused."""
        async with self._answers(name, QUERY):
            answer: Preview = await (await self._handle(name)).query(
                "preview", spec, result_type=Preview
            )
            return answer


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


def _cause(error: BaseException) -> str:
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    return getattr(deepest, "message", None) or str(deepest)

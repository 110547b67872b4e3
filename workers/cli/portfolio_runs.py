"""Portfolios as Temporal knows them: start one, ask it, tell it; every wait has an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, Self

from temporalio.client import (
    Client,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from domain.arbitrage.portfolio_spec import PortfolioSpec
from workers.cli import reach
from workers.cli.failures import CommandError, ExistsError, NotFoundError, UnreachableError
from workers.cli.runs import NoWorkerError, checked_name, operator
from workers.settings import Settings
from workflows import names
from workflows.messages import Command
from workflows.portfolio_messages import (
    PortfolioInput,
    PortfolioPreview,
    PortfolioStatus,
    ReconfigurePortfolio,
)

_QUERY: Final = timedelta(seconds=4)
_UPDATE: Final = timedelta(seconds=15)
_TASK_TIMEOUT: Final = timedelta(seconds=3)


class Portfolios:
    """The portfolios of one Temporal namespace."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    @classmethod
    async def connect(cls, settings: Settings) -> Self:
        """Return the portfolios, or raise UnreachableError if Temporal does not answer."""
        return cls(await reach.temporal(settings), settings)

    async def start(self, name: str, spec: PortfolioSpec, why: str) -> None:
        """Start a portfolio; raises ExistsError if there is, or was, a run of that name."""
        checked_name(name)
        try:
            async with self._answers(name, _UPDATE):
                await self._client.start_workflow(
                    names.PORTFOLIO_RUN,
                    PortfolioInput(spec, by=operator(), why=why),
                    id=name,
                    task_queue=names.SERVICES_QUEUE,
                    task_timeout=_TASK_TIMEOUT,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    static_summary=f"Portfolio of {', '.join(spec.accounts)}"[:200],
                )
        except WorkflowAlreadyStartedError:
            raise ExistsError(
                f"a run {name} exists already: see it with `opensqt portfolio status {name}`, or "
                "start this one under another --name"
            ) from None

    async def status(self, name: str) -> PortfolioStatus:
        """Return what a portfolio is doing; raises NotFoundError or NoWorkerError."""
        async with self._answers(name, _QUERY):
            handle = self._client.get_workflow_handle(name)
            if (await handle.describe()).workflow_type != names.PORTFOLIO_RUN:
                raise _no_portfolio(name)
            answer: PortfolioStatus = await handle.query("status", result_type=PortfolioStatus)
            return answer

    async def preview(self, name: str, spec: PortfolioSpec) -> PortfolioPreview:
        """Return what *spec* would change of a portfolio; it changes nothing."""
        async with self._answers(name, _QUERY):
            handle = self._client.get_workflow_handle(name)
            if (await handle.describe()).workflow_type != names.PORTFOLIO_RUN:
                raise _no_portfolio(name)
            answer: PortfolioPreview = await handle.query(
                "preview", spec, result_type=PortfolioPreview
            )
            return answer

    async def tell(
        self, name: str, update: str, message: Command | ReconfigurePortfolio
    ) -> PortfolioStatus:
        """Send an update and return the status after it; a refusal is a CommandError."""
        async with self._answers(name, _UPDATE):
            handle = self._client.get_workflow_handle(name)
            if (await handle.describe()).workflow_type != names.PORTFOLIO_RUN:
                raise _no_portfolio(name)
            answer: PortfolioStatus = await handle.execute_update(
                update, message, result_type=PortfolioStatus
            )
            return answer

    @asynccontextmanager
    async def _answers(self, name: str, limit: timedelta) -> AsyncIterator[None]:
        """Turn what Temporal says, or does not say within *limit*, into an error for a person."""
        silent = (
            f"no worker of the services answered for portfolio {name} within "
            f"{limit.total_seconds():.0f} s: `opensqt doctor` tells what is missing"
        )
        try:
            async with asyncio.timeout(limit.total_seconds()):
                yield
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            raise NoWorkerError(silent) from None
        except (
            WorkflowUpdateFailedError,
            WorkflowQueryFailedError,
            WorkflowQueryRejectedError,
        ) as error:
            raise CommandError(_cause(error)) from None
        except RPCError as error:
            raise self._failure(name, error, silent) from None

    def _failure(self, name: str, error: RPCError, silent: str) -> CommandError:
        if error.status is RPCStatusCode.NOT_FOUND and "completed" in error.message:
            return CommandError(f"portfolio {name} has ended: nothing can be changed")
        if error.status is RPCStatusCode.NOT_FOUND:
            return _no_portfolio(name)
        if error.status is RPCStatusCode.FAILED_PRECONDITION:
            return NoWorkerError(silent)  # no poller on the queue
        return UnreachableError(
            f"Temporal at {self._settings.temporal} could not answer for portfolio {name} "
            f"({error.message}): `opensqt doctor` says what is wrong"
        )


def _no_portfolio(name: str) -> NotFoundError:
    return NotFoundError(
        f"there is no portfolio {name}: `opensqt audit` shows what was started, and as what"
    )


def _cause(error: BaseException) -> str:
    deepest: Any = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    return getattr(deepest, "message", None) or str(deepest)

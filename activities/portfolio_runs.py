"""The activities of portfolios that need no keys: scans, and words with the runs of pairs. Thin."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from temporalio import activity
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.alerting import AlertDesk
from activities.clock import utc_now
from activities.executing import as_failures, beating
from activities.portfolio_messages import (
    ChangeRun,
    CloseRun,
    PortfolioTold,
    Surveyed,
    SurveyInput,
)
from activities.store.ledger import Ledger
from activities.store.records import AuditEntry
from activities.surveying import SurveyDesk
from domain.arbitrage.portfolio_state import PairLook, Standing
from domain.arbitrage.view import PairStatus
from domain.money import EXACT, ZERO

_ALIVE: Final = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)
_QUERY: Final = timedelta(seconds=5)
_UPDATE: Final = timedelta(seconds=20)


class PortfolioActivities:
    """What the workflow of a portfolio may ask for."""

    def __init__(self, desk: SurveyDesk, ledger: Ledger, alerts: AlertDesk, client: Client) -> None:
        self._desk = desk
        self._ledger = ledger
        self._alerts = alerts
        self._client = client

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        """Return the activities for a worker."""
        return [self.survey, self.look_at_pairs, self.close, self.change, self.tell]

    @activity.defn(name="survey")
    async def survey(self, asked: SurveyInput) -> Surveyed:
        """Return what a scan of the universe came to."""
        async with as_failures():
            return await beating(self._desk.survey(asked), hand_over=True)

    # --- the runs of pairs -------------------------------------------------------------------

    @activity.defn(name="look_at_pairs")
    async def look_at_pairs(self, run_ids: list[str]) -> list[PairLook]:
        """Return how the runs of pairs are."""
        async with as_failures(for_good=False):
            return await beating(self._look_at_all(run_ids))

    async def _look_at_all(self, run_ids: list[str]) -> list[PairLook]:
        return [await self._look_at(run_id) for run_id in run_ids]

    async def _look_at(self, run_id: str) -> PairLook:
        handle = self._client.get_workflow_handle(run_id)
        try:
            described = await handle.describe(rpc_timeout=_QUERY)
            if described.status not in _ALIVE:
                why = described.status.name.lower() if described.status else ""
                if described.status is WorkflowExecutionStatus.FAILED:
                    why = await self._failure(run_id)
                return await self._ended(run_id, why)
            status: PairStatus = await handle.query(
                "status", result_type=PairStatus, rpc_timeout=_QUERY
            )
            return PairLook(run_id, Standing.RUNNING, status)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return await self._ended(run_id, "forgotten by Temporal")
            return PairLook(run_id, Standing.UNKNOWN, why=error.message)
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            return PairLook(run_id, Standing.UNKNOWN, why=str(error))

    async def _failure(self, run_id: str) -> str:
        """Return why a run failed: it says what its pair would have needed."""
        try:
            await self._client.get_workflow_handle(run_id).result()
        except WorkflowFailureError as error:
            return f"failed: {error.cause}"
        return "failed"

    async def _ended(self, run_id: str, why: str) -> PairLook:
        """Return what an ended run has left: one that ends by itself has closed its pair."""
        if why == WorkflowExecutionStatus.COMPLETED.name.lower():
            return PairLook(run_id, Standing.ENDED, why=why)
        left = ZERO
        for number in (1, 2):
            run = await self._ledger.run(f"{run_id}.{number}")
            if run is None:
                continue
            base: Decimal = EXACT.abs((await self._ledger.account_of_run(run.run_id)).base)
            if run.instrument.quantity(base) >= run.instrument.min_quantity:
                left = max(left, base)
        return PairLook(run_id, Standing.ENDED, left=left, why=why)

    @activity.defn(name="close_pair")
    async def close(self, asked: CloseRun) -> None:
        """Let a pair's run close it and end; safe to repeat. One that has ended is fine."""
        message = {"ends": True, "by": asked.by, "why": asked.why}
        await self._update(asked.run_id, "exit", message, asked.number)

    @activity.defn(name="change_pair")
    async def change(self, asked: ChangeRun) -> None:
        """Give a pair's run other settings; safe to repeat."""
        spec = asked.spec.model_dump(mode="json")
        message = {"spec": spec, "by": asked.by, "why": asked.why}
        await self._update(asked.run_id, "reconfigure", message, asked.number)

    async def _update(self, run_id: str, name: str, message: Any, number: str) -> None:
        handle = self._client.get_workflow_handle(run_id)
        try:
            await beating(
                handle.execute_update(name, message, id=f"{name}-{number}", rpc_timeout=_UPDATE)
            )
        except WorkflowUpdateFailedError as error:
            raise ApplicationError(str(error.cause), type="Refused", non_retryable=True) from None
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            activity.logger.info("run %s has ended: %s is not needed", run_id, name)

    # --- what people hear --------------------------------------------------------------------

    @activity.defn(name="tell_portfolio")
    async def tell(self, asked: PortfolioTold) -> None:
        """Put what was done into the audit log, and let people hear; tried until it works."""
        async with as_failures(for_good=False):
            await self._alerts.of_engine(asked.subject, asked.alerts)
            entry = AuditEntry(
                utc_now(),
                asked.who,
                "portfolio",
                asked.did,
                asked.subject,
                asked.before,
                asked.after,
                asked.why,
            )
            await self._ledger.audit(entry)

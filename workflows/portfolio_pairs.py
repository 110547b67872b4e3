"""What a portfolio asks of the runs of its pairs; each stands in the audit log before it is."""

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.portfolio_messages import ChangeRun, CloseRun, PortfolioTold
from domain.arbitrage.portfolio import Told
from domain.arbitrage.portfolio_state import Held
from domain.arbitrage.spec import ArbSpec
from domain.grid.events import Alert, AlertLevel
from workflows import names, portfolio_calls
from workflows.pair_messages import ArbInput
from workflows.timing import TASK_TIMEOUT


class Pairs:
    """The pairs of the portfolio *name*."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def begin(self, held: Held, spec: ArbSpec) -> None:
        """Start the run of a pair; it outlives this workflow, and there is one of it for ever."""
        try:
            await workflow.start_child_workflow(
                names.ARBITRAGE_RUN,
                ArbInput(spec),
                id=held.run_id,
                task_queue=names.account_queue(held.legs[0].account),
                task_timeout=TASK_TIMEOUT,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{held.pair} of {self._name}"[:200],
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.warning("run %s was started before", held.run_id)

    async def close(self, told: Told, number: str) -> bool:
        """Ask for the end of a pair, and return whether that was taken."""
        await self.note(told)
        asked = CloseRun(told.run_id, self._name, told.why, number)
        refused = await portfolio_calls.close_pair(asked)
        return await self._is_taken(told.run_id, f"remove: {refused}" if refused else "")

    async def change(self, told: Told, spec: ArbSpec, number: str) -> bool:
        """Let a pair have other settings, and return whether that was taken.

        *number* is that of the command, for ever: who is asked again by it does nothing.
        """
        await self.note(told)
        asked = ChangeRun(told.run_id, spec, self._name, told.why, number)
        refused = await portfolio_calls.change_pair(asked)
        return await self._is_taken(told.run_id, f"{told.why}: {refused}" if refused else "")

    async def _is_taken(self, run_id: str, refused: str) -> bool:
        if refused:
            await self.note(Told(run_id, "refused", refused))
        return not refused

    async def note(self, told: Told) -> None:
        """Put what became of a pair into the audit log."""
        alerts = (Alert(AlertLevel.ERROR, told.why),) if told.grave else ()
        numbers = dict(told.numbers) or None
        entry = PortfolioTold(told.run_id, told.what, self._name, told.why, alerts, numbers)
        await portfolio_calls.tell(entry)

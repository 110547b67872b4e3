"""An emergency exit as a Temporal workflow: it does not end before its run has left the market.

One for each way out of a run, by its id. Its decisions are `domain.risk.leaving`, its loop is the
simple runner's. All its calls are activities of the account's queue, none of them local: what came
of one is in the history before the next is decided, so no order is ever sent by a decision that got
lost.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

from temporalio import workflow

from domain.risk.leaving import Leaving
from domain.risk.leaving_events import LeavingAction, LeavingEvent
from domain.risk.way_out import Debt, debt_of
from workflows import calls, names
from workflows.leaving import way_out
from workflows.length import is_long
from workflows.messages import ExitInput, ExitResult, ExitStatus

#: As many events as a history has before the way out goes on in a new workflow.
ROLL_AT: Final = 1000


@workflow.defn(name=names.EMERGENCY_EXIT)
class EmergencyExit:
    """One way out of one run, from the request to the last lot."""

    roll_at: ClassVar[int] = ROLL_AT

    @workflow.init
    def __init__(self, start: ExitInput) -> None:
        self._way = start.way
        self._state = start.state

    @workflow.run
    async def run(self, start: ExitInput) -> ExitResult:
        """Run until nothing is left to close. Nothing makes it fail: it tries again."""
        actions: Sequence[LeavingAction] = ()
        state = start.state
        if state is None:
            self._tag()
            begun = await calls.begin_exit(self._way)
            state, actions = begun.state, begun.actions
        else:
            self._show(state)
        state = await way_out(self, state, actions)
        books = await calls.end_exit(self._way, state)
        residual = books.residual if books else None
        return ExitResult(self._way.run_id, self._way.why, debt_of(state), residual)

    # --- the hands of the loop ---------------------------------------------------------------

    async def keep(self, state: Leaving) -> None:
        """Show *state*; the history keeps it."""
        known, self._state = self._state, state
        self._show(state)
        if known is None or known.phase is not state.phase:
            workflow.upsert_search_attributes([names.PHASE.value_set(str(state.phase))])

    async def perform(
        self, state: Leaving, actions: Sequence[LeavingAction]
    ) -> Sequence[LeavingEvent]:
        """Have *actions* carried out by a worker of the account."""
        return await calls.perform_exit(self._way, state, tuple(actions))

    async def rest(self, state: Leaving, pause: timedelta) -> datetime:
        """Wait; a long history ends here, where the state alone is enough to go on."""
        if is_long(self.roll_at):
            workflow.continue_as_new(ExitInput(self._way, state))
        await workflow.sleep(pause, summary="ask anew")
        return workflow.now()

    # --- what is shown -----------------------------------------------------------------------

    @workflow.query(name="status")
    def status(self) -> ExitStatus:
        """Return how far the way out is, and what is still to be closed."""
        return self._status(self._state)

    def _status(self, state: Leaving | None) -> ExitStatus:
        way = self._way
        debt: Debt | None = None if state is None else debt_of(state)
        return ExitStatus(way.run_id, way.symbol, way.who, way.why, way.asked_at, debt)

    def _show(self, state: Leaving) -> None:
        workflow.set_current_details(_details(self._status(state)))

    def _tag(self) -> None:
        workflow.upsert_search_attributes(
            [
                names.STRATEGY.value_set("exit"),
                names.SYMBOL.value_set(self._way.symbol),
                names.ACCOUNT.value_set(self._way.account),
                names.RISK.value_set("exit"),
            ]
        )


def _details(status: ExitStatus) -> str:
    debt = status.debt
    left = "not known yet" if debt is None else f"{debt.base} ({debt.phase}, {debt.orders} orders)"
    return (
        f"Leaving `{status.symbol}` of run `{status.run_id}` since {status.asked_at:%F %T} UTC, "
        f"for {status.who}: {status.why}.\n\nStill open: {left}"
    )

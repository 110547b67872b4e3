"""The guard of a deployment: a workflow that keeps one streaming activity alive.

Whether anything may be opened is in the ledger, for every process to read; so nothing waits for
this workflow. It shows what the market monitor says, and takes the commands of people.
"""

import contextlib
from datetime import timedelta
from typing import ClassVar, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from activities.messages import RiskCommand
from domain.errors import InvalidValueError
from domain.money import fixed
from domain.risk.monitor import Verdict
from domain.risk.scope import parse_scope
from workflows import calls, names
from workflows.length import Length
from workflows.messages import GuardStatus

#: So many events replay in a moment; at a word a minute that is some hours.
ROLL_AT: Final = 2000
_MONITOR: Final = "monitor"


@workflow.defn(name=names.RISK_GUARD)
class RiskGuard:
    """Runs for as long as the deployment; a guard that dies is started again elsewhere."""

    roll_at: ClassVar[int] = ROLL_AT

    @workflow.init
    def __init__(self, start: GuardStatus) -> None:
        self._status = start
        self._length = Length()

    @workflow.run
    async def run(self, start: GuardStatus) -> None:  # noqa: ARG002 - as of __init__
        """Guard until canceled. A missed heartbeat moves the guard to another worker."""
        self._show()
        guard = workflow.start_activity(
            "guard",
            start_to_close_timeout=timedelta(days=365),
            heartbeat_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=50), maximum_interval=timedelta(seconds=2)
            ),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary="watch the market",
        )
        await workflow.wait_condition(lambda: guard.done() or self._length.reaches(self.roll_at))
        guard.cancel()
        with contextlib.suppress(ActivityError):
            await guard  # two guards at once would be one too many
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self._status)

    @workflow.signal(name="said")
    def said(self, verdict: Verdict) -> None:
        """Take what the market monitor says now."""
        self._length.add(Length.SIGNAL + Length.TASK)
        self._status = GuardStatus(verdict)
        self._show()

    @workflow.update
    async def trip(self, command: RiskCommand) -> GuardStatus:
        """Open the breaker of a scope, until somebody resets it: no run below opens anything."""
        self._length.add(Length.UPDATE + Length.ACTIVITY + 2 * Length.TASK)
        await calls.trip(command)
        return self._status

    @workflow.update
    async def reset(self, command: RiskCommand) -> GuardStatus:
        """Close the breaker of a scope, or end the storm of the `monitor`."""
        self._length.add(Length.UPDATE + Length.ACTIVITY + 2 * Length.TASK)
        await calls.reset(command)
        return self._status

    @trip.validator
    def _can_trip(self, command: RiskCommand) -> None:
        _check(command)

    @reset.validator
    def _can_reset(self, command: RiskCommand) -> None:
        _check(command, _MONITOR)

    @workflow.query(name="status")
    def status(self) -> GuardStatus:
        """Return what the market monitor said last."""
        return self._status

    def _show(self) -> None:
        workflow.set_current_details(_details(self._status.verdict))


def _check(command: RiskCommand, *besides: str) -> None:
    """Refuse what names no scope or no reason; nothing is recorded of it."""
    try:
        if command.scope not in besides:
            parse_scope(command.scope)
        if not command.why.strip():
            raise InvalidValueError("why: a reason is needed, for the audit log")
    except InvalidValueError as error:
        raise ApplicationError(str(error), type="InvalidValueError") from None


def _details(verdict: Verdict | None) -> str:
    """Return what people read who open the workflow."""
    if verdict is None:
        return "The market monitor has not spoken, or none is set up."
    word = "**halted**" if verdict.halted else "allowed"
    lines = [
        f"Openings are {word}, said the market monitor at {verdict.at:%F %T} UTC: {verdict.why}",
        "",
        "| symbol | candle | price | average | volume | average | |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in verdict.readings:
        kind = "closed" if each.closed else "forming"
        mark = "anomalous" if each.anomalous else "normal" if each.normal else ""
        price, volume = fixed(each.average_price, 2), fixed(each.average_volume, 2)
        lines.append(
            f"| {each.symbol} | {each.opened_at:%T} {kind} | {each.price} | {price} | "
            f"{each.volume} | {volume} | {mark} |"
        )
    return "\n".join(lines)

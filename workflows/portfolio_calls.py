"""How the workflow of a portfolio calls activities: of the services, and of accounts to be seen."""

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from activities.portfolio_messages import (
    AccountLookInput,
    ChangeRun,
    CloseRun,
    PortfolioTold,
    Surveyed,
    SurveyInput,
)
from domain.arbitrage.portfolio_state import AccountLook, PairLook
from domain.arbitrage.universe import ScanFailed
from workflows.names import account_queue
from workflows.timing import CALL, SOON

_FEW_TIMES: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    maximum_interval=timedelta(seconds=2),
    maximum_attempts=3,
)
#: A scan of hundreds of coins waits for the limits of its venues.
_SCAN: Final = timedelta(minutes=10)
_BEAT: Final = timedelta(seconds=5)
#: An account whose worker is away is not waited for: nothing grows without it.
_AWAY: Final = timedelta(seconds=20)


async def survey(asked: SurveyInput) -> Surveyed:
    """Return what a scan came to; one that nobody could do has failed, and nothing follows."""
    try:
        found: Surveyed = await workflow.execute_activity(
            "survey",
            asked,
            result_type=Surveyed,
            start_to_close_timeout=_SCAN,
            schedule_to_close_timeout=2 * _SCAN,
            heartbeat_timeout=_BEAT,
            retry_policy=_FEW_TIMES,
            summary=f"scan {', '.join(asked.accounts)}",
        )
    except ActivityError as error:
        return Surveyed(failed=ScanFailed("the scan", str(error.cause or error)))
    return found


async def look_at_pairs(run_ids: list[str]) -> list[PairLook]:
    """Return how the runs of pairs are; tried until it works."""
    looks: list[PairLook] = await workflow.execute_activity(
        "look_at_pairs",
        run_ids,
        result_type=list[PairLook],
        start_to_close_timeout=timedelta(minutes=5),
        heartbeat_timeout=_BEAT,
        retry_policy=SOON,
        summary=f"look at {len(run_ids)} pairs",
    )
    return looks


async def look_at_account(asked: AccountLookInput) -> AccountLook | None:
    """Return an account as it is now; None if nobody could tell."""
    try:
        look: AccountLook = await workflow.execute_activity(
            "look_at_account",
            asked,
            task_queue=account_queue(asked.account),
            result_type=AccountLook,
            start_to_close_timeout=CALL,
            schedule_to_close_timeout=_AWAY,
            heartbeat_timeout=_BEAT,
            retry_policy=_FEW_TIMES,
            summary=f"look at {asked.account}",
        )
    except ActivityError as error:
        workflow.logger.warning("account %s could not be looked at: %s", asked.account, error.cause)
        return None
    return look


async def close_pair(asked: CloseRun) -> str:
    """Let a pair be closed; return why that was not taken, empty if it was."""
    return await _told("close_pair", asked, asked.run_id)


async def change_pair(asked: ChangeRun) -> str:
    """Give a pair other settings; return why that was not taken, empty if it was."""
    return await _told("change_pair", asked, asked.run_id)


async def _told(name: str, asked: CloseRun | ChangeRun, run_id: str) -> str:
    try:
        await workflow.execute_activity(
            name,
            asked,
            start_to_close_timeout=CALL,
            heartbeat_timeout=_BEAT,
            retry_policy=_FEW_TIMES,
            summary=f"{name} {run_id}",
        )
    except ActivityError as error:
        cause = error.cause
        return cause.message if isinstance(cause, ApplicationError) else str(cause or error)
    return ""


async def tell(asked: PortfolioTold) -> None:
    """Put something into the audit log, and let people hear; tried until it works."""
    await workflow.execute_activity(
        "tell_portfolio",
        asked,
        start_to_close_timeout=CALL,
        retry_policy=SOON,
        summary=f"{asked.did} {asked.subject}",
    )

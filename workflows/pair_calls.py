"""How the workflows of pairs call activities, each on the queue of its leg's account.

None of them is local: what came of one is in the history before the next is decided, so no order is
ever sent by a decision that got lost.
"""

from typing import cast

from temporalio import workflow

from activities.pair_messages import (
    LegBooks,
    LegKey,
    LegLookInput,
    LegOpened,
    LegTurnInput,
    OpenLegInput,
    PairToldInput,
)
from domain.arbitrage.events import ArbEvent
from domain.arbitrage.pair_events import PairEvent
from workflows.names import account_queue
from workflows.timing import BEAT, CALL, SOON


async def open_leg(asked: OpenLegInput) -> LegOpened:
    """Open the books of a leg; fails for good on one that cannot be held."""
    opened: LegOpened = await workflow.execute_activity(
        "open_leg",
        asked,
        task_queue=account_queue(asked.leg.account),
        result_type=LegOpened,
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        # A canceled run closes the books that this may just be opening.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=f"{asked.leg.symbol} on {asked.leg.account}",
    )
    return opened


async def look_at_leg(asked: LegLookInput) -> list[ArbEvent]:
    """Ask for all that a pair decides by, of one leg; tried for as long as it takes."""
    events: list[ArbEvent] = await workflow.execute_activity(
        "look_at_leg",
        asked,
        task_queue=account_queue(asked.leg.account),
        result_type=list[ArbEvent],
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        summary=f"look at {asked.leg.symbol}",
    )
    return events


async def turn_of_leg(asked: LegTurnInput) -> list[PairEvent]:
    """Have a trade's wishes carried out at the venue of a leg; tried for as long as it takes."""
    events: list[PairEvent] = await workflow.execute_activity(
        "turn_of_leg",
        asked,
        task_queue=account_queue(asked.leg.account),
        result_type=list[PairEvent],
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
        summary=", ".join(action.kind for action in asked.actions) or "look",
    )
    return events


async def close_leg(leg: LegKey) -> LegBooks | None:
    """Close the books of a leg; tried until it works."""
    books: LegBooks | None = await workflow.execute_activity(
        "close_leg",
        leg,
        task_queue=account_queue(leg.account),
        result_type=cast("type", LegBooks | None),
        start_to_close_timeout=CALL,
        heartbeat_timeout=BEAT,
        retry_policy=SOON,
    )
    return books


async def tell_pair(asked: PairToldInput) -> None:
    """Let people hear of a pair, and note what it did; tried until it works."""
    await workflow.execute_activity(
        "tell_pair",
        asked,
        task_queue=account_queue(asked.leg.account),
        start_to_close_timeout=CALL,
        retry_policy=SOON,
        summary=asked.did or "alert",
    )

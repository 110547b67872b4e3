"""The activities of pairs as Temporal calls them: thin, for the leg desk does the work."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus

from activities.clock import utc_now
from activities.describing import described
from activities.executing import as_failures, beating
from activities.legs import LegDesk
from activities.pair_messages import (
    LegBooks,
    LegKey,
    LegLookInput,
    LegOpened,
    LegTurnInput,
    OpenLegInput,
    PairToldInput,
)
from domain.arbitrage.events import ArbEvent, TradeLost
from domain.arbitrage.pair_events import PairEvent


class LegActivities:
    """What the pairs with a leg on one account may ask for."""

    def __init__(
        self, desk: LegDesk, client: Client, ensure_feed: Callable[[], Awaitable[None]]
    ) -> None:
        self._desk = desk
        self._client = client
        self._ensure_feed = ensure_feed

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        """Return the activities for a worker."""
        return [self.open, self.look, self.turn, self.close, self.tell]

    @activity.defn(name="open_leg")
    async def open(self, asked: OpenLegInput) -> LegOpened:
        """Open the books of a leg."""
        async with as_failures():
            await self._ensure_feed()
            return await beating(self._desk.open(asked))

    @activity.defn(name="look_at_leg")
    async def look(self, asked: LegLookInput) -> list[ArbEvent]:
        """Return what is known of a leg, and whether the trade in flight still is."""
        async with as_failures(for_good=False):
            events = await beating(self._desk.look(asked))
            if asked.trade is not None and await self._is_lost(asked.trade):
                events = [*events, TradeLost(asked.tag, utc_now())]
            return events

    async def _is_lost(self, trade: str) -> bool:
        """Return whether a trade's workflow was ended by somebody; by itself it tells what it did.

        It tells before it ends, so nobody who finds it ended has not been told.
        """
        told = await described(self._client, trade)
        if told is None:  # it is about to be started
            return False
        alive = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)
        return told.status not in alive

    @activity.defn(name="turn_of_leg")
    async def turn(self, asked: LegTurnInput) -> list[PairEvent]:
        """Carry out what a trade wants of a leg. Safe to repeat: orders have their ids by now."""
        async with as_failures(for_good=False):
            return await beating(self._desk.turn(asked))

    @activity.defn(name="close_leg")
    async def close(self, leg: LegKey) -> LegBooks | None:
        """Close the books of a leg; tried until it works."""
        async with as_failures(for_good=False):
            return await beating(self._desk.close(leg))

    @activity.defn(name="tell_pair")
    async def tell(self, asked: PairToldInput) -> None:
        """Let people hear of a pair; tried until it works."""
        async with as_failures(for_good=False):
            await self._desk.tell(asked)

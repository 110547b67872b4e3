"""The activities of a deployment that need no keys: guard, alerts, commands to risk. Thin."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError

from activities.delivery import Delivery
from activities.executing import as_failures, beating
from activities.guard import Guard
from activities.messages import RiskCommand
from activities.risk import RiskDesk
from domain.risk.monitor import Verdict
from domain.risk.scope import parse_scope

#: To reset it is to end the storm of the market monitor; nobody trips it.
MONITOR = "monitor"


class ServiceActivities:
    """What the workflows of the services queue may ask for.

    *guard* is None without a monitor, *delivery* without channels.
    """

    def __init__(
        self, guard: Guard | None, delivery: Delivery | None, risk: RiskDesk, client: Client
    ) -> None:
        self._guard = guard
        self._delivery = delivery
        self._risk = risk
        self._client = client

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        """Return the activities for a worker."""
        return [self.guard, self.deliver, self.trip, self.reset]

    @activity.defn(name="guard")
    async def guard(self) -> None:
        """Watch the market until told to stop; the heartbeat says that we live."""
        if self._guard is None:
            await beating(asyncio.Event().wait(), hand_over=True)
        else:
            await beating(self._guard.run(self._tell), hand_over=True)

    async def _tell(self, verdict: Verdict) -> None:
        """Let the workflow show what was said. The ledger has it: this is for people only."""
        workflow_id = activity.info().workflow_id
        assert workflow_id is not None  # noqa: S101 - nobody else asks for this activity
        try:
            await self._client.get_workflow_handle(workflow_id).signal("said", verdict)
        except RPCError as error:
            activity.logger.warning("the workflow does not show the verdict yet: %s", error)

    @activity.defn(name="deliver")
    async def deliver(self) -> None:
        """Bring alerts to their channels until told to stop; the heartbeat says that we live."""
        if self._delivery is None:
            await beating(asyncio.Event().wait(), hand_over=True)
        else:
            await beating(self._delivery.run(), hand_over=True)

    @activity.defn(name="trip")
    async def trip(self, asked: RiskCommand) -> None:
        """Open a breaker until somebody resets it."""
        async with as_failures():
            await self._risk.trip(parse_scope(asked.scope), asked.by, asked.why)

    @activity.defn(name="reset")
    async def reset(self, asked: RiskCommand) -> None:
        """Close a breaker, or end the storm of the market monitor."""
        async with as_failures():
            if asked.scope == MONITOR:
                await self._risk.pardon(asked.by, asked.why)
            else:
                await self._risk.reset(parse_scope(asked.scope), asked.by, asked.why)

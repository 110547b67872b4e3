"""The activities of emergency exits as Temporal calls them: thin, for a desk does the work."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.describing import described
from activities.executing import as_failures, beating
from activities.leaving import LeavingDesk
from activities.messages import Books, LeavingBegun, LeavingInput
from domain.risk.leaving_events import LeavingEvent
from domain.risk.way_out import WayOut


class ExitActivities:
    """What the exit workflows of one account may ask for."""

    def __init__(self, desk: LeavingDesk, client: Client) -> None:
        self._desk = desk
        self._client = client

    def all(self) -> list[Callable[..., Awaitable[Any]]]:
        """Return the activities for a worker."""
        return [self.begin, self.perform, self.end]

    @activity.defn(name="begin_exit")
    async def begin(self, way: WayOut) -> LeavingBegun:
        """Tell the run to hand over what it holds, and look at what is open."""
        async with as_failures(for_good=False):
            await self._hand_over(way)
            begun = await beating(self._desk.begin(way))
            return LeavingBegun(begun.state, begun.actions)

    @activity.defn(name="perform_exit")
    async def perform(self, asked: LeavingInput) -> list[LeavingEvent]:
        """Carry out what a way out asks for. Safe to repeat: orders have their ids by now."""
        async with as_failures(for_good=False):
            return await beating(self._desk.perform(asked.way, asked.state, asked.actions))

    @activity.defn(name="end_exit")
    async def end(self, asked: LeavingInput) -> Books | None:
        """Close the books of the run; tried until it works."""
        async with as_failures(for_good=False):
            return await beating(self._desk.finish(asked.way, asked.state))

    async def _hand_over(self, way: WayOut) -> None:
        try:
            await self._client.get_workflow_handle(way.run_id).signal("hand_over")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended already
                raise


async def is_over(client: Client, way: WayOut) -> bool:
    """Return whether the workflow of a run has ended: no order of it can come any more."""
    told = await described(client, way.run_id)
    return told is None or told.status is not WorkflowExecutionStatus.RUNNING

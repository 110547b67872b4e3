"""Runners with a bug in each, as somebody could write it: the fuzz must find every one."""

from collections.abc import Sequence
from dataclasses import replace

from temporalio import workflow
from temporalio.common import RawValue

from activities.messages import FeedBatch
from domain.grid.events import GridAction, GridEvent, Reported
from domain.grid.state import GridState
from tests.fuzz.runners import DaylongSimpleRun
from tests.fuzz.watched import Telling
from workflows import names
from workflows.messages import GridResult, GridRunInput, Taken

# --- simple runs -----------------------------------------------------------------------------


class DropsAnEvent(DaylongSimpleRun):
    """Forgets the last of several events that come together."""

    def tell(self, *events: GridEvent) -> None:
        super().tell(*(events[:-1] if len(events) > 2 else events))


class SwapsEvents(DaylongSimpleRun):
    """Handles what came last first."""

    def tell(self, *events: GridEvent) -> None:
        super().tell(*reversed(events))


class ForgetsToCommit(DaylongSimpleRun):
    """Sends orders of a state that it has not stored."""

    def _commit(self, state: GridState) -> None:
        if self._state is None or state.generation % 2 == 0:
            super()._commit(state)
        else:
            self._state = state


class CommitsTooLate(DaylongSimpleRun):
    """Stores the state that intends orders only after they were sent."""

    def _commit(self, state: GridState) -> None:
        if self._state is None:
            super()._commit(state)
        self._state = state

    async def _perform(self, actions: Sequence[GridAction]) -> Sequence[GridEvent]:
        outcomes = await super()._perform(actions)
        super()._commit(self.state)
        return outcomes


class IgnoresRefusals(DaylongSimpleRun):
    """Tells its engine of orders that were taken only."""

    async def _perform(self, actions: Sequence[GridAction]) -> Sequence[GridEvent]:
        outcomes = await super()._perform(actions)
        return [event for event in outcomes if isinstance(event, Reported)]


SIMPLE: tuple[type[DaylongSimpleRun], ...] = (
    DropsAnEvent,
    SwapsEvents,
    ForgetsToCommit,
    CommitsTooLate,
    IgnoresRefusals,
)


# --- durable runs ----------------------------------------------------------------------------


@workflow.defn(name=names.GRID_RUN)
class TakesTwice(Telling):
    """Takes a batch of the feed as often as it comes."""

    @workflow.init
    def __init__(self, start: GridRunInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: GridRunInput) -> GridResult:
        return await super().run(start)

    @workflow.signal(name="feed")
    def feed(self, raw: RawValue) -> None:
        newest, self._taken = self._taken, Taken()
        super().feed(raw)
        batch = workflow.payload_converter().from_payload(raw.payload, FeedBatch)
        self._taken = newest if newest.covers(batch) else self._taken


@workflow.defn(name=names.GRID_RUN)
class RollsWithAnOldState(Telling):
    """Goes on in a new workflow with a state that still waits for all its orders."""

    @workflow.init
    def __init__(self, start: GridRunInput) -> None:
        super().__init__(start)
        self._first = start.state

    @workflow.run
    async def run(self, start: GridRunInput) -> GridResult:
        return await super().run(start)

    def _carried(self) -> GridRunInput:
        carried = super()._carried()
        return replace(carried, state=self._first or carried.state)


@workflow.defn(name=names.GRID_RUN)
class DropsOutcomes(Telling):
    """Tells its engine of the first outcome of several only."""

    @workflow.init
    def __init__(self, start: GridRunInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: GridRunInput) -> GridResult:
        return await super().run(start)

    async def _perform(self, actions: tuple[GridAction, ...]) -> list[GridEvent]:
        return (await super()._perform(actions))[:1]


@workflow.defn(name=names.GRID_RUN)
class PausesTheWrongWay(Telling):
    """Answers a pause, and does not tell its engine."""

    @workflow.init
    def __init__(self, start: GridRunInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: GridRunInput) -> GridResult:
        return await super().run(start)

    async def _command(
        self, event: GridEvent, name: str, by: str, why: str, after: dict[str, object] | None = None
    ) -> None:
        if name != "pause":
            await super()._command(event, name, by, why, after)


DURABLE: tuple[type, ...] = (TakesTwice, RollsWithAnOldState, DropsOutcomes, PausesTheWrongWay)

"""An emergency exit without Temporal: the loop of the durable one, its state in a checkpoint.

The state that intends an order is on disk before the order is sent, power loss or not. A process
that dies on the way out goes on from there when it is started again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter

from activities.leaving import LeavingDesk
from activities.store.checkpoint import CheckpointStore
from domain.risk.leaving import Leaving, LeavingStep
from domain.risk.leaving_events import LeavingAction, LeavingEvent
from domain.risk.way_out import WayOut
from workflows.leaving import way_out

#: The layout of the stored state; another one is refused, not misread.
STATE_SCHEMA: Final = 1
_STATE: Final = TypeAdapter(Leaving)


class SimpleExit:
    """One way out of the run of this process."""

    def __init__(
        self,
        way: WayOut,
        desk: LeavingDesk,
        store: CheckpointStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._way = way
        self._desk = desk
        self._store = store
        self._clock = clock

    async def run(self, begin: Callable[[], Awaitable[LeavingStep]]) -> Leaving:
        """Go on where the last process was, or else *begin*; return when it has ended.

        Raises StoreUnavailableError or CorruptCheckpointError if a state could not be kept; nothing
        of what it had decided was sent then.
        """
        payload = self._store.load(STATE_SCHEMA)
        known = None if payload is None else _STATE.validate_json(payload)
        if known is not None and known.number == self._way.number:
            return await way_out(self, known)
        begun = await begin()
        return await way_out(self, begun.state, begun.actions)

    async def keep(self, state: Leaving) -> None:
        """Commit *state* and wait for the disk: there are few, and orders hang on them."""
        self._store.save(_STATE.dump_json(state), self._clock(), STATE_SCHEMA)
        self._store.flush()

    async def perform(
        self, state: Leaving, actions: Sequence[LeavingAction]
    ) -> Sequence[LeavingEvent]:
        """Carry *actions* out."""
        return await self._desk.perform(self._way, state, actions)

    async def rest(self, state: Leaving, pause: timedelta) -> datetime:  # noqa: ARG002 - as Hands
        """Wait."""
        await asyncio.sleep(pause.total_seconds())
        return self._clock()

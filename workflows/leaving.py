"""The loop of a way out, the same for both runners: decide, keep, perform, rest, ask anew.

The state that intends an order is kept before the order is sent. Between two turns nothing but the
state is needed, so a way out goes on from it anywhere: what came in between is asked for again.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from domain.grid.events import TimePassed
from domain.risk.leaving import Leaving, step
from domain.risk.leaving_events import LeavingAction, LeavingEvent

#: How long it rests before it asks anew: longer each time that nothing has moved.
RESTS: Final = tuple(timedelta(seconds=each) for each in (0.5, 1, 2, 5, 10))


class Hands(Protocol):
    """What a runner does for a way out."""

    async def keep(self, state: Leaving) -> None:
        """Make *state* the one that counts, so that no crash can lose it."""
        ...

    async def perform(
        self, state: Leaving, actions: Sequence[LeavingAction]
    ) -> Sequence[LeavingEvent]:
        """Carry *actions* out in order, and return what came of them; never raises for a venue."""
        ...

    async def rest(self, state: Leaving, pause: timedelta) -> datetime:
        """Return the time after *pause*."""
        ...


async def way_out(hands: Hands, state: Leaving, actions: Sequence[LeavingAction] = ()) -> Leaving:
    """Go on from *state*, with *actions* to be done first, and return when it has ended."""
    told = deque[LeavingEvent]()
    if actions:
        await hands.keep(state)
        told.extend(await hands.perform(state, actions))
    idle = 0
    while not state.finished:
        if not told:
            now = await hands.rest(state, RESTS[min(idle, len(RESTS) - 1)])
            told.append(TimePassed(now))
            idle += 1
        before, done = state, step(state, told.popleft())
        state = done.state
        if state != before:
            await hands.keep(state)
        if (state.lots, state.canceled) != (before.lots, before.canceled):
            idle = 0  # something moved
        if done.actions:
            told.extend(await hands.perform(state, done.actions))
    return state

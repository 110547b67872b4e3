"""The preflight of a simple run that goes on: until it passes the run is paused, never left alone.

A durable run is resumed by a person, who hears that it was refused. A simple run is started again
by whoever minds its process; refused, it would leave orders and a position to nobody. So it goes on
without entries, and is looked at again and again.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Final, Protocol

from activities.account import AccountDesk
from activities.messages import Accepted, ClearInput
from activities.store.ledger import Ledger
from activities.store.records import RunStatus
from domain.errors import PreflightError, StoreError, VenueError, VenueUnavailableError
from domain.grid.events import GridEvent, PauseAsked, ResumeAsked
from domain.grid.preview import needs_to_go_on
from domain.grid.state import GridState, Phase

#: Seconds between tries of a preflight that the venue does not answer, before the run goes on.
_TRIES: Final = (0.1, 0.5, 1.0, 2.0)
#: Seconds that one may take: the exits wait meanwhile.
_WITHIN: Final = 5.0
#: Seconds until the preflight of a run that was held back is made again.
_AGAIN: Final = 15.0
#: Who pauses a run whose preflight does not pass.
_WHO: Final = "preflight"
_log: Final = logging.getLogger(__name__)


class Told(Protocol):
    """The run that is looked at."""

    @property
    def run_id(self) -> str: ...

    @property
    def state(self) -> GridState: ...

    def tell(self, *events: GridEvent) -> None:
        """Let *events* be handled after what was told before."""
        ...


class SimplePreflight:
    """Holds one run that goes on back from opening anything until its preflight passes.

    That the ledger says paused, before the engine hears of it, is what tells this pause from one
    that a person asked for.
    """

    def __init__(
        self,
        run: Told,
        books: AccountDesk,
        ledger: Ledger,
        accepted: Accepted,
        clock: Callable[[], datetime],
    ) -> None:
        self._run = run
        self._books = books
        self._ledger = ledger
        self._accepted = accepted
        self._clock = clock

    async def passes(self) -> bool:
        """Make the preflight, a few times if the venue does not answer, and let the run go on."""
        for pause in _TRIES:
            try:
                async with asyncio.timeout(_WITHIN):
                    await self._clear()
            except PreflightError as error:
                _log.error("%s: %s", self._run.run_id, error)
                return False
            except (VenueError, StoreError, TimeoutError) as error:
                why = error if str(error) else f"no answer within {_WITHIN:g} s"
                _log.warning("%s: the preflight waits: %s", self._run.run_id, why)
                await asyncio.sleep(pause)
            else:
                return True
        return False

    async def hold(self) -> None:
        """Hold the entries back, never the exits, until the preflight passes."""
        for attempt in count():
            if await self._noted("pause", "the preflight did not pass"):
                break
            await asyncio.sleep(_TRIES[min(attempt, len(_TRIES) - 1)])
        self._run.tell(PauseAsked(self._clock()))
        while True:
            await asyncio.sleep(_AGAIN)
            if await self.passes():
                return

    async def _clear(self) -> None:
        """Return if the run may open what it would; one that was held back opens it then.

        One that a person paused, or that ends, opens nothing and is not looked at.
        """
        run, state = self._run, self._run.state
        known = await self._ledger.run(run.run_id)
        held_back = known is not None and known.status is RunStatus.PAUSED
        if state.phase not in (Phase.WAITING, Phase.RUNNING) and not held_back:
            return
        needs = needs_to_go_on(state, self._clock())
        asked = ClearInput(run.run_id, state.config.spec, needs, self._accepted)
        await self._books.clear(asked)
        if held_back:
            if not await self._noted("resume", "the preflight passes"):
                raise VenueUnavailableError("that it passes could not be recorded")
            run.tell(ResumeAsked(self._clock()))

    async def _noted(self, command: str, why: str) -> bool:
        try:
            await self._books.note(self._run.run_id, command, _WHO, why, None)
        except StoreError as error:
            _log.warning("%s: the %s waits: %s", self._run.run_id, command, error)
            return False
        return True

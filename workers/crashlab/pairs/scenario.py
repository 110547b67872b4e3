"""A scenario: one pair, and rounds of kills; after each round the exchanges' books are asked."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Final

from workers.crashlab.findings import Findings
from workers.crashlab.pairs.director import Director
from workers.crashlab.pairs.inspection import PairInspector
from workers.crashlab.pairs.market import Markets
from workers.crashlab.pairs.system import PairSystem
from workers.crashlab.pairs.views import reins_of
from workers.crashlab.steps import ROLLS, Cell, Doing, Step
from workers.crashlab.waiting import StuckError, until

#: A pair that does not come to a step in this time (seconds) does not go on by itself.
_GOES_ON_WITHIN: Final = 300.0
#: How often a step may pass before it is the one, so that kills spread over orders and legs.
_PASSES: Final = (0, 0, 1)
#: Of these there are many in each trade; the others are waited for long enough once.
_OFTEN: Final = (Step.BEFORE_SEND, Step.ACCEPTED, Step.DEBT, Step.RESYNC)
_LONGEST_DOWN: Final = 0.4
_LONGEST_WAIT: Final = 3.0
#: Steps that have nothing to do with what a trade is about, or with no trade at all.
_ANY_TIME: Final = (*ROLLS, Step.RESYNC, Step.RANDOM)
#: What is not, or hardly ever, come to: an entry becomes an unwind, whose orders are filled whole.
_NEVER: Final = ((Step.STARTING, Doing.UNWIND), (Step.PART_FILLED, Doing.UNWIND))
#: So long a step is waited for in what the trade should be about; then in anything.
_CHOOSY_FOR: Final = 30.0


class PairScenario:
    """Kills in one system. *tell* hears of each."""

    def __init__(self, system: PairSystem, tell: Callable[[Cell], None]) -> None:
        self.findings = Findings()
        self._system = system
        self._tell = tell
        self._chance = random.Random(system.plan.seed)
        paths = [each.role.where for each in system.exchanges]
        self._markets = Markets(system.plan.legs, paths, self._chance)
        reins = reins_of(system)
        self._director = Director(system.plan, self._markets, reins, self._chance)
        self._inspector = PairInspector(system, self._markets, self._director, reins, self.findings)
        self._doings = cycle(self._director.doings)
        self._struck_at: float | None = None

    def begin(self) -> None:
        """Let the markets move."""
        self._markets.start()

    async def round(self, cell: Cell, kills: int) -> None:
        """Kill *kills* times at *cell*, and ask the books."""
        for _ in range(kills):
            await self._kill(cell)
        await self._inspector.check(cell, kills)
        self._struck_at = None

    async def end(self, cell: Cell) -> None:
        """End the pair: nothing may be left, and the money must add up."""
        if not self.findings.violations:
            await self._inspector.close(cell)
        self.findings.deaths_of_their_own = self._system.deaths_of_its_own

    async def stop(self) -> None:
        """Let the markets stand still for ever."""
        await self._markets.end()

    # ---- kills

    async def _kill(self, cell: Cell) -> None:
        step, victim = cell
        stuck = ""
        for doing, within in ((self._next_doing(step), _CHOOSY_FOR), (None, _GOES_ON_WITHIN)):
            try:
                async with self._at(step, doing, within):
                    self._note_recovery(step)
                    await self._system.strike(victim)
            except StuckError as error:
                stuck = str(error)
                continue
            self._note(cell, doing)
            await asyncio.sleep(self._chance.uniform(0, _LONGEST_DOWN))
            await self._system.revive(victim)
            return
        self._inspector.blame(cell, f"stuck: {stuck}")

    def _note_recovery(self, step: Step) -> None:
        if self._struck_at is not None:
            self.findings.recoveries.append(time.monotonic() - self._struck_at)
        self._struck_at = time.monotonic() if step is not Step.RANDOM else None

    def _next_doing(self, step: Step) -> Doing | None:
        if step in _ANY_TIME:
            return None
        return next(doing for doing in self._doings if (step, doing) not in _NEVER)

    def _note(self, cell: Cell, doing: Doing | None) -> None:
        self.findings.kills[cell] += 1
        if doing is not None:
            self.findings.by_doing[doing] += 1
        for leg in self._system.plan.legs:
            self.findings.by_grid[f"{leg.venue} {leg.kind}"] += 1
        self._tell(cell)

    @asynccontextmanager
    async def _at(self, step: Step, doing: Doing | None, within: float) -> AsyncIterator[None]:
        """Let the pair do *doing*, or everything, and be inside the context when it is at *step*.

        Raises StuckError if that is not *within* so many seconds.
        """
        hold = self._holder(doing) if step is Step.SENT else None
        self._director.forget_answers()
        if step not in (Step.SENT, Step.RANDOM):
            passes = self._chance.choice(_PASSES) if step in _OFTEN else 0
            self._system.trap.set(step, passes, doing)
        playing = asyncio.create_task(self._director.play(doing, hold=hold))
        try:
            await self._come_to(step, hold, playing, within)
            yield
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            self._system.trap.take_away()
            self._director.heal()

    def _holder(self, doing: Doing | None) -> int:
        """Return the leg whose exchange holds an answer back; of an unwind it is the lead's."""
        return self._system.plan.lead if doing is Doing.UNWIND else self._chance.choice((1, 2))

    async def _come_to(
        self, step: Step, hold: int | None, playing: "asyncio.Task[None]", within: float
    ) -> None:
        """Return when a process stands at *step*, held there by a trap or by an exchange."""
        if step is Step.RANDOM:
            await asyncio.sleep(self._chance.uniform(0, _LONGEST_WAIT))
            return
        trap = self._system.trap

        def reached() -> bool:
            if playing.done():
                playing.result()
            return self._director.held_back(hold) if hold else trap.sprung() is not None

        await until(reached, f"a process at {step}", within=within)

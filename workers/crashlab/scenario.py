"""A scenario: one system, some grids, and rounds of kills; after each round the books are asked."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from workers.crashlab.adversary import fill_and_return
from workers.crashlab.findings import Findings
from workers.crashlab.inspection import Inspector
from workers.crashlab.steps import Cell, Step, Victim
from workers.crashlab.system import System
from workers.crashlab.waiting import StuckError, until
from workers.exchange.faults import FaultKind, FaultRule

#: A run that does not come to a step in this time (seconds) does not go on by itself. Mostly it
#: takes some seconds; the machine may be busy with something else.
_GOES_ON_WITHIN: Final = 300.0
#: How long the exchange holds an answer back: the kill comes long before.
_HOLDS: Final = timedelta(seconds=1)
#: How often a step may pass before it is the one, so that kills spread over grids and slots.
_MOST_PASSES: Final = 2
_LONGEST_DOWN: Final = 0.4
_LONGEST_WAIT: Final = 1.5
#: How often the market fills what was just sent, before its sender lives again.
_FILLS: Final = 0.6


class Scenario:
    """Kills in one system. *tell* hears of each."""

    def __init__(self, system: System, tell: Callable[[Cell], None]) -> None:
        self.findings = Findings()
        self._system = system
        self._inspector = Inspector(system, self.findings)
        self._tell = tell
        self._chance = random.Random(system.plan.seed)
        self._struck_at: float | None = None

    async def round(self, cell: Cell, kills: int) -> None:
        """Kill *kills* times at *cell*, and ask the books."""
        for _ in range(kills):
            await self._kill(cell)
        await self._inspector.check(cell, kills)
        self._struck_at = None

    async def end(self, cell: Cell) -> None:
        """Close all grids: nothing may be left, and the money must add up."""
        await self._inspector.close(cell)
        self.findings.deaths_of_their_own = self._system.deaths_of_its_own

    # ---- kills

    async def _kill(self, cell: Cell) -> None:
        step, victim = cell
        try:
            await self._come_to(step)
        except StuckError as error:
            self._inspector.blame(cell, f"stuck: {error}")
            return
        finally:
            self._system.exchange.plan.set([])
        if self._struck_at is not None:
            self.findings.recoveries.append(time.monotonic() - self._struck_at)
        await self._system.strike(victim)
        self._struck_at = time.monotonic() if step is not Step.RANDOM else None
        self._system.trap.take_away()
        self.findings.kills[cell] += 1
        for grid in self._system.plan.grids:
            self.findings.by_grid[f"{grid.venue} {grid.kind}"] += 1
        self._tell(cell)
        await self._while_down(step, victim)
        await self._system.revive(victim)

    async def _come_to(self, step: Step) -> None:
        """Return when a process stands at *step*, held there by a trap or by the exchange."""
        system = self._system
        if step is Step.RANDOM:
            await asyncio.sleep(self._chance.uniform(0, _LONGEST_WAIT))
        elif step is Step.SENT:
            every = self._chance.randint(1, _MOST_PASSES + 1)
            rule = FaultRule(
                method="rest.place", kind=FaultKind.DELAY_AFTER, every=every, count=1, delay=_HOLDS
            )
            system.exchange.plan.set([rule])
            await until(
                lambda: system.exchange.plan.played > 0,
                "an order that the exchange executed",
                within=_GOES_ON_WITHIN,
            )
        else:
            system.trap.set(step, self._chance.randint(0, _MOST_PASSES))
            await until(
                lambda: system.trap.sprung() is not None,
                f"a process at {step}",
                within=_GOES_ON_WITHIN,
            )

    async def _while_down(self, step: Step, victim: Victim) -> None:
        """Let time pass; sometimes the market fills meanwhile what the victim has just sent."""
        dead = victim in (Victim.WORKER, Victim.SIMPLE)
        if dead and step in (Step.SENT, Step.ACCEPTED) and self._chance.random() < _FILLS:
            await fill_and_return(self._system.host, self._system.plan.grids)
        await asyncio.sleep(self._chance.uniform(0, _LONGEST_DOWN))

"""The markets of both legs: restless, and with the rates that the director wants."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final

from workers.crashlab.pairs.hand import Asked, HandError, Told, ask
from workers.crashlab.pairs.moves import Announces, Move, Quotes, Settles, Trades
from workers.crashlab.pairs.roles import Legs
from workers.exchange.faults import FaultRule

_BEAT: Final = 0.3
#: What stands at the touch, in lots: an order of 300 is mostly filled in parts.
_SIZES: Final = (30, 60, 150, 2000)
_PLENTY: Final = 100_000
#: How often somebody trades at the touch, and how often funding is settled, of all beats.
_TRADES: Final = 0.4
_SETTLES: Final = 0.03
MIDDLE: Final = (10_000, 10_010)
_RESTLESS: Final = 3


class Mood(StrEnum):
    """What holding the pair would earn: enough to enter, enough to stay, or nothing."""

    EARNS = "earns"
    CALM = "calm"
    COSTS = "costs"


_RATES: Final = {
    Mood.EARNS: Decimal("0.001"),
    Mood.CALM: Decimal("0.00005"),
    Mood.COSTS: Decimal(0),
}
#: What the first of two perpetuals pays, always.
_GROUND: Final = Decimal("0.0001")


@dataclass(slots=True)
class Side:
    """The market of one leg, as it should be."""

    path: Path
    middle: int
    faults: tuple[FaultRule, ...] = ()
    #: What is to happen at the next beat, once.
    once: list[Move] = field(default_factory=list)
    told: Told | None = None
    announced: Decimal | None = None

    @property
    def resting(self) -> int:
        """How many orders rest there, as far as it has told."""
        return 0 if self.told is None else self.told.resting


class Markets:
    """Moves both markets, over all deaths of their exchanges."""

    def __init__(self, legs: Legs, paths: Sequence[Path], chance: random.Random) -> None:
        self.sides = [Side(path, middle) for path, middle in zip(paths, MIDDLE, strict=True)]
        self.mood = Mood.CALM
        #: Still: no prints, plenty at the touch, nothing settles.
        self.still = False
        #: The direction that earns: 1 short the second leg, -1 long (of two perpetuals).
        self.sign = 1
        self._legs = legs
        self._chance = chance
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to move."""
        self._task = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Stand still for ever."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def beat(self) -> None:
        """Move both markets once; an exchange that is dead misses it."""
        await asyncio.gather(*map(self._beat, (1, 2)))

    async def _run(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(_BEAT)

    async def _beat(self, number: int) -> None:
        side = self.sides[number - 1]
        once, side.once = side.once, []
        rate = self._rate(number)
        moves = [*once, *self._moves(side)]
        if rate is not None and rate != side.announced:
            moves.append(Announces(rate))
        if rate is not None and not self.still and self._chance.random() < _SETTLES:
            moves.append(Settles(rate))
        with contextlib.suppress(HandError):
            side.told = await ask(side.path, Asked(tuple(moves), side.faults))
            side.announced = rate

    def _moves(self, side: Side) -> list[Move]:
        if self.still:
            return [Quotes(side.middle - 1, side.middle + 1, _PLENTY)]
        chance = self._chance
        middle = side.middle + chance.randint(-_RESTLESS, _RESTLESS)
        moves: list[Move] = [Quotes(middle - 1, middle + 1, chance.choice(_SIZES))]
        if chance.random() < _TRADES:
            moves.append(Trades(middle + chance.choice((-1, 1)), chance.choice(_SIZES)))
        return moves

    def _rate(self, number: int) -> Decimal | None:
        """Return the rate of a leg; None: it is spot."""
        both = self._legs[0].perpetual
        if number == 1:
            return _GROUND if both else None
        ground = _GROUND if both else Decimal(0)
        return ground + self.sign * _RATES[self.mood]

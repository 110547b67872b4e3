"""Brings a pair to do what a kill is to hit: again and again, whatever has died meanwhile."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from typing import Final

from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.view import PairStatus
from domain.orders import RefusalReason
from workers.crashlab.pairs.market import MIDDLE, Markets, Mood
from workers.crashlab.pairs.moves import Trades
from workers.crashlab.pairs.roles import AMOUNT, PAPER, Leg, spec_of
from workers.crashlab.pairs.system import PairPlan
from workers.crashlab.pairs.views import Reins
from workers.crashlab.steps import Doing
from workers.crashlab.waiting import until
from workers.exchange.faults import FaultKind, FaultRule

#: In seconds. Mostly it takes some; the machine may be busy with something else.
_COMES_WITHIN: Final = 240.0
_LOOK_EVERY: Final = 0.1
#: So long a trade is waited for before it is brought about anew.
_TRIES_FOR: Final = 12.0
_SEES_EVERY: Final = 0.03
_RUNS_AWAY: Final = 200
_IN_TURN: Final = (Doing.ENTER, Doing.PART_EXIT, Doing.EXIT, Doing.UNWIND)
_EVERYTHING: Final = 100_000
#: How long the exchange holds an answer back: the kill comes long before.
_HOLDS: Final = timedelta(seconds=1.5)
#: Less than this share of a whole pair is not worth reducing.
_ENOUGH: Final = AMOUNT / 1000 / 3


class Director:
    """Moves the markets of one pair, and tells it what the lab wants."""

    def __init__(
        self, plan: PairPlan, markets: Markets, reins: Reins, chance: random.Random
    ) -> None:
        self._plan = plan
        self._markets = markets
        self._reins = reins
        self._chance = chance
        self._spec = spec_of(plan.legs, plan.lead)
        self._told = self._spec

    @property
    def doings(self) -> tuple[Doing, ...]:
        """What can be brought about, each where the one before leaves the pair.

        Paper tells no health, so nothing is reduced there.
        """
        told = any(leg.perpetual and leg.venue != PAPER for leg in self._plan.legs)
        return tuple(each for each in _IN_TURN if told or each is not Doing.PART_EXIT)

    async def play(self, doing: Doing | None = None, *, hold: int | None = None) -> None:
        """Bring *doing* about, or everything in turn, until canceled.

        With *hold* the exchange of that leg keeps its answer to an order of it back for a while.
        """
        for each in cycle([doing] if doing else self.doings):
            await self._prepare(each)
            if hold is not None:
                side = self._markets.sides[hold - 1]
                side.faults = (*side.faults, _holding(self._leg(hold), self._chance.randint(1, 2)))
            await self._go(each)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TRIES_FOR):
                    await self._is_over()

    async def calm(self) -> None:
        """Break nothing, and let nothing new begin; what is under way comes to its end."""
        self.heal()
        self._markets.mood = Mood.CALM
        await self._use(self._spec)

    def heal(self) -> None:
        """Let the exchanges answer, at prices where they were."""
        for side, middle in zip(self._markets.sides, MIDDLE, strict=True):
            side.faults, side.middle = (), middle

    def held_back(self, number: int) -> bool:
        """Return whether the exchange of that leg holds an answer back."""
        told = self._markets.sides[number - 1].told
        return told is not None and told.played > 0

    def forget_answers(self) -> None:
        """Take nothing that the exchanges have said so far for news."""
        for side in self._markets.sides:
            side.told = None

    # ---- before it

    async def _prepare(self, doing: Doing) -> None:
        """Let the pair be quiet, and hold what *doing* begins with."""
        await self.calm()
        status = await self._quiet("a quiet pair")
        held = status.direction is not None
        if doing in (Doing.ENTER, Doing.UNWIND):
            if held:
                await self._become(Mood.COSTS, "a pair that was left", lambda it: not it.direction)
            if self._plan.legs[0].perpetual:
                self._markets.sign = self._chance.choice((1, -1))
            return
        if held and doing is Doing.PART_EXIT and abs(status.legs[1].base) < _ENOUGH:
            await self._become(Mood.COSTS, "a pair that was left", lambda it: not it.direction)
            held = False
        if not held:
            await self._become(Mood.EARNS, "a pair that is held", lambda it: bool(it.direction))

    async def _become(self, mood: Mood, what: str, true: Callable[[PairStatus], bool]) -> None:
        self._markets.mood = mood
        await self._quiet(what, true)
        self._markets.mood = Mood.CALM

    async def _quiet(
        self, what: str, true: Callable[[PairStatus], bool] = lambda _: True
    ) -> PairStatus:
        """Return what the pair says once no trade is in flight and *true* holds."""
        found: list[PairStatus] = []

        async def holds() -> bool:
            status = await self._reins.status()
            if status is None or status.trade or not true(status):
                return False
            found.append(status)
            return True

        await until(holds, what, within=_COMES_WITHIN, every=_LOOK_EVERY)
        return found[-1]

    # ---- bringing it about

    async def _go(self, doing: Doing) -> None:
        match doing:
            case Doing.ENTER:
                self._markets.mood = Mood.EARNS
            case Doing.EXIT if self._chance.random() < 0.5:
                self._markets.mood = Mood.COSTS
            case Doing.EXIT:
                await self._reins.leave()
            case Doing.PART_EXIT:
                await self._use(spec_of(self._plan.legs, self._plan.lead, relief=True))
            case Doing.UNWIND:
                await self._spoil()

    async def _spoil(self) -> None:
        """Let the pair enter while its follower refuses, or its price runs away."""
        follow = 3 - self._plan.lead
        self._markets.mood = Mood.EARNS
        if self._chance.random() < 0.5:
            side = self._markets.sides[follow - 1]
            side.faults = (*side.faults, _refusing(self._leg(follow)))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TRIES_FOR):
                await self._run_away(follow)

    async def _run_away(self, follow: int) -> None:
        """Once the lead rests, fill all of it, and move the other market to where it hurts."""
        lead = self._markets.sides[self._plan.lead - 1]
        self.forget_answers()
        while not lead.resting:
            await self._markets.beat()
            await asyncio.sleep(_SEES_EVERY)
        #: The first leg is bought where the second one pays.
        buys = (self._plan.lead == 1) == (self._markets.sign > 0)
        self._markets.sides[follow - 1].middle += -_RUNS_AWAY if buys else _RUNS_AWAY
        lead.once.append(Trades(lead.middle - 20 if buys else lead.middle + 20, _EVERYTHING))
        await self._markets.beat()

    async def _is_over(self) -> None:
        """Return when a trade was under way, and is not any more."""
        began = False
        while True:
            status = await self._reins.status()
            if status is not None and began and not status.trade:
                return
            began = began or (status is not None and bool(status.trade))
            await asyncio.sleep(_LOOK_EVERY)

    async def _use(self, spec: ArbSpec) -> None:
        if spec == self._told:
            return
        await until(lambda: self._reins.use(spec), "other settings", within=_COMES_WITHIN)
        self._told = spec

    def _leg(self, number: int) -> Leg:
        return self._plan.legs[number - 1]


def _method(leg: Leg) -> str:
    return "PlaceOrder" if leg.venue == PAPER else "rest.place"


def _refusing(leg: Leg) -> FaultRule:
    # Not for want of funds: three of those would open a breaker, and nothing would be entered.
    return FaultRule(method=_method(leg), kind=FaultKind.REFUSE, reason=RefusalReason.OTHER)


def _holding(leg: Leg, every: int) -> FaultRule:
    return FaultRule(
        method=_method(leg), kind=FaultKind.DELAY_AFTER, every=every, count=1, delay=_HOLDS
    )

"""The loops of a pair, the same for both runners: a trade of two legs, and what comes of looks.

The state that intends an order is kept before the order is sent. Between two turns nothing but the
state is needed, so a trade goes on from it anywhere: an order that it had made is looked up, and
what came in between is asked for again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from domain.arbitrage import engine, pairing
from domain.arbitrage.events import AbortTrade, ArbEvent, StartTrade
from domain.arbitrage.pair import PairTrade
from domain.arbitrage.pair_events import OnLeg, OrderAction, PairAction, PairEvent
from domain.arbitrage.state import ArbState, Phase
from domain.grid.events import Alert, TimePassed

#: How long a trade with nothing to do rests before it looks again.
REST: Final = timedelta(milliseconds=500)


class TradeHands(Protocol):
    """What a runner does for a trade of two legs."""

    async def keep(self, trade: PairTrade) -> None:
        """Make *trade* the one that counts, so that no crash can lose it."""
        ...

    async def turn(
        self, trade: PairTrade, number: int, actions: Sequence[OrderAction]
    ) -> Sequence[PairEvent]:
        """Carry *actions* out at the venue of a leg, and return what came of them and its prices.

        Without any, what became of the leg's order. Never raises for a venue.
        """
        ...

    async def say(self, alerts: Sequence[Alert]) -> None:
        """Let people hear of *alerts*."""
        ...

    def news(self) -> Sequence[PairEvent]:
        """Return what others have told since the last turn."""
        ...

    async def rest(self, trade: PairTrade, pause: timedelta) -> datetime:
        """Return the time after *pause*."""
        ...


async def trade_pair(hands: TradeHands, trade: PairTrade, *, begins: bool) -> PairTrade:
    """Go on with *trade*, which *begins* or was under way before, and return it finished."""
    actions: Sequence[PairAction] = ()
    if begins:
        begun = pairing.begin(trade)
        trade, actions = begun.state, begun.actions
    await hands.keep(trade)
    while not trade.finished:
        told: list[PairEvent] = [*await _turn(hands, trade, actions), *hands.news()]
        before = trade
        trade, actions = _stepped(trade, told)
        if not actions and not trade.finished:
            if trade != before:
                await hands.keep(trade)
            told = [TimePassed(await hands.rest(trade, REST)), *hands.news()]
            trade, actions = _stepped(trade, told)
        await hands.keep(trade)
    return trade


def _stepped(
    trade: PairTrade, events: Iterable[PairEvent]
) -> tuple[PairTrade, Sequence[PairAction]]:
    actions: list[PairAction] = []
    for event in events:
        done = pairing.step(trade, event)
        trade = done.state
        actions += done.actions
    return trade, actions


async def _turn(
    hands: TradeHands, trade: PairTrade, actions: Sequence[PairAction]
) -> list[PairEvent]:
    """Let both venues be asked at once; what they say is told leg by leg, the lead first."""
    alerts = [action for action in actions if isinstance(action, Alert)]
    if alerts:
        await hands.say(alerts)
    turns = [hands.turn(trade, leg.number, _of_leg(actions, leg.number)) for leg in trade.legs]
    return [event for told in await asyncio.gather(*turns) for event in told]


def _of_leg(actions: Iterable[PairAction], number: int) -> list[OrderAction]:
    return [each.action for each in actions if isinstance(each, OnLeg) and each.leg == number]


class PairHands(Protocol):
    """What a runner does for a pair that is watched."""

    async def keep(self, state: ArbState) -> None:
        """Make *state* the one that counts, so that no crash can lose it."""
        ...

    async def start(self, action: StartTrade) -> None:
        """Start the trade, unless it was started before; it tells by itself when it has ended."""
        ...

    async def abort(self, action: AbortTrade) -> None:
        """Ask the trade in flight to want no more."""
        ...

    async def say(self, alerts: Sequence[Alert]) -> None:
        """Let people hear of *alerts*."""
        ...


async def take(hands: PairHands, state: ArbState, events: Iterable[ArbEvent]) -> ArbState:
    """Return the state after *events*; what comes of each is kept, and done, before the next."""
    for event in events:
        done = engine.step(state, event)
        if done.state != state:
            await hands.keep(done.state)
        state = done.state
        for action in done.actions:
            if isinstance(action, StartTrade):
                await hands.start(action)
            elif isinstance(action, AbortTrade):
                await hands.abort(action)
            else:
                await hands.say([action])
    return state


def ended(state: ArbState) -> bool:
    """Return whether a pair is over: asked to stop, and nothing is held."""
    return state.phase is Phase.ENDED

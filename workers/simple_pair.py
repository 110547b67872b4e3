"""A pair without Temporal: the loops of the durable runner, its state in a checkpoint.

The state that intends an order, and the trade that it is of, are on disk before the order is sent.
A process that dies at any instant goes on with both when it is started again: what it had sent is
looked up, and what is not hedged is worked off first.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, Self
from uuid import uuid4

from pydantic import TypeAdapter

from activities.clock import utc_now
from activities.legs import LegDesk
from activities.messages import Accepted
from activities.pair_messages import (
    LegBooks,
    LegKey,
    LegLookInput,
    LegTurnInput,
    OpenLegInput,
    PairToldInput,
)
from activities.store.checkpoint import CheckpointStore
from domain.arbitrage.engine import begin, check_change
from domain.arbitrage.events import (
    AbortTrade,
    ArbEvent,
    ExitAsked,
    SpecChanged,
    StartTrade,
    TradeLost,
)
from domain.arbitrage.pair import PairTrade
from domain.arbitrage.pair_events import AbortAsked, OrderAction, PairEvent
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.state import ArbState, bind
from domain.arbitrage.trades import outcome_of
from domain.errors import InvalidValueError, TradingError
from domain.grid.events import Alert, TimePassed
from workers.patience import patiently
from workers.tasks import end
from workflows.pair_loop import ended, take, trade_pair
from workflows.pair_messages import Legs, PairResult, legs_of

#: The layout of the stored state; another one is refused, not misread.
STATE_SCHEMA: Final = 1
_log: Final = logging.getLogger(__name__)


class LegsAre(StrEnum):
    """How far the books of both legs are."""

    OPENING = "opening"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class PairCheckpoint:
    """All that a pair needs to go on: what it is about, and the trade under way.

    It is there before the books are, or a process that died between them would leave books by a
    name that nobody could go on with.
    """

    state: ArbState
    legs: Legs
    trade: PairTrade | None = None
    why: str = ""
    books: LegsAre = LegsAre.OPENING


_STATE: Final = TypeAdapter(PairCheckpoint)


class SimplePair:
    """One pair that this process runs; made by `open`."""

    def __init__(
        self,
        kept: PairCheckpoint,
        desks: Mapping[str, LegDesk],
        store: CheckpointStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._kept = kept
        self._desks = desks
        self._store = store
        self._clock = clock
        self._inbox: list[ArbEvent] = []
        self._asked: list[PairEvent] = []
        self._news = asyncio.Event()
        self._leaving = False
        self._trading: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        run_id: str,
        spec: ArbSpec,
        desks: Mapping[str, LegDesk],
        store: CheckpointStore,
        *,
        accepted: Accepted | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Begin the pair, or go on where its last process was, with *spec* if that was changed.

        Raises CorruptCheckpointError if the checkpoint cannot be trusted, InvalidValueError if
        *spec* does not fit or the pair has ended, PreflightError if what a new pair needs is not in
        order, or a VenueError or StoreError.
        """
        payload = store.load(STATE_SCHEMA)
        accepted = accepted or Accepted()
        if payload is None:
            kept = await _planned(run_id, spec, desks, accepted, clock)
            pair = cls(kept, desks, store, clock)
            pair._commit(kept)
            await pair._open_books(accepted)
            return pair
        kept = _STATE.validate_json(payload)
        if kept.books is LegsAre.CLOSED:
            raise InvalidValueError(f"run {run_id} has ended; choose another --name")
        pair = cls(kept, desks, store, clock)
        if kept.books is LegsAre.OPENING:
            await pair._open_books(accepted)
        if spec != kept.state.spec:
            change = SpecChanged(spec, clock())
            check_change(kept.state, change)
            pair.tell(change)
        return pair

    async def _open_books(self, accepted: Accepted) -> None:
        """Open the books of both legs, or of none, however long a venue is not to be reached."""
        spec = self.state.spec
        try:
            for leg in self._kept.legs:
                asked = OpenLegInput(leg, spec, accepted)
                await patiently(leg.run_id, partial(self._desk(leg).open, asked))
        except TradingError:
            for leg in self._kept.legs:
                await _closed(self._desk(leg), leg)
            self._store.discard()
            raise
        self._commit(replace(self._kept, books=LegsAre.OPEN))

    @property
    def state(self) -> ArbState:
        """The state that is committed."""
        return self._kept.state

    def tell(self, *events: ArbEvent) -> None:
        """Let *events* be handled after what was told before."""
        self._inbox.extend(events)
        self._news.set()

    def stop(self, why: str) -> None:
        """Close the pair, and end the run when that is done."""
        self.tell(ExitAsked(self._clock(), why, ends=True))

    def leave(self) -> None:
        """Stop working on the pair. What it holds, and what it is about, stays as it is."""
        self._leaving = True
        self._news.set()

    async def run(self, *others: Callable[[], Coroutine[Any, Any, None]]) -> PairResult | None:
        """Run until the pair has ended; None if told to leave before. To be called once.

        Raises StoreUnavailableError or CorruptCheckpointError if a state could not be committed;
        nothing of what it had decided was sent then.
        """
        beside = [asyncio.create_task(each()) for each in others]
        loop = asyncio.create_task(self._loop())
        try:
            done, _ = await asyncio.wait([loop, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(loop, *beside, self._trading)
            self._store.flush()
        return await self._closed() if ended(self.state) else None

    async def _closed(self) -> PairResult:
        first, second = [await _closed(self._desk(leg), leg) for leg in self._kept.legs]
        self._commit(replace(self._kept, books=LegsAre.CLOSED))
        self._store.flush()
        return PairResult((first, second), self.state.trades)

    # --- the loop ----------------------------------------------------------------------------

    async def _loop(self) -> None:
        self._go_on()
        while not self._leaving and not ended(self.state):
            await self._take_all()
            await take(self, self.state, await self._look())
            await self._take_all()
            self._store.flush()
            if ended(self.state) or self._leaving:
                return
            await self._wait()

    def _go_on(self) -> None:
        """Go on with the trade that was in flight; one of which nothing is kept sent nothing."""
        flight, trade = self.state.in_flight, self._kept.trade
        if flight is None:
            return
        if trade is None or trade.tag != flight.tag:
            self.tell(TradeLost(flight.tag, self._clock()))
        elif trade.finished:
            self.tell(outcome_of(trade))
        else:
            self._trade(trade, begins=False)

    async def _take_all(self) -> None:
        if self._trading is not None and self._trading.done():
            self._trading.result()
        while self._inbox:
            await take(self, self.state, [self._inbox.pop(0)])

    async def _wait(self) -> None:
        self._news.clear()
        if self._inbox:
            return
        try:
            async with asyncio.timeout(self.state.spec.look_every):
                await self._news.wait()
        except TimeoutError:
            await take(self, self.state, [TimePassed(self._clock())])

    async def _look(self) -> list[ArbEvent]:
        flight = self.state.in_flight
        trade = flight.tag if flight else None
        asked = [LegLookInput(leg, trade, trade or "") for leg in self._kept.legs]
        looks = [self._look_at(each) for each in asked]
        return [event for told in await asyncio.gather(*looks) for event in told]

    async def _look_at(self, asked: LegLookInput) -> list[ArbEvent]:
        return await patiently(asked.leg.run_id, lambda: self._desk(asked.leg).look(asked))

    def _desk(self, leg: LegKey) -> LegDesk:
        return self._desks[leg.account]

    def _commit(self, kept: PairCheckpoint) -> None:
        """Make *kept* what counts, on disk before in memory."""
        self._store.save(_STATE.dump_json(kept), self._clock(), STATE_SCHEMA)
        self._kept = kept

    # --- the hands of the loops --------------------------------------------------------------

    async def keep(self, state: ArbState | PairTrade) -> None:
        """Commit the pair, or its trade."""
        kept = self._kept
        if isinstance(state, ArbState):
            self._commit(replace(kept, state=state))
        elif state != kept.trade:
            self._commit(replace(kept, trade=state))

    async def start(self, action: StartTrade) -> None:
        """Trade both legs in a task of its own."""
        self._commit(replace(self._kept, why=action.why))
        self._trade(action.trade, begins=True)

    def _trade(self, trade: PairTrade, *, begins: bool) -> None:
        self._asked.clear()
        self._trading = asyncio.create_task(self._to_its_end(trade, begins=begins))
        self._trading.add_done_callback(lambda _: self._news.set())

    async def _to_its_end(self, trade: PairTrade, *, begins: bool) -> None:
        done = await trade_pair(self, trade, begins=begins)
        told = {f"leg {each.leg}": f"{each.base}" for each in outcome_of(done).moved}
        why = done.gave_up or self._kept.why
        await self._say(PairToldInput(self._kept.legs[0], (), f"{done.kind} done", why, after=told))
        self.tell(outcome_of(done))

    async def abort(self, action: AbortTrade) -> None:
        """Ask the trade in flight to want no more."""
        self._asked.append(AbortAsked(self._clock(), action.why))

    def news(self) -> Sequence[PairEvent]:
        """Return what was asked of the trade since the last turn."""
        news, self._asked = self._asked, []
        return news

    async def turn(
        self, trade: PairTrade, number: int, actions: Sequence[OrderAction]
    ) -> Sequence[PairEvent]:
        """Have *actions* carried out at the venue of a leg."""
        self._store.flush()  # there are few, and orders hang on them
        leg, order = self._kept.legs[number - 1], trade.leg(number).order
        asked = LegTurnInput(leg, tuple(actions), order.client_id if order else None)
        return await patiently(leg.run_id, lambda: self._desk(leg).turn(asked))

    async def rest(self, trade: PairTrade, pause: timedelta) -> datetime:  # noqa: ARG002 - as TradeHands
        """Wait."""
        await asyncio.sleep(pause.total_seconds())
        return self._clock()

    async def say(self, alerts: Sequence[Alert]) -> None:
        """Let people hear of *alerts*."""
        await self._say(PairToldInput(self._kept.legs[0], tuple(alerts)))

    async def _say(self, told: PairToldInput) -> None:
        for alert in told.alerts:
            _log.warning("%s: %s", told.leg.pair, alert.message)
        await patiently(told.leg.pair, lambda: self._desk(told.leg).tell(told))


async def _closed(desk: LegDesk, leg: LegKey) -> LegBooks | None:
    return await patiently(leg.run_id, lambda: desk.close(leg))


async def _planned(
    run_id: str,
    spec: ArbSpec,
    desks: Mapping[str, LegDesk],
    accepted: Accepted,
    clock: Callable[[], datetime],
) -> PairCheckpoint:
    """Look at both legs before anything is begun: a name is used up by the books."""
    identity = f"{run_id}/{uuid4()}"
    legs = legs_of(run_id, identity, spec)
    one, other = [
        await desks[leg.account].open(OpenLegInput(leg, spec, accepted, dry=True)) for leg in legs
    ]
    config = bind(spec, one.instrument, other.instrument)
    return PairCheckpoint(begin(config, identity, clock()), legs)

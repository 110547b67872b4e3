"""The guard: it watches the candles of the monitored symbols and speaks for the market monitor.

The same class in both runners. What it says lies in the ledger, where feeds and gates look for it.
Of a guard that cannot see, openings are halted: for a moment without a stream it says nothing, and
its last word ages; after that it says that it is blind. Silence halts by itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from activities.clock import utc_now
from activities.risk import RiskDesk
from activities.silence import Silence
from domain.errors import StoreError, TradingError
from domain.market import Candle
from domain.risk.monitor import MonitorState, Verdict, judge, observe, pardon, resumed
from domain.risk.monitor_spec import MonitorSpec

_LOOK_EVERY: Final = timedelta(seconds=1)
_BEAT_EVERY: Final = timedelta(seconds=5)
#: Those who only want to read along are told new numbers of the same word this often.
_TELL_EVERY: Final = timedelta(minutes=1)
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_log: Final = logging.getLogger(__name__)

#: Is told of a verdict, when it changes and now and then.
Told = Callable[[Verdict], Awaitable[None]]


class CandleVenue(Protocol):
    """What the guard needs of a venue: nothing that a key opens."""

    @property
    def name(self) -> str: ...

    async def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]: ...

    def candle_stream(
        self, symbol: str, interval: timedelta
    ) -> AbstractAsyncContextManager[AsyncIterator[Candle]]: ...


class Guard:
    """The market monitor *spec*, alive. `run` it in one task at a time."""

    def __init__(
        self,
        spec: MonitorSpec,
        venue: CandleVenue,
        risk: RiskDesk,
        *,
        speaker: str,
        market_time: Callable[[], Awaitable[datetime]] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Speak as *speaker*, one name for all processes of which only one runs at a time.

        *market_time* tells the time at the market, where that is not the wall *clock*.
        """
        self._spec = spec
        self._venue = venue
        self._risk = risk
        self._speaker = speaker
        self._market_time = market_time
        self._clock = clock
        stale_after = timedelta(seconds=spec.stale_after)
        self._patience = stale_after
        self._look_every = min(_LOOK_EVERY, stale_after / 4)
        self._beat_every = min(_BEAT_EVERY, stale_after / 4)
        self._state = MonitorState(spec)
        #: Since when the candles of a symbol cannot be had, and why.
        self._lost: dict[str, tuple[datetime, str]] = {}
        self._preloaded: set[str] = set()
        self._said: Verdict | None = None
        self._told: Verdict | None = None

    async def run(self, told: Told | None = None) -> None:
        """Watch and speak; ends only by cancellation. *told* is called with what it says."""
        self._lost = dict.fromkeys(self._spec.symbols, (self._clock(), "they were not seen yet"))
        self._preloaded.clear()
        self._said = self._told = None
        await self._remember()
        async with asyncio.TaskGroup() as tasks:
            for symbol in self._spec.symbols:
                tasks.create_task(self._follow(symbol))
            tasks.create_task(self._speak_for_ever(told))

    async def _remember(self) -> None:
        """Go on where the last guard ended: a storm does not end with the process that saw it."""
        while True:
            try:
                known = await self._risk.known(())
            except StoreError as error:
                _log.warning("the guard cannot read what it said last: %s", error)
                await asyncio.sleep(_PAUSES[-1])
            else:
                self._state = resumed(self._spec, known.verdict, known.pardoned)
                return

    # --- candles -----------------------------------------------------------------------------

    async def _follow(self, symbol: str) -> None:
        failures = 0
        while True:
            try:
                async with self._venue.candle_stream(symbol, self._spec.length) as candles:
                    await self._preload(symbol)
                    if failures:
                        _log.warning("the candles of %s are back", symbol)
                    failures = 0
                    await self._read(symbol, candles)
            except* TradingError as lost:
                since, _ = self._lost.get(symbol, (self._clock(), ""))
                self._lost[symbol] = since, str(_first(lost))
                if not failures:  # once, however long the outage is
                    _log.warning("the candles of %s are lost: %s", symbol, _first(lost))
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _preload(self, symbol: str) -> None:
        """Take the candles from before the stream; also those of a gap between two streams."""
        limit = self._spec.preload + self._spec.gaps + 1  # the last one may be forming
        for candle in await self._venue.candles(symbol, self._spec.length, limit):
            self._state = observe(self._state, candle)
        self._preloaded.add(symbol)
        self._lost.pop(symbol, None)

    async def _read(self, symbol: str, candles: AsyncIterator[Candle]) -> None:
        silence = Silence(f"candles of {symbol}")

        async def newest(_: datetime | None) -> datetime | None:
            listed = await self._venue.candles(symbol, self._spec.length, 1)
            return listed[-1].opened_at if listed else None

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(silence.doubt(newest))
            async for candle in candles:
                if self._leaves_hole(candle):
                    await self._preload(symbol)
                before, self._state = self._state, observe(self._state, candle)
                if self._state != before:  # what repeats itself is as dead as what is silent
                    silence.heard(candle.opened_at)

    def _leaves_hole(self, candle: Candle) -> bool:
        """Return whether a candle, or the end of the one that formed, was not told before it."""
        known = self._state.symbols.get(candle.symbol)
        if known is None or known.newest is None:
            return False
        if known.forming is not None and candle.opened_at > known.forming.opened_at:
            return True
        return candle.opened_at > known.newest + self._spec.length

    # --- words -------------------------------------------------------------------------------

    async def _speak_for_ever(self, told: Told | None) -> None:
        while True:
            try:
                await self._overruled()
                verdict = await self._verdict()
                if verdict is not None:
                    await self._speak(verdict, told)
            except TradingError as error:
                _log.warning("the guard is silent, which halts openings soon: %s", error)
            await asyncio.sleep(self._look_every.total_seconds())

    async def _overruled(self) -> None:
        """Take over what a person has judged meanwhile."""
        pardoned = (await self._risk.known(())).pardoned
        if pardoned is not None:
            self._state = pardon(self._state, pardoned)

    async def _verdict(self) -> Verdict | None:
        """Return what can be said now; None if it is better to wait a moment.

        A stream that was lost mostly comes back at once, and a guard that begins sees at once. Not
        to halt for that is no risk: meanwhile nothing new is said, and the last word ages.
        """
        now = self._clock()
        blind = {s: why for s, (since, why) in self._lost.items() if now - since >= self._patience}
        at = now if self._market_time is None else await self._market_time()
        lost = [f"the candles of {symbol} cannot be had: {why}" for symbol, why in blind.items()]
        verdict = judge(self._state, at, lost)
        waits = self._lost.keys() - blind.keys()
        begins = waits - self._preloaded
        if begins or (waits and not verdict.halted):
            return None
        return replace(verdict, at=now)

    async def _speak(self, verdict: Verdict, told: Told | None) -> None:
        last = self._said
        due = last is None or verdict.at - last.at >= self._beat_every
        if not due and last is not None and _gist(last) == _gist(verdict):
            return
        if not await self._risk.speak(verdict, self._speaker, self._patience / 2):
            return  # another guard watches the same market
        if last is None or _gist(last) != _gist(verdict):
            _log.warning("the market monitor: %s", verdict.why)
        self._said = verdict
        if told is not None and self._is_news(verdict):
            await told(verdict)
            self._told = verdict

    def _is_news(self, verdict: Verdict) -> bool:
        last = self._told
        if last is None or _gist(last) != _gist(verdict):
            return True
        return verdict.at - last.at >= _TELL_EVERY


def _gist(verdict: Verdict) -> tuple[bool, bool, bool]:
    return (verdict.halted, verdict.storm, bool(verdict.missing))


def _first(error: BaseException) -> BaseException:
    """Return the first error of groups in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

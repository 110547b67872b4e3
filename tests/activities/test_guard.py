"""The guard on candles of a market in the test's hand: what it says, and when it says nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities import guard as guard_module
from activities import silence
from activities.guard import Guard
from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket, PaperVenue
from domain.errors import VenueUnavailableError
from domain.market import Candle
from domain.money import Price, Quantity
from domain.risk.monitor import Verdict
from domain.risk.monitor_spec import MonitorSpec
from domain.risk.spec import RiskSpec
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import TradePrinted
from tests.activities.wire import ACCOUNT, INSTRUMENT, START, SYMBOL, Clock
from tests.eventually import eventually

SPEC = MonitorSpec(symbols=(SYMBOL,), window=5, stale_after=30)
RUN = "a run"


@dataclass
class Glass:
    """A venue seen through a glass: it breaks, or shows nothing new, as told."""

    venue: PaperVenue
    broken: str = ""
    opaque: bool = False
    opened: int = 0
    #: How many candles nobody saw, because it was opaque.
    unseen: int = 0
    _cracks: list[asyncio.Event] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.venue.name

    async def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]:
        if self.broken:
            raise VenueUnavailableError(self.broken)
        return await self.venue.candles(symbol, interval, limit)

    @asynccontextmanager
    async def candle_stream(
        self, symbol: str, interval: timedelta
    ) -> AsyncIterator[AsyncIterator[Candle]]:
        await self.venue.instrument(symbol)
        if self.broken:
            raise VenueUnavailableError(self.broken)
        crack = asyncio.Event()
        self._cracks.append(crack)
        self.opened += 1
        async with self.venue.candle_stream(symbol, interval) as candles:
            yield self._seen(candles, crack)

    async def _seen(
        self, candles: AsyncIterator[Candle], crack: asyncio.Event
    ) -> AsyncIterator[Candle]:
        cracked: asyncio.Future[Any] = asyncio.ensure_future(crack.wait())
        following: asyncio.Future[Any] = asyncio.ensure_future(_next(candles))
        try:
            while True:
                await asyncio.wait({following, cracked}, return_when=asyncio.FIRST_COMPLETED)
                if cracked.done():
                    raise VenueUnavailableError(self.broken)
                candle = following.result()
                following = asyncio.ensure_future(_next(candles))
                if self.opaque:
                    self.unseen += 1
                else:
                    yield candle
        finally:
            for waiting in (following, cracked):
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    def breaks(self, why: str) -> None:
        self.broken = why
        for crack in self._cracks:
            crack.set()


async def _next(candles: AsyncIterator[Candle]) -> Candle:
    return await anext(candles)


@dataclass
class Watch:
    """A market, a guard's ledger, and a clock that both go by."""

    market: PaperMarket
    glass: Glass
    ledger: Ledger
    clock: Clock
    spec: MonitorSpec = SPEC

    @property
    def desk(self) -> RiskDesk:
        return RiskDesk(self.ledger, RiskSpec(monitor=self.spec), self.clock)

    def guard(self, speaker: str = "guard") -> Guard:
        return Guard(self.spec, self.glass, self.desk, speaker=speaker, clock=self.clock)

    @asynccontextmanager
    async def watching(self, speaker: str = "guard") -> AsyncIterator[None]:
        task = asyncio.create_task(self.guard(speaker).run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def trade(self, price: int, lots: int = 10, seconds: float = 0) -> None:
        self.clock.passes(seconds)
        self.market.on(TradePrinted(SYMBOL, Price(price), Quantity(lots), self.clock.now))

    def calm(self, minutes: int = 7) -> None:
        """Let some minutes pass in which little happens; the last one is just forming."""
        for _ in range(minutes):
            self.trade(60_000, seconds=60)

    async def verdict(self) -> Verdict | None:
        return (await self.desk.known(())).verdict

    async def halted(self) -> bool:
        return (await self.desk.standing(RUN, ACCOUNT)).halted

    async def says(self, *words: str, halted: bool) -> Verdict:
        """Wait until a word is there that was said now, and has these in it.

        Time goes by meanwhile, for what is no news is only said from time to time.
        """

        async def said() -> Verdict | None:
            self.clock.passes(0.05)
            verdict = await self.verdict()
            if verdict is None or verdict.halted != halted:
                return None
            return verdict if all(word in verdict.why for word in words) else None

        return await eventually(said, what=f"{words}, halted: {halted},")

    async def looks(self, times: int = 5) -> None:
        """Let the guard look a few times."""
        for _ in range(times):
            await asyncio.sleep(guard_module._LOOK_EVERY.total_seconds())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "_LOOK_EVERY", timedelta(milliseconds=10))
    monkeypatch.setattr(guard_module, "_PAUSES", (0.01,))


@pytest.fixture(name="watch")
async def _watch(tmp_path: Path) -> AsyncIterator[Watch]:
    url = sqlite_url(tmp_path / "ledger.db")
    upgrade(url)
    rules = ExchangeRules((INSTRUMENT,), {ACCOUNT: {"USDT": Decimal(1000)}})
    market = PaperMarket(SimulatedExchange(rules, START))
    async with Ledger.open(url, synchronous="NORMAL") as ledger:
        glass = Glass(PaperVenue(market, ACCOUNT))
        yield Watch(market, glass, ledger, Clock())


async def test_a_storm_halts_with_its_numbers_and_ends_by_the_rule(watch: Watch) -> None:
    watch.calm()
    async with watch.watching():
        await watch.says("calm", halted=False)
        watch.trade(59_000, lots=500, seconds=5)
        said = await watch.says("storm since", "1.67 % below", halted=True)
        assert [(each.volume, each.anomalous) for each in said.readings] == [
            (10, False),
            (510, True),
        ]
        watch.trade(59_001, seconds=60)
        watch.trade(60_500, seconds=50)
        assert (await watch.says("0 of the 1 symbols", halted=True)).storm
        watch.trade(60_501, seconds=10)  # closes a minute that was normal
        await watch.says("calm", halted=False)
    halts = [event.detail["halted"] for event in await watch.ledger.risk_events("")]
    assert halts == [False, True, False]


async def test_a_guard_that_begins_again_in_a_storm_still_halts_and_the_rule_ends_it(
    watch: Watch,
) -> None:
    watch.calm()
    async with watch.watching():
        await watch.says("calm", halted=False)
        watch.trade(59_000, lots=500, seconds=5)
        await watch.says("storm", halted=True)
        watch.trade(59_001, seconds=60)
        watch.trade(59_002, seconds=60)  # the storm is no longer in the latest candles
        begun = (await watch.says("no symbol is anomalous", halted=True)).storm_since
    watch.clock.passes(6)
    async with watch.watching():
        at = watch.clock.now
        again = await eventually(lambda: _since(watch, at), what="a word of the second guard")
        assert (again.halted, again.storm_since) == (True, begun)
        watch.trade(60_500, seconds=30)
        watch.trade(60_501, seconds=60)
        await watch.says("calm", halted=False)


async def _since(watch: Watch, at: datetime) -> Verdict | None:
    verdict = await watch.verdict()
    return verdict if verdict is not None and verdict.at >= at else None


async def test_k7_a_stream_that_goes_silent_halts_and_its_candles_end_that(watch: Watch) -> None:
    watch.calm()
    async with watch.watching():
        await watch.says("calm", halted=False)
        watch.glass.opaque = True
        for _ in range(3):
            watch.trade(60_000, seconds=60)
        await watch.says("is stale", halted=True)
        assert await watch.halted()
        watch.glass.opaque = False
        watch.trade(60_000, seconds=1)  # the stream tells all that it had not told
        await watch.says("calm", halted=False)
        assert not await watch.halted()


async def test_k7_the_end_of_a_candle_that_was_not_told_is_asked_for(watch: Watch) -> None:
    watch.calm()
    async with watch.watching():
        await watch.says("calm", halted=False)
        watch.glass.opaque = True
        watch.trade(60_000, seconds=60)  # ends the candle that forms, and begins another
        await eventually(lambda: watch.glass.unseen == 2, what="two candles that nobody saw")
        watch.glass.opaque = False
        watch.trade(60_000, seconds=60)
        watch.trade(60_000, seconds=60)
        at = watch.clock.now
        said = await eventually(lambda: _since(watch, at), what="a word about them")
        assert not said.missing, said.why


async def test_k7_a_stream_that_was_forgotten_is_opened_again(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIET", "GRACE"):
        monkeypatch.setattr(silence, name, timedelta(seconds=0.01))
    watch.calm()
    async with watch.watching():
        await watch.says("calm", halted=False)
        watch.trade(60_000, seconds=1)
        watch.glass.opaque = True
        opened = watch.glass.opened
        await watch.looks()
        watch.trade(60_000, seconds=60)
        watch.trade(60_000, seconds=60)
        await eventually(lambda: watch.glass.opened > opened, what="another stream")


async def test_k7_a_broken_stream_ages_the_last_word_and_then_halts_by_name(watch: Watch) -> None:
    watch.calm()
    async with watch.watching():
        last = await watch.says("calm", halted=False)
        watch.clock.passes(1)
        watch.glass.breaks("no route to host")
        await watch.looks()
        watch.clock.passes(10)
        await watch.looks()
        assert not await watch.halted()  # it may be back in a moment
        said = await watch.verdict()
        assert said is not None
        assert said.at <= last.at + timedelta(seconds=1)
        watch.clock.passes(21)
        await watch.says("cannot be had: no route to host", halted=True)
        watch.glass.broken = ""
        watch.trade(60_000, seconds=10)
        await watch.says("calm", halted=False)


async def test_k7_a_guard_that_sees_nothing_at_first_says_nothing_and_then_so(watch: Watch) -> None:
    watch.glass.broken = "maintenance"
    async with watch.watching():
        await watch.looks()
        assert await watch.verdict() is None
        assert "has not spoken" in (await watch.desk.standing(RUN, ACCOUNT)).why
        watch.clock.passes(30)
        await watch.says("maintenance", "0 of 6 closed candles", halted=True)


async def test_a_symbol_that_is_not_there_halts_by_its_name(watch: Watch) -> None:
    watch.spec = MonitorSpec(symbols=("DOGE/USDT",), stale_after=1)
    async with watch.watching():
        await watch.looks()
        watch.clock.passes(1)
        await watch.says("DOGE/USDT", "symbol must be one of", halted=True)


async def test_k6_a_reset_ends_the_storm_at_once_and_the_next_candle_begins_another(
    watch: Watch,
) -> None:
    watch.calm()
    async with watch.watching():
        watch.trade(59_000, lots=500, seconds=5)
        await watch.says("storm", halted=True)
        await watch.desk.pardon("alice", "a fat finger")
        await watch.says("calm", halted=False)
        watch.trade(58_990, lots=500, seconds=5)  # the same candle, which alice has judged
        await watch.looks()
        assert not await watch.halted()
        watch.trade(58_000, lots=5_000, seconds=60)
        await watch.says("storm", halted=True)
    events = await watch.ledger.risk_events("")
    assert [event.kind for event in events].count("monitor reset") == 1
    (entry,) = [e for e in await watch.ledger.audit_trail() if e.command == "monitor reset"]
    assert (entry.who, entry.why) == ("alice", "a fat finger")
    async with watch.watching():  # the reset is not done again to the new storm
        watch.clock.passes(6)
        await watch.looks()
        assert await watch.halted()


async def test_of_two_guards_one_speaks_and_the_other_takes_over(watch: Watch) -> None:
    watch.calm()
    async with watch.watching("one"):
        await watch.says("calm", halted=False)
        async with watch.watching("two"):
            watch.clock.passes(6)
            await eventually(lambda: _since(watch, watch.clock.now), what="a heartbeat")
            known = await watch.ledger.look_at_risk(["monitor speaker"], None)
            assert known[1] == {"monitor speaker": "one"}
    async with watch.watching("two"):
        watch.clock.passes(16)
        await eventually(lambda: _since(watch, watch.clock.now), what="a word of the other one")

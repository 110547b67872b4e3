"""The scan of the universe: what the markets of the configured accounts make of pairs, right now.

The rules are `domain.arbitrage.listing` and `domain.arbitrage.universe`; here the venues are asked.
A scan hears from every venue or is a `ScanFailed`, from which nothing follows: an answer of a part
of them, or an empty one, would look as if the pairs of the others were worth nothing (flaw P-3).

What was settled does not change: it is kept until the next settlement, four hours at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

from activities.clock import utc_now
from domain.arbitrage.history import DAY, FundingHistory, history_of
from domain.arbitrage.listing import (
    Listed,
    Opportunity,
    PerpetualSeen,
    Scanned,
    due_funding,
    pairs_of,
    scanned,
    worth_asking,
)
from domain.arbitrage.series import volatility
from domain.arbitrage.universe import ScanFailed, UniverseSpec
from domain.conditions import DayStatistics, FundingRate
from domain.errors import InvalidValueError, TradingError, VenueError
from domain.market import Candle
from domain.money import Instrument, MarketKind
from domain.ports import Venue

#: Questions to one venue at a time.
AT_ONCE: Final = 10
#: The score looks at thirty days; the rate before the first one tells when its time began.
_PAST: Final = timedelta(days=31)
#: Thirty closed days and the one that is forming.
_CANDLES: Final = 31
_KEPT_FOR: Final = timedelta(hours=4)
T = TypeVar("T")


@runtime_checkable
class MarketsVenue(Protocol):
    """A venue that tells all its markets at once, and their funding."""

    @property
    def name(self) -> str: ...

    async def day_statistics(self) -> Sequence[DayStatistics]: ...

    async def funding_rate(self, symbol: str) -> FundingRate: ...

    async def funding_rates(self, symbol: str, since: datetime) -> Sequence[FundingRate]: ...

    async def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]: ...

    async def instrument(self, symbol: str) -> Instrument: ...


@dataclass(frozen=True, slots=True)
class Marketplace:
    """An account, the kind of market it trades, and its venue."""

    account: str
    kind: MarketKind
    venue: MarketsVenue

    def __str__(self) -> str:
        return f"{self.venue.name} {self.kind} (account {self.account})"


def marketplace(account: str, kind: MarketKind, venue: Venue) -> Marketplace:
    """Return *account* as a scan asks it, or raise InvalidValueError if its venue cannot be."""
    if not isinstance(venue, MarketsVenue):
        raise InvalidValueError(
            f"account {account} is at {venue.name}, which has no list of all markets with their "
            "volumes: scan accounts at exchanges, and leave this one out of --accounts"
        )
    return Marketplace(account, kind, venue)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: perpetuals whose funding is known, of so many."""

    done: int
    of: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was read of a perpetual's past, while its next settlement was `due_at`."""

    due_at: datetime
    read_at: datetime
    settled: Sequence[FundingRate]
    history: FundingHistory
    volatility: Decimal | None


class _SilentError(Exception):
    """A venue did not answer, or not as it should."""

    def __init__(self, failed: ScanFailed) -> None:
        super().__init__(failed.why)
        self.failed = failed


class Scanner:
    """Scans the markets of some accounts, one of each venue and kind; again and again if asked."""

    def __init__(
        self,
        places: Sequence[Marketplace],
        spec: UniverseSpec,
        *,
        both_ways: bool = False,
        top: int = 20,
        clock: Callable[[], datetime] = utc_now,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        """Take what to scan; fees are asked of the *top* pairs, and *tell* hears how far it is.

        Raises InvalidValueError if *places* cannot make a pair, or would make each of them twice.
        """
        _require_scannable(places)
        self._places = {place.account: place for place in places}
        self._spec = spec
        self._both_ways = both_ways
        self._top = top
        self._clock = clock
        self._tell = tell
        self._turns = {place.account: asyncio.Semaphore(AT_ONCE) for place in places}
        self._kept: dict[tuple[str, str], _Kept] = {}
        #: Why the scan that is under way will come to nothing.
        self._failed: ScanFailed | None = None

    async def scan(self) -> Scanned | ScanFailed:
        """Return the pairs worth holding, the best first, or which venue did not answer and why.

        One scan at a time.
        """
        self._failed = None
        try:
            return await self._scan()
        except _SilentError as silent:
            return silent.failed

    async def _scan(self) -> Scanned:
        listed = await _all(self._list(place) for place in self._places.values())
        pairs = list(pairs_of(market for markets in listed for market in markets))
        asked = worth_asking(self._spec, pairs)
        counted = _Counted(len(asked), self._tell)
        read = await _all(counted.one(self._read(leg)) for leg in asked)
        seen = dict(zip(asked, read, strict=True))
        now = self._clock()
        # Thousands of decimals: others of this process go on meanwhile.
        found = await asyncio.to_thread(
            scanned, self._spec, pairs, seen, now, both_ways=self._both_ways, top=self._top
        )
        best = await _all(self._with_fees(each) for each in found.best)
        return replace(found, best=tuple(best))

    async def _list(self, place: Marketplace) -> Sequence[Listed]:
        days = await self._ask(place, "list of markets", place.venue.day_statistics)
        if not days:
            raise self._silent(place, "list of markets", VenueError("it is empty"))
        told = {day.symbol: day for day in days}
        return [Listed(place.account, place.venue.name, place.kind, day) for day in told.values()]

    async def _read(self, leg: Listed) -> PerpetualSeen:
        place = self._places[leg.account]
        due = await self._ask(
            place, f"funding of {leg.symbol}", lambda: place.venue.funding_rate(leg.symbol)
        )
        past = await self._past(place, leg, due)
        funding = due_funding(due, past.settled, self._clock())
        if funding is not None:  # what is not written down yet is asked for again
            self._kept[leg.account, leg.symbol] = past
        return PerpetualSeen(funding, past.history, past.volatility)

    async def _past(self, place: Marketplace, leg: Listed, due: FundingRate) -> _Kept:
        now, symbol, venue = self._clock(), leg.symbol, place.venue
        kept = self._kept.get((leg.account, symbol))
        if kept is not None and kept.due_at == due.at and now - kept.read_at < _KEPT_FOR:
            return kept

        async def read() -> _Kept:
            settled = await venue.funding_rates(symbol, now - _PAST)
            candles = await venue.candles(symbol, DAY, _CANDLES)
            return _Kept(due.at, now, settled, history_of(settled), volatility(candles))

        return await self._ask(place, f"history of {symbol}", read)

    async def _with_fees(self, found: Opportunity) -> Opportunity:
        pair = found.appraised
        long, short = [await self._instrument(leg) for leg in (pair.long, pair.short)]
        return replace(found, break_even_hours=pair.break_even_hours(long, short))

    async def _instrument(self, leg: Listed) -> Instrument:
        place = self._places[leg.account]
        return await self._ask(
            place, f"fees of {leg.symbol}", lambda: place.venue.instrument(leg.symbol)
        )

    async def _ask(self, place: Marketplace, about: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer of a venue; whatever is wrong with it is the venue's silence.

        After the first failure nothing more is asked. What is under way ends by itself: who breaks
        it off breaks a connection, which others of this process may need.
        """
        async with self._turns[place.account]:
            if self._failed is not None:
                raise _SilentError(self._failed)
            try:
                return await ask()
            except (VenueError, InvalidValueError) as error:
                raise self._silent(place, about, error) from error

    def _silent(self, place: Marketplace, about: str, error: TradingError) -> _SilentError:
        if self._failed is None:
            lasting = isinstance(error, VenueError) and error.permanent
            self._failed = ScanFailed(str(place), f"{about}: {error}", lasting)
        return _SilentError(self._failed)


class _Counted:
    """Tells how much of some work is done."""

    def __init__(self, of: int, tell: Callable[[Progress], None]) -> None:
        self._done, self._of, self._tell = 0, of, tell

    async def one(self, work: Awaitable[T]) -> T:
        result = await work
        self._done += 1
        self._tell(Progress(self._done, self._of))
        return result


def _require_scannable(places: Sequence[Marketplace]) -> None:
    known: dict[tuple[str, MarketKind], str] = {}
    for place in places:
        where = place.venue.name, place.kind
        if where in known:
            raise InvalidValueError(
                f"accounts {known[where]} and {place.account} both trade {' '.join(where)}: each "
                "pair would be listed twice; name one of them in --accounts"
            )
        known[where] = place.account
    if MarketKind.PERPETUAL not in {place.kind for place in places} or len(places) < 2:
        told = ", ".join(map(str, places)) or "none"
        raise InvalidValueError(
            "accounts must be two at least, one of them for perpetuals, were "
            f"{told}: a pair is spot and a perpetual, or perpetuals of two venues"
        )


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what all came to, in their order; raise the first error after the last has ended."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException):
            raise each
    return [each for each in results if not isinstance(each, BaseException)]

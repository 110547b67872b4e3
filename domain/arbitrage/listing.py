"""Which pairs the markets of several accounts make, and what each is worth in its better direction.

    spot and perpetual     of one base and quote, on one venue or on two
    two perpetuals         of one base and quote, on two venues
    volatility of a pair   the greater of its perpetuals'
    interval of funding    the settlement that is due - the last one that was settled

(requirements 3.5 and 3.6, row R-36.) The interval is taken from settlements and never assumed:
venues change it without notice. What a venue has not told makes a pair unknown, never worthless.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Final

from domain.arbitrage.costs import Role, Trade, round_trip
from domain.arbitrage.funding import (
    HOUR,
    YEAR,
    Direction,
    LegFunding,
    basis,
    lacks_one,
    prorated,
    spot,
    spread,
)
from domain.arbitrage.history import PERIOD, FundingHistory, spread_history
from domain.arbitrage.score import Facts, Score, score
from domain.arbitrage.universe import Candidate, Ranked, Ranking, UniverseSpec, rank
from domain.conditions import DayStatistics, FundingRate
from domain.money import Instrument, MarketKind

_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Listed:
    """A market that an account can trade, with its last 24 hours."""

    account: str
    venue: str
    kind: MarketKind
    day: DayStatistics

    @property
    def symbol(self) -> str:
        """The unified name."""
        return self.day.symbol

    @property
    def asset(self) -> tuple[str, str] | None:
        """Base and quote; None for what settles in anything but its quote."""
        name, _, settle = self.symbol.partition(":")
        base, slash, quote = name.partition("/")
        paid_in = settle if self.kind is MarketKind.PERPETUAL else quote
        return (base, quote) if slash and paid_in == quote else None

    def __str__(self) -> str:
        return f"{self.account} {self.symbol}"


@dataclass(frozen=True, slots=True)
class PairListed:
    """Two markets that make a pair: `first` is spot, or the first of two perpetuals."""

    first: Listed
    second: Listed

    @property
    def name(self) -> str:
        """What the pair is called, in every scan of these accounts."""
        return f"{self.first} + {self.second}"

    @property
    def legs(self) -> tuple[Listed, Listed]:
        """Both legs, the first one first."""
        return self.first, self.second

    @property
    def volumes(self) -> tuple[Decimal, Decimal]:
        """The 24 h quote volume of each leg."""
        return self.first.day.quote_volume, self.second.day.quote_volume

    @property
    def basis(self) -> Decimal | None:
        """By how much the second leg is dearer, a share; None if one of them has no price."""
        return _basis(self.first, self.second)

    def sides(self, direction: Direction) -> tuple[Listed, Listed]:
        """Return the leg that is long in *direction*, and the one that is short."""
        if direction is Direction.POSITIVE:
            return self.first, self.second
        return self.second, self.first


def pairs_of(markets: Iterable[Listed]) -> Iterator[PairListed]:
    """Yield every pair that *markets* make, in an order that does not depend on theirs."""
    alike: dict[tuple[str, str], list[Listed]] = defaultdict(list)
    for market in markets:
        if market.asset is not None:
            alike[market.asset].append(market)
    for asset in sorted(alike):
        spots_first = sorted(
            alike[asset], key=lambda one: (one.kind is not MarketKind.SPOT, str(one))
        )
        for first, second in combinations(spots_first, 2):
            same = first.kind is MarketKind.PERPETUAL and first.venue == second.venue
            if second.kind is MarketKind.PERPETUAL and not same:
                yield PairListed(first, second)


def worth_asking(spec: UniverseSpec, pairs: Iterable[PairListed]) -> list[Listed]:
    """Return the perpetuals of those *pairs* that neither volume nor prices rule out, each once."""
    legs = {
        leg: None
        for pair in pairs
        if min(pair.volumes) >= spec.min_quote_volume
        if pair.basis is not None and abs(pair.basis) <= spec.most_basis
        for leg in pair.legs
        if leg.kind is MarketKind.PERPETUAL
    }
    return list(legs)


# ---- funding


def due_funding(
    due: FundingRate, settled: Sequence[FundingRate], now: datetime
) -> LegFunding | None:
    """Return the funding that is *due* next, with its interval; None if that cannot be told.

    It cannot before the first settlement, nor if one must just have been and is not written down:
    the time since the one before would pass for the interval.
    """
    if not settled or due.at <= now:
        return None
    last = settled[-1].at
    interval = _to_the_minute(due.at - last)
    if interval <= timedelta(0):
        return None
    if len(settled) > 1 and lacks_one(settled[-2].at, last, due.at, now):
        return None
    return LegFunding(due.rate, now, interval, due.at)


def _to_the_minute(span: timedelta) -> timedelta:
    """Return *span* without what venues' records are late."""
    return (span + _MINUTE / 2) // _MINUTE * _MINUTE


# ---- worth


@dataclass(frozen=True, slots=True)
class PerpetualSeen:
    """What a scan learned of a perpetual. None: it cannot be told."""

    funding: LegFunding | None
    history: FundingHistory
    volatility: Decimal | None


#: What was learned of the perpetuals that were worth asking for.
Seen = Mapping[Listed, PerpetualSeen]


@dataclass(frozen=True, slots=True)
class Appraised:
    """A pair in the direction in which it is worth more."""

    pair: PairListed
    direction: Direction
    funding: tuple[LegFunding, LegFunding]
    """Of the long leg, and of the short one."""
    history: FundingHistory
    score: Score

    @property
    def long(self) -> Listed:
        """The leg that is bought."""
        return self.pair.sides(self.direction)[0]

    @property
    def short(self) -> Listed:
        """The leg that is sold."""
        return self.pair.sides(self.direction)[1]

    @property
    def spread(self) -> Decimal:
        """What is due next on both legs, as a year: a share of the notional of one leg."""
        return spread(*self.funding)

    @property
    def settles_at(self) -> datetime:
        """When the next leg settles."""
        return min(one.settles_at for one in self.funding if one.settles_at is not None)

    @property
    def basis(self) -> Decimal | None:
        """By how much the short leg is dearer than the long one, a share."""
        return _basis(self.long, self.short)

    @property
    def volume(self) -> Decimal:
        """The 24 h quote volume of the leg that trades less."""
        return min(self.pair.volumes)

    def break_even_hours(self, long: Instrument, short: Instrument) -> int | None:
        """Return after how many hours at its APR the pair has paid for four takers' fees.

        None if that is never, or cannot be told: nobody has asked what borrowing spot costs.
        """
        if self.short.kind is MarketKind.SPOT:
            return None
        trades = [Trade(each, Role.TAKER) for each in (long, short)] * 2
        return round_trip(trades).break_even_hours(prorated(self.score.apr, YEAR, HOUR))


def appraise(
    pair: PairListed, seen: Seen, now: datetime, *, both_ways: bool = False
) -> Appraised | None:
    """Return *pair* in its better direction; None if what a venue told does not suffice.

    Spot is sold short *both_ways* only: it is borrowed.
    """
    ways = (
        [Direction.POSITIVE]
        if pair.first.kind is MarketKind.SPOT and not both_ways
        else list(Direction)
    )
    appraised = (_appraise(pair, way, seen, now) for way in ways)
    known = [one for one in appraised if one is not None]
    return max(known, key=lambda one: (one.score.value, one.score.apr), default=None)


def _appraise(pair: PairListed, way: Direction, seen: Seen, now: datetime) -> Appraised | None:
    long, short = pair.sides(way)
    fundings, history = _fundings(long, short, seen, now), _history(long, short, seen)
    dearer = _basis(long, short)
    if fundings is None or history is None or dearer is None:
        return None
    facts = Facts(
        history,
        _volatility(pair, seen),
        current=prorated(spread(*fundings), YEAR, PERIOD),
        basis=dearer,
        volume=min(pair.volumes),
    )
    scored = score(facts, now)
    return None if scored is None else Appraised(pair, way, fundings, history, scored)


def _fundings(
    long: Listed, short: Listed, seen: Seen, now: datetime
) -> tuple[LegFunding, LegFunding] | None:
    one, other = (
        spot(now) if leg.kind is MarketKind.SPOT else (seen[leg].funding if leg in seen else None)
        for leg in (long, short)
    )
    return None if one is None or other is None else (one, other)


def _history(long: Listed, short: Listed, seen: Seen) -> FundingHistory | None:
    """Return what holding the two legs so was paid at past settlements."""
    paid, received = seen.get(long), seen.get(short)
    if paid is not None and received is not None:
        return spread_history(paid.history, received.history)
    if received is not None:
        return received.history
    return None if paid is None else paid.history.negated()


def _volatility(pair: PairListed, seen: Seen) -> Decimal | None:
    told = [seen[leg].volatility for leg in pair.legs if leg in seen]
    known = [each for each in told if each is not None]
    return max(known) if known and len(known) == len(told) else None


def _basis(one: Listed, other: Listed) -> Decimal | None:
    if one.day.last <= 0 or other.day.last <= 0:
        return None
    return basis(one.day.last, other.day.last)


# ---- the list


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A pair that is worth holding. `break_even_hours` None: never, or not known."""

    ranked: Ranked
    appraised: Appraised
    break_even_hours: int | None = None


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan that heard from every venue came to; `best` is the head of the ranking."""

    at: datetime
    ranking: Ranking
    best: tuple[Opportunity, ...]


def scanned(
    spec: UniverseSpec,
    pairs: Sequence[PairListed],
    seen: Seen,
    now: datetime,
    *,
    both_ways: bool = False,
    top: int,
) -> Scanned:
    """Return *pairs* ranked by what was *seen* of their perpetuals, and the *top* of them."""
    asked = {pair.name: appraise(pair, seen, now, both_ways=both_ways) for pair in pairs}
    ranking = rank(spec, [_candidate(pair, asked[pair.name]) for pair in pairs])
    best = [(one, asked[one.pair]) for one in ranking.ranked[:top]]
    return Scanned(
        now, ranking, tuple(Opportunity(one, found) for one, found in best if found is not None)
    )


def _candidate(pair: PairListed, found: Appraised | None) -> Candidate:
    return Candidate(pair.name, pair.volumes, found.score if found else None, pair.basis)

"""What a portfolio hears, and what it keeps between two looks: values, no decisions.

    survey   what of a scan concerns it
    look     a pair's run, or an account, as it was found
    held     a pair, from the start of its run until nothing of it is left

A portfolio that goes on in a new workflow is handed all that it keeps: what is added here later
needs a value for those that were begun without it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.arbitrage.funding import Direction
from domain.arbitrage.listing import Listed, Scanned
from domain.arbitrage.margin import MarginAccount
from domain.arbitrage.rebalance import Change
from domain.arbitrage.spec import LegSpec
from domain.arbitrage.state import Phase
from domain.arbitrage.universe import Ranked
from domain.arbitrage.view import PairStatus
from domain.money import EXACT, ZERO, MarketKind

# ---- what is heard


@dataclass(frozen=True, slots=True)
class OfferedLeg:
    """A leg as a scan saw it; the price in quote."""

    account: str
    venue: str
    kind: MarketKind
    symbol: str
    price: Decimal

    @property
    def spec(self) -> LegSpec:
        """The leg as a pair's spec names it."""
        return LegSpec(account=self.account, symbol=self.symbol)


@dataclass(frozen=True, slots=True)
class Offer:
    """A pair that is worth holding in *direction*."""

    pair: str
    direction: Direction
    legs: tuple[OfferedLeg, OfferedLeg]


@dataclass(frozen=True, slots=True)
class Survey:
    """What of a scan concerns a portfolio: pairs of its quote, the best first.

    `unknown` are those of the pairs it holds of which the scan can say neither yes nor no.
    """

    at: datetime
    ranked: tuple[Ranked, ...]
    offers: tuple[Offer, ...]
    unknown: frozenset[str] = frozenset()

    def offer(self, pair: str) -> Offer | None:
        """Return the offer of *pair*; None if it is not worth holding."""
        return next((each for each in self.offers if each.pair == pair), None)

    def score(self, pair: str) -> Decimal | None:
        """Return the score of *pair*; None if the scan does not tell it."""
        return next((each.score for each in self.ranked if each.pair == pair), None)


def survey_of(found: Scanned, quote: str, held: Iterable[str]) -> Survey:
    """Return what of a scan concerns a portfolio in *quote* that holds the pairs *held*."""
    offers = [
        Offer(
            each.ranked.pair,
            each.appraised.direction,
            (_leg(each.appraised.pair.first), _leg(each.appraised.pair.second)),
        )
        for each in found.best
        if (each.appraised.pair.first.asset or ("", ""))[1] == quote
    ]
    names = {offer.pair for offer in offers}
    ranked = tuple(each for each in found.ranking.ranked if each.pair in names)
    return Survey(found.at, ranked, tuple(offers), found.ranking.unknown & frozenset(held))


def _leg(listed: Listed) -> OfferedLeg:
    return OfferedLeg(listed.account, listed.venue, listed.kind, listed.symbol, listed.day.last)


class Standing(StrEnum):
    """What is known of the run of a pair."""

    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"  # nobody answered for it


@dataclass(frozen=True, slots=True)
class PairLook:
    """A pair's run as it was found. `left` is the base that an ended one still holds."""

    run_id: str
    standing: Standing
    status: PairStatus | None = None
    left: Decimal = ZERO
    why: str = ""


@dataclass(frozen=True, slots=True)
class AccountLook:
    """An account as it was looked at; `worth` counts what `margin` does not: spot that is held."""

    account: str
    margin: MarginAccount
    worth: Decimal
    #: As the venue tells it, 1 to 0; None: it does not.
    health: Decimal | None = None
    #: What all its perpetuals are worth, in quote, whoever trades them, and the price of each.
    notional: Decimal = ZERO
    prices: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def strain(self) -> MarginAccount:
        """Return the account by which its use of margin is judged.

        What a venue tells is of all it counts as margin, which may be more than the quote.
        """
        if self.health is None:
            return self.margin
        needed = EXACT.subtract(Decimal(1), self.health)
        return MarginAccount(Decimal(1), needed, self.margin.at)


# ---- what is kept


@dataclass(frozen=True, slots=True)
class Easing:
    """What a pair that was asked to give back should hold by `until`: base of its larger leg."""

    base: Decimal
    until: datetime


class Level(StrEnum):
    """How the margin of an account stands."""

    RELAXED = "relaxed"
    STRAINED = "strained"  # more of it is used than may be
    UNKNOWN = "unknown"  # nobody could tell, or not lately


@dataclass(frozen=True, slots=True)
class MarginSeen:
    """The margin of an account as it was seen last; `use` is None where there is nothing to say."""

    level: Level
    use: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A pair of the portfolio, from the start of its run until nothing of it is left."""

    pair: str
    run_id: str
    legs: tuple[OfferedLeg, OfferedLeg]
    #: What it is meant for, in quote.
    amount: Decimal
    #: Signed base of both legs, as they were looked at last.
    bases: tuple[Decimal, Decimal] = (ZERO, ZERO)
    #: A trade was in flight then.
    trades: bool = False
    #: Its run closes it and ends; `asked`: because the portfolio wants that.
    leaving: bool = False
    asked: bool = False
    #: Its run has ended and something is left: a person has to see to it.
    stranded: bool = False
    note: str = ""
    #: As the last scan told it that knew.
    score: Decimal | None = None
    easing: Easing | None = None
    #: Its run was not told yet what the portfolio now has written for pairs.
    outdated: bool = False

    @property
    def larger(self) -> Decimal:
        """Return the base of the leg that holds more, without its sign."""
        return max(EXACT.abs(base) for base in self.bases)

    def notional(self, survey: Survey) -> Decimal:
        """Return what a leg is worth at the price of *survey*, or is meant to be, in quote."""
        offer = survey.offer(self.pair)
        if offer is None or self.trades or not self.larger:
            return self.amount
        worth = EXACT.multiply(self.larger, offer.legs[0].price)
        gives = self.easing is not None and self.easing.until > survey.at
        return min(worth, self.amount) if gives else worth

    def given(self, amount: Decimal, share: Decimal, until: datetime) -> "Held":
        """Return the pair as it is asked for *amount* (quote), and to hold *share* of its base."""
        easing = Easing(EXACT.multiply(self.larger, share), until) if share < 1 else None
        return replace(self, amount=amount, easing=easing, outdated=False)


@dataclass(frozen=True, slots=True)
class PortfolioState:
    """A portfolio between two looks."""

    phase: Phase = Phase.RUNNING
    held: tuple[Held, ...] = ()
    #: How many runs of pairs were begun: the number in the name of the last one.
    begun: int = 0
    turns: int = 0
    #: When the next scan is due; None: at once.
    due_at: datetime | None = None
    #: Until when a pair is not added again.
    rests: Mapping[str, datetime] = field(default_factory=dict)
    equity: Decimal | None = None
    scanned_at: datetime | None = None
    #: Why nothing followed from the last scan; empty: something may have.
    failed: str = ""
    #: What the last scan advised.
    advised: tuple[Change, ...] = ()
    #: Why some of it was not done.
    held_back: tuple[str, ...] = ()
    #: The accounts whose margin pairs need, as they were looked at last.
    margins: Mapping[str, MarginSeen] = field(default_factory=dict)
    #: How many changes pairs were told: makes the command of each one of its own.
    asked: int = 0

    def of(self, pair: str) -> Held | None:
        """Return what is held of *pair*."""
        return next((each for each in self.held if each.pair == pair), None)

    def with_pair(self, changed: Held) -> "PortfolioState":
        """Return the state with *changed* in the place of the one of its run."""
        held = tuple(changed if each.run_id == changed.run_id else each for each in self.held)
        return replace(self, held=held)

    @property
    def leaving(self) -> bool:
        """Whether a pair is being closed."""
        return any(each.leaving and not each.stranded for each in self.held)

"""The saga of two legs: open or close both, and never end with one of them naked (architecture 4).

    leading   the lead trades towards its target; the other leg hedges every fill as it happens
    settling  the lead is done, or has given up; what is not hedged yet is hedged or undone
    done      what both legs hold together is less than either venue would take

What is not hedged is the *debt*: signed base, with an age. It is worked off on a ladder that gets
more expensive with the age, on the other leg (complete) or on the lead (unwind), whichever costs
less now, and for as long as it takes. Nothing ends it but being flat: no refusal, no number of
tries, no wish of a person, who can only ask for no more of the trade (flaws D-7, D-8, A-6).

An exit of which one leg is done, while the other's venue has fallen silent, is taken back on the
leg that answers: a pair that is held for longer costs less than half of one. It goes on when the
venue is back. A leg that is close to its liquidation is the exception, it leaves alone.

Only the lead of an entry asks risk for leave: what hedges, undoes or closes always passes (A-5).
Every order of a run has a generation of its own (A-2), and its size is what is missing now (R-44).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from domain.arbitrage.hedging import HedgeSpec, Rung
from domain.arbitrage.legs import Leg
from domain.arbitrage.pair_events import PairAction
from domain.errors import InvalidValueError
from domain.money import EXACT, add


class Stage(StrEnum):
    """How far along a pair is."""

    LEADING = "leading"
    SETTLING = "settling"
    DONE = "done"


class Kind(StrEnum):
    """What a trade of a pair is for."""

    ENTER = "enter"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class PairTrade:
    """A pair that trades, between two events."""

    #: Names this trade, for ever.
    tag: str
    kind: Kind
    #: The one that leads, and the one that follows it.
    lead: Leg
    follow: Leg
    spec: HedgeSpec
    begun_at: datetime
    now: datetime
    #: How long the lead of an entry tries; what it has by then is what the pair gets.
    lead_for: timedelta
    #: What the follower's price was above the lead's when the trade was decided, in quote.
    basis: Decimal | None = None
    #: Both legs go to their targets at once: who waits for the lead in an emergency waits too long.
    parallel: bool = False
    #: The number of the leg that is in danger, and leaves even if the other one cannot; 0: none.
    endangered: int = 0
    stage: Stage = Stage.LEADING
    #: The debt is worked off on the lead: it is given back.
    unwinding: bool = False
    #: Since when there is a debt that a venue would take an order for.
    debt_since: datetime | None = None
    #: How often people were told of this debt.
    alerts: int = 0
    #: How many orders the run has made, this trade's among them: no id comes twice.
    generation: int = 0
    #: Why the lead trades no more; empty: it may.
    gave_up: str = ""

    def __post_init__(self) -> None:
        if self.lead.number == self.follow.number:
            raise InvalidValueError(f"legs must have different numbers, were {self.lead.number}")
        if self.lead.target * self.follow.target > 0:
            raise InvalidValueError(
                f"the legs of a pair trade against each other, were {self.lead.target} and "
                f"{self.follow.target} lots"
            )

    @property
    def legs(self) -> tuple[Leg, Leg]:
        """Both legs, the lead first."""
        return self.lead, self.follow

    @property
    def debt(self) -> Decimal:
        """Signed base that is not hedged, also what was not before; long if positive."""
        return add(*(part for leg in self.legs for part in (leg.held, leg.base)))

    @property
    def halted(self) -> bool:
        """Whether risk halted a leg: then nothing of an entry is opened any more."""
        return any(leg.halted for leg in self.legs)

    @property
    def finished(self) -> bool:
        return self.stage is Stage.DONE

    def debt_age(self) -> timedelta:
        """Return how old the debt is; nothing if there is none that could be traded."""
        return timedelta() if self.debt_since is None else self.now - self.debt_since

    def leg(self, number: int) -> Leg:
        """Return the leg of this number."""
        return self.lead if self.lead.number == number else self.follow

    def with_leg(self, leg: Leg) -> "PairTrade":
        """Return the trade with *leg* in the place of the one of its number."""
        is_lead = leg.number == self.lead.number
        return replace(self, lead=leg) if is_lead else replace(self, follow=leg)


@dataclass(frozen=True, slots=True)
class PairStep:
    """What came of an event: the new state, and what to do about it, in order."""

    state: PairTrade
    actions: tuple[PairAction, ...] = ()


def wanted(trade: PairTrade, leg: Leg) -> int:
    """Return the signed lots that *leg* should trade now.

    Nothing is sent to a venue that is silent: what became of it could not be found out, and as long
    as that is so the other leg could not be undone.
    """
    if leg.silent:
        return 0
    if _takes_back(trade, leg):
        return leg.lots_back(-trade.debt)
    leads = leg.number == trade.lead.number
    if trade.stage is Stage.LEADING and (leads or trade.parallel):
        return leg.left if _may_lead(trade, leg) else 0
    if trade.stage is Stage.LEADING:
        return 0 if leads else leg.lots_for(-trade.debt)
    return leg.lots_for(-trade.debt) if leg is _settler(trade) else 0


def _may_lead(trade: PairTrade, leg: Leg) -> bool:
    """Return whether *leg* may trade first: nobody leads where the other one cannot follow."""
    if trade.gave_up or (trade.halted and trade.kind is Kind.ENTER):
        return False
    return leg.number == trade.endangered or not any(each.silent for each in trade.legs)


def _takes_back(trade: PairTrade, leg: Leg) -> bool:
    """Return whether *leg* undoes its part of an exit: the other one cannot do its own."""
    if trade.kind is not Kind.EXIT or leg.number == trade.endangered:
        return False
    other = trade.follow if leg.number == trade.lead.number else trade.lead
    return other.silent and trade.spec.rung(trade.debt_age()) >= Rung.WIDE


def _settler(trade: PairTrade) -> Leg:
    """Return the leg that the debt is worked off on: the other one, if the venue of one cannot."""
    first, second = trade.legs if trade.unwinding else (trade.follow, trade.lead)
    return first if _can_settle(trade, first) or not _can_settle(trade, second) else second


def _can_settle(trade: PairTrade, leg: Leg) -> bool:
    return not (leg.gone or leg.silent) and leg.takes(leg.lots_for(-trade.debt))


def rung_of(trade: PairTrade, leg: Leg) -> Rung:
    """Return how much *leg* pays now for being done soon."""
    opens = trade.stage is Stage.LEADING and (leg.number == trade.lead.number or trade.parallel)
    if not opens:
        return trade.spec.rung(trade.debt_age())
    rung = trade.spec.rung(trade.now - trade.begun_at)
    # Nobody has to enter: the lead of an entry pays the spread and no more.
    return min(rung, Rung.CROSS) if trade.kind is Kind.ENTER else rung


def tradable(trade: PairTrade) -> bool:
    """Return whether a venue would take an order for the debt."""
    return any(not leg.gone and leg.takes(leg.lots_for(-trade.debt)) for leg in trade.legs)


def unwinding_is_cheaper(trade: PairTrade) -> bool:
    """Return whether giving the lead back costs less than completing the pair, per base.

        complete  what the follower's price got worse since the decision
        unwind    what the lead's price got worse since it traded + its taker fee

    The follower's fee was part of the decision: what the pair is expected to earn pays for it. What
    is not known decides nothing: then the pair is completed.
    """
    lead, follow, paid = trade.lead, trade.follow, trade.lead.average
    if None in (paid, trade.basis, lead.quote, follow.quote) or not lead.traded:
        return False
    assert paid is not None and trade.basis is not None  # noqa: S101, PT018 - just checked
    assert lead.quote is not None and follow.quote is not None  # noqa: S101, PT018
    sign = 1 if lead.traded > 0 else -1
    away = (lead.quote.bid if sign > 0 else lead.quote.ask), lead.instrument
    other = (follow.quote.bid if sign > 0 else follow.quote.ask), follow.instrument
    sells_at, hedges_at = (instrument.price_of(price) for price, instrument in (away, other))
    basis_now = EXACT.subtract(hedges_at, paid)
    complete = EXACT.multiply(EXACT.subtract(trade.basis, basis_now), sign)
    unwind = EXACT.multiply(EXACT.subtract(paid, sells_at), sign)
    giving_back = EXACT.fma(lead.instrument.taker_fee, sells_at, unwind)
    return giving_back < complete

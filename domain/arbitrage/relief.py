"""Which pairs give back when an account uses too much of its margin, and how much: pure.

    use       maintenance / equity; 1 - health where the venue tells the health
    needed    notional * (1 - limit / use) - what pairs there were asked for and are still giving
    order     who holds nothing yet is closed; then the lowest score first
    share     the least that is needed, but `rebalance.drift` of the pair at least, so that a use
              around the limit does not trade at every look; who would keep under a tenth is closed
    late      who has not given back in time is asked for a little more, and the others for the rest

(requirements 3.7, row R-39.) The notional is that of all perpetuals of the account, in quote. Only
perpetuals need margin here: spot that is sold gives none back. An account that could not be looked
at, or not lately, is `UNKNOWN`: that is told, and neither starts a relief nor ends one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.arbitrage.portfolio import told_amount
from domain.arbitrage.portfolio_spec import PortfolioSpec
from domain.arbitrage.portfolio_state import (
    AccountLook,
    Held,
    Level,
    MarginSeen,
    OfferedLeg,
    PortfolioState,
)
from domain.arbitrage.rebalance import Change, Kind
from domain.money import EXACT, ZERO, MarketKind, add, fixed

_WHOLE: Final = Decimal(1)
#: A pair that would keep less of itself than this is closed.
_LEAST: Final = Decimal("0.1")
#: In quote: divisions leave traces, and nobody is asked for one.
_TRIFLE: Final = Decimal("0.000001")


# ---- what is seen


def burdened(state: PortfolioState) -> tuple[str, ...]:
    """Return the accounts whose margin the pairs need, by name."""
    legs = (leg for held in state.held for leg in held.legs)
    return tuple(sorted({leg.account for leg in legs if leg.kind is MarketKind.PERPETUAL}))


def margins(
    spec: PortfolioSpec, state: PortfolioState, looks: Mapping[str, AccountLook], now: datetime
) -> Mapping[str, MarginSeen]:
    """Return how the margin of each account stands that pairs need."""
    return {name: _seen(spec, looks.get(name), now) for name in burdened(state)}


def _seen(spec: PortfolioSpec, look: AccountLook | None, now: datetime) -> MarginSeen:
    if look is None or now - look.margin.at > timedelta(seconds=spec.margin.stale_after):
        return MarginSeen(Level.UNKNOWN)
    strained = look.strain.excess(spec.margin)
    return MarginSeen(Level.STRAINED if strained else Level.RELAXED, look.strain.use)


@dataclass(frozen=True, slots=True)
class MarginNews:
    """What changed about the margin of an account; `alarming`: people should hear of it."""

    what: str
    why: str
    alarming: bool


def margin_news(
    spec: PortfolioSpec, before: Mapping[str, MarginSeen], after: Mapping[str, MarginSeen]
) -> Iterator[MarginNews]:
    """Yield what is new about the margin of accounts, once for each change."""
    for name, seen in after.items():
        was = before.get(name, MarginSeen(Level.RELAXED))
        if was.level is seen.level:
            continue
        why, limit = f"the margin use of {name} is {use_of(seen)}", spec.margin.relief_above
        if seen.level is Level.STRAINED:
            why = f"{why}, above {limit}: nothing grows there, and pairs have to give back"
        elif seen.level is Level.UNKNOWN:
            why = f"{why}: nothing grows there, and no pair is relieved until it is"
        yield MarginNews(f"margin {seen.level}", why, seen.level is not Level.RELAXED)


def use_of(seen: MarginSeen) -> str:
    """Return the use of an account for people."""
    if seen.level is Level.UNKNOWN:
        return "not known"
    if seen.use is None:
        return "without equity" if seen.level is Level.STRAINED else fixed(ZERO, 4)
    return fixed(seen.use, 4)


# ---- what is done


@dataclass(frozen=True, slots=True)
class Relief:
    """What a pair is asked for: to be closed, or to keep `share` of its base."""

    held: Held
    change: Change
    share: Decimal
    why: str
    numbers: Mapping[str, str]


def reliefs(
    spec: PortfolioSpec, state: PortfolioState, looks: Iterable[AccountLook], now: datetime
) -> tuple[Relief, ...]:
    """Return what pairs are asked for, so that no account in *looks* uses too much margin."""
    asking = _Asking(spec, state, now)
    for look in sorted(looks, key=lambda each: each.account):
        if _seen(spec, look, now).level is Level.STRAINED:
            asking.relieve(look)
    return tuple(asking.asked.values())


@dataclass(frozen=True, slots=True)
class _Part:
    """A pair with its perpetual on an account; the worth of that leg in quote."""

    held: Held
    leg: OfferedLeg
    worth: Decimal
    price: Decimal

    @property
    def turn(self) -> tuple[bool, bool, Decimal, str]:
        """Return by what the pairs of an account are ordered; a score nobody knows comes last."""
        score = self.held.score
        return bool(self.held.larger), score is None, score or ZERO, self.held.pair


class _Asking:
    """What is asked of the pairs, while one account after the other is relieved."""

    def __init__(self, spec: PortfolioSpec, state: PortfolioState, now: datetime) -> None:
        self._spec = spec
        self._state = state
        self._now = now
        self._stays = {held.run_id: _stays(held) for held in state.held}
        self.asked: dict[str, Relief] = {}

    def relieve(self, look: AccountLook) -> None:
        """Ask the pairs on a strained account, the lowest score first."""
        parts = sorted(self._parts(look), key=lambda part: part.turn)
        excess = EXACT.multiply(look.notional, look.strain.excess(self._spec.margin))
        needed = EXACT.subtract(excess, self._underway(parts))
        able = [part for part in parts if _is_able(part)]
        for number, part in enumerate(able, start=1):
            if part.held.larger and needed <= _TRIFLE:
                return
            why = f"its score {_score(part.held)} is number {number} of {len(able)} from the lowest"
            needed = EXACT.subtract(needed, self._ask(part, needed, look, why))

    def _parts(self, look: AccountLook) -> Iterator[_Part]:
        for held in self._state.held:
            for leg, base in zip(held.legs, held.bases, strict=True):
                if leg.account == look.account and leg.kind is MarketKind.PERPETUAL:
                    price = look.prices.get(leg.symbol, leg.price)
                    yield _Part(held, leg, EXACT.multiply(EXACT.abs(base), price), price)

    def _underway(self, parts: Iterable[_Part]) -> Decimal:
        """Return what is still being given back, in quote; nobody counts on who is late."""
        gone = (
            EXACT.multiply(part.worth, EXACT.subtract(_WHOLE, self._stays[part.held.run_id]))
            for part in parts
            if not self._is_late(part.held)
        )
        return add(ZERO, *gone)

    def _is_late(self, held: Held) -> bool:
        return held.easing is not None and held.easing.until <= self._now

    def _ask(self, part: _Part, needed: Decimal, look: AccountLook, why: str) -> Decimal:
        """Ask a pair to give back, and return how much of *needed* (quote) can be counted on."""
        stays, drift = self._stays[part.held.run_id], self._spec.rebalance.drift
        if not part.held.larger:
            self._keep(part, ZERO, look, "it holds nothing yet, and would take margin")
            return ZERO
        if self._is_late(part.held):
            self._keep(part, EXACT.subtract(stays, drift), look, "it has not given back in time")
            return ZERO
        gives = max(EXACT.divide(needed, part.worth), drift)
        after = self._keep(part, EXACT.subtract(stays, gives), look, why)
        return EXACT.multiply(part.worth, EXACT.subtract(stays, after))

    def _keep(self, part: _Part, share: Decimal, look: AccountLook, why: str) -> Decimal:
        share = share if share >= _LEAST else ZERO
        held = part.held
        self._stays[held.run_id] = share
        worth = EXACT.multiply(held.larger, part.price)
        target = told_amount(EXACT.multiply(worth, share))
        change = Change(Kind.REDUCE if target else Kind.REMOVE, held.pair, worth, target)
        numbers = _numbers(self._spec, look, change, held)
        told = f"the margin use of {look.account} is {numbers['use']}, above {numbers['limit']}"
        self.asked[held.run_id] = Relief(held, change, share, f"{told}: {why}", numbers)
        return share


def _stays(held: Held) -> Decimal:
    """Return the share of its base that a pair keeps after what it was asked for before."""
    if held.easing is None or not held.larger:
        return _WHOLE
    return min(EXACT.divide(held.easing.base, held.larger), _WHOLE)


def _is_able(part: _Part) -> bool:
    """Return whether a pair can be asked; who holds nothing only if that was seen."""
    held = part.held
    counts = bool(part.worth) or not held.larger
    return counts and not held.leaving and not held.stranded and bool(held.note)


def _score(held: Held) -> str:
    return "that nobody knows" if held.score is None else fixed(held.score, 4)


def _numbers(
    spec: PortfolioSpec, look: AccountLook, change: Change, held: Held
) -> Mapping[str, str]:
    margin = look.margin
    return {
        "account": look.account,
        "use": use_of(MarginSeen(Level.STRAINED, look.strain.use)),
        "limit": str(spec.margin.relief_above),
        "equity": fixed(margin.equity, 2),
        "maintenance": fixed(margin.maintenance, 2),
        "health": "not told" if look.health is None else fixed(look.health, 4),
        "notional": fixed(look.notional, 2),
        "score": _score(held),
        "from": fixed(change.current, 2),
        "to": fixed(change.target, 2),
    }

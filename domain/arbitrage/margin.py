"""How much an account can bear, and what a change would make of that before it is sent.

    health    H = 1 - maintenance * buffer / equity, within 0 .. 1; under 0 the venue liquidates
    use       maintenance / equity
    excess    1 - limit * equity / maintenance: the share to give back, so that the use is the limit
    headroom  max(equity - maintenance, 0) * usable                              in quote
    what-if   perpetual: maintenance += (|after| - |before|) * price * rate
              spot:      equity += (after - before) * price * (haircut - 1)
    marked    equity += size * (price - mark) * haircut

(requirements 3.7, rows R-38 and R-39.) Sizes are signed base. The haircut is the share of its worth
at which an asset counts as margin; one that is not told counts as nothing. Only a look at the
account that is young enough lets it expand (flaw P-4), none does above the limit of its use, and
nothing that shrinks it is ever held back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from domain.arbitrage.rebalance import Change
from domain.errors import InvalidValueError
from domain.money import EXACT, ZERO, MarketKind, add, fixed
from domain.written import Exact, Positive, Written

Share = Annotated[Exact, Field(gt=0, le=1)]
_ONE: Final = Decimal(1)


class MarginSpec(Written):
    """How close to its limits an account may come, as a person writes it."""

    buffer: Annotated[Exact, Field(ge=1)] = Decimal("1.2")
    """How much more maintenance margin is reckoned with than the venue asks."""
    usable: Share = Decimal("0.8")
    """How much of what is free may be used."""
    entry_health: Share = Decimal("0.8")
    """The health that must be left after a pair has grown."""
    relief_above: Share = Decimal("0.65")
    """The use of margin above which the pairs of the lowest score give back, before all else."""
    relief_within: Annotated[int, Field(ge=1, le=3600)] = 120
    """Seconds in which a pair should have given back; then the next ones, or it, are asked."""
    maintenance_rate: Positive = Decimal("0.05")
    """The share of a notional that is maintenance margin, where the venue does not tell."""
    stale_after: Annotated[int, Field(ge=1, le=600)] = 30
    """Seconds for which a look at an account lets it expand, and pairs be relieved by it."""

    @property
    def patience(self) -> timedelta:
        """How long a pair has to give back what it was asked for."""
        return timedelta(seconds=self.relief_within)

    @model_validator(mode="after")
    def _relieves_what_may_not_grow(self) -> Self:
        """Refuse limits between which a pair would grow, give back, and grow again."""
        grows_to = EXACT.divide(EXACT.subtract(_ONE, self.entry_health), self.buffer)
        if grows_to >= self.relief_above:
            raise ValueError(
                f"relief_above must be above the use up to which pairs may grow, "
                f"(1 - entry_health) / buffer = {fixed(grows_to, 4)}, was {self.relief_above}: "
                "raise it, or raise entry_health"
            )
        return self


@dataclass(frozen=True, slots=True)
class MarginAccount:
    """Equity and maintenance margin of an account in quote, as looked at `at`."""

    equity: Decimal
    maintenance: Decimal
    at: datetime

    def __post_init__(self) -> None:
        if self.maintenance < 0:
            raise InvalidValueError(f"maintenance margin is not negative, was {self.maintenance}")

    @property
    def use(self) -> Decimal | None:
        """Return the share of the equity that is maintenance margin; None without equity."""
        return EXACT.divide(self.maintenance, self.equity) if self.equity > 0 else None

    def excess(self, spec: MarginSpec) -> Decimal:
        """Return the share of what needs margin that has to go, 0 to 1; 0: none has."""
        allowed = EXACT.multiply(max(self.equity, ZERO), spec.relief_above)
        if self.maintenance <= allowed:
            return ZERO
        return EXACT.subtract(_ONE, EXACT.divide(allowed, self.maintenance))

    def health(self, spec: MarginSpec) -> Decimal:
        """Return 1 for an account without positions, 0 for one at its limit or without equity."""
        if self.equity <= 0:
            return ZERO
        needed = EXACT.divide(EXACT.multiply(self.maintenance, spec.buffer), self.equity)
        return max(EXACT.subtract(_ONE, needed), ZERO)

    def liquidates(self, spec: MarginSpec) -> bool:
        """Return whether the equity is less than the maintenance margin with its buffer."""
        return EXACT.multiply(self.maintenance, spec.buffer) > self.equity

    def headroom(self, spec: MarginSpec) -> Decimal:
        """Return how much margin may still be taken, in quote."""
        free = max(EXACT.subtract(self.equity, self.maintenance), ZERO)
        return EXACT.multiply(free, spec.usable)

    def marked(
        self, size: Decimal, mark: Decimal, price: Decimal, haircut: Decimal
    ) -> "MarginAccount":
        """Return the account if what it holds *size* of went from *mark* to *price*."""
        gained = EXACT.multiply(size, EXACT.subtract(price, mark))
        return replace(self, equity=EXACT.add(self.equity, EXACT.multiply(gained, haircut)))


@dataclass(frozen=True, slots=True)
class LegChange:
    """What a change does to one leg: signed base before and after, at *price* (quote per base).

    `maintenance_rate` is the venue's for a perpetual, `haircut` that of a spot asset; None: the
    venue does not tell.
    """

    kind: MarketKind
    before: Decimal
    after: Decimal
    price: Decimal
    maintenance_rate: Decimal | None = None
    haircut: Decimal | None = None


def what_if(spec: MarginSpec, account: MarginAccount, legs: Iterable[LegChange]) -> MarginAccount:
    """Return what *account* would be after *legs* were traded."""
    equity, maintenance = account.equity, account.maintenance
    for leg in legs:
        if leg.kind is MarketKind.PERPETUAL:
            grown = EXACT.subtract(EXACT.abs(leg.after), EXACT.abs(leg.before))
            rate = spec.maintenance_rate if leg.maintenance_rate is None else leg.maintenance_rate
            maintenance = add(maintenance, EXACT.multiply(EXACT.multiply(grown, leg.price), rate))
        else:
            bought = EXACT.multiply(EXACT.subtract(leg.after, leg.before), leg.price)
            lost = EXACT.subtract(leg.haircut or ZERO, _ONE)
            equity = add(equity, EXACT.multiply(bought, lost))
    return replace(account, equity=equity, maintenance=max(maintenance, ZERO))


# ---- which changes may go ahead


class Obstacle(StrEnum):
    """Why a pair may not grow now."""

    UNKNOWN = "unknown"  # no legs were told, or an account was never looked at
    STALE = "stale"  # the last look is too old
    STRAINED = "strained"  # its pairs have to give back first
    HEALTH = "health"  # too little would be left


@dataclass(frozen=True, slots=True)
class Weighed:
    """A change with what it does to the legs on each account, by the account's name."""

    change: Change
    legs: Mapping[str, tuple[LegChange, ...]]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What may go ahead, in its order, and why the rest may not."""

    changes: tuple[Change, ...]
    held_back: tuple[tuple[Change, Obstacle], ...]


def admit(
    spec: MarginSpec,
    changes: Iterable[Weighed],
    accounts: Mapping[str, MarginAccount],
    now: datetime,
) -> Admitted:
    """Return which of *changes* may go ahead, each seen after those before it.

    What shrinks frees no margin here: it does when the venue shows it done.
    """
    projected = dict(accounts)
    passed: list[Change] = []
    held_back: list[tuple[Change, Obstacle]] = []
    for weighed in changes:
        if not weighed.change.kind.expands:
            passed.append(weighed.change)
            continue
        after = _after(spec, weighed, projected, now)
        if isinstance(after, Obstacle):
            held_back.append((weighed.change, after))
        else:
            projected |= after
            passed.append(weighed.change)
    return Admitted(tuple(passed), tuple(held_back))


def _after(
    spec: MarginSpec, weighed: Weighed, accounts: Mapping[str, MarginAccount], now: datetime
) -> dict[str, MarginAccount] | Obstacle:
    if not weighed.legs:
        return Obstacle.UNKNOWN
    after = {}
    for name, legs in weighed.legs.items():
        account = accounts.get(name)
        if account is None:
            return Obstacle.UNKNOWN
        if now - account.at > timedelta(seconds=spec.stale_after):
            return Obstacle.STALE
        if account.excess(spec):
            return Obstacle.STRAINED
        after[name] = what_if(spec, account, legs)
        if after[name].health(spec) < spec.entry_health:
            return Obstacle.HEALTH
    return after

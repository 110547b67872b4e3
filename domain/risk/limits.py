"""How much may be at risk: limits for each run, each account and everything; and what a run asks.

A run asks for its *worst case* before it sends anything:

    exposure  = |held| + notional of all entries of both sides, filled
    position  = max(|held + buys|, |held - sells|), held signed

Both at the prices of the orders (rows R-13 and AP-04). A trailing grid goes on as the price falls,
so it asks anew whenever it holds more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from domain.grid.preview import Preview
from domain.money import EXACT, ZERO, add
from domain.orders import Side
from domain.risk.scope import Scope, ScopeKind
from domain.written import Positive, Written


class Limits(Written):
    """What one scope may do at most; amounts in `quote`. None: no limit of that kind."""

    quote: str = "USDT"
    rates: dict[str, Positive] = Field(default_factory=dict)
    """What one unit of another quote asset counts in `quote`, such as USDC: 1."""
    position: Positive | None = None
    """Notional of the net position in one symbol."""
    order: Positive | None = None
    """Notional of one order."""
    open_orders: Annotated[int, Field(ge=1)] | None = None
    leverage: Positive | None = None
    exposure: Positive | None = None
    """Notional of everything, sizes added up."""

    @property
    def bind(self) -> bool:
        """Whether anything is limited."""
        kinds = (self.position, self.order, self.open_orders, self.leverage, self.exposure)
        return any(kind is not None for kind in kinds)


class LimitsSpec(Written):
    """The limits of everything, of each account by its name, and of any single run."""

    overall: Limits = Limits()
    accounts: dict[str, Limits] = Field(default_factory=dict)
    run: Limits = Limits()

    def of(self, scope: Scope) -> Limits:
        """Return the limits of *scope*; an account that is not named has none of its own."""
        if scope.kind is ScopeKind.OVERALL:
            return self.overall
        return self.run if scope.kind is ScopeKind.RUN else self.accounts.get(scope.name, Limits())

    def bind(self, account: str) -> bool:
        """Return whether anything limits the runs of *account*."""
        scopes = (self.overall, self.accounts.get(account, Limits()), self.run)
        return any(each.bind for each in scopes)


@dataclass(frozen=True, slots=True)
class Reservation:
    """The worst that can become of a run, in the quote asset of its symbol."""

    run_id: str
    account: str
    symbol: str
    quote: str
    position: Decimal
    exposure: Decimal
    largest_order: Decimal
    orders: int
    leverage: Decimal = Decimal(1)

    def covering(self, other: "Reservation") -> "Reservation":
        """Return what is enough for both of two reservations of one run."""
        return replace(
            self,
            position=max(self.position, other.position),
            exposure=max(self.exposure, other.exposure),
            largest_order=max(self.largest_order, other.largest_order),
            orders=max(self.orders, other.orders),
            leverage=max(self.leverage, other.leverage),
        )

    def within(self, other: "Reservation") -> bool:
        """Return whether this asks for no more than *other* of anything."""
        same = (self.run_id, self.account, self.symbol, self.quote)
        pairs = (
            (self.position, other.position),
            (self.exposure, other.exposure),
            (self.largest_order, other.largest_order),
            (self.orders, other.orders),
            (self.leverage, other.leverage),
        )
        was = (other.run_id, other.account, other.symbol, other.quote)
        return same == was and all(mine <= theirs for mine, theirs in pairs)


def reserve(
    run_id: str,
    account: str,
    preview: Preview,
    *,
    held: Decimal = ZERO,
    exits: int = 0,
    leverage: Decimal = Decimal(1),
) -> Reservation:
    """Return the worst case of a run that would place *preview*.

    *held* is the signed notional of what it holds already, *exits* the orders that wait to give it
    back.
    """
    entries = [(line.side, line.notional) for line in preview.orders]
    of = Asker(run_id, account, preview.symbol, preview.quote, leverage)
    return worst(of, entries, held=held, exits=exits)


@dataclass(frozen=True, slots=True)
class Asker:
    """The run that asks, and what its symbol counts in."""

    run_id: str
    account: str
    symbol: str
    quote: str
    leverage: Decimal = Decimal(1)


def worst(
    of: Asker, entries: Sequence[tuple[Side, Decimal]], *, held: Decimal, exits: int
) -> Reservation:
    """Return the worst case of a run with *entries*, each with its notional, that all may fill."""
    buys = add(*(notional for side, notional in entries if side is Side.BUY))
    sells = add(*(notional for side, notional in entries if side is Side.SELL))
    return Reservation(
        of.run_id,
        of.account,
        of.symbol,
        of.quote,
        max(abs(add(held, buys)), abs(EXACT.subtract(held, sells))),
        add(abs(held), buys, sells),
        max((notional for _, notional in entries), default=ZERO),
        len(entries) + exits,
        of.leverage,
    )

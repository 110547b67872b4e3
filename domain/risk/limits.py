"""How much may be at risk: limits for each run, each account and everything; and what a run asks.

A run asks for its *worst case* before it sends anything:

    exposure  = |held| + notional of all entries of both sides, filled
    position  = max(|held + buys|, |held - sells|), held signed

Both at the prices of the orders (rows R-13 and AP-04). A trailing grid goes on as the price falls,
so it asks anew whenever it holds more.
"""

from dataclasses import dataclass
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
    buys = add(*(line.notional for line in preview.orders if line.side is Side.BUY))
    sells = add(*(line.notional for line in preview.orders if line.side is Side.SELL))
    return Reservation(
        run_id,
        account,
        preview.symbol,
        preview.quote,
        max(abs(add(held, buys)), abs(EXACT.subtract(held, sells))),
        add(abs(held), buys, sells),
        max((line.notional for line in preview.orders), default=ZERO),
        len(preview.orders) + exits,
        leverage,
    )

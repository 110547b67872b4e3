"""What a preflight looks at, and what it accepts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field

from domain.market import Balance
from domain.money import Instrument
from domain.written import Exact, Positive, Written

#: No run starts without these; an arbitrage asks for funding besides.
STREAMS: Final = ("price", "orders")


class PreflightSpec(Written):
    """What is acceptable, as a person writes it."""

    max_leverage: Positive = Decimal(10)
    margin_buffer: Annotated[Exact, Field(ge=0, lt=1)] = Decimal("0.2")
    """Share of the free margin that is not counted on."""
    max_fee: Annotated[Exact, Field(ge=0, lt=1)] = Decimal("0.002")
    """Highest fee as a share of the notional; no fee and rebates are fine."""
    max_clock_skew: Annotated[int, Field(ge=1)] = 1000
    """Milliseconds that our clock and the venue's may differ."""
    max_price_age: Annotated[int, Field(ge=1)] = 60
    """Seconds since the last trade; a quiet market may need more."""


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What was found on one account. None: it could not be found out."""

    account: str
    instrument: Instrument
    #: What all orders of the preview need, by asset, at their full notional.
    needs: Mapping[str, Decimal] | None = None
    balances: tuple[Balance, ...] | None = None
    leverage: Decimal | None = None
    one_way: bool | None = None
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    #: Whether each stream is live.
    streams: Mapping[str, bool | None] = field(default_factory=dict)
    clock_skew: timedelta | None = None
    price_age: timedelta | None = None
    #: Working orders on the symbol that are of no run of ours that goes on.
    foreign_orders: int | None = None
    #: Signed lots of a perpetual that no run of ours manages.
    foreign_lots: int | None = None
    #: Other runs of ours on the symbol of a perpetual that would not share it, or that this one
    #: would not share it with.
    rivals: tuple[str, ...] | None = None
    #: What the least profitable round trip earns after its fees, in quote.
    cycle_profit: Decimal | None = None
    #: The run shares the symbol with others knowingly.
    shared: bool = False
    #: Why facts are not known, by the name of a check.
    obstacles: Mapping[str, str] = field(default_factory=dict)

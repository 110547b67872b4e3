"""What a person writes to describe a portfolio of pairs: where to look, and how to spread it."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from domain.arbitrage.allocation import AllocationSpec
from domain.arbitrage.margin import MarginSpec
from domain.arbitrage.rebalance import RebalanceSpec
from domain.arbitrage.spec import ArbSpec, LegSpec, Name
from domain.arbitrage.spec import parse_spec as parse_pair
from domain.arbitrage.universe import UniverseSpec
from domain.errors import InvalidValueError
from domain.written import Positive, Written, read

#: What of a pair is not written in a template: the portfolio decides it.
_DECIDED = ("first", "second", "amount")


class PortfolioSpec(Written):
    """A portfolio as a person writes it."""

    accounts: Annotated[tuple[Name, ...], Field(min_length=2)]
    """Whose markets make the pairs; one account for each venue and kind of market."""
    quote: Name = "USDT"
    """Only pairs in this are held, and all amounts are in it."""
    equity: Positive | None = None
    """What is spread over the pairs; without it the equity of `equity_of`."""
    equity_of: tuple[Name, ...] = ()
    """The accounts whose equity is added up; without it all of `accounts`. Two accounts of one
    wallet would count it twice: name one of them."""
    universe: UniverseSpec = UniverseSpec()
    allocation: AllocationSpec = AllocationSpec()
    rebalance: RebalanceSpec = RebalanceSpec()
    margin: MarginSpec = MarginSpec()
    groups: Mapping[str, Name] = {}
    """What falls together, such as a sector: the group of a base asset."""
    pair: Mapping[str, Any] = {}
    """The settings of each pair, but for its legs and its amount."""
    every: Annotated[int, Field(ge=1, le=86_400)] = 1800
    """Seconds between two scans."""
    look_every: Annotated[int, Field(ge=1, le=3600)] = 30
    """Seconds between two looks at the pairs that are held."""
    most_changes: Annotated[int, Field(ge=1, le=20)] = 5
    """How many pairs are changed after one scan; what gives back goes first."""
    cool_off: Annotated[int, Field(ge=0)] = 86_400
    """Seconds for which a pair that somebody stopped, or that could not begin, is left alone."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        foreign = [name for name in self.equity_of if name not in self.accounts]
        if foreign:
            raise ValueError(f"equity_of must be of accounts, was {', '.join(foreign)}")
        if self.equity is not None and self.equity_of:
            raise ValueError("equity is an amount, or that of equity_of, was both")
        try:
            self._template()
        except InvalidValueError as error:
            lines = str(error).splitlines()
            raise ValueError("; ".join(f"pair.{line}" for line in lines)) from None
        return self

    def _template(self) -> ArbSpec:
        decided = [name for name in _DECIDED if name in self.pair]
        if decided:
            raise InvalidValueError(f"{decided[0]}: the portfolio decides it, leave it out")
        legs = LegSpec(account="a", symbol="A"), LegSpec(account="b", symbol="B")
        return self.spec_of(legs, Decimal(1))

    def spec_of(self, legs: tuple[LegSpec, LegSpec], amount: Decimal) -> ArbSpec:
        """Return the spec of a pair of this portfolio."""
        first, second = (leg.model_dump() for leg in legs)
        return parse_pair({**self.pair, "first": first, "second": second, "amount": amount})

    @property
    def counted(self) -> tuple[str, ...]:
        """The accounts whose equity is added up; none if it is a fixed amount."""
        return () if self.equity is not None else self.equity_of or self.accounts

    @property
    def pause(self) -> timedelta:
        """How long it is from one scan to the next."""
        return timedelta(seconds=self.every)


def parse_spec(data: Mapping[str, Any]) -> PortfolioSpec:
    """Return the spec in *data*, or raise InvalidValueError naming every field that is wrong."""
    return read(PortfolioSpec, data, "portfolio")

"""Prices in ticks, quantities in lots, and the instrument that knows what they are worth.

Inside the core a price and a quantity are whole numbers of different types, so that they can be
neither mixed up nor rounded by accident. Decimals appear at the edge and in quote amounts. Every
product of the two is exact: the arithmetic runs in the context `EXACT`, never in the ambient one,
which differs between a workflow's thread and the rest of the program.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from enum import StrEnum
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from domain.errors import InvalidValueError

#: Wide enough that no sum or product of ticks, lots and their steps is ever rounded.
EXACT: Final = Context(
    prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]
)
ZERO: Final = Decimal(0)


class Rounding(StrEnum):
    """Which neighbour a value between two steps becomes."""

    DOWN = "down"
    UP = "up"
    NEAREST = "nearest"


_MODES: Final = {
    Rounding.DOWN: ROUND_FLOOR,
    Rounding.UP: ROUND_CEILING,
    Rounding.NEAREST: ROUND_HALF_UP,
}


@dataclass(frozen=True, slots=True, order=True)
class Price:
    """A price in ticks: exact, ordered, hashable. Only its instrument knows a tick's worth."""

    ticks: int

    def __post_init__(self) -> None:
        if self.ticks <= 0:
            raise InvalidValueError(f"a price is at least one tick, was {self.ticks}")

    def __add__(self, ticks: int) -> "Price":
        return Price(self.ticks + ticks)

    def __sub__(self, ticks: int) -> "Price":
        return Price(self.ticks - ticks)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _as_integer(cls, lambda price: price.ticks)


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """A quantity in lots, never negative: a side or a sign belongs to who holds it."""

    lots: int

    def __post_init__(self) -> None:
        if self.lots < 0:
            raise InvalidValueError(f"a quantity is not negative, was {self.lots} lots")

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.lots + other.lots)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.lots - other.lots)

    def __bool__(self) -> bool:
        return self.lots > 0

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _as_integer(cls, lambda quantity: quantity.lots)


NOTHING: Final = Quantity(0)


def _as_integer(kind: Any, number: Any) -> CoreSchema:
    """Write a Price or a Quantity as its bare number; read that, or the value field by field.

    A serializer that is not told the type (such as that of workflow payloads) writes the fields.
    """
    return core_schema.no_info_plain_validator_function(
        lambda value: value if isinstance(value, kind) else kind(_whole(value)),
        serialization=core_schema.plain_serializer_function_ser_schema(number),
    )


def _whole(value: Any) -> int:
    if isinstance(value, Mapping) and len(value) == 1:
        (value,) = value.values()
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValueError(f"a whole number was expected, was {value!r}")
    return value


class MarketKind(StrEnum):
    """What is delivered: the asset itself, or a position that is kept near spot by funding."""

    SPOT = "spot"
    PERPETUAL = "perpetual"


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is traded, with its steps, its minima and what trading it costs.

    `tick_size` is quote per base; `lot_size` is base per lot (a venue that counts contracts has its
    contract size already multiplied in). Fees are shares of the notional; negative is a rebate.
    """

    symbol: str
    kind: MarketKind
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Quantity
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    contract_size: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        for name in ("tick_size", "lot_size", "contract_size"):
            if getattr(self, name) <= 0:
                raise InvalidValueError(
                    f"{name} of {self.symbol} must be positive, was {getattr(self, name)}"
                )

    def price(self, value: Decimal, rounding: Rounding = Rounding.NEAREST) -> Price:
        """Return *value* (quote per base) as whole ticks."""
        return Price(_steps(value, self.tick_size, rounding))

    def quantity(self, value: Decimal, rounding: Rounding = Rounding.DOWN) -> Quantity:
        """Return *value* (base) as whole lots."""
        return Quantity(_steps(value, self.lot_size, rounding))

    def exact_price(self, value: Decimal, field: str) -> Price:
        """Return *value* as ticks, or raise InvalidValueError if it lies between two of them."""
        ticks = _steps(value, self.tick_size, Rounding.NEAREST)
        if ticks <= 0 or self.price_of(Price(ticks)) != value:
            raise InvalidValueError(
                f"{field} must be a positive multiple of the tick size {self.tick_size} of "
                f"{self.symbol}, was {value}"
            )
        return Price(ticks)

    def price_of(self, price: Price) -> Decimal:
        """Return *price* in quote per base."""
        return EXACT.multiply(Decimal(price.ticks), self.tick_size)

    def base_of(self, quantity: Quantity) -> Decimal:
        """Return *quantity* in base."""
        return EXACT.multiply(Decimal(quantity.lots), self.lot_size)

    def notional(self, price: Price, quantity: Quantity) -> Decimal:
        """Return price x quantity in quote, exactly."""
        return self.notional_of(price.ticks * quantity.lots)

    def notional_of(self, ticks_times_lots: int) -> Decimal:
        """Return a sum of ticks x lots in quote, exactly; signed sums are welcome."""
        steps = EXACT.multiply(self.tick_size, self.lot_size)
        return EXACT.multiply(Decimal(ticks_times_lots), steps)

    def affordable(self, amount: Decimal, price: Price) -> Quantity:
        """Return the most lots that *amount* (quote) pays for at *price* (decision D4)."""
        return Quantity(_steps(amount, self.notional_of(price.ticks), Rounding.DOWN))

    def accepts(self, price: Price, quantity: Quantity) -> bool:
        """Return whether an order of this size is not under one of the venue's minima."""
        return (
            bool(quantity)
            and quantity >= self.min_quantity
            and self.notional(price, quantity) >= self.min_notional
        )


def _steps(value: Decimal, step: Decimal, rounding: Rounding) -> int:
    return int(EXACT.divide(value, step).to_integral_value(_MODES[rounding], EXACT))


def fixed(value: Decimal, places: int) -> str:
    """Return *value* for people, with so many decimals, half to even.

    A format like `:.2f` rounds as the context of the thread says, which libraries change.
    """
    return f"{value.quantize(Decimal(1).scaleb(-places, EXACT), context=EXACT):f}"


def percent(share: Decimal, places: int = 2) -> str:
    """Return *share* for people as `fixed` does, 0.05 as `5.00%`."""
    return f"{fixed(EXACT.multiply(share, 100), places)}%"


def add_known(*amounts: Decimal | None) -> Decimal | None:
    """Return the exact sum; None, which is not known, if one of *amounts* is not known."""
    known = [amount for amount in amounts if amount is not None]
    return add(*known) if len(known) == len(amounts) else None


def add(*amounts: Decimal) -> Decimal:
    """Return the exact sum of quote amounts."""
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total

"""Scalars and enums on the wire: exact decimal text, aware times, enums member by member.

Whatever cannot be read exactly is an InvalidValueError that names the field: an unknown number of
an enum is never a default, and an absent price is never zero.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, Generic, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from domain.errors import InvalidValueError
from domain.money import EXACT, Instrument, MarketKind, Price
from domain.orders import OrderStatus, OrderType, RefusalReason, Side, TimeInForce
from opensqt.market_maker.v1 import types_pb2

#: No honest price or amount is longer; a longer text is a fault or an attack.
_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")

E = TypeVar("E", bound=StrEnum)


class EnumCodec(Generic[E]):
    """One enum, member by member: both sides name the same things."""

    def __init__(self, kind: type[E], prefix: str, wire: EnumTypeWrapper) -> None:
        self._names = {member: f"{prefix}_{member.name}" for member in kind}
        self._members = {wire.Value(name): member for member, name in self._names.items()}

    def to_wire(self, member: E) -> str:
        """Return the name of the wire's value, as the constructors of messages take it."""
        return self._names[member]

    def from_wire(self, number: int, field: str) -> E:
        """Return the member, or raise InvalidValueError for one that is absent or unknown."""
        try:
            return self._members[number]
        except KeyError:
            known = ", ".join(self._names.values())
            raise InvalidValueError(f"{field} must be one of {known}, was {number}") from None


MARKET_KIND: Final = EnumCodec(MarketKind, "MARKET_KIND", types_pb2.MarketKind)
SIDE: Final = EnumCodec(Side, "ORDER_SIDE", types_pb2.OrderSide)
TYPE: Final = EnumCodec(OrderType, "ORDER_TYPE", types_pb2.OrderType)
TIME_IN_FORCE: Final = EnumCodec(TimeInForce, "TIME_IN_FORCE", types_pb2.TimeInForce)
STATUS: Final = EnumCodec(OrderStatus, "ORDER_STATUS", types_pb2.OrderStatus)
REASON: Final = EnumCodec(RefusalReason, "REFUSAL_REASON", types_pb2.RefusalReason)


def to_decimal(value: Decimal) -> types_pb2.Decimal:
    """Return *value* as plain decimal text, never in exponent notation."""
    return types_pb2.Decimal(value=format(value, "f"))


def from_decimal(message: types_pb2.Decimal, field: str) -> Decimal:
    """Return the number, or raise InvalidValueError if it is not plain decimal text."""
    if not _DECIMAL.fullmatch(message.value):
        shown = message.value[:40]
        raise InvalidValueError(f'{field} must be a decimal number such as "61.5", was "{shown}"')
    return Decimal(message.value)


def to_time(at: datetime) -> Timestamp:
    """Return an aware time."""
    stamp = Timestamp()
    stamp.FromDatetime(at.astimezone(UTC))
    return stamp


def from_time(owner: Message, field: str) -> datetime:
    """Return a time in UTC, or raise InvalidValueError if it is absent."""
    if not owner.HasField(field):
        raise InvalidValueError(f"{owner.DESCRIPTOR.name}.{field} must be a time, was absent")
    stamp: Timestamp = getattr(owner, field)
    return stamp.ToDatetime(tzinfo=UTC)


def to_span(span: timedelta) -> Duration:
    """Return a length of time."""
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


def from_span(owner: Message, field: str) -> timedelta:
    """Return a positive length of time, or raise InvalidValueError."""
    duration: Duration = getattr(owner, field)
    span: timedelta = duration.ToTimedelta()
    if span <= timedelta():
        raise InvalidValueError(
            f"{owner.DESCRIPTOR.name}.{field} must be a positive length of time, was {span}"
        )
    return span


def decimal_in(owner: Message, field: str) -> Decimal:
    """Return the decimal *field* of *owner*; an absent one is an error."""
    return from_decimal(getattr(owner, field), f"{owner.DESCRIPTOR.name}.{field}")


def price_in(instrument: Instrument, owner: Message, field: str) -> Price:
    """Return a price in ticks; one between two ticks is an error."""
    return instrument.exact_price(decimal_in(owner, field), f"{owner.DESCRIPTOR.name}.{field}")


def optional_price_in(instrument: Instrument, owner: Message, field: str) -> Price | None:
    """Return a price in ticks, or None if it is absent."""
    return price_in(instrument, owner, field) if owner.HasField(field) else None


def lots_in(instrument: Instrument, owner: Message, field: str) -> int:
    """Return an amount of base in signed lots; a part of a lot is an error."""
    return _steps(decimal_in(owner, field), instrument.lot_size, owner, field, "lot size")


def value_in(instrument: Instrument, owner: Message, field: str) -> int:
    """Return an amount of quote as the signed sum of ticks x lots that it is."""
    step = instrument.notional_of(1)
    return _steps(decimal_in(owner, field), step, owner, field, "tick size x lot size")


def _steps(value: Decimal, step: Decimal, owner: Message, field: str, called: str) -> int:
    steps = EXACT.divide(value, step)
    if steps != steps.to_integral_value(context=EXACT):
        raise InvalidValueError(
            f"{owner.DESCRIPTOR.name}.{field} must be a multiple of the {called} {step}, "
            f"was {value}"
        )
    return int(steps)


def price_out(instrument: Instrument, price: Price | None) -> types_pb2.Decimal | None:
    """Return a price in quote per base; None stays absent."""
    return None if price is None else to_decimal(instrument.price_of(price))


def lots_out(instrument: Instrument, lots: int) -> types_pb2.Decimal:
    """Return signed lots in base."""
    return to_decimal(EXACT.multiply(Decimal(lots), instrument.lot_size))


def value_out(instrument: Instrument, value: int) -> types_pb2.Decimal:
    """Return a signed sum of ticks x lots in quote."""
    return to_decimal(instrument.notional_of(value))

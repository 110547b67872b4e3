"""Numbers and times as venues write them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.money import EXACT, Instrument
from domain.orders import OrderReport

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def ms(at: datetime) -> int:
    """Return whole milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def from_ms(count: int) -> datetime:
    """Return the time of a count of milliseconds."""
    return _EPOCH + timedelta(milliseconds=count)


def number(value: Decimal) -> str:
    """Return plain decimal text."""
    return format(value, "f")


def lots(instrument: Instrument, count: int) -> str:
    """Return signed lots in base."""
    return number(EXACT.multiply(Decimal(count), instrument.lot_size))


def ticks(instrument: Instrument, count: int) -> str:
    """Return ticks in quote per base; none is 0."""
    return number(EXACT.multiply(Decimal(count), instrument.tick_size))


def average(instrument: Instrument, value: int, count: int) -> Decimal:
    """Return the average price of *count* lots worth *value* (ticks x lots), to 11 decimals."""
    if not count:
        return Decimal(0)
    exact = EXACT.divide(EXACT.multiply(Decimal(value), instrument.tick_size), Decimal(count))
    return exact.quantize(Decimal("1e-11"), context=EXACT).normalize(EXACT)


def number_of(inner_id: str) -> int:
    """Return the number in one of the host's ids, such as 12 of `O12`."""
    return int(inner_id.lstrip("OFP"))


def price(instrument: Instrument, report: OrderReport) -> str:
    """Return an order's limit; none is 0."""
    return ticks(instrument, report.price.ticks if report.price else 0)

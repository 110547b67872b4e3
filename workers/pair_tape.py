"""Tapes of pairs, from recorded candles of both legs and recorded funding rates.

    prices   open_time_ms,open,...             one file for each leg, of the same interval
    rates    funding_time_ms,exchange,symbol,funding_rate

A leg's price at the beginning of a candle is the candle's open; bid and ask lie `half_spread` ticks
around it. A file of rates tells what was settled and when, not what the venue expected before: the
rate that is announced for a settlement is therefore the one before it, so that no decision knows
what only came out later.
"""

import csv
import gzip
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Final

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.simulation.tape import FundingAnnounced, FundingDue, MarketEvent, Quoted
from workers.pair_backtest import TapeEvent

#: What stands at the best prices: more than any backtest trades.
_MUCH: Final = Quantity(10**9)
#: Settlements are booked some milliseconds late; they belong to the whole minute before.
_MINUTE: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A rate that was settled at a time."""

    at: datetime
    rate: Decimal


@dataclass(frozen=True, slots=True)
class LegTape:
    """What was recorded of one leg: opens by time, and settlements (of a perpetual)."""

    instrument: Instrument
    prices: Sequence[tuple[datetime, Decimal]]
    settlements: Sequence[Settlement] = ()
    half_spread: int = 1


def read_prices(path: Path) -> list[tuple[datetime, Decimal]]:
    """Return the opens of a file of candles, oldest first."""
    return [
        (_moment(row["open_time_ms"], path), _number(row["open"], path))
        for row in _rows(path, "open_time_ms", "open")
    ]


def read_settlements(path: Path, exchange: str) -> list[Settlement]:
    """Return what *exchange* settled by a file of rates, oldest first."""
    columns = ("funding_time_ms", "exchange", "funding_rate")
    rows = [row for row in _rows(path, *columns) if row["exchange"] == exchange]
    if not rows:
        raise InvalidValueError(f"{path.name} has no rate of {exchange}")
    found = [
        Settlement(
            _whole(_moment(row["funding_time_ms"], path)), _number(row["funding_rate"], path)
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: each.at)


def pair_tape(first: LegTape, second: LegTape) -> Iterator[TapeEvent]:
    """Yield what happened at both legs, in the order of time; settlements come before prices."""
    streams = [_leg(1, first), _leg(2, second)]
    for _, _, told in heapq.merge(*streams, key=lambda each: each[:2]):
        yield told


def _leg(number: int, tape: LegTape) -> Iterator[tuple[datetime, int, TapeEvent]]:
    """Yield time, rank at that time, and event."""
    due, known, interval = iter(tape.settlements), None, _interval(tape)
    upcoming = next(due, None)
    for at, price in tape.prices:
        while upcoming is not None and upcoming.at <= at:
            event = FundingDue(tape.instrument.symbol, upcoming.rate, upcoming.at)
            yield upcoming.at, number, TapeEvent(number, event)
            known, upcoming = upcoming, next(due, None)
        yield at, 2 + number, TapeEvent(number, _quote(tape, at, price))
        if known is not None and upcoming is not None:
            told = FundingAnnounced(tape.instrument.symbol, known.rate, upcoming.at, at)
            yield at, 4 + number, TapeEvent(number, told, interval)


def _interval(tape: LegTape) -> timedelta | None:
    """Return the time between two settlements: what it is most often, for some come late."""
    if tape.instrument.kind is MarketKind.SPOT:
        return None
    times = [each.at for each in tape.settlements]
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    if not gaps:
        raise InvalidValueError(f"{tape.instrument.symbol} needs two settlements at least")
    return gaps[len(gaps) // 2]


def _quote(tape: LegTape, at: datetime, price: Decimal) -> MarketEvent:
    ticks = tape.instrument.price(price).ticks
    bid, ask = Price(ticks - tape.half_spread), Price(ticks + tape.half_spread)
    return Quoted(tape.instrument.symbol, bid, ask, _MUCH, _MUCH, at)


def _rows(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    try:
        with gzip.open(path, "rt", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise InvalidValueError(f"{path.name} has no column {', '.join(missing)}")
            yield from rows
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise InvalidValueError(f"{path} cannot be read: {error}") from None


def _moment(text: str, path: Path) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(_number(text, path)))


def _whole(at: datetime) -> datetime:
    return at - (at - _EPOCH) % _MINUTE


def _number(text: str, path: Path) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidValueError(f"{path.name}: a number is expected, was {text!r}") from None

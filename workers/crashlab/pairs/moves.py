"""What the lab lets a market do, and how the exchange's process remembers it over its deaths."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from domain.money import Instrument, MarketKind, Price, Quantity
from domain.simulation.tape import (
    FundingAnnounced,
    FundingDue,
    MarketEvent,
    Quoted,
    TradePrinted,
)
from workers.crashlab.role import SYMBOLS

_INTERVAL: Final = timedelta(hours=8)
#: When the funding before the run was settled.
_SETTLED_AGO: Final = timedelta(hours=1)
_STEP: Final = timedelta(milliseconds=1)
_PERPETUAL: Final = Instrument(
    symbol=SYMBOLS[MarketKind.PERPETUAL],
    kind=MarketKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_quantity=Quantity(1),
    # Less than a lot is worth, so that everything can be closed: OKX does not tell its minimum.
    min_notional=Decimal("0.1"),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
INSTRUMENTS: Final = {
    MarketKind.PERPETUAL: _PERPETUAL,
    MarketKind.SPOT: replace(_PERPETUAL, symbol=SYMBOLS[MarketKind.SPOT], kind=MarketKind.SPOT),
}


@dataclass(frozen=True, slots=True)
class Quotes:
    """The best bid and ask are *bid* and *ask* ticks, and *lots* stand on each side."""

    bid: int
    ask: int
    lots: int
    kind: Literal["quotes"] = field(default="quotes", kw_only=True)


@dataclass(frozen=True, slots=True)
class Trades:
    """Somebody trades *lots* at *ticks*."""

    ticks: int
    lots: int
    kind: Literal["trades"] = field(default="trades", kw_only=True)


@dataclass(frozen=True, slots=True)
class Announces:
    """The venue tells another rate for the settlement that is due next."""

    rate: Decimal
    kind: Literal["announces"] = field(default="announces", kw_only=True)


@dataclass(frozen=True, slots=True)
class Settles:
    """Funding is settled at *rate*, which is announced again."""

    rate: Decimal
    kind: Literal["settles"] = field(default="settles", kw_only=True)


Move = Annotated[Quotes | Trades | Announces | Settles, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class _Line:
    at: datetime
    move: Move


_LINE: Final = TypeAdapter(_Line)


class Script:
    """A market that does what the lab tells it: a source that is written while it is read.

    A move is in the file before it happens, so an exchange that was killed plays it again.
    """

    def __init__(self, path: Path, kind: MarketKind) -> None:
        self.instruments: Sequence[Instrument] = (INSTRUMENTS[kind],)
        self.origin: Mapping[str, Any] = {"script": str(kind)}
        self._symbol = SYMBOLS[kind]
        self._path = path
        self._events: list[MarketEvent] = []
        self._index = 0
        self._due: datetime | None = None
        self.last: datetime | None = None
        self.quoted: Quotes | None = None
        for line in _lines(path):
            self._take_in(line)

    def begin(self, started_at: datetime) -> datetime:
        self._index = 0
        return started_at - 2 * _SETTLED_AGO

    def peek(self) -> MarketEvent | None:
        return self._events[self._index] if self._index < len(self._events) else None

    def take(self) -> None:
        self._index += 1

    def mark(self) -> Mapping[str, Any]:
        return {"index": self._index}

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._index = mark["index"]

    def open(self, price: Decimal) -> None:
        """Begin with a market at *price*, and a settlement an hour ago."""
        tick = self.instruments[0].tick_size
        middle = int(price / tick)
        before, quotes = datetime.now(UTC) - _SETTLED_AGO, Quotes(middle - 1, middle + 1, 1000)
        self.add(quotes, at=before)
        if self.instruments[0].kind is MarketKind.PERPETUAL:
            self.add(Settles(Decimal(0)), at=before)
        self.add(Trades(middle, 1000))
        self.add(quotes)

    def add(self, move: Move, at: datetime | None = None) -> None:
        """Let *move* happen next, now unless *at* is given; times only increase."""
        now = at or datetime.now(UTC)
        line = _Line(now if self.last is None else max(now, self.last + _STEP), move)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, _LINE.dump_json(line) + b"\n")
        finally:
            os.close(descriptor)
        self._take_in(line)

    @property
    def waiting(self) -> int:
        """How many events have not happened yet."""
        return len(self._events) - self._index

    def _take_in(self, line: _Line) -> None:
        self.last = line.at
        self._events += self._events_of(line.move, line.at)

    def _events_of(self, move: Move, at: datetime) -> Iterator[MarketEvent]:
        symbol = self._symbol
        match move:
            case Quotes(bid, ask, lots):
                self.quoted = move
                much = Quantity(lots)
                yield Quoted(symbol, Price(bid), Price(ask), much, much, at)
            case Trades(ticks, lots):
                yield TradePrinted(symbol, Price(ticks), Quantity(lots), at)
            case Settles(rate):
                self._due = at + _INTERVAL
                yield FundingDue(symbol, rate, at)
                yield FundingAnnounced(symbol, rate, self._due, at)
            case Announces(rate):
                yield FundingAnnounced(symbol, rate, self._due or at + _INTERVAL, at)


def _lines(path: Path) -> Iterator[_Line]:
    if not path.exists():
        return
    # What stands behind the last newline was never finished, so it never happened.
    *whole, _ = path.read_bytes().split(b"\n")
    for line in whole:
        yield _LINE.validate_json(line)

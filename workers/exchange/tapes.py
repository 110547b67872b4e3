"""Recorded market data as a tape: gzipped CSV files whose kind is told by their columns."""

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Final

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind
from domain.simulation import decode
from domain.simulation.tape import MarketEvent
from workers.exchange.instruments import Steps, instrument_of, step_of

_NAME: Final = re.compile(r"_(?P<market>spot|usdm|perp)_(?P<symbol>[A-Z0-9]{4,20})_")
_MARKETS: Final = {
    "spot": MarketKind.SPOT,
    "usdm": MarketKind.PERPETUAL,
    "perp": MarketKind.PERPETUAL,
}

Rows = Sequence[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Tape:
    """A recorded market. `digest` tells its file from every other."""

    instrument: Instrument
    events: Sequence[MarketEvent]
    digest: str


@dataclass(frozen=True, slots=True)
class _Kind:
    prices: tuple[str, ...]
    quantities: tuple[str, ...]
    decode: Callable[[Instrument, Rows], Iterator[MarketEvent]]


def _candles(instrument: Instrument, rows: Rows) -> Iterator[MarketEvent]:
    return decode.candles(instrument, rows, _interval(rows))


#: By the first column.
_KINDS: Final = {
    "trade_time_ms": _Kind(("price",), ("qty",), decode.trades),
    "transact_time_ms": _Kind(("price",), ("qty",), decode.aggregated_trades),
    "time_ms": _Kind(("bid_price", "ask_price"), ("bid_qty", "ask_qty"), decode.quotes),
    "open_time_ms": _Kind(("open", "high", "low", "close"), ("volume",), _candles),
}


def read_tape(path: Path, symbol: str | None, market: MarketKind | None) -> Tape:
    """Return the tape in *path*; *symbol* and *market* are guessed from its name where not given.

    Raises InvalidValueError with one message that says what is wrong with the file.
    """
    packed = _packed(path)
    rows = _rows(path, packed)
    kind = _KINDS.get(next(iter(rows[0])))
    if kind is None or not set(rows[0]) >= {*kind.prices, *kind.quantities}:
        raise InvalidValueError(
            f"{path} must hold trades, quotes, aggregated trades or candles with volume, "
            f"its columns were {', '.join(map(str, rows[0]))}"
        )
    instrument = _instrument(path, rows, kind, symbol, market)
    try:
        events = list(kind.decode(instrument, rows))
    except InvalidValueError as error:
        raise InvalidValueError(f"{path} cannot be read: {error}") from error
    if not events:
        raise InvalidValueError(f"{path} must have at least one event, had none")
    return Tape(instrument, events, sha256(packed).hexdigest())


def _packed(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidValueError(f"tape {path} cannot be read: {error.strerror}") from error


def _rows(path: Path, packed: bytes) -> Rows:
    try:
        text = gzip.decompress(packed).decode()
        rows = list(csv.DictReader(StringIO(text), strict=True))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InvalidValueError(f"tape {path} is no gzipped CSV file: {error}") from error
    if not rows:
        raise InvalidValueError(f"tape {path} must have at least one row, had none")
    if any(None in row or None in row.values() for row in rows):
        raise InvalidValueError(f"tape {path} must have as many values in each row as columns")
    return rows


def _instrument(
    path: Path, rows: Rows, kind: _Kind, symbol: str | None, market: MarketKind | None
) -> Instrument:
    named = _NAME.search(path.name)
    symbol = symbol or (named["symbol"] if named else None)
    if symbol is None:
        raise InvalidValueError(
            f"{path.name} does not tell its symbol as in venue_spot_BTCUSDT_trades.csv.gz: "
            "add --symbol"
        )
    market = market or (_MARKETS[named["market"]] if named else MarketKind.SPOT)
    steps = Steps(
        step_of(row[column] for row in rows for column in kind.prices),
        step_of(row[column] for row in rows for column in kind.quantities),
    )
    return instrument_of(symbol, market, steps)


def _interval(rows: Rows) -> timedelta:
    """Return the commonest, that is the smallest, distance of two candles."""
    try:
        opened = [int(row["open_time_ms"]) for row in rows]
    except ValueError as error:
        raise InvalidValueError(f"open_time_ms must be a whole number: {error}") from None
    distances = [after - before for before, after in pairwise(opened)]
    if not distances or min(distances) <= 0:
        raise InvalidValueError("candles must be two or more, with increasing times")
    return timedelta(milliseconds=min(distances))

"""Tapes out of rows of text, as recorded market data come: a row in, an event out.

A row is a mapping of column names to text, as `csv.DictReader` gives it; reading the file is
somebody else's work. What a row says wrong raises InvalidValueError with its line, the first row
being line 2.
Quantities are rounded down to whole lots, and a trade of less than a lot is left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, TypeVar

from domain.errors import InvalidValueError
from domain.market import Candle
from domain.money import Instrument, Price, Quantity
from domain.simulation.tape import CandleClosed, FundingDue, Quoted, TradePrinted

Row = Mapping[str, str]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FLAGS: Final = {"true": True, "false": False, "": None}
_FIRST_LINE: Final = 2  # below the names of the columns

_Event = TypeVar("_Event")


def trades(instrument: Instrument, rows: Iterable[Row]) -> Iterator[TradePrinted]:
    """Yield a tape from `trade_time_ms, price, qty, is_buyer_maker`."""
    return _trades(instrument, rows, "trade_time_ms")


def aggregated_trades(instrument: Instrument, rows: Iterable[Row]) -> Iterator[TradePrinted]:
    """Yield a tape from `transact_time_ms, price, qty, is_buyer_maker`."""
    return _trades(instrument, rows, "transact_time_ms")


def quotes(instrument: Instrument, rows: Iterable[Row]) -> Iterator[Quoted]:
    """Yield a tape from `time_ms, recv_us, bid_price, bid_qty, ask_price, ask_qty`.

    Where `time_ms` is empty (Binance spot) the time of receipt `recv_us` stands in.
    """

    def event(row: Row) -> Quoted:
        at = _time(row, "time_ms") if _text(row, "time_ms") else _EPOCH + _micros(row, "recv_us")
        return Quoted(
            instrument.symbol,
            _price(instrument, row, "bid_price"),
            _price(instrument, row, "ask_price"),
            _quantity(instrument, row, "bid_qty"),
            _quantity(instrument, row, "ask_qty"),
            at,
        )

    return _decoded(rows, event)


def candles(
    instrument: Instrument, rows: Iterable[Row], interval: timedelta
) -> Iterator[CandleClosed]:
    """Yield a tape from `open_time_ms, open, high, low, close, volume` (volume in base)."""

    def event(row: Row) -> CandleClosed:
        candle = Candle(
            instrument.symbol,
            _time(row, "open_time_ms"),
            _price(instrument, row, "open"),
            _price(instrument, row, "high"),
            _price(instrument, row, "low"),
            _price(instrument, row, "close"),
            _quantity(instrument, row, "volume"),
        )
        if not candle.low <= min(candle.open, candle.close) <= candle.high >= candle.close:
            raise InvalidValueError(f"high and low must enclose open and close, was {dict(row)}")
        return CandleClosed(candle, interval)

    return _decoded(rows, event)


def funding(instrument: Instrument, rows: Iterable[Row], exchange: str) -> Iterator[FundingDue]:
    """Yield a tape from the rows of *exchange* in `funding_time_ms, exchange, funding_rate`."""

    def event(row: Row) -> FundingDue | None:
        if _text(row, "exchange") != exchange:
            return None
        rate = _decimal(row, "funding_rate")
        return FundingDue(instrument.symbol, rate, _time(row, "funding_time_ms"))

    return _decoded(rows, event)


def _trades(instrument: Instrument, rows: Iterable[Row], time: str) -> Iterator[TradePrinted]:
    def event(row: Row) -> TradePrinted | None:
        flag = _text(row, "is_buyer_maker").lower()
        if flag not in _FLAGS:
            raise InvalidValueError(f"is_buyer_maker must be true or false, was {flag!r}")
        price, quantity = _price(instrument, row, "price"), _quantity(instrument, row, "qty")
        if not quantity:
            return None
        return TradePrinted(instrument.symbol, price, quantity, _time(row, time), _FLAGS[flag])

    return _decoded(rows, event)


def _decoded(rows: Iterable[Row], event: Callable[[Row], _Event | None]) -> Iterator[_Event]:
    for line, row in enumerate(rows, _FIRST_LINE):
        try:
            decoded = event(row)
        except InvalidValueError as wrong:
            raise InvalidValueError(f"line {line}: {wrong}") from None
        if decoded is not None:
            yield decoded


def _price(instrument: Instrument, row: Row, column: str) -> Price:
    return instrument.exact_price(_decimal(row, column), column)


def _quantity(instrument: Instrument, row: Row, column: str) -> Quantity:
    return instrument.quantity(_decimal(row, column))


def _text(row: Row, column: str) -> str:
    text = row.get(column)
    if text is None:  # no such column, or the row ends before it
        raise InvalidValueError(f"column {column} is missing, was {dict(row)}")
    return text


def _decimal(row: Row, column: str) -> Decimal:
    text = _text(row, column)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise InvalidValueError(f"{column} must be a number, was {text!r}") from None
    if not value.is_finite():
        raise InvalidValueError(f"{column} must be finite, was {text!r}")
    return value


def _time(row: Row, column: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=_whole(row, column))


def _micros(row: Row, column: str) -> timedelta:
    return timedelta(microseconds=_whole(row, column))


def _whole(row: Row, column: str) -> int:
    text = _text(row, column)
    try:
        return int(text)
    except ValueError:
        raise InvalidValueError(f"{column} must be a whole number, was {text!r}") from None

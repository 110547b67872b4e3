"""What all dialects tell of a market, in ticks and lots: trades, book, day, bars and funding."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.conditions import FundingRate
from domain.market import Candle
from domain.money import EXACT, Instrument, Price
from domain.simulation.crowd import FUNDING_EVERY, settlement_after, settlement_at
from domain.simulation.depth import Level
from workers.exchange.fronts.rows import ms
from workers.exchange.host import Host
from workers.exchange.prints import Print, of_price

#: What is told as the rate that is due next where the market announced none.
_USUAL_RATE: Final = Decimal("0.0001")
_DAY: Final = timedelta(hours=24)
_MINUTE: Final = timedelta(minutes=1)
_MINUTES: Final = _DAY // _MINUTE
_MOST_BARS: Final = 100_000
FUNDING_HOURS: Final = FUNDING_EVERY // timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Book:
    """Best prices first. Of two books the newer one has the greater `number`."""

    bids: Sequence[Level]
    asks: Sequence[Level]
    at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours: prices in ticks, `volume` in lots, `value` in ticks x lots."""

    open: int
    high: int
    low: int
    last: int
    volume: int
    value: int
    opened_at: datetime
    at: datetime

    @property
    def change(self) -> Decimal:
        """The share by which the price rose."""
        return EXACT.divide(Decimal(self.last - self.open), Decimal(self.open))


def trades(host: Host, instrument: Instrument, limit: int) -> Sequence[Print]:
    """Return the newest trades, oldest first.

    Where none is remembered the last price stands for one; none before the first price.
    """
    update = host.exchange.last_price(instrument.symbol)
    if update is None:
        return ()
    return host.prints.newest(instrument.symbol, limit) or (of_price(update),)


def book(host: Host, instrument: Instrument, levels: int) -> Book:
    """Return bids and asks of everybody, at most *levels* each; none before the first price."""
    bids, asks = host.exchange.book(instrument.symbol, levels)
    now = host.exchange.now
    number = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return Book(bids, asks, now, number)


def day(host: Host, instrument: Instrument) -> Day | None:
    """Return the last 24 hours; None before the first price."""
    update = host.exchange.last_price(instrument.symbol)
    bars = host.exchange.candles(instrument.symbol, _MINUTE, _MINUTES)
    recent = [bar for bar in bars if bar.opened_at > host.exchange.now - _DAY]
    if update is None or not recent:
        return None
    return Day(
        open=recent[0].open.ticks,
        high=max(bar.high.ticks for bar in recent),
        low=min(bar.low.ticks for bar in recent),
        last=update.price.ticks,
        volume=sum(bar.volume.lots for bar in recent),
        value=sum(bar.close.ticks * bar.volume.lots for bar in recent),
        opened_at=recent[0].opened_at,
        at=update.at,
    )


def bars(
    host: Host,
    instrument: Instrument,
    length: timedelta,
    limit: int,
    span: tuple[int, int] = (0, 0),
) -> Sequence[Candle]:
    """Return bars that opened in *span* (milliseconds, both included; 0: no end), oldest first.

    With a beginning the first *limit* of them, else the last ones.
    """
    begin, end = span
    if not begin and not end:
        return host.exchange.candles(instrument.symbol, length, limit)
    known = host.exchange.candles(instrument.symbol, length, _MOST_BARS)
    some = [
        bar for bar in known if begin <= ms(bar.opened_at) and (not end or ms(bar.opened_at) <= end)
    ]
    return some[:limit] if begin else some[-limit:]


def mark(host: Host, instrument: Instrument) -> Price | None:
    """Return what positions are valued at; None before the first price."""
    return host.exchange.mark_price(instrument.symbol)


def next_funding(host: Host, instrument: Instrument) -> FundingRate:
    """Return the funding that is due next.

    What the market announced; else the usual rate at the next of 0, 8 and 16 o'clock.
    """
    announced = host.exchange.next_funding(instrument.symbol)
    if announced is not None:
        return announced
    due_at = settlement_at(settlement_after(host.exchange.now))
    return FundingRate(instrument.symbol, _USUAL_RATE, due_at)


def past_funding(
    host: Host, instrument: Instrument, begin_ms: int = 0, end_ms: int = 0
) -> Sequence[FundingRate]:
    """Return the settled rates of a span (0: no end), oldest first."""
    return [
        each
        for each in host.exchange.funding_rates(instrument.symbol)
        if begin_ms <= ms(each.at) and (not end_ms or ms(each.at) <= end_ms)
    ]

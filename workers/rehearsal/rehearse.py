"""One grid over recorded candles, with the market monitor and without it.

A candle fills only orders that rested when it opened, so the grid is a bit worse off than it would
be among trades; and the monitor is told of closed candles only, so it is a bit later than the one
at work, which sees them form. Both are so with the monitor and without: the difference counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.accounting import VenueView
from domain.errors import InvalidValueError
from domain.grid.config import bind
from domain.grid.events import RiskChanged
from domain.grid.spec import GridSpec
from domain.grid.state import begin
from domain.grid.view import status
from domain.money import EXACT, ZERO, Instrument, add
from domain.orders import OrderReport, OrderStatus
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import CandleClosed, Marked, MarketEvent
from workers.backtest import play
from workers.rehearsal.storms import Storm

#: How long after a candle closed the run hears of it.
HEARD_AFTER: Final = timedelta(seconds=1)
_ACCOUNT: Final = "rehearsal"
_TAG: Final = "rehearse"
_ENOUGH: Final = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Point:
    """What a grid was worth after a candle, against its beginning, in quote."""

    at: datetime
    price: Decimal
    result: Decimal


@dataclass(frozen=True, slots=True)
class Course:
    """How one grid fared. Amounts are quote, but `position`, which is base."""

    points: tuple[Point, ...]
    fills: int
    position: Decimal

    @property
    def result(self) -> Decimal:
        """What it won or lost by the last candle, what it holds valued at its price."""
        return self.points[-1].result

    @property
    def drawdown(self) -> Decimal:
        """The deepest fall from a peak, as a positive number."""
        peak = deepest = ZERO
        for point in self.points:
            peak = max(peak, point.result)
            deepest = max(deepest, EXACT.subtract(peak, point.result))
        return deepest


@dataclass(frozen=True, slots=True)
class Canceled:
    """The entries that one storm took from the book."""

    orders: int
    notional: Decimal


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The same grid over the same candles, with the monitor and without."""

    storms: tuple[Storm, ...]
    #: One for each storm.
    canceled: tuple[Canceled, ...]
    guarded: Course
    alone: Course


def rehearse(
    spec: GridSpec,
    instrument: Instrument,
    candles: Sequence[CandleClosed],
    storms: Sequence[Storm],
) -> Rehearsal:
    """Return how a grid of *spec* fares over *candles* with *storms* and without.

    Storms outside the candles are left out. Raises InvalidValueError if *spec* does not fit.
    """
    if not candles:
        raise InvalidValueError("a rehearsal needs candles, had none: look at the times")
    first, last = candles[0].at, candles[-1].at
    seen = tuple(storm for storm in storms if first <= storm.began_at <= last)
    exchange, guarded = _course(spec, instrument, candles, seen)
    canceled = tuple(_canceled(exchange, instrument, storm) for storm in seen)
    return Rehearsal(seen, canceled, guarded, _course(spec, instrument, candles, ())[1])


def _course(
    spec: GridSpec,
    instrument: Instrument,
    candles: Sequence[CandleClosed],
    storms: Sequence[Storm],
) -> tuple[SimulatedExchange, Course]:
    funds = {_ACCOUNT: {instrument.quote: _ENOUGH, instrument.base: ZERO}}
    exchange = SimulatedExchange(ExchangeRules((instrument,), funds), candles[0].at)
    exchange.on(candles[0])
    tape, commands = _script(candles, storms)
    points: list[Point] = []
    watched = _noting(exchange, instrument, tape, points)
    state = begin(bind(spec, instrument), _TAG)
    played = play(exchange, _ACCOUNT, state, watched, commands)
    held = status(played.state)
    return exchange, Course(tuple(points), held.fills, held.position)


def _script(
    candles: Sequence[CandleClosed], storms: Sequence[Storm]
) -> tuple[list[MarketEvent], Mapping[int, Sequence[RiskChanged]]]:
    """Return the tape with a moment for each word of the monitor, and the words by their number."""
    ends = (storm.ended_at for storm in storms)
    words = {at: RiskChanged(halted=False, at=at) for at in ends if at is not None}
    words |= {
        one.began_at: RiskChanged(halted=True, at=one.began_at, why=one.why) for one in storms
    }
    tape: list[MarketEvent] = []
    commands: dict[int, Sequence[RiskChanged]] = {}
    for candle in candles:
        if candle is not candles[0]:  # which the exchange knows already
            tape.append(candle)
        word = words.get(candle.at)
        if word is not None:
            # A mark is nothing to a grid: it lets the time pass in which the word comes.
            tape.append(Marked(candle.symbol, candle.candle.close, candle.at + HEARD_AFTER))
            commands[len(tape)] = [word]
    return tape, commands


def _noting(
    exchange: SimulatedExchange,
    instrument: Instrument,
    tape: Sequence[MarketEvent],
    points: list[Point],
) -> Iterator[MarketEvent]:
    """Yield the tape; note what the account is worth whenever a candle was dealt with."""
    for event in tape:
        yield event
        if isinstance(event, CandleClosed):
            close = event.candle.close
            view = VenueView.of(
                instrument, exchange.balances(_ACCOUNT), exchange.positions(_ACCOUNT)
            )
            result = EXACT.subtract(view.equity(instrument, close), _ENOUGH)
            points.append(Point(event.at, instrument.price_of(close), result))


def _canceled(exchange: SimulatedExchange, instrument: Instrument, storm: Storm) -> Canceled:
    heard_at = storm.began_at + HEARD_AFTER
    reports = exchange.orders_since(_ACCOUNT, instrument.symbol, heard_at)
    gone = [one for one in reports if one.at == heard_at and one.status is OrderStatus.CANCELED]
    return Canceled(len(gone), add(*(_notional(instrument, report) for report in gone)))


def _notional(instrument: Instrument, report: OrderReport) -> Decimal:
    assert report.price is not None  # noqa: S101 - entries of a grid have a price
    return instrument.notional(report.price, report.quantity - report.filled)

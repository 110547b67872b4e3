"""Where the market comes from: a recorded tape, or a process made from a seed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

from domain.money import Instrument, MarketKind, Quantity
from domain.simulation.process import ProcessSpec, ProcessState, advance, beginning
from domain.simulation.tape import CandleClosed, MarketEvent
from workers.exchange.instruments import instrument_of
from workers.exchange.settings import ExchangeSettings
from workers.exchange.tapes import read_tape

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
#: What the commonest trade of a made market is worth, in quote.
_TYPICAL: Final = Decimal(500)


class Source(Protocol):
    """A market's events in time order, the same for ever, read with a cursor."""

    @property
    def origin(self) -> Mapping[str, Any]:
        """What the events are made of; sources of the same origin give the same events."""
        ...

    @property
    def instruments(self) -> Sequence[Instrument]:
        """What is traded."""
        ...

    def begin(self, started_at: datetime) -> datetime:
        """Go to the beginning and return its time; only a made market begins at *started_at*."""
        ...

    def peek(self) -> MarketEvent | None:
        """Return the next event; None if there is none."""
        ...

    def take(self) -> None:
        """Go behind the next event."""
        ...

    def mark(self) -> Mapping[str, Any]:
        """Return where the cursor is, as what JSON can hold."""
        ...

    def seek(self, mark: Mapping[str, Any]) -> None:
        """Go to *mark*."""
        ...


class Recorded:
    """A tape. In a loop it starts over with its times shifted behind its end."""

    def __init__(self, settings: ExchangeSettings) -> None:
        if settings.tape is None:
            raise AssertionError("a recorded market has a tape")
        tape = read_tape(settings.tape, settings.symbol, settings.market)
        self.instruments = (tape.instrument,)
        self.origin = {
            "tape": tape.digest,
            "symbol": tape.instrument.symbol,
            "market": tape.instrument.kind,
            "loop": settings.loop,
        }
        self._events = tape.events
        self.first = tape.events[0]
        self._loop = settings.loop
        first, last = tape.events[0].at, tape.events[-1].at
        # The gap at the seam is that of the first two events, so that times go on increasing.
        seam = tape.events[1].at - first if len(tape.events) > 1 else timedelta(seconds=1)
        self._length = last - first + max(seam, timedelta(milliseconds=1))
        self._index = 0

    def begin(self, started_at: datetime) -> datetime:  # noqa: ARG002 - a tape has its own times
        self._index = 0
        return self._events[0].at

    def peek(self) -> MarketEvent | None:
        lap, index = divmod(self._index, len(self._events))
        if lap and not self._loop:
            return None
        event = self._events[index]
        return _shifted(event, self._length * lap) if lap else event

    def take(self) -> None:
        self._index += 1

    def mark(self) -> Mapping[str, Any]:
        return {"index": self._index}

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._index = mark["index"]


class Made:
    """An endless market made from a seed; *instrument* and *seed* default to the settings'."""

    def __init__(
        self,
        settings: ExchangeSettings,
        instrument: Instrument | None = None,
        seed: int | None = None,
    ) -> None:
        if instrument is None:
            kind = settings.market or MarketKind.SPOT
            instrument = instrument_of(settings.symbol or "BTCUSDT", kind)
        self.instruments = (instrument,)
        start = instrument.price(settings.start_price)
        typical = instrument.affordable(_TYPICAL, start)
        steps_a_day = Decimal(_DAY // settings.mean_gap)
        volatility = int(start.ticks * settings.volatility / steps_a_day.sqrt())
        self._spec = ProcessSpec(
            symbol=instrument.symbol,
            seed=settings.seed if seed is None else seed,
            start=start,
            started_at=settings.start_at or _EPOCH,
            volatility_ticks=max(1, volatility),
            mean_gap=settings.mean_gap,
            typical=max(typical, Quantity(1)),
            pull_ppm=settings.pull_ppm,
        )
        written = asdict(self._spec)
        del written["started_at"]
        self.origin = {
            **{name: str(value) for name, value in written.items()},
            "market": instrument.kind,
            "started_at": settings.start_at.isoformat() if settings.start_at else None,
        }
        self._fixed_start = settings.start_at
        self._state = beginning(self._spec)
        self._next = advance(self._spec, self._state)

    def begin(self, started_at: datetime) -> datetime:
        at = self._fixed_start or started_at
        self._spec = replace(self._spec, started_at=at)
        self._go(beginning(self._spec))
        return at

    def peek(self) -> MarketEvent | None:
        return self._next[1]

    def take(self) -> None:
        self._go(self._next[0])

    def mark(self) -> Mapping[str, Any]:
        return asdict(self._state)

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._go(ProcessState(**mark))

    def _go(self, state: ProcessState) -> None:
        self._state = state
        self._next = advance(self._spec, state)


def _shifted(event: MarketEvent, by: timedelta) -> MarketEvent:
    if isinstance(event, CandleClosed):
        candle = replace(event.candle, opened_at=event.candle.opened_at + by)
        return replace(event, candle=candle)
    return replace(event, at=event.at + by)

"""Candles that were recorded, by the symbol that specs call them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from domain.errors import InvalidValueError
from domain.market import Candle
from domain.money import Instrument, MarketKind
from domain.risk.monitor_spec import MonitorSpec
from domain.simulation.tape import CandleClosed
from workers.exchange.tapes import read_tape


@dataclass(frozen=True, slots=True)
class Recorded:
    """The candles of one symbol, in order."""

    instrument: Instrument
    candles: tuple[CandleClosed, ...]

    def between(self, begin: datetime | None, end: datetime | None) -> tuple[CandleClosed, ...]:
        """Return those that opened at *begin* or later, and before *end*."""
        return tuple(
            one
            for one in self.candles
            if (begin is None or one.candle.opened_at >= begin)
            and (end is None or one.candle.opened_at < end)
        )


def read_candles(symbol: str, path: Path) -> Recorded:
    """Return the candles in *path*, as those of *symbol*.

    Raises InvalidValueError for a file that cannot be read or holds something else.
    """
    kind = MarketKind.PERPETUAL if ":" in symbol else MarketKind.SPOT
    tape = read_tape(path, symbol, kind)
    candles = tuple(event for event in tape.events if isinstance(event, CandleClosed))
    if len(candles) != len(tape.events):
        raise InvalidValueError(f"{path} must hold candles: a monitor looks at nothing else")
    return Recorded(tape.instrument, candles)


def check_length(spec: MonitorSpec, recorded: Mapping[str, Recorded]) -> None:
    """Raise InvalidValueError if candles are not of the length that the monitor looks at."""
    for symbol, known in recorded.items():
        found = known.candles[0].interval
        if found != spec.length:
            raise InvalidValueError(
                f"interval: the monitor looks at candles of {spec.interval}, those of {symbol} "
                f"are of {found}; set its interval or take other candles"
            )


def closed(recorded: Mapping[str, Recorded]) -> Mapping[str, Sequence[Candle]]:
    """Return the plain candles by symbol."""
    return {name: [one.candle for one in known.candles] for name, known in recorded.items()}

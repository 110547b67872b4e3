"""What public streams look at: the last price, bars, anything that is told when it changed.

A look is asked after every change of the host and returns the messages that are new, in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from activities.venues.paper import new_candles
from domain.market import Candle, PriceUpdate
from domain.money import Instrument
from workers.exchange.fronts.desk import Desk

#: Forming candles are told this often at most (seconds).
_BARS_EVERY: Final = 0.05


@dataclass(frozen=True, slots=True)
class Look:
    """Returns what is new when it is called; it is not asked again within `every` seconds."""

    read: Callable[[], Sequence[Any]]
    every: float = 0.0


def last_price(
    desk: Desk, instrument: Instrument, tell: Callable[[PriceUpdate, bool], Any]
) -> Look:
    """Look at the last price. *tell* makes a message of it, and knows whether it is the first."""
    sent: PriceUpdate | None = None

    def read() -> Sequence[Any]:
        nonlocal sent
        update = desk.host.exchange.last_price(instrument.symbol)
        if update is None or update == sent:
            return ()
        first, sent = sent is None, update
        return (tell(update, first),)

    return Look(read)


def new_bars(
    desk: Desk,
    instrument: Instrument,
    length: timedelta,
    tell: Callable[[Candle], Any],
) -> Look:
    """Look at the bars that closed or changed from now on; *tell* makes a message of each."""
    newest = desk.host.exchange.candles(instrument.symbol, length, 1)
    sent: Candle | None = newest[-1] if newest else None

    def read() -> Sequence[Any]:
        nonlocal sent
        new = new_candles(desk.host.exchange, instrument.symbol, length, sent)
        sent = new[-1] if new else sent
        return [tell(bar) for bar in new]

    return Look(read, _BARS_EVERY)


def all_bars(
    desk: Desk,
    instrument: Instrument,
    length: timedelta,
    tell: Callable[[Sequence[Candle], bool], Any],
) -> Look:
    """Look at the bars there are and then at new ones; *tell* makes one message of some.

    It knows whether they are the first.
    """
    sent: Candle | None = None

    def read() -> Sequence[Any]:
        nonlocal sent
        new = new_candles(desk.host.exchange, instrument.symbol, length, sent)
        if not new:
            return ()
        first, sent = sent is None, new[-1]
        return (tell(new, first),)

    return Look(read, _BARS_EVERY)


def changed(ask: Callable[[], Any], tell: Callable[[Any], Any]) -> Look:
    """Look whether *ask* returns something else than before; nothing (None, empty) is not told."""
    sent: Any = None

    def read() -> Sequence[Any]:
        nonlocal sent
        now = ask()
        if now == sent:
            return ()
        sent = now
        return (tell(now),) if now else ()

    return Look(read)


def always(ask: Callable[[], Any | None]) -> Look:
    """Look at what *ask* returns after every change; None is not told."""

    def read() -> Sequence[Any]:
        now = ask()
        return () if now is None else (now,)

    return Look(read)

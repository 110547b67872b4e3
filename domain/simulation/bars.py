"""Candles of one symbol: aggregated from trades, or taken from a tape of candles."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from domain.errors import InvalidValueError
from domain.market import Candle
from domain.money import Price, Quantity

MINUTE: Final = timedelta(minutes=1)
#: How many bars are remembered: a week of minutes.
REMEMBERED: Final = 7 * 24 * 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def opening(at: datetime, interval: timedelta) -> datetime:
    """Return when the bar that *at* lies in opened; bars are aligned to 1970."""
    return at - (at - _EPOCH) % interval


class Bars:
    """The newest bars of one symbol. Minutes without a trade have no bar: no data is not zero."""

    __slots__ = (
        "_close",
        "_ends_at",
        "_high",
        "_low",
        "_open",
        "_opened_at",
        "_volume",
        "closed",
        "interval",
        "symbol",
    )

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.interval = MINUTE
        self.closed: deque[Candle] = deque(maxlen=REMEMBERED)
        self._opened_at = self._ends_at = _EPOCH  # nothing is forming
        self._open = self._high = self._low = self._close = self._volume = 0

    def trade(self, ticks: int, lots: int, at: datetime) -> None:
        """Count a trade. One that is older than the forming bar counts into that bar."""
        if at < self._ends_at:
            if ticks > self._high:
                self._high = ticks
            elif ticks < self._low:
                self._low = ticks
            self._close = ticks
            self._volume += lots
            return
        self._close_forming()
        self._opened_at = opening(at, self.interval)
        self._ends_at = self._opened_at + self.interval
        self._open = self._high = self._low = self._close = ticks
        self._volume = lots

    def take(self, candle: Candle, interval: timedelta) -> None:
        """Add a closed candle of a tape; raise InvalidValueError if its interval is another one."""
        if interval != self.interval and (self.closed or self._volume):
            raise InvalidValueError(
                f"candles of {self.symbol} must all be of {self.interval}, one was of {interval}"
            )
        self.interval = interval
        self.closed.append(candle)

    def candles(self, interval: timedelta, limit: int, now: datetime) -> Sequence[Candle]:
        """Return the newest *limit* candles, oldest first; only the last may be unclosed.

        Raises InvalidValueError if *interval* is not a multiple of what is recorded.
        """
        if interval < self.interval or interval % self.interval or limit < 1:
            raise InvalidValueError(
                f"candles of {self.symbol} come in multiples of {self.interval} and at least one, "
                f"asked were {limit} of {interval}"
            )
        most = limit * (interval // self.interval)
        bars = [*self.closed, *self._forming()][-most:]
        groups = groupby(bars, key=lambda bar: opening(bar.opened_at, interval))
        merged = [_merged(at, list(group), closed=at + interval <= now) for at, group in groups]
        return merged[-limit:]

    def forming(self) -> Candle | None:
        """Return the bar that is not closed, if there is one."""
        if self._ends_at == _EPOCH:
            return None
        return Candle(
            self.symbol,
            self._opened_at,
            Price(self._open),
            Price(self._high),
            Price(self._low),
            Price(self._close),
            Quantity(self._volume),
            closed=False,
        )

    def resume(self, interval: timedelta, closed: Sequence[Candle], forming: Candle | None) -> None:
        """Go on from what was recorded before."""
        self.interval = interval
        self.closed.extend(closed)
        if forming is None:
            return
        self._opened_at = forming.opened_at
        self._ends_at = forming.opened_at + interval
        self._open, self._high = forming.open.ticks, forming.high.ticks
        self._low, self._close = forming.low.ticks, forming.close.ticks
        self._volume = forming.volume.lots

    def _forming(self) -> Sequence[Candle]:
        bar = self.forming()
        return () if bar is None else (bar,)

    def _close_forming(self) -> None:
        self.closed.extend(_merged(bar.opened_at, [bar], closed=True) for bar in self._forming())


def _merged(opened_at: datetime, bars: Sequence[Candle], *, closed: bool) -> Candle:
    return Candle(
        bars[0].symbol,
        opened_at,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        Quantity(sum(bar.volume.lots for bar in bars)),
        closed=closed,
    )

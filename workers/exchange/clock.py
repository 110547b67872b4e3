"""The market's clock: market time that runs at a factor of wall time, and can stand still."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from domain.errors import InvalidValueError


class MarketClock:
    """Market time since *start*. *seconds* is a monotonic wall clock; time never runs backwards."""

    def __init__(self, start: datetime, speed: Decimal, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._market_anchor = start
        self._wall_anchor = seconds()
        self._speed = speed
        self._paused = False

    @property
    def speed(self) -> Decimal:
        """Market seconds per wall second; 0: only `Advance` moves the market."""
        return self._speed

    @property
    def paused(self) -> bool:
        """Whether the market was told to stand still."""
        return self._paused

    @property
    def moving(self) -> bool:
        """Whether market time passes by itself."""
        return self._speed > 0 and not self._paused

    def now(self) -> datetime:
        """Return the market's time."""
        if not self.moving:
            return self._market_anchor
        # A clock is no money: float seconds are exact enough to say what is due.
        passed = (self._seconds() - self._wall_anchor) * float(self._speed)
        return self._market_anchor + timedelta(seconds=passed)

    def wall_until(self, at: datetime) -> float | None:
        """Return the wall seconds until *at*; None if it never comes by itself."""
        if not self.moving:
            return None
        return max(0.0, (at - self.now()).total_seconds() / float(self._speed))

    def set_speed(self, speed: Decimal) -> None:
        """Go on at another speed from this moment."""
        if speed < 0:
            raise InvalidValueError(f"speed must not be negative, was {speed}")
        self._anchor(self.now())
        self._speed = speed

    def pause(self) -> None:
        """Stand still."""
        self._anchor(self.now())
        self._paused = True

    def resume(self) -> None:
        """Go on from where it stood."""
        self._anchor(self.now())
        self._paused = False

    def jump(self, at: datetime) -> None:
        """Be at *at* or later: events were released ahead of the clock."""
        if at > self.now():
            self._anchor(at)

    def _anchor(self, now: datetime) -> None:
        self._market_anchor = now
        self._wall_anchor = self._seconds()

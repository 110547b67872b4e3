"""The limiter at work: calls wait here for their turn, most important first."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.errors import RateLimitedError
from domain.limiter import Costs, Limiter, Priority, Rate, Usage, Waiting, released

#: More callers than this are told to come back: a queue that long helps nobody.
_MOST_WAITING: Final = 1000
_LEAST_WAIT: Final = timedelta(milliseconds=100)
#: It goes on while the machine sleeps, where the system has such a clock.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_STARTED_AT: Final = datetime.now(UTC)
_STARTED: Final = time.clock_gettime(_CLOCK)


def steady_now() -> datetime:
    """Return a time that never jumps when somebody sets the clock; for windows, not for people."""
    return _STARTED_AT + timedelta(seconds=time.clock_gettime(_CLOCK) - _STARTED)


class Pacer:
    """Lets the calls of one account at one venue leave at its rates."""

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self.limiter: Final = Limiter(rates)
        self._waiting: dict[int, tuple[Waiting, asyncio.Future[None]]] = {}
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._why = ""

    @asynccontextmanager
    async def turn(
        self, priority: Priority, costs: Costs, patience: timedelta
    ) -> AsyncIterator[None]:
        """Wait until the call may leave; it is under way until the block ends.

        Raises RateLimitedError if that takes longer than *patience*, or too many wait already.
        """
        await self._leave(priority, costs, patience)
        try:
            yield
        finally:
            self._land(costs)

    def pause(self, pause: timedelta, why: str) -> str:
        """Let nothing leave for a while: the venue asked for it. Return what a person is told."""
        now = steady_now()
        if pause >= self.limiter.paused(now):
            self._why = why
        self.limiter.pause(now + pause)
        return self._told_pause()

    def told(self, bucket: str, used: int) -> None:
        """Take the venue's own count into account."""
        self.limiter.told(bucket, used, steady_now())

    def most(self, bucket: str) -> int:
        """Return how many may leave in one call; at least one, which then waits for its part."""
        return max(self.limiter.most(bucket, steady_now()), 1)

    def usage(self) -> Sequence[Usage]:
        """Return what of each bucket was used."""
        return self.limiter.usage(steady_now())

    def paused(self) -> timedelta:
        """Return how long nothing may leave because the venue asked for it."""
        return self.limiter.paused(steady_now())

    def release(self) -> None:
        """Let leave who may: something has changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = steady_now()
        for each, future in self._pending():
            if not self.limiter.fits(each.costs, now):
                future.set_exception(self._too_much(each.costs, now))
        leaving, wait = released(self.limiter, [each for each, _ in self._pending()], now)
        for each in leaving:
            self._waiting[each.number][1].set_result(None)
        if wait is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(wait.total_seconds(), 0.001), self.release)

    async def _leave(self, priority: Priority, costs: Costs, patience: timedelta) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            raise RateLimitedError(
                f"{_MOST_WAITING} requests wait for the venue's rate limit already",
                retry_after=timedelta(seconds=1),
            )
        if self.paused() > patience:
            raise RateLimitedError(self._told_pause(), retry_after=self.paused())
        self._number += 1
        number = self._number
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (Waiting(priority, number, costs), future)
        self.release()
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await future
        except BaseException as error:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._land(costs)  # its turn came at the very moment it was given up
            if isinstance(error, TimeoutError):
                raise self._too_late(costs, patience) from None
            raise
        finally:
            self._waiting.pop(number, None)

    def _land(self, costs: Costs) -> None:
        self.limiter.land(costs, steady_now())
        self.release()

    def _pending(self) -> list[tuple[Waiting, asyncio.Future[None]]]:
        return [(each, future) for each, future in self._waiting.values() if not future.done()]

    def _told_pause(self) -> str:
        until = datetime.now(UTC) + self.paused()
        return f"{self._why}; nothing is sent before {until:%Y-%m-%d %H:%M:%S} UTC"

    def _too_late(self, costs: Costs, patience: timedelta) -> RateLimitedError:
        now = steady_now()
        empty = [name for name in costs if not self.limiter.most(name, now)]
        why = f" ({', '.join(empty)}: all of it is the part of other processes)" if empty else ""
        return RateLimitedError(
            f"the rate limit lets nothing leave within {patience.total_seconds():g} s{why}",
            retry_after=max(self.limiter.wait(costs, now), _LEAST_WAIT),
        )

    def _too_much(self, costs: Costs, now: datetime) -> RateLimitedError:
        most = ", ".join(
            f"{cost} of {name}, where {self.limiter.most(name, now)} may leave at once"
            for name, cost in costs.items()
        )
        return RateLimitedError(f"one request would take {most}", retry_after=_LEAST_WAIT)

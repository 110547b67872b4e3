"""The limiter at work: calls wait here for their turn, most important first."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.errors import RateLimitedError
from domain.limiter import Costs, Limiter, Priority, Rate, Usage, Waiting, released

#: More callers than this are told to come back: a queue that long helps nobody.
_MOST_WAITING: Final = 1000
#: Requests do not take equally long to arrive: what leaves a window's length apart may arrive
#: a little closer together.
_JITTER: Final = timedelta(milliseconds=50)


class Pacer:
    """Lets the calls of one account at one venue leave at its rates."""

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._rates = dict(rates)
        widened = {name: Rate(rate.amount, rate.per + _JITTER) for name, rate in rates.items()}
        self._limiter = Limiter(widened)
        self._waiting: dict[int, tuple[Waiting, asyncio.Future[None]]] = {}
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, priority: Priority, costs: Costs, patience: timedelta) -> None:
        """Return when the call may leave.

        Raises RateLimitedError if that takes longer than *patience*, or too many wait already.
        """
        if len(self._waiting) >= _MOST_WAITING:
            raise RateLimitedError(
                f"{_MOST_WAITING} requests wait for the venue's rate limit already",
                retry_after=timedelta(seconds=1),
            )
        self._number += 1
        number = self._number
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (Waiting(priority, number, costs), future)
        self._release()
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await future
        except TimeoutError:
            wait = max(self._limiter.wait(costs, _now()), timedelta(milliseconds=100))
            raise RateLimitedError(
                f"the rate limit lets nothing leave within {patience.total_seconds():g} s",
                retry_after=wait,
            ) from None
        finally:
            self._waiting.pop(number, None)

    def pause(self, pause: timedelta) -> None:
        """Let nothing leave for a while: the venue asked for it."""
        self._limiter.pause(_now() + pause)

    def told(self, bucket: str, used: int) -> None:
        """Take the venue's own count into account."""
        self._limiter.told(bucket, used, _now())

    def usage(self) -> Sequence[Usage]:
        """Return what of each bucket was used, with its rate as it was given."""
        used = self._limiter.usage(_now())
        return [replace(each, rate=self._rates[each.bucket]) for each in used]

    def paused(self) -> timedelta:
        """Return how long nothing may leave because the venue asked for it."""
        return self._limiter.paused(_now())

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = [each for each, future in self._waiting.values() if not future.done()]
        leaving, wait = released(self._limiter, waiting, _now())
        for each in leaving:
            self._waiting[each.number][1].set_result(None)
        if wait is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(wait.total_seconds(), 0.001), self._release)


def _now() -> datetime:
    return datetime.now(UTC)

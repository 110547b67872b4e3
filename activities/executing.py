"""How activities of Temporal do their work: with heartbeats, and with errors it understands."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.errors import RateLimitedError, TradingError

_BEAT: Final = 0.25
T = TypeVar("T")


async def beating(work: Coroutine[Any, Any, T], *, hand_over: bool = False) -> T:
    """Run *work* with heartbeats from a task of their own: a quiet market is not a dead process.

    With *hand_over* it is broken off when this worker is told to stop.
    """
    if activity.info().is_local:
        return await work
    task = asyncio.create_task(work)
    try:
        while not task.done():
            activity.heartbeat()
            await asyncio.wait({task}, timeout=_BEAT)
            if hand_over and activity.is_worker_shutdown():
                raise ApplicationError(
                    "this worker stops, another takes over",
                    type="Handover",
                    category=ApplicationErrorCategory.BENIGN,
                )
        return await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def as_failures(*, for_good: bool = True) -> AsyncIterator[None]:
    """Translate our errors for Temporal: their class decides whether a retry makes sense.

    Unless nothing may fail *for_good*; then a person mends the cause, and the next retry succeeds.
    """
    try:
        yield
    except RateLimitedError as error:
        raise ApplicationError(
            str(error), type=type(error).__name__, next_retry_delay=error.retry_after
        ) from error
    except TradingError as error:
        raise ApplicationError(
            str(error), type=type(error).__name__, non_retryable=error.permanent and for_good
        ) from error

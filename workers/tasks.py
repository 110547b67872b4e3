"""Tasks that a runner has beside its loop, and what becomes of those that are canceled."""

import asyncio
from typing import Any


async def end(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancel *tasks* and wait for their end; what they raised was told, or comes of this."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def heed_cancel() -> None:
    """Raise CancelledError if the task that calls has been told to end.

    For who catches errors of the Temporal client: it makes one of its own out of the cancel of an
    update, and the task would go on as if it had not been told.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

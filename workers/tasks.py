"""Tasks that a runner has beside its loop."""

import asyncio
from typing import Any


async def end(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancel *tasks* and wait for their end; what they raised was told, or comes of this."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)

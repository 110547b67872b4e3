"""What a canceled workflow does: it brings its work to an end of its own."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def uncanceled(work: "asyncio.Task[T]", canceled: Callable[[], object]) -> T:
    """Return what comes of *work*; a cancel only makes *canceled* be called, each time.

    Where *work* itself was canceled the worker lets go of the workflow, and this is over, too.
    """
    while True:
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if work.cancelled():
                raise
            canceled()

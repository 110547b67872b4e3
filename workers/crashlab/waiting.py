"""Waiting for what has to happen, with an end."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final

from domain.errors import TradingError

_LOOK_EVERY: Final = 0.01


class StuckError(TradingError):
    """Something that had to happen by itself did not."""


async def until(
    condition: Callable[[], bool | Awaitable[bool]],
    what: str,
    *,
    within: float,
    every: float = _LOOK_EVERY,
) -> None:
    """Return when *condition* holds; raises StuckError after *within* seconds."""
    ends = time.monotonic() + within
    while True:
        holds = condition()
        if inspect.isawaitable(holds):
            holds = await holds
        if holds:
            return
        if time.monotonic() > ends:
            raise StuckError(f"{what} did not happen within {within:g} s")
        await asyncio.sleep(every)

"""Wait for a condition with a deadline, instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    condition: Callable[[], Awaitable[T | None]],
    *,
    within: float = 60,
    every: float = 0.05,
    ignoring: tuple[type[Exception], ...] = (),
    what: str = "",
) -> T: ...


@overload
async def eventually(
    condition: Callable[[], T],
    *,
    within: float = 60,
    every: float = 0.05,
    ignoring: tuple[type[Exception], ...] = (),
    what: str = "",
) -> T: ...


async def eventually(
    condition: Callable[[], Any],
    *,
    within: float = 60,
    every: float = 0.05,
    ignoring: tuple[type[Exception], ...] = (),
    what: str = "",
) -> Any:
    """Return what *condition* returns once that is true; fail after *within* seconds."""
    deadline = time.monotonic() + within
    last: Any = None
    while True:
        try:
            last = condition()
            if inspect.isawaitable(last):
                last = await last
            if last:
                return last
        except ignoring as error:
            last = error
        assert time.monotonic() < deadline, f"{what or 'it'} did not happen in {within} s: {last!r}"
        await asyncio.sleep(every)

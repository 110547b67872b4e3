"""Trying again, for as long as it takes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from domain.errors import StoreError, VenueError

_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_log: Final = logging.getLogger(__name__)

T = TypeVar("T")


async def patiently(who: str, call: Callable[[], Awaitable[T]]) -> T:
    """Return what *call* returns, however often it has to be tried; *who* waits, says the log.

    Raises a VenueError or a StoreError that no trying again can mend.
    """
    failures = 0
    while True:
        try:
            return await call()
        except (VenueError, StoreError) as error:
            if error.permanent:
                raise
            _log.warning("%s waits: %s", who, error)
        await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
        failures += 1

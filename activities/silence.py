"""Whether a stream that says nothing is quiet or dead: the venue is asked, nothing is guessed.

A connection that answers pings may have lost its subscription all the same: a listen key that the
venue forgot, a channel that it dropped. It then tells nothing for ever, and nothing breaks. A quiet
market looks alike, so after a while of silence the venue is asked, by a request, when something
last happened. A stream that should have told it, and does not tell it now, is given up.

What is asked here decides about a stream only; it is never a price or a fill that a run hears of.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, NoReturn

from domain.errors import VenueError, VenueUnavailableError

#: A stream that was silent for so long is doubted.
QUIET: Final = timedelta(seconds=30)
#: What has just happened may still be on its way.
GRACE: Final = timedelta(seconds=2)
#: The venue's times of one and the same thing, told twice, lie no further apart.
MARGIN: Final = timedelta(seconds=2)
_log: Final = logging.getLogger(__name__)

#: Returns when something last happened, by the venue's time, as asked of it; None if nothing did.
#: It is told when the stream last told something.
Newest = Callable[[datetime | None], Awaitable[datetime | None]]


class Silence:
    """How long one stream has been silent. Whoever reads the stream says what it `heard`."""

    def __init__(self, what: str) -> None:
        """Take what names the stream in errors, such as `prices of BTC/USDT`."""
        self._what = what
        self._count = 0
        self._at: datetime | None = None

    def heard(self, at: datetime | None) -> None:
        """Note that the stream told something that happened *at* a venue's time."""
        self._count += 1
        if at is not None and (self._at is None or at > self._at):
            self._at = at

    async def doubt(self, newest: Newest) -> NoReturn:
        """Watch the stream until it is dead; then raise VenueUnavailableError."""
        while True:
            before = self._count
            await asyncio.sleep(QUIET.total_seconds())
            if self._count != before:
                continue
            at = await self._asked(newest)
            if at is None:
                continue
            if self._at is None:
                self._at = at  # it may have happened before the stream began
            elif at > self._at + MARGIN:
                await asyncio.sleep(GRACE.total_seconds())
                if self._count == before:
                    raise VenueUnavailableError(
                        f"the stream of {self._what} is dead: it has told nothing since "
                        f"{self._at:%H:%M:%S} UTC, and the venue lists something of {at:%H:%M:%S}"
                    )

    async def _asked(self, newest: Newest) -> datetime | None:
        try:
            return await newest(self._at)
        except VenueError as error:
            _log.warning("the stream of %s is silent, why is not known: %s", self._what, error)
            return None

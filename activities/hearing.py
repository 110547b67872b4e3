"""Whether a venue's streams come to life: opened once to see, and closed again.

Entering a stream proves that the venue took the subscription. That something comes through it is
proved by a price; in a quiet market none may come, so the venue is then asked whether there was one
to tell.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from domain.errors import VenueUnavailableError
from domain.market import PriceUpdate
from domain.ports import Venue


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of listening to a stream of prices: the first one, if any came in time."""

    update: PriceUpdate | None
    #: None came, though the symbol traded meanwhile.
    frozen: bool = False

    @property
    def live(self) -> bool:
        """Whether the stream tells what there is to tell."""
        return not self.frozen


async def prices(venue: Venue, symbol: str, within: timedelta) -> Heard:
    """Wait for a price of *symbol*, and if none comes find out whether there was one to tell.

    Raises a VenueError if the stream could not be opened, or broke.
    """
    before = await _last_price(venue, symbol)
    async with venue.prices([symbol]) as updates:
        try:
            async with asyncio.timeout(within.total_seconds()):
                return Heard(await anext(aiter(updates)))
        except TimeoutError:
            return Heard(None, frozen=await _last_price(venue, symbol) != before)


async def orders(venue: Venue) -> None:
    """Open the private stream: entering it returns when the venue has let us in.

    Raises a VenueError if it did not.
    """
    async with venue.reports():
        return


async def _last_price(venue: Venue, symbol: str) -> PriceUpdate | None:
    try:
        return await venue.last_price(symbol)
    except VenueUnavailableError:
        return None  # the market never traded

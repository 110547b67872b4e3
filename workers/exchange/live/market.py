"""A live market from its settings: the venue, the books, and who brings the one into the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from activities.venues.ccxt.registry import quirks_of
from workers.exchange.fronts.registry import has_notional_minima
from workers.exchange.host import Host
from workers.exchange.journal import Journal
from workers.exchange.live.follower import Follower
from workers.exchange.live.source import followed
from workers.exchange.settings import ExchangeSettings
from workers.venues import local_of


@asynccontextmanager
async def live_market(settings: ExchangeSettings) -> AsyncIterator[tuple[Host, Follower]]:
    """Yield the books of a market that is followed live, and its follower, which is to be run.

    Raises VenueUnavailableError if the venue cannot be reached at the first start; later ones begin
    with the books that there are, and wait for it.
    """
    # Only a live market pays for the library of the venues.
    from activities.venues.ccxt.venue import CcxtVenue  # noqa: PLC0415

    if settings.feed is None:
        raise AssertionError("a live market has a feed")
    local = local_of("feed", settings.feed_local, settings.feed_authority)
    quirks = quirks_of(settings.feed, settings.feed_kind)
    origin = {"feed": settings.feed, "symbols": list(settings.symbols)}
    journal = Journal(settings.data, origin)
    try:
        async with CcxtVenue(quirks, None, local=local) as venue:
            source = await followed(journal, origin, venue)
            host = Host(
                source,
                journal,
                settings.balances,
                settings.speed,
                live=True,
                notional_minima=has_notional_minima(settings.fronts),
            )
            yield host, Follower(host, venue)
    finally:
        journal.close()

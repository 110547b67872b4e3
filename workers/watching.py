"""The guard of the market, as the settings want it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from activities.guard import CandleVenue, Guard
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.venues.market_time import PaperTime
from activities.venues.remote import RemoteVenue
from workers.settings import PAPER, MonitorFeed, Settings
from workers.venues import local_of, open_public

#: In whose name the paper exchange is asked for candles, which are no account's.
_NOBODY = "monitor"


@asynccontextmanager
async def market_guard(
    settings: Settings, ledger: Ledger, speaker: str
) -> AsyncIterator[Guard | None]:
    """Yield the guard that speaks as *speaker*; None if no market monitor is set up.

    Raises InvalidValueError for a feed that cannot be; whether it answers, the guard will see.
    """
    spec = settings.risk.monitor
    if spec is None or not spec.enabled:
        yield None
        return
    async with _candles(settings, settings.watched) as (venue, market_time):
        risk = RiskDesk(ledger, settings.risk)
        yield Guard(spec, venue, risk, speaker=speaker, market_time=market_time)


@asynccontextmanager
async def _candles(
    settings: Settings, feed: MonitorFeed
) -> AsyncIterator[tuple[CandleVenue, Callable[[], Awaitable[datetime]] | None]]:
    """Yield the venue, and what tells the time there if that is not ours."""
    if feed.venue in (None, PAPER):
        address = feed.address or settings.exchange
        async with RemoteVenue(address, _NOBODY) as paper, PaperTime(address) as market_time:
            yield paper, market_time
        return
    local = local_of("the market monitor", feed.local, feed.authority)
    async with open_public(str(feed.venue), feed.market, local) as venue:
        yield venue, None

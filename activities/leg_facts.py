"""What a venue tells of the market of a leg: the funding that is due, and the best prices.

Nothing of it is of an account, and asking changes nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from activities.clock import utc_now
from domain.arbitrage.events import FundingTold
from domain.arbitrage.funding import LegFunding, lacks_one, spot
from domain.arbitrage.pair_events import QuoteSeen
from domain.conditions import FundingVenue, QuoteVenue
from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind
from domain.ports import Venue

#: How far back the settlement before the next one is looked for: no venue's interval is longer.
_SETTLED_WITHIN: Final = timedelta(hours=24)


class LegFacts:
    """The markets of the legs that are held on one account."""

    def __init__(self, account: str, venue: Venue, clock: Callable[[], datetime] = utc_now) -> None:
        self._account = account
        self._venue = venue
        self._clock = clock
        #: By symbol, the next settlement and the time since the last one: it is asked for once.
        self._intervals: dict[str, tuple[datetime, timedelta]] = {}

    def require_word_of(self, instrument: Instrument) -> None:
        """Raise InvalidValueError if the venue cannot tell what a pair has to know."""
        needed: list[tuple[type, str]] = [(QuoteVenue, "the best prices of a market")]
        if instrument.kind is MarketKind.PERPETUAL:
            needed.append((FundingVenue, "funding rates"))
        for port, what in needed:
            if not isinstance(self._venue, port):
                raise InvalidValueError(
                    f"account {self._account}: its venue {self._venue.name} does not tell {what}, "
                    "so no pair can be held there"
                )

    async def funding(self, number: int, instrument: Instrument, at: datetime) -> FundingTold:
        """Return the rate that is due next, with the interval that the last settlement tells.

        Raises a VenueError, or InvalidValueError if the interval cannot be told.
        """
        if instrument.kind is MarketKind.SPOT:
            return FundingTold(number, spot(at))
        venue = self._venue
        assert isinstance(venue, FundingVenue)  # noqa: S101 - see `require_word_of`
        due = await venue.funding_rate(instrument.symbol)
        ahead = await self._ahead()
        interval = await self._interval(venue, instrument.symbol, due.at, at + ahead)
        told = LegFunding(due.rate, at, interval, due.at - ahead)
        return FundingTold(number, told)

    async def _interval(
        self, venue: FundingVenue, symbol: str, due: datetime, now: datetime
    ) -> timedelta:
        known = self._intervals.get(symbol)
        if known is not None and known[0] == due:
            return known[1]
        settled = await venue.funding_rates(symbol, due - _SETTLED_WITHIN)
        before = sorted(rate.at for rate in settled if rate.at < due)
        if not before:
            raise InvalidValueError(
                f"{symbol} at {self._venue.name}: no settlement of the last day is told, so the "
                "interval of its funding is not known"
            )
        if len(before) > 1 and lacks_one(before[-2], before[-1], due, now):
            raise InvalidValueError(
                f"{symbol} at {self._venue.name}: a settlement has just been and is not told yet, "
                "so the interval of its funding is not known"
            )
        self._intervals[symbol] = due, due - before[-1]
        return due - before[-1]

    async def _ahead(self) -> timedelta:
        """Return how far the venue's market is ahead of our time: on paper it has its own."""
        reading = await self._venue.clock()
        return timedelta() if reading.market_time is None else reading.market_time - self._clock()

    async def quote(self, number: int, symbol: str) -> QuoteSeen:
        """Return the best prices of a market now. Raises a VenueError."""
        venue = self._venue
        assert isinstance(venue, QuoteVenue)  # noqa: S101 - see `require_word_of`
        best = await venue.quote(symbol)
        return QuoteSeen(number, best.bid, best.ask, self._clock())

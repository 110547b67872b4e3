"""The account that is examined, and what of its venue could be opened."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from domain.conditions import FullVenue
from domain.errors import InvalidValueError
from domain.money import MarketKind
from domain.ports import Venue
from workers.checks.findings import SkippedError
from workers.settings import PAPER, AccountSettings

#: How long a check may take before it counts as failed.
CHECK_WITHIN: Final = timedelta(seconds=20)
#: How long a price stream may be silent before somebody is told.
PRICE_WITHIN: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Patient:
    """An account at its venue, and the symbol that checks of a single market look at.

    A venue that could not be opened is there as the error that says why. `public` needs no keys, so
    that the market can be examined even if they are wrong; at the paper exchange it is `signed`.
    """

    name: str
    known: AccountSettings
    symbol: str
    ledger_url: str
    public: Venue | InvalidValueError
    signed: Venue | InvalidValueError
    check_within: timedelta = CHECK_WITHIN
    price_within: timedelta = PRICE_WITHIN

    @property
    def paper(self) -> bool:
        """Whether it trades on paper, where there are no keys, terms and limits."""
        return self.known.venue == PAPER

    @property
    def kind(self) -> MarketKind:
        """What it trades; on paper the symbol tells it."""
        if not self.paper:
            return self.known.market
        return MarketKind.PERPETUAL if ":" in self.symbol else MarketKind.SPOT

    @property
    def market(self) -> Venue:
        """The venue for questions that need no keys; raises SkippedError if it is not open."""
        if isinstance(self.public, InvalidValueError):
            raise SkippedError("the venue could not be opened: see settings")
        return self.public

    @property
    def account(self) -> Venue:
        """The venue for what is the account's own; raises SkippedError if it is not open."""
        if isinstance(self.signed, InvalidValueError):
            raise SkippedError("needs the account's keys: see credentials")
        return self.signed

    @property
    def market_facts(self) -> FullVenue:
        """As `market`, for what only real venues have; raises SkippedError on paper."""
        return self._full(self.market)

    @property
    def account_facts(self) -> FullVenue:
        """As `account`, for what only real venues have; raises SkippedError on paper."""
        return self._full(self.account)

    def _full(self, venue: Venue) -> FullVenue:
        if self.paper:
            raise SkippedError("the paper exchange has none")
        return venue  # type: ignore[return-value]  # every venue but paper is a full one

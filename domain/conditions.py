"""What a venue tells and lets us set besides orders, and the port for it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from domain.limiter import Rate, Usage
from domain.market import Balance, Position, Quote
from domain.money import Price
from domain.orders import OrderReport, OrderRequest, Outcome
from domain.ports import Venue


@dataclass(frozen=True, slots=True)
class DayStatistics:
    """A market's last 24 hours. Prices and volume in quote; `change` is a share (0.01: up 1 %)."""

    symbol: str
    last: Decimal
    change: Decimal
    quote_volume: Decimal


@dataclass(frozen=True, slots=True)
class FundingRate:
    """The share of the notional that longs pay shorts at `at`; one that is not yet due is `next`.

    `mark` is the price that the payment is reckoned with, where the venue tells it.
    """

    symbol: str
    rate: Decimal
    at: datetime
    mark: Decimal | None = None


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """The price that margin is reckoned with, and the funding rate that is due next."""

    symbol: str
    mark: Price
    at: datetime
    funding_rate: Decimal | None = None


@dataclass(frozen=True, slots=True)
class KeyRights:
    """What an account's key may do at its venue; None: the venue does not tell.

    `obstacle` is why the account itself cannot trade this kind of market, whatever its key may do.
    """

    trade: bool | None
    withdraw: bool | None
    ip_bound: bool | None = None
    expires_at: datetime | None = None
    obstacle: str | None = None


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The limits that requests of this process are kept to, and how long none may leave.

    `orders` is what the account is set to, for orders and cancels together; `most_orders` is what
    the venue is documented to take.
    """

    orders: Usage
    most_orders: Rate
    others: Sequence[Usage]
    paused: timedelta


@runtime_checkable
class BatchVenue(Protocol):
    """A venue that takes several orders by one request."""

    @property
    def place_batch_of(self) -> int:
        """How many orders one request to place may carry; 0 or 1 where there is no such request."""
        ...

    @property
    def cancel_batch_of(self) -> int:
        """How many orders one request to cancel may name; 0 or 1 where there is no such request."""
        ...

    async def place_batch(self, requests: Sequence[OrderRequest]) -> Sequence[Outcome]:
        """Place orders of one symbol; one outcome each, in their order, and none ends the others.

        Raises only when nothing at all was sent.
        """
        ...

    async def cancel_batch(
        self, symbol: str, client_ids: Sequence[str]
    ) -> Sequence[OrderReport | None]:
        """Cancel orders, and return each as it then stands; None where there is none.

        What failed for one order is told by that order still working.
        """
        ...


@runtime_checkable
class QuoteVenue(Protocol):
    """A venue that tells what a market can be bought and sold at."""

    async def quote(self, symbol: str) -> Quote:
        """Return the best bid and ask of the book.

        They are as of the venue's time, or of ours at receipt where it tells none. Raises a
        VenueError if either side is empty: no data is never zero.
        """
        ...


class FullVenue(Venue, BatchVenue, QuoteVenue, Protocol):
    """A venue with all that it can do besides the core's needs."""

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the leverage of a perpetual; nothing happens if it is that already."""
        ...

    async def set_one_way(self) -> None:
        """Let each symbol have one position; nothing happens if it is so already."""
        ...

    async def key_rights(self) -> KeyRights:
        """Return what the key may do, as the venue tells it."""
        ...

    def rate_limits(self) -> RateLimits:
        """Return the limits, and what of them was used as we and the venue counted it."""
        ...

    async def day_statistics(self) -> Sequence[DayStatistics]:
        """Return the last 24 hours of every market of this kind, in one call."""
        ...

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Return the funding that is due next."""
        ...

    async def funding_rates(self, symbol: str, since: datetime) -> Sequence[FundingRate]:
        """Return the settled funding rates at or after *since*, oldest first."""
        ...

    def account_news(
        self,
    ) -> AbstractAsyncContextManager[AsyncIterator[OrderReport | Balance | Position]]:
        """Stream all the private stream tells: reports as `reports()`, balances, positions."""
        ...

    def marks(
        self, symbols: Sequence[str]
    ) -> AbstractAsyncContextManager[AsyncIterator[MarkPrice]]:
        """Stream mark prices and funding rates, latest wins."""
        ...


class Reach(StrEnum):
    """What a dead-man's switch cancels when it fires."""

    SYMBOL = "symbol"
    #: All orders of the account in this kind of market, or in all.
    ACCOUNT = "account"


@runtime_checkable
class DeadManVenue(Protocol):
    """A venue that cancels orders by itself when it no longer hears of us, where we ask for it."""

    @property
    def dead_man(self) -> Reach | None:
        """What it cancels then; None: it offers no such switch for this kind of market."""
        ...

    async def arm(self, symbol: str, within: timedelta) -> None:
        """Have the orders canceled unless this is called again *within* that time.

        Raises a VenueError; then the switch stands as it stood.
        """
        ...

    async def disarm(self, symbol: str) -> None:
        """Let the orders rest, heard of or not; nothing happens if it was not armed."""
        ...


@runtime_checkable
class HealthVenue(Protocol):
    """A venue that tells how far an account is from being liquidated as a whole."""

    async def health(self) -> Decimal | None:
        """Return the health of the account, 0 to 1 (`domain.risk.emergency`); None: not told."""
        ...

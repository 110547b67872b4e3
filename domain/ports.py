"""What the core needs from the outside, as protocols. Lower floors use these."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol

from domain.market import (
    AccountView,
    Balance,
    Candle,
    ClockReading,
    FundingPayment,
    Position,
    PriceUpdate,
    Terms,
)
from domain.money import Instrument
from domain.orders import Fill, OrderReport, OrderRequest, Refusal


class Snapshots(Protocol):
    """What can show the whole account at one moment, without a race between the calls."""

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        """Return orders, fills, positions and balances as of one moment."""
        ...


class Venue(Snapshots, Protocol):
    """One account at one venue and market. Every call may raise a VenueError; none guesses.

    A call that fails never looks like an empty answer (decision D14).
    """

    @property
    def name(self) -> str:
        """The venue's name, as it stands in the ledger."""
        ...

    @property
    def arrival_limit(self) -> timedelta:
        """How long after it was sent a request can still be executed (receive window + margin)."""
        ...

    async def instrument(self, symbol: str) -> Instrument:
        """Return *symbol* with its steps, minima and this account's fees."""
        ...

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        """Send *request* once. A duplicate client id answers with the existing order.

        Raises NotSentError if it never left, UnknownOutcomeError if nobody knows.
        """
        ...

    async def cancel(self, symbol: str, client_id: str) -> OrderReport | None:
        """Cancel and return the order as it then stands (perhaps filled); None if there is none."""
        ...

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        """Return the order from open orders, closed orders *and* fills; None if there is none."""
        ...

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Return all working orders on *symbol*, also those of others."""
        ...

    async def orders_since(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Return the orders that changed at or after *since*, oldest first."""
        ...

    async def fills_since(self, symbol: str, since: datetime) -> Sequence[Fill]:
        """Return the executions at or after *since*, oldest first."""
        ...

    async def balances(self) -> Sequence[Balance]:
        """Return what the account owns."""
        ...

    async def positions(self, symbol: str) -> Sequence[Position]:
        """Return the perpetual positions on *symbol*; empty only if there is none."""
        ...

    async def funding_since(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Return the funding payments at or after *since*, oldest first."""
        ...

    async def terms(self, symbol: str) -> Terms:
        """Return leverage and position mode; spot has leverage 1."""
        ...

    async def clock(self) -> ClockReading:
        """Compare the venue's clock with ours, by one question."""
        ...

    async def last_price(self, symbol: str) -> PriceUpdate:
        """Return the last price. For previews only: trading follows the stream (row PX-03)."""
        ...

    async def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Return the newest *limit* candles, oldest first; only the last may be unclosed."""
        ...

    def reports(self) -> AbstractAsyncContextManager[AsyncIterator[OrderReport]]:
        """Stream the account's order reports, complete and in order.

        Entering returns when the stream is proved live: no later fill can be missed (row OS-01).
        Iterating raises a VenueError when the connection is lost; it never ends by itself.
        """
        ...

    def prices(
        self, symbols: Sequence[str]
    ) -> AbstractAsyncContextManager[AsyncIterator[PriceUpdate]]:
        """Stream prices, latest wins: a slow reader skips, it is never behind."""
        ...

    def candle_stream(
        self, symbol: str, interval: timedelta
    ) -> AbstractAsyncContextManager[AsyncIterator[Candle]]:
        """Stream candles, closed and forming."""
        ...

"""A venue in this process: the port `Venue` over a simulated exchange.

For tests and the simple runner. It answers at once, never fails and keeps nothing: for books that
outlive a process there is the paper exchange, a process of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from activities.venues.quotes import quote_of
from domain.errors import InvalidValueError, VenueUnavailableError
from domain.market import (
    AccountView,
    Balance,
    Candle,
    ClockReading,
    FundingPayment,
    Position,
    PriceUpdate,
    Quote,
    Terms,
)
from domain.money import Instrument, MarketKind
from domain.orders import Fill, OrderReport, OrderRequest, Refusal
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.tape import MarketEvent

#: More candles than an exchange remembers.
_ALL: Final = 1_000_000


class PaperMarket:
    """A simulated exchange whose changes wake those who listen: feed the market through `on`."""

    def __init__(self, exchange: SimulatedExchange) -> None:
        self.exchange = exchange
        self._listeners: set[asyncio.Event] = set()

    def on(self, event: MarketEvent) -> None:
        """Let *event* happen."""
        self.exchange.on(event)
        self.tell()

    def tell(self) -> None:
        """Wake the listeners: the exchange was changed."""
        for listener in self._listeners:
            listener.set()

    @contextmanager
    def changes(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set after every change."""
        changed = asyncio.Event()
        self._listeners.add(changed)
        try:
            yield changed
        finally:
            self._listeners.discard(changed)


class PaperVenue:
    """One account at a `PaperMarket`; also a `Snapshots`."""

    def __init__(self, market: PaperMarket, account: str, *, name: str = "paper") -> None:
        self._market = market
        self._exchange = market.exchange
        self._account = account
        self._name = name

    @property
    def name(self) -> str:
        """The venue's name, as it stands in the ledger."""
        return self._name

    @property
    def arrival_limit(self) -> timedelta:
        """Nothing is ever on its way."""
        return timedelta()

    async def instrument(self, symbol: str) -> Instrument:
        """Return *symbol*, or raise InvalidValueError if it is not traded."""
        for instrument in self._exchange.rules.instruments:
            if instrument.symbol == symbol:
                return instrument
        known = ", ".join(each.symbol for each in self._exchange.rules.instruments)
        raise InvalidValueError(f'symbol must be one of {known}, was "{symbol}"')

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        """Send *request* once; a duplicate client id answers with the existing order."""
        await self.instrument(request.symbol)
        outcome = self._exchange.place(self._account, request)
        self._market.tell()
        return outcome

    async def cancel(self, symbol: str, client_id: str) -> OrderReport | None:
        """Cancel and return the order as it then stands; None if there is none."""
        await self.instrument(symbol)
        report = self._exchange.cancel(self._account, symbol, client_id)
        self._market.tell()
        return report

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        """Return the order, open or closed; None if there is none."""
        await self.instrument(symbol)
        return self._exchange.look_up(self._account, symbol, client_id)

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Return all working orders on *symbol*."""
        return self._exchange.open_orders(self._account, symbol)

    async def orders_since(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Return the orders that changed at or after *since*, oldest first."""
        return self._exchange.orders_since(self._account, symbol, since)

    async def fills_since(self, symbol: str, since: datetime) -> Sequence[Fill]:
        """Return the executions at or after *since*, oldest first."""
        return self._exchange.fills_since(self._account, symbol, since)

    async def balances(self) -> Sequence[Balance]:
        """Return what the account owns."""
        return self._exchange.balances(self._account)

    async def positions(self, symbol: str) -> Sequence[Position]:
        """Return the perpetual positions on *symbol*; empty only if there is none."""
        return self._exchange.positions(self._account, symbol)

    async def funding_since(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Return the funding payments at or after *since*, oldest first."""
        return self._exchange.funding_since(self._account, symbol, since)

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        """Return orders, fills, positions and balances as of one moment."""
        await self.instrument(symbol)
        return self._exchange.account_view(self._account, symbol, since)

    async def terms(self, symbol: str) -> Terms:
        """Return leverage and position mode; spot has leverage 1."""
        spot = (await self.instrument(symbol)).kind is MarketKind.SPOT
        return Terms(Decimal(1) if spot else self._exchange.rules.leverage, one_way=True)

    async def clock(self) -> ClockReading:
        """Return that this process has one clock, and the market's own time."""
        return ClockReading(timedelta(), timedelta(), self._exchange.now)

    async def last_price(self, symbol: str) -> PriceUpdate:
        """Return the last price; VenueUnavailableError before the market's first one."""
        update = self._exchange.last_price(symbol)
        if update is None:
            raise VenueUnavailableError(f"{symbol} has no price yet: the market is silent")
        return update

    async def quote(self, symbol: str) -> Quote:
        """Return the market's best prices; they stand until it moves, so they are as of now."""
        update = await self.last_price(symbol)
        return quote_of(symbol, update.bid, update.ask, self._exchange.now)

    async def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Return the newest *limit* candles, oldest first; only the last may be unclosed."""
        return self._exchange.candles(symbol, interval, limit)

    @asynccontextmanager
    async def reports(self) -> AsyncIterator[AsyncIterator[OrderReport]]:
        """Stream the account's order reports, complete and in order."""
        sequence = len(self._exchange.reports_after(self._account, 0))
        async with aclosing(self._reports(sequence)) as reports:
            yield reports

    @asynccontextmanager
    async def prices(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[PriceUpdate]]:
        """Stream prices, latest wins: a slow reader skips, it is never behind."""
        for symbol in symbols:
            await self.instrument(symbol)
        async with aclosing(self._prices(symbols)) as prices:
            yield prices

    @asynccontextmanager
    async def candle_stream(
        self, symbol: str, interval: timedelta
    ) -> AsyncIterator[AsyncIterator[Candle]]:
        """Stream candles: each that closes, and the forming one when it changed."""
        newest = self._exchange.candles(symbol, interval, 1)
        sent = newest[-1] if newest else None
        async with aclosing(self._candles(symbol, interval, sent)) as candles:
            yield candles

    async def _reports(self, sequence: int) -> AsyncGenerator[OrderReport, None]:
        with self._market.changes() as changed:
            while True:
                changed.clear()
                for number, report in self._exchange.reports_after(self._account, sequence):
                    sequence = number
                    yield report
                await changed.wait()

    async def _prices(self, symbols: Sequence[str]) -> AsyncGenerator[PriceUpdate, None]:
        sent: dict[str, PriceUpdate] = {}
        with self._market.changes() as changed:
            while True:
                changed.clear()
                for symbol in symbols:
                    update = self._exchange.last_price(symbol)
                    if update is not None and update != sent.get(symbol):
                        sent[symbol] = update
                        yield update
                await changed.wait()

    async def _candles(
        self, symbol: str, interval: timedelta, sent: Candle | None
    ) -> AsyncGenerator[Candle, None]:
        with self._market.changes() as changed:
            while True:
                changed.clear()
                for candle in new_candles(self._exchange, symbol, interval, sent):
                    sent = candle
                    yield candle
                await changed.wait()


def new_candles(
    exchange: SimulatedExchange, symbol: str, interval: timedelta, sent: Candle | None
) -> Sequence[Candle]:
    """Return what is new since the candle *sent*, itself included if it changed."""
    if sent is None:
        return exchange.candles(symbol, interval, _ALL)
    limit = max(2, (exchange.now - sent.opened_at) // interval + 2)
    candles = exchange.candles(symbol, interval, limit)
    return [each for each in candles if each.opened_at >= sent.opened_at and each != sent]

"""A real venue: the ports `Venue` and `FullVenue` over ccxt and one venue's quirks."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from activities.venues.ccxt.credentials import Credentials
from activities.venues.ccxt.executions import Executions
from activities.venues.ccxt.hosts import Local, open_session
from activities.venues.ccxt.markets import Market, read_markets, with_fees
from activities.venues.ccxt.meanings import (
    DuplicateError,
    NotFoundError,
    RefusedError,
    UnchangedError,
    Verdict,
    error_of,
)
from activities.venues.ccxt.pacing import Pacer
from activities.venues.ccxt.quirks import ORDERS, News, OrderName, Quirks, from_ms
from activities.venues.ccxt.rest import ORDER_PATIENCE, Rest
from activities.venues.ccxt.sockets import Stream
from domain.conditions import (
    ClockReading,
    DayStatistics,
    FundingRate,
    KeyRights,
    MarkPrice,
    RateLimits,
    Terms,
)
from domain.errors import (
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
    VenueUnavailableError,
)
from domain.limiter import Rate
from domain.market import AccountView, Balance, Candle, FundingPayment, Position, PriceUpdate
from domain.money import Instrument, MarketKind
from domain.orders import Fill, OrderReport, OrderRequest, Outcome, Refusal, Unknown

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)
#: Decision D11.
DEFAULT_ORDERS: Final = Rate(10, timedelta(seconds=1))
#: How far clocks may be apart when a request's time is checked.
_SKEW: Final = timedelta(seconds=1)
#: How long fills, and ends of orders, may lag behind what an order says (seconds, between looks).
_LAGS: Final = (0.0, 0.05, 0.15, 0.4, 1.0)
_AT_ONCE: Final = 8
_LOOKS: Final = 5
_CLOCK_EVERY: Final = 600.0
_SPOT_TERMS: Final = Terms(Decimal(1), one_way=True)


class CcxtVenue:
    """One account at one venue, for one kind of market. A context manager, or connect and close."""

    def __init__(
        self,
        quirks: Quirks,
        credentials: Credentials | None,
        *,
        local: Local | None = None,
        orders: Rate = DEFAULT_ORDERS,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        """Take the venue's quirks and the account's keys; None reads public data only."""
        self._quirks = quirks
        self._credentials = credentials
        self._local = local
        self._orders = orders
        self._timeout = timeout
        self._executions = Executions()
        self._markets: dict[str, Market] = {}
        self._priced: set[str] = set()
        self._clock: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._session = open_session(self._quirks.hosts, self._local)
        config = {
            "session": self._session,
            "enableRateLimit": False,
            "timeout": int(self._timeout / timedelta(milliseconds=1)),
            "options": dict(self._quirks.options()),
            **(self._credentials.config() if self._credentials else {}),
        }
        library = import_module("ccxt.async_support")
        client = getattr(library, self._quirks.client_class())(config)
        client.number = Decimal  # money is never a float, not even in a list of markets
        client.has["fetchCurrencies"] = False
        client.timeout_on_exit = 0  # it has no connections of its own to wait for
        self._client = client
        self._quirks.adopt(client)
        self._pacer = Pacer(self._quirks.rates(self._orders))
        self._quirks.rest = Rest(
            self._quirks.name,
            client,
            self._pacer,
            self._credentials,
            self._quirks.verdict,
            self._quirks.used,
        )
        self._loading = asyncio.Lock()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; open streams raise."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        await self._client.close()  # forgets the session, which is ours
        await self._session.close()

    @property
    def name(self) -> str:
        """The venue's name, as it stands in the ledger."""
        return self._quirks.name

    @property
    def kind(self) -> MarketKind:
        """What it trades."""
        return self._quirks.kind

    @property
    def arrival_limit(self) -> timedelta:
        """How long after it was asked for a request can still be executed.

        An order desk sends within half of it, then it may wait for the rate limit, and then the
        venue takes it while its timestamp is fresh.
        """
        return 2 * (ORDER_PATIENCE + self._quirks.window + _SKEW)

    # ---- instruments

    async def instrument(self, symbol: str) -> Instrument:
        """Return *symbol* with its steps, minima and this account's fees."""
        market = await self._market(symbol)
        if symbol not in self._priced:
            if self._credentials is not None:
                market = with_fees(market, *await self._quirks.fees(market))
                self._keep(market)
            self._priced.add(symbol)
        return market.instrument

    async def _market(self, symbol: str) -> Market:
        await self._load()
        market = self._markets.get(symbol)
        if market is not None:
            return market
        near = self._quirks.markets.get(symbol.replace("/", ""))
        hint = f': did you mean "{near.symbol}"?' if near else ""
        raise InvalidValueError(
            f'{self.name} has no open {self.kind} market "{symbol}"{hint}; symbols are unified, '
            "such as BTC/USDT or BTC/USDT:USDT"
        )

    async def _load(self) -> None:
        if self._markets:
            return
        async with self._loading:
            if self._markets:
                return
            await self._quirks.rest.unified("load_time_difference")
            raw = await self._quirks.rest.unified("load_markets")
            for market in read_markets(raw, self.kind).values():
                self._keep(market)
            self._clock = asyncio.create_task(self._compare_clocks())

    async def _compare_clocks(self) -> None:
        while True:
            await asyncio.sleep(_CLOCK_EVERY)
            try:
                await self._quirks.rest.unified("load_time_difference")
            except VenueError as error:
                _log.warning("%s: the clock could not be compared: %s", self.name, error)

    def _keep(self, market: Market) -> None:
        self._markets[market.symbol] = market
        self._quirks.markets[market.id] = market

    # ---- orders

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        """Send *request* once; a duplicate client id answers with the existing order."""
        market = await self._before_sending(request.symbol)
        try:
            report = await self._quirks.place(market, request)
        except DuplicateError as error:
            return await self._existing(request, str(error))
        except RefusedError as error:
            return Refusal(request.client_id, error.reason, error.verdict.told)
        return await self._placed(market, report)

    async def place_batch(self, requests: Sequence[OrderRequest]) -> Sequence[Outcome]:
        """Place orders of one symbol; one outcome each, in their order."""
        if not requests:
            return []
        market = await self._before_sending(requests[0].symbol)
        if any(request.symbol != market.symbol for request in requests):
            raise InvalidValueError("a batch has orders of one symbol")
        if not self._quirks.place_batch_of:
            return await _side_by_side(self._outcome(request) for request in requests)
        outcomes: list[Outcome] = []
        for some in _chunks(requests, self._quirks.place_batch_of):
            outcomes += await self._placed_batch(market, some)
        return outcomes

    async def cancel(self, symbol: str, client_id: str) -> OrderReport | None:
        """Cancel and return the order as it then stands; None if there is none."""
        market = await self._before_sending(symbol)
        report = None
        try:
            report = await self._quirks.cancel(market, client_id)
        except NotFoundError:
            return await self.look_up(symbol, client_id)
        if report is not None and not report.status.working:
            return await self._completed(market, report)
        return await self._settled(symbol, client_id)

    async def cancel_batch(
        self, symbol: str, client_ids: Sequence[str]
    ) -> Sequence[OrderReport | None]:
        """Cancel orders and return each as it then stands."""
        market = await self._before_sending(symbol)
        if not self._quirks.cancel_batch_of:
            return await _side_by_side(self.cancel(symbol, each) for each in client_ids)
        for some in _chunks(client_ids, self._quirks.cancel_batch_of):
            await self._quirks.cancel_batch(market, some)
        return await _side_by_side(self._settled(symbol, each) for each in client_ids)

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        """Return the order, open or closed; None if there is none.

        Open orders are looked through as well: right after an order was sent a venue may know it
        there and not yet by its name.
        """
        market = await self._market(symbol)
        report = await self._quirks.order(market, OrderName(client_id=client_id))
        if report is None:
            found = await self._quirks.open_orders(market)
            report = next((each for each in found if each.client_id == client_id), None)
        return None if report is None else await self._completed(market, report)

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Return all working orders on *symbol*."""
        market = await self._market(symbol)
        return await self._all_completed(market, await self._quirks.open_orders(market))

    async def orders_since(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Return the orders that changed at or after *since*, oldest first."""
        orders = await self._orders_since(await self._market(symbol), since)
        return [order for order in orders if order.at is None or order.at >= since]

    async def fills_since(self, symbol: str, since: datetime) -> Sequence[Fill]:
        """Return the executions at or after *since*, oldest first."""
        market = await self._market(symbol)
        fills = await self._quirks.fills_since(market, since)
        self._executions.add(fills)
        return [await self._named(market, fill) for fill in fills if fill.at >= since]

    async def _orders_since(self, market: Market, since: datetime) -> list[OrderReport]:
        """Return open orders, those listed since then, and those that were filled since then."""
        listed = [
            *await self._quirks.orders_since(market, since),
            *await self._quirks.open_orders(market),
        ]
        known = {each.order_id: each for each in listed}  # of two, the later answer counts
        fills = await self._quirks.fills_since(market, since)
        self._executions.add(fills)
        for order_id in dict.fromkeys(fill.order_id for fill in fills):
            if order_id not in known:
                report = await self._quirks.order(market, OrderName(order_id=order_id))
                if report is not None:
                    known[order_id] = report
        completed = await self._all_completed(market, known.values())
        return sorted(completed, key=lambda each: (each.at or since, each.order_id))

    # ---- account

    async def balances(self) -> Sequence[Balance]:
        """Return what the account owns."""
        return await self._quirks.balances()

    async def positions(self, symbol: str) -> Sequence[Position]:
        """Return the perpetual positions on *symbol*; empty only if there is none."""
        market = await self._market(symbol)
        return await self._quirks.positions(market) if self._quirks.perpetual else []

    async def funding_since(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Return the funding payments at or after *since*, oldest first."""
        market = await self._market(symbol)
        if not self._quirks.perpetual:
            return []
        payments = await self._quirks.funding_since(market, since)
        return sorted((each for each in payments if each.at >= since), key=lambda each: each.at)

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        """Return everything of one moment: looks are repeated until nothing traded between them.

        `at` is the venue's time of the last trade before the first look, so that a watermark never
        lies behind what was seen.
        """
        at = (await self.last_price(symbol)).at
        for _ in range(_LOOKS):
            view = await self._look(symbol, since, at)
            after = await self.fills_since(symbol, since)
            funding = await self.funding_since(symbol, since)
            if len(after) == len(view.fills) and len(funding) == len(view.funding):
                return view
        raise VenueUnavailableError(
            f"{self.name}: {symbol} traded between all of {_LOOKS} looks at the account"
        )

    async def _look(self, symbol: str, since: datetime, at: datetime) -> AccountView:
        market = await self._market(symbol)
        fills = await self.fills_since(symbol, since)
        funding = await self.funding_since(symbol, since)
        return AccountView(
            at=at,
            balances=tuple(await self.balances()),
            positions=tuple(await self.positions(symbol)),
            orders=tuple(
                order
                for order in await self._orders_since(market, since)
                if order.status.working or order.at is None or order.at >= since
            ),
            fills=tuple(fills),
            funding=tuple(funding),
        )

    async def terms(self, symbol: str) -> Terms:
        """Return leverage and position mode; spot has leverage 1."""
        market = await self._market(symbol)
        return await self._quirks.terms(market) if self._quirks.perpetual else _SPOT_TERMS

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set the leverage of a perpetual; nothing happens if it is that already."""
        market = await self._market(symbol)
        self._only_perpetual("leverage")
        try:
            await self._quirks.set_leverage(market, leverage)
        except UnchangedError:
            return

    async def set_one_way(self) -> None:
        """Let each symbol have one position; nothing happens if it is so already."""
        self._only_perpetual("a position mode")
        try:
            await self._quirks.set_one_way()
        except UnchangedError:
            return

    async def key_rights(self) -> KeyRights:
        """Return what the key may do, as the venue tells it."""
        return await self._quirks.key_rights()

    async def clock(self) -> ClockReading:
        """Compare the venue's clock with ours, by one public question."""
        asked_at = datetime.now(UTC)
        told = from_ms(await self._quirks.rest.unified("fetch_time"))
        round_trip = datetime.now(UTC) - asked_at
        return ClockReading(told - (asked_at + round_trip / 2), round_trip)

    def rate_limits(self) -> RateLimits:
        """Return the limits, and what of them was used as we and the venue counted it."""
        used = {each.bucket: each for each in self._pacer.usage()}
        orders = used.pop(ORDERS)
        return RateLimits(
            orders, self._quirks.most_orders(), tuple(used.values()), self._pacer.paused()
        )

    # ---- market

    async def last_price(self, symbol: str) -> PriceUpdate:
        """Return the last price; VenueUnavailableError before the market's first one."""
        update = await self._quirks.last_price(await self._market(symbol))
        if update is None:
            raise VenueUnavailableError(f"{symbol} has no price yet: the market is silent")
        return update

    async def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Return the newest *limit* candles, oldest first; the last counts as unclosed."""
        market = await self._market(symbol)
        self._quirks.interval(interval)
        return await self._quirks.candles(market, interval, limit)

    async def day_statistics(self) -> Sequence[DayStatistics]:
        """Return the last 24 hours of every market of this kind."""
        await self._load()
        return await self._quirks.day_statistics()

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Return the funding that is due next."""
        market = await self._market(symbol)
        self._only_perpetual("funding")
        return await self._quirks.funding_rate(market)

    async def funding_rates(self, symbol: str, since: datetime) -> Sequence[FundingRate]:
        """Return the settled funding rates at or after *since*, oldest first."""
        market = await self._market(symbol)
        self._only_perpetual("funding")
        return await self._quirks.funding_rates(market, since)

    # ---- streams

    @asynccontextmanager
    async def reports(self) -> AsyncIterator[AsyncIterator[OrderReport]]:
        """Stream the account's order reports, complete and in order."""
        async with self.account_news() as news, aclosing(_reports(news)) as reports:
            yield reports

    @asynccontextmanager
    async def account_news(self) -> AsyncIterator[AsyncIterator[News]]:
        """Stream all that the private stream tells."""
        await self._load()
        stream = Stream(f"{self.name} orders", self._session, self._quirks.news_talk())
        async with stream, aclosing(self._complete_news(stream)) as news:
            yield news

    @asynccontextmanager
    async def prices(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[PriceUpdate]]:
        """Stream prices, latest wins."""
        markets = [await self._market(symbol) for symbol in symbols]
        talk = self._quirks.price_talk(markets)
        stream = Stream(
            f"{self.name} prices", self._session, talk, key=lambda update: update.symbol
        )
        async with stream:
            yield stream

    @asynccontextmanager
    async def candle_stream(
        self, symbol: str, interval: timedelta
    ) -> AsyncIterator[AsyncIterator[Candle]]:
        """Stream candles, closed and forming; of one candle the newest state."""
        market = await self._market(symbol)
        self._quirks.interval(interval)
        talk = self._quirks.candle_talk(market, interval)
        stream = Stream(
            f"{self.name} candles", self._session, talk, key=lambda candle: candle.opened_at
        )
        async with stream:
            yield stream

    @asynccontextmanager
    async def marks(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[MarkPrice]]:
        """Stream mark prices and funding rates, latest wins."""
        markets = [await self._market(symbol) for symbol in symbols]
        self._only_perpetual("a mark price")
        talk = self._quirks.mark_talk(markets)
        stream = Stream(f"{self.name} marks", self._session, talk, key=lambda mark: mark.symbol)
        async with stream:
            yield stream

    async def _complete_news(self, stream: AsyncIterator[News]) -> AsyncGenerator[News, None]:
        async for news in stream:
            if isinstance(news, OrderReport):
                yield await self._completed(await self._market(news.symbol), news)
            else:
                yield news

    # ---- how

    async def _before_sending(self, symbol: str) -> Market:
        """Return the market; whatever hinders that, nothing was sent."""
        try:
            return await self._market(symbol)
        except RateLimitedError:
            raise
        except VenueError as error:
            if error.permanent:
                raise
            raise NotSentError(f"{self.name}: the order was not sent: {error}") from error

    async def _existing(self, request: OrderRequest, why: str) -> OrderReport:
        """Return the order that has the id already."""
        try:
            found = await self.look_up(request.symbol, request.client_id)
        except VenueError as error:
            raise UnknownOutcomeError(f"{why}; the look-up failed: {error}") from error
        if found is None:
            raise UnknownOutcomeError(f"{why}; and the look-up does not find it")
        return found

    async def _placed(self, market: Market, report: OrderReport) -> OrderReport:
        try:
            return await self._completed(market, report)
        except VenueError as error:
            raise UnknownOutcomeError(
                f"{self.name}: order {report.client_id} was taken, its fills could not be read: "
                f"{error}"
            ) from error

    async def _outcome(self, request: OrderRequest) -> Outcome:
        try:
            return await self.place(request)
        except NotSentError as error:
            return Unknown(request.client_id, str(error))
        except VenueError as error:
            return Unknown(request.client_id, str(error))

    async def _placed_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> list[Outcome]:
        try:
            results = await self._quirks.place_batch(market, requests)
        except VenueError as error:
            return [Unknown(request.client_id, str(error)) for request in requests]
        return [
            await self._batched(market, request, result)
            for request, result in zip(requests, results, strict=True)
        ]

    async def _batched(
        self, market: Market, request: OrderRequest, result: OrderReport | Verdict
    ) -> Outcome:
        try:
            if isinstance(result, OrderReport):
                return await self._placed(market, result)
            raise error_of(result, f"{self.name} batch", changes=True)
        except DuplicateError as error:
            try:
                return await self._existing(request, str(error))
            except VenueError as unknown:
                return Unknown(request.client_id, str(unknown))
        except RefusedError as error:
            return Refusal(request.client_id, error.reason, error.verdict.told)
        except VenueError as error:
            return Unknown(request.client_id, str(error))

    async def _settled(self, symbol: str, client_id: str) -> OrderReport | None:
        """Return an order whose cancel was taken, once it ended, or as it stands after a while."""
        report = None
        for lag in _LAGS:
            await asyncio.sleep(lag)
            report = await self.look_up(symbol, client_id)
            if report is None or not report.status.working:
                return report
        return report

    async def _completed(self, market: Market, report: OrderReport) -> OrderReport:
        """Return *report* with exact totals; fills that are not known are asked for."""
        done = self._executions.complete(report)
        for lag in _LAGS:
            if done is not None:
                return done
            await asyncio.sleep(lag)
            self._executions.add(await self._quirks.order_fills(market, report.order_id))
            done = self._executions.complete(report)
        if done is None:
            raise VenueUnavailableError(
                f"{self.name}: the fills of order {report.order_id} do not add up to what it says "
                "was filled: they are not listed yet"
            )
        return done

    async def _all_completed(
        self, market: Market, reports: Iterable[OrderReport]
    ) -> list[OrderReport]:
        return [await self._completed(market, report) for report in reports]

    async def _named(self, market: Market, fill: Fill) -> Fill:
        """Return *fill* with its order's client id, where the venue does not tell it."""
        if fill.client_id:
            return fill
        known = self._executions.client_id(fill.order_id)
        if known is None:
            order = await self._quirks.order(market, OrderName(order_id=fill.order_id))
            known = order.client_id if order else ""
            self._executions.name(fill.order_id, known)
        return replace(fill, client_id=known)

    def _only_perpetual(self, what: str) -> None:
        if not self._quirks.perpetual:
            raise InvalidValueError(f"a {self.kind} market has no {what}")


async def _reports(news: AsyncIterator[News]) -> AsyncGenerator[OrderReport, None]:
    async for each in news:
        if isinstance(each, OrderReport):
            yield each


def _chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


async def _side_by_side(work: Iterable[Any]) -> list[Any]:
    """Return the results in order, a few at a time; the first failure is raised after all ended."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Any) -> Any:
        async with gate:
            return await each

    results = await asyncio.gather(*map(one, work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results

"""A venue behind gRPC: the port `Venue` over an ExchangeService, such as the paper exchange."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from activities.venues import messages
from activities.venues.calls import Calls
from activities.venues.quotes import quote_of
from activities.venues.statuses import NotFoundError
from activities.venues.streams import Latest, Reports, Subscription
from activities.venues.wire import from_time, to_span, to_time
from domain.errors import NotSentError, RateLimitedError, VenueError
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
from opensqt.market_maker.v1 import events_pb2, exchange_pb2, resources_pb2


class RemoteVenue:
    """One account at an ExchangeService; also a `Snapshots`. A context manager, or close it.

    *address* is host:port, *timeout* the deadline of each call.
    """

    def __init__(
        self,
        address: str,
        account: str,
        *,
        name: str = "paper",
        timeout: timedelta = timedelta(seconds=2),
        arrival_limit: timedelta = timedelta(seconds=2),
    ) -> None:
        self._calls = Calls(address, account, name, timeout)
        self._name = name
        self._timeout = timeout
        self._arrival_limit = arrival_limit
        self._instruments: dict[str, Instrument] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; open streams raise."""
        await self._calls.close()

    @property
    def name(self) -> str:
        """The venue's name, as it stands in the ledger."""
        return self._name

    @property
    def arrival_limit(self) -> timedelta:
        """How long a request that was sent can still be executed."""
        return self._arrival_limit

    async def instrument(self, symbol: str) -> Instrument:
        """Return *symbol*, asked for once; an unknown one is an InvalidValueError."""
        if symbol not in self._instruments:
            request = exchange_pb2.GetSymbolInfoRequest(symbol=symbol)
            self._instruments[symbol] = await self._calls.ask(
                "GetSymbolInfo", request, messages.instrument_in
            )
        return self._instruments[symbol]

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        """Send *request* once."""
        instrument = await self._before_sending(request.symbol)
        return await self._calls.change(
            "PlaceOrder",
            messages.request_out(instrument, request),
            lambda order: messages.order_in(instrument, order),
            lambda refusal: messages.refusal_in(instrument, refusal),
        )

    async def cancel(self, symbol: str, client_id: str) -> OrderReport | None:
        """Cancel and return the order as it then stands; None if there is none."""
        instrument = await self._before_sending(symbol)

        def refused(refusal: resources_pb2.Refusal) -> OrderReport:
            raise VenueError(f"{self._name} CancelOrder was refused: {refusal.message}")

        try:
            return await self._calls.change(
                "CancelOrder",
                exchange_pb2.CancelOrderRequest(symbol=symbol, client_order_id=client_id),
                lambda order: messages.order_in(instrument, order),
                refused,
            )
        except NotFoundError:
            return None

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        """Return the order, open or closed; None if there is none."""
        instrument = await self.instrument(symbol)
        request = exchange_pb2.GetOrderRequest(symbol=symbol, client_order_id=client_id)
        try:
            return await self._calls.ask(
                "GetOrder", request, lambda order: messages.order_in(instrument, order)
            )
        except NotFoundError:
            return None

    async def open_orders(self, symbol: str) -> Sequence[OrderReport]:
        """Return all working orders on *symbol*."""
        instrument = await self.instrument(symbol)
        request = exchange_pb2.GetOpenOrdersRequest(symbol=symbol)
        return await self._calls.ask(
            "GetOpenOrders", request, lambda answer: _orders(instrument, answer.orders)
        )

    async def orders_since(self, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Return the orders that changed at or after *since*, oldest first."""
        instrument = await self.instrument(symbol)
        return await self._calls.ask(
            "GetOrdersSince",
            _since(symbol, since),
            lambda answer: _orders(instrument, answer.orders),
        )

    async def fills_since(self, symbol: str, since: datetime) -> Sequence[Fill]:
        """Return the executions at or after *since*, oldest first."""
        instrument = await self.instrument(symbol)
        return await self._calls.ask(
            "GetFillsSince",
            _since(symbol, since),
            lambda answer: [messages.fill_in(instrument, fill) for fill in answer.fills],
        )

    async def balances(self) -> Sequence[Balance]:
        """Return what the account owns."""
        return await self._calls.ask(
            "GetBalances",
            exchange_pb2.GetBalancesRequest(),
            lambda answer: [messages.balance_in(balance) for balance in answer.balances],
        )

    async def positions(self, symbol: str) -> Sequence[Position]:
        """Return the perpetual positions on *symbol*; empty only if there is none."""
        instrument = await self.instrument(symbol)
        return await self._calls.ask(
            "GetPositions",
            exchange_pb2.GetPositionsRequest(symbol=symbol),
            lambda answer: [messages.position_in(instrument, held) for held in answer.positions],
        )

    async def funding_since(self, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Return the funding payments at or after *since*, oldest first."""
        return await self._calls.ask(
            "GetFundingSince",
            _since(symbol, since),
            lambda answer: [messages.payment_in(payment) for payment in answer.payments],
        )

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        """Return orders, fills, positions and balances as of one moment."""
        instrument = await self.instrument(symbol)
        return await self._calls.ask(
            "GetAccountView", _since(symbol, since), lambda view: _view(instrument, view)
        )

    async def terms(self, symbol: str) -> Terms:
        """Return leverage and position mode; spot has leverage 1."""
        if (await self.instrument(symbol)).kind is MarketKind.SPOT:
            return Terms(Decimal(1), one_way=True)
        return await self._calls.ask(
            "GetAccount", exchange_pb2.GetAccountRequest(), messages.terms_in
        )

    async def clock(self) -> ClockReading:
        """Compare the exchange's clock with ours; its market has a time of its own."""
        asked_at = datetime.now(UTC)
        told, market_time = await self._calls.ask(
            "GetAccount", exchange_pb2.GetAccountRequest(), messages.times_in
        )
        round_trip = datetime.now(UTC) - asked_at
        return ClockReading(told - (asked_at + round_trip / 2), round_trip, market_time)

    async def last_price(self, symbol: str) -> PriceUpdate:
        """Return the last price; VenueUnavailableError before the market's first one."""
        instrument = await self.instrument(symbol)
        return await self._calls.ask(
            "GetLatestPrice",
            exchange_pb2.GetLatestPriceRequest(symbol=symbol),
            lambda change: messages.price_update_in(instrument, change),
        )

    async def quote(self, symbol: str) -> Quote:
        """Return the market's best prices, as of its time.

        A price is dated by its trade, which may be long ago. So the time is asked for, and before
        the price: a quote may be newer than it says, never older.
        """
        at = (await self.clock()).market_time
        update = await self.last_price(symbol)
        return quote_of(symbol, update.bid, update.ask, at or update.at)

    async def candles(self, symbol: str, interval: timedelta, limit: int) -> Sequence[Candle]:
        """Return the newest *limit* candles, oldest first; only the last may be unclosed."""
        instrument = await self.instrument(symbol)
        request = exchange_pb2.GetHistoricalKlinesRequest(
            symbol=symbol, interval=to_span(interval), limit=limit
        )
        return await self._calls.ask(
            "GetHistoricalKlines",
            request,
            lambda answer: [messages.candle_in(instrument, candle) for candle in answer.candles],
        )

    def reports(self, after: int | None = None) -> Reports:
        """Stream the account's order reports, complete and in order.

        *after* is the `sequence` of a stream that was lost: the new one goes on right behind it.
        """
        request = exchange_pb2.SubscribeOrdersRequest(after_sequence=after)

        async def decode(event: events_pb2.OrderEvent) -> OrderReport:
            order = event.update.order
            return messages.order_in(await self.instrument(order.symbol), order)

        return Reports(
            "SubscribeOrders", self._start("SubscribeOrders", request), decode, self._timeout
        )

    def prices(self, symbols: Sequence[str]) -> Latest:
        """Stream prices, latest wins."""
        request = exchange_pb2.SubscribePriceRequest(symbols=symbols)

        async def decode(event: events_pb2.PriceEvent) -> PriceUpdate:
            change = event.change
            return messages.price_update_in(await self.instrument(change.symbol), change)

        return Latest(
            "SubscribePrice", self._start("SubscribePrice", request), decode, self._timeout
        )

    def candle_stream(self, symbol: str, interval: timedelta) -> Subscription[Candle]:
        """Stream candles, closed and forming."""
        request = exchange_pb2.SubscribeKlinesRequest(symbols=[symbol], interval=to_span(interval))

        async def decode(event: events_pb2.CandleEvent) -> Candle:
            return messages.candle_in(await self.instrument(event.candle.symbol), event.candle)

        return Subscription(
            "SubscribeKlines", self._start("SubscribeKlines", request), decode, self._timeout
        )

    def position_stream(self, symbol: str) -> Subscription[Position]:
        """Stream the position on *symbol*, first as it stands and then when it changed."""
        request = exchange_pb2.SubscribePositionsRequest(symbol=symbol)

        async def decode(event: events_pb2.PositionEvent) -> Position:
            return messages.position_in(await self.instrument(symbol), event.position)

        return Subscription(
            "SubscribePositions", self._start("SubscribePositions", request), decode, self._timeout
        )

    def _start(self, method: str, request: Any) -> Callable[[], Any]:
        return self._calls.stream(method, request)

    async def _before_sending(self, symbol: str) -> Instrument:
        """Return the instrument; whatever hinders that, nothing was sent."""
        try:
            return await self.instrument(symbol)
        except RateLimitedError:
            raise
        except VenueError as error:
            if error.permanent:
                raise
            raise NotSentError(f"{self._name}: the order was not sent: {error}") from error


def _since(symbol: str, since: datetime) -> exchange_pb2.SinceRequest:
    return exchange_pb2.SinceRequest(symbol=symbol, since=to_time(since))


def _orders(instrument: Instrument, orders: Sequence[resources_pb2.Order]) -> list[OrderReport]:
    return [messages.order_in(instrument, order) for order in orders]


def _view(instrument: Instrument, view: exchange_pb2.AccountView) -> AccountView:
    return AccountView(
        at=from_time(view, "at"),
        balances=tuple(messages.balance_in(balance) for balance in view.balances),
        positions=tuple(messages.position_in(instrument, held) for held in view.positions),
        orders=tuple(_orders(instrument, view.orders)),
        fills=tuple(messages.fill_in(instrument, fill) for fill in view.fills),
        funding=tuple(messages.payment_in(payment) for payment in view.funding),
    )

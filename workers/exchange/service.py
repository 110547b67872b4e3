"""The ExchangeService over the host: messages in, one synchronous act, messages out."""

# ruff: noqa: N802, ARG002 - the names and arguments of methods are those of gRPC

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

import grpc

from activities.venues import messages
from activities.venues.statuses import (
    ACCOUNT_KEY,
    NOT_EXECUTED_KEY,
    REFUSAL_KEY,
    REFUSED,
    NotFoundError,
)
from activities.venues.wire import from_span, from_time, to_decimal, to_time
from domain.errors import (
    AuthenticationError,
    InvalidValueError,
    TradingError,
    VenueUnavailableError,
)
from domain.money import MarketKind
from domain.orders import OrderReport, Refusal
from opensqt.market_maker.v1 import exchange_pb2, exchange_pb2_grpc, resources_pb2
from workers.exchange import subscriptions
from workers.exchange.host import Host

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_EXECUTED: Final = ((NOT_EXECUTED_KEY, "true"),)


class RefusedError(Exception):
    """Carries a refusal to where it becomes a status."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def status_of(error: TradingError) -> grpc.StatusCode:
    """Return the status that an error becomes (row R-49)."""
    match error:
        case NotFoundError():
            return grpc.StatusCode.NOT_FOUND
        case InvalidValueError():
            return grpc.StatusCode.INVALID_ARGUMENT
        case AuthenticationError():
            return grpc.StatusCode.UNAUTHENTICATED
        case _:
            return grpc.StatusCode.UNAVAILABLE


async def abort(context: Any, error: TradingError) -> None:
    """End a call with *error*. Only a store that failed leaves it open whether it was executed."""
    certain = isinstance(
        error, NotFoundError | InvalidValueError | AuthenticationError | VenueUnavailableError
    )
    await context.abort(status_of(error), str(error), _NOT_EXECUTED if certain else ())


def answered(act: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Awaitable[Any]]:
    """Make a gRPC method of *act*, whose errors become statuses."""

    @wraps(act)
    async def method(self: Any, request: Any, context: Any) -> Any:
        try:
            return act(self, request, context)
        except RefusedError as error:
            host: Host = self.host
            instrument = host.instrument(request.symbol) if request.symbol in host.symbols else None
            packed = messages.refusal_out(instrument, error.refusal).SerializeToString()
            await context.abort(
                REFUSED[error.refusal.reason], str(error), ((REFUSAL_KEY, packed), *_NOT_EXECUTED)
            )
        except TradingError as error:
            await abort(context, error)

    return method


def streamed(
    act: Callable[[Any, Any, Any], AsyncIterator[Any]],
) -> Callable[[Any, Any, Any], AsyncIterator[Any]]:
    """Make a gRPC stream of *act*, whose errors become statuses."""

    @wraps(act)
    async def stream(self: Any, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for message in act(self, request, context):
                yield message
        except TradingError as error:
            await abort(context, error)

    return stream


class ExchangeService(exchange_pb2_grpc.ExchangeServiceServicer):
    """What clients see of the exchange."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name

    @answered
    def GetName(self, request: Any, context: Any) -> exchange_pb2.GetNameResponse:
        return exchange_pb2.GetNameResponse(name=self.name)

    @answered
    def GetSymbols(self, request: Any, context: Any) -> exchange_pb2.GetSymbolsResponse:
        return exchange_pb2.GetSymbolsResponse(symbols=self.host.symbols)

    @answered
    def GetSymbolInfo(self, request: Any, context: Any) -> resources_pb2.SymbolInfo:
        return messages.instrument_out(self.host.instrument(request.symbol))

    # ---- orders

    @answered
    def PlaceOrder(self, request: Any, context: Any) -> resources_pb2.Order:
        return self._place(self._account(context), request)

    @answered
    def BatchPlaceOrders(self, request: Any, context: Any) -> exchange_pb2.BatchPlaceOrdersResponse:
        account = self._account(context)
        results = [
            self._result(index, each, lambda each: self._place(account, each))
            for index, each in enumerate(request.orders)
        ]
        return exchange_pb2.BatchPlaceOrdersResponse(results=results)

    @answered
    def CancelOrder(self, request: Any, context: Any) -> resources_pb2.Order:
        return self._cancel(self._account(context), request)

    @answered
    def BatchCancelOrders(
        self, request: Any, context: Any
    ) -> exchange_pb2.BatchCancelOrdersResponse:
        account = self._account(context)
        results = [
            self._result(index, each, lambda each: self._cancel(account, each))
            for index, each in enumerate(request.orders)
        ]
        return exchange_pb2.BatchCancelOrdersResponse(results=results)

    @answered
    def CancelAllOrders(self, request: Any, context: Any) -> exchange_pb2.CancelAllOrdersResponse:
        account = self._account(context)
        working = self.host.exchange.open_orders(account, request.symbol)
        closed = [self.host.cancel(account, each.symbol, each.client_id) for each in working]
        return exchange_pb2.CancelAllOrdersResponse(
            orders=[self._order(report) for report in closed if report is not None]
        )

    # ---- reading

    @answered
    def GetOrder(self, request: Any, context: Any) -> resources_pb2.Order:
        account = self._account(context)
        client_id = self._client_id(account, request)
        report = self.host.exchange.look_up(account, request.symbol, client_id)
        return self._order(_found(report, client_id))

    @answered
    def GetOpenOrders(self, request: Any, context: Any) -> exchange_pb2.OrderList:
        account = self._account(context)  # first: it may open another exchange
        reports = self.host.exchange.open_orders(account, request.symbol)
        return exchange_pb2.OrderList(orders=map(self._order, reports))

    @answered
    def GetOrdersSince(self, request: Any, context: Any) -> exchange_pb2.OrderList:
        since = from_time(request, "since")
        account = self._account(context)  # first: it may open another exchange
        reports = self.host.exchange.orders_since(account, request.symbol, since)
        return exchange_pb2.OrderList(orders=map(self._order, reports))

    @answered
    def GetFillsSince(self, request: Any, context: Any) -> exchange_pb2.FillList:
        since = from_time(request, "since")
        account = self._account(context)  # first: it may open another exchange
        fills = self.host.exchange.fills_since(account, request.symbol, since)
        instrument = self.host.instrument(request.symbol)
        return exchange_pb2.FillList(fills=[messages.fill_out(instrument, fill) for fill in fills])

    @answered
    def GetFundingSince(self, request: Any, context: Any) -> exchange_pb2.FundingList:
        since = from_time(request, "since")
        account = self._account(context)  # first: it may open another exchange
        payments = self.host.exchange.funding_since(account, request.symbol, since)
        return exchange_pb2.FundingList(payments=map(messages.payment_out, payments))

    @answered
    def GetBalances(self, request: Any, context: Any) -> exchange_pb2.BalanceList:
        account = self._account(context)  # first: it may open another exchange
        balances = self.host.exchange.balances(account)
        return exchange_pb2.BalanceList(balances=map(messages.balance_out, balances))

    @answered
    def GetPositions(self, request: Any, context: Any) -> exchange_pb2.PositionList:
        return exchange_pb2.PositionList(
            positions=self._positions(self._account(context), request.symbol or None)
        )

    @answered
    def GetAccount(self, request: Any, context: Any) -> resources_pb2.Account:
        account = self._account(context)
        balances = self.host.exchange.balances(account)
        return resources_pb2.Account(
            balances=map(messages.balance_out, balances),
            positions=self._positions(account, None),
            leverage=to_decimal(self.host.exchange.rules.leverage),
            one_way=True,
            time=to_time(datetime.now(UTC)),
            market_time=to_time(self.host.market_time),
        )

    @answered
    def GetAccountView(self, request: Any, context: Any) -> exchange_pb2.AccountView:
        account = self._account(context)
        instrument = self.host.instrument(request.symbol)
        since = from_time(request, "since")
        view = self.host.exchange.account_view(account, request.symbol, since)
        return exchange_pb2.AccountView(
            at=to_time(view.at),
            balances=map(messages.balance_out, view.balances),
            positions=[messages.position_out(instrument, held) for held in view.positions],
            orders=map(self._order, view.orders),
            fills=[messages.fill_out(instrument, fill) for fill in view.fills],
            funding=map(messages.payment_out, view.funding),
            last_sequence=self.host.last_sequence(account),
        )

    @answered
    def GetLatestPrice(self, request: Any, context: Any) -> Any:
        instrument = self.host.instrument(request.symbol)
        self.host.require_market()
        update = self.host.exchange.last_price(request.symbol)
        if update is None:
            raise VenueUnavailableError(f"{request.symbol} has no price yet: the market is silent")
        return messages.price_update_out(instrument, update)

    @answered
    def GetHistoricalKlines(self, request: Any, context: Any) -> exchange_pb2.CandleList:
        instrument = self.host.instrument(request.symbol)
        interval = from_span(request, "interval")
        bars = self.host.exchange.candles(request.symbol, interval, request.limit)
        return exchange_pb2.CandleList(
            candles=[messages.candle_out(instrument, bar) for bar in bars]
        )

    @answered
    def GetFundingRates(self, request: Any, context: Any) -> exchange_pb2.FundingRates:
        since = from_time(request, "since")
        if self.host.instrument(request.symbol).kind is MarketKind.SPOT:
            raise InvalidValueError(f"{request.symbol} is spot: there is no funding")
        self.host.require_market()  # else a rate that was missed would look like none
        settled = self.host.exchange.funding_rates(request.symbol)
        announced = self.host.exchange.next_funding(request.symbol)
        return exchange_pb2.FundingRates(
            settled=[messages.funding_rate_out(rate) for rate in settled if rate.at >= since],
            announced=None if announced is None else messages.funding_rate_out(announced),
        )

    # ---- streams

    @streamed
    def SubscribeOrders(self, request: Any, context: Any) -> AsyncIterator[Any]:
        after = request.after_sequence if request.HasField("after_sequence") else None
        return subscriptions.orders(self.host, self._account(context), after)

    @streamed
    def SubscribePrice(self, request: Any, context: Any) -> AsyncIterator[Any]:
        return subscriptions.prices(self.host, list(request.symbols))

    @streamed
    def SubscribeKlines(self, request: Any, context: Any) -> AsyncIterator[Any]:
        interval = from_span(request, "interval")
        return subscriptions.candles(self.host, list(request.symbols), interval)

    @streamed
    def SubscribePositions(self, request: Any, context: Any) -> AsyncIterator[Any]:
        return subscriptions.positions(self.host, self._account(context), request.symbol)

    # ---- how

    def _account(self, context: Any) -> str:
        named = dict(context.invocation_metadata() or ()).get(ACCOUNT_KEY)
        if not named:
            raise AuthenticationError(f"metadata {ACCOUNT_KEY} must name the account, was absent")
        return self.host.account(str(named))

    def _order(self, report: OrderReport) -> resources_pb2.Order:
        return messages.order_out(self.host.instrument(report.symbol), report)

    def _positions(self, account: str, symbol: str | None) -> list[resources_pb2.Position]:
        return [
            messages.position_out(self.host.instrument(held.symbol), held)
            for held in self.host.exchange.positions(account, symbol)
        ]

    def _place(self, account: str, message: Any) -> resources_pb2.Order:
        instrument = self.host.instrument(message.symbol)
        outcome = self.host.place(account, messages.request_in(instrument, message))
        if isinstance(outcome, Refusal):
            raise RefusedError(outcome)
        return self._order(outcome)

    def _cancel(self, account: str, message: Any) -> resources_pb2.Order:
        self.host.instrument(message.symbol)
        client_id = self._client_id(account, message)
        report = self.host.cancel(account, message.symbol, client_id)
        return self._order(_found(report, client_id))

    def _client_id(self, account: str, message: Any) -> str:
        """Return the client id that *message* names, by itself or by the venue's order id."""
        if bool(message.client_order_id) == bool(message.order_id):
            raise InvalidValueError("one of client_order_id and order_id must be given")
        if message.client_order_id:
            return str(message.client_order_id)
        for report in self.host.exchange.orders_since(account, message.symbol, _EPOCH):
            if report.order_id == message.order_id:
                return report.client_id
        raise NotFoundError(f"there is no order {message.order_id} on {message.symbol}")

    def _result(
        self, index: int, message: Any, act: Callable[[Any], resources_pb2.Order]
    ) -> exchange_pb2.OrderResult:
        """Return what became of one element of a batch; it never ends the others."""
        result = exchange_pb2.OrderResult(index=index, client_order_id=message.client_order_id)
        try:
            result.order.CopyFrom(act(message))
        except RefusedError as error:
            instrument = self.host.instrument(message.symbol)
            result.error.code = REFUSED[error.refusal.reason].value[0]
            result.error.message = str(error)
            result.error.refusal.CopyFrom(messages.refusal_out(instrument, error.refusal))
        except (InvalidValueError, NotFoundError) as error:
            result.error.code = status_of(error).value[0]
            result.error.message = str(error)
        return result


def _found(report: OrderReport | None, client_id: str) -> OrderReport:
    if report is None:
        raise NotFoundError(f"there is no order {client_id}")
    return report

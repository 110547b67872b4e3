"""What goes wrong on the way to a venue, and how the client tells it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import grpc
import pytest

from activities.venues.calls import Calls
from activities.venues.remote import RemoteVenue
from domain.errors import (
    AuthenticationError,
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
    VenueUnavailableError,
)
from domain.money import Price, Quantity
from domain.orders import OrderReport, OrderRequest, OrderStatus, Refusal, RefusalReason, Side
from opensqt.market_maker.v1 import (
    exchange_pb2,
    exchange_pb2_grpc,
    paper_pb2,
    resources_pb2,
)
from tests.eventually import eventually
from workers.exchange.server import Running

#: A number that no enum of the schema has.
UNKNOWN: Any = 99
ACCOUNT = (("x-account", "alice"),)


def bid(client_id: str, price: int = 990, lots: int = 10) -> OrderRequest:
    return OrderRequest(client_id, "BTCUSDT", Side.BUY, Quantity(lots), Price(price * 10))


def rule(method: str, kind: str, *, seconds: float = 0, **more: Any) -> paper_pb2.FaultRule:
    written = paper_pb2.FaultRule(method=method, kind=f"FAULT_KIND_{kind}", **more)
    written.delay.FromTimedelta(timedelta(seconds=seconds))
    return written


async def script(control: Any, *rules: paper_pb2.FaultRule) -> None:
    await control.SetFaults(paper_pb2.SetFaultsRequest(rules=rules))


def hasten(venue: RemoteVenue) -> None:
    """Let each call wait for half a second only: for answers that never come."""
    venue._calls._timeout = 0.5


async def read(stream: AsyncIterator[OrderReport], count: int) -> Sequence[OrderReport]:
    async with asyncio.timeout(60):
        return [await anext(stream) for _ in range(count)]


# ---- no connection


async def test_without_a_server_nothing_was_sent() -> None:
    async with RemoteVenue("127.0.0.1:1", "alice", timeout=timedelta(seconds=0.3)) as venue:
        with pytest.raises(NotSentError):
            await venue.place(bid("a"))
        with pytest.raises(NotSentError):
            await venue.cancel("BTCUSDT", "a")


async def test_without_a_server_a_question_is_not_answered_with_nothing() -> None:
    async with RemoteVenue("127.0.0.1:1", "alice", timeout=timedelta(seconds=0.3)) as venue:
        for question in (venue.balances(), venue.open_orders("BTCUSDT"), venue.look_up("B", "a")):
            with pytest.raises(VenueUnavailableError):
                await question


async def test_a_known_instrument_does_not_hide_that_there_is_no_connection(
    exchange: Running,
) -> None:
    async with RemoteVenue("127.0.0.1:1", "alice", timeout=timedelta(seconds=0.3)) as venue:
        async with RemoteVenue(exchange.address, "alice") as other:
            venue._instruments["BTCUSDT"] = await other.instrument("BTCUSDT")
        with pytest.raises(NotSentError, match=r"127\.0\.0\.1:1"):
            await venue.place(bid("a"))


async def test_a_stream_without_a_server_is_not_entered() -> None:
    async with RemoteVenue("127.0.0.1:1", "alice", timeout=timedelta(seconds=0.3)) as venue:
        with pytest.raises(VenueUnavailableError):
            async with venue.reports():
                pytest.fail("entered")


async def test_without_an_account_nobody_is_served(exchange: Running, stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.GetBalances(exchange_pb2.GetBalancesRequest())
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    calls = Calls(exchange.address, "", "paper", timedelta(seconds=1))
    with pytest.raises(AuthenticationError, match="x-account"):
        await calls.ask("GetBalances", exchange_pb2.GetBalancesRequest(), lambda answer: answer)
    await calls.close()


# ---- faults of calls


@pytest.mark.parametrize("kind", ["LOST_ANSWER", "NO_ANSWER"])
async def test_a_lost_answer_is_an_unknown_outcome_and_the_order_exists(
    venue: RemoteVenue, control: Any, kind: str
) -> None:
    hasten(venue)
    await script(control, rule("PlaceOrder", kind, count=1))
    with pytest.raises(UnknownOutcomeError):
        await venue.place(bid("a"))
    found = await venue.look_up("BTCUSDT", "a")
    assert found is not None
    assert found.status is OrderStatus.OPEN
    assert await venue.place(bid("a")) == found
    assert len(await venue.open_orders("BTCUSDT")) == 1


@pytest.mark.parametrize("kind", ["LOST_ANSWER", "NO_ANSWER"])
async def test_a_cancel_whose_answer_is_lost_was_executed(
    venue: RemoteVenue, control: Any, kind: str
) -> None:
    await venue.place(bid("a"))
    hasten(venue)
    await script(control, rule("CancelOrder", kind, count=1))
    with pytest.raises(UnknownOutcomeError):
        await venue.cancel("BTCUSDT", "a")
    found = await venue.look_up("BTCUSDT", "a")
    assert found is not None
    assert found.status is OrderStatus.CANCELED


async def test_an_order_may_arrive_after_its_sender_gave_up(
    venue: RemoteVenue, control: Any
) -> None:
    hasten(venue)
    await script(control, rule("PlaceOrder", "DELAY_BEFORE", seconds=2, count=1))
    with pytest.raises(UnknownOutcomeError):
        await venue.place(bid("a"))
    assert await venue.look_up("BTCUSDT", "a") is None
    await eventually(lambda: venue.look_up("BTCUSDT", "a"), what="the order")


async def test_a_short_delay_is_only_slow(venue: RemoteVenue, control: Any) -> None:
    for kind in ("DELAY_BEFORE", "DELAY_AFTER"):
        await script(control, rule("PlaceOrder", kind, seconds=0.1))
        began = time.monotonic()
        assert isinstance(await venue.place(bid(kind)), OrderReport)
        assert time.monotonic() - began >= 0.1


async def test_a_delay_after_execution_loses_the_answer_not_the_order(
    venue: RemoteVenue, control: Any
) -> None:
    hasten(venue)
    await script(control, rule("PlaceOrder", "DELAY_AFTER", seconds=5, count=1))
    with pytest.raises(UnknownOutcomeError):
        await venue.place(bid("a"))
    assert await venue.look_up("BTCUSDT", "a") is not None


async def test_a_scripted_refusal_is_a_value_and_nothing_was_executed(
    venue: RemoteVenue, control: Any
) -> None:
    reason = "REFUSAL_REASON_INSUFFICIENT_FUNDS"
    await script(control, rule("PlaceOrder", "REFUSE", reason=reason, count=1))
    refused = await venue.place(bid("a"))
    assert isinstance(refused, Refusal)
    assert (refused.client_id, refused.reason) == ("a", RefusalReason.INSUFFICIENT_FUNDS)
    assert await venue.look_up("BTCUSDT", "a") is None


async def test_a_rate_limit_carries_its_delay_and_nothing_was_executed(
    venue: RemoteVenue, control: Any
) -> None:
    await script(control, rule("PlaceOrder", "RATE_LIMIT", seconds=1.5, count=1))
    with pytest.raises(RateLimitedError) as raised:
        await venue.place(bid("a"))
    assert raised.value.retry_after == timedelta(seconds=1.5)
    assert await venue.look_up("BTCUSDT", "a") is None


async def test_a_venue_that_says_it_did_nothing_leaves_no_doubt(
    venue: RemoteVenue, control: Any
) -> None:
    await script(control, rule("PlaceOrder", "UNAVAILABLE", count=1))
    with pytest.raises(VenueUnavailableError):
        await venue.place(bid("a"))
    assert await venue.look_up("BTCUSDT", "a") is None


async def test_questions_fail_too_and_never_look_empty(venue: RemoteVenue, control: Any) -> None:
    await venue.place(bid("a"))
    hasten(venue)
    await script(
        control,
        rule("GetOpenOrders", "UNAVAILABLE", count=1),
        rule("GetBalances", "RATE_LIMIT", seconds=1, count=1),
        rule("GetOrder", "NO_ANSWER", count=1),
    )
    with pytest.raises(VenueUnavailableError):
        await venue.open_orders("BTCUSDT")
    with pytest.raises(RateLimitedError):
        await venue.balances()
    with pytest.raises(VenueUnavailableError):
        await venue.look_up("BTCUSDT", "a")
    assert len(await venue.open_orders("BTCUSDT")) == 1


async def test_a_rule_plays_on_every_nth_match_of_its_pattern_and_so_often(
    venue: RemoteVenue, control: Any
) -> None:
    await script(control, rule("PlaceOrder", "REFUSE", every=2, count=2, client_id="x*"))
    outcomes = []
    for client_id in ("x1", "y1", "x2", "x3", "y2", "x4", "x5", "x6"):
        outcome = await venue.place(bid(client_id))
        outcomes.append(client_id if isinstance(outcome, Refusal) else None)
    assert [each for each in outcomes if each] == ["x2", "x4"]


async def test_a_rule_that_makes_no_sense_is_refused(control: Any) -> None:
    for wrong, told in (
        (rule("Nonsense", "REFUSE"), "Nonsense"),
        (rule("CancelOrder", "REFUSE"), "PlaceOrder"),
        (rule("PlaceOrder", "DROP_STREAM"), "PlaceOrder"),
        (rule("SubscribePrice", "REORDER_REPORT"), "SubscribeOrders"),
        (rule("PlaceOrder", "RATE_LIMIT"), "positive delay"),
        (paper_pb2.FaultRule(method="PlaceOrder"), "FaultRule.kind"),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match=told) as raised:
            await script(control, wrong)
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


# ---- faults of streams


async def test_a_duplicate_report_comes_twice(venue: RemoteVenue, control: Any) -> None:
    await script(control, rule("SubscribeOrders", "DUPLICATE_REPORT", count=1))
    async with venue.reports() as reports:
        await venue.place(bid("a"))
        await venue.place(bid("b"))
        told = await read(reports, 3)
    assert [each.client_id for each in told] == ["a", "a", "b"]
    assert reports.sequence == 2


async def test_a_reordered_report_comes_after_its_follower(
    venue: RemoteVenue, control: Any
) -> None:
    await script(control, rule("SubscribeOrders", "REORDER_REPORT", count=1))
    async with venue.reports() as reports:
        for client_id in "abc":
            await venue.place(bid(client_id))
        assert [each.client_id for each in await read(reports, 3)] == ["b", "a", "c"]


async def test_a_reordered_report_without_a_follower_comes_alone(
    venue: RemoteVenue, control: Any
) -> None:
    await script(control, rule("SubscribeOrders", "REORDER_REPORT", count=1))
    async with venue.reports() as reports:
        await venue.place(bid("a"))
        assert [each.client_id for each in await read(reports, 1)] == ["a"]
        await venue.place(bid("b"))
        assert [each.client_id for each in await read(reports, 1)] == ["b"]


async def test_a_dropped_stream_raises_and_goes_on_where_it_was(
    venue: RemoteVenue, control: Any
) -> None:
    await script(control, rule("SubscribeOrders", "DROP_STREAM", every=2, count=1))
    async with venue.reports() as reports:
        for client_id in "abc":
            await venue.place(bid(client_id))
        assert [each.client_id for each in await read(reports, 1)] == ["a"]
        with pytest.raises(VenueUnavailableError, match="broke off"):
            await read(reports, 1)
    async with venue.reports(after=reports.sequence) as again:
        assert [each.client_id for each in await read(again, 2)] == ["b", "c"]


async def test_every_kind_of_stream_can_be_dropped(
    exchange: Running, venue: RemoteVenue, control: Any
) -> None:
    for method, stream in (
        ("SubscribePrice", lambda: venue.prices(["BTCUSDT"])),
        ("SubscribeKlines", lambda: venue.candle_stream("BTCUSDT", timedelta(minutes=1))),
        ("SubscribePositions", lambda: venue.position_stream("BTCUSDT")),
    ):
        await script(control, rule(method, "DROP_STREAM"))
        async with stream() as values:
            exchange.host.advance(1)
            with pytest.raises(VenueUnavailableError):
                async with asyncio.timeout(60):
                    await anext(values)


async def test_a_sequence_of_another_exchange_is_refused(venue: RemoteVenue) -> None:
    with pytest.raises(InvalidValueError, match="7"):
        async with venue.reports(after=7):
            pytest.fail("entered")


# ---- streams


async def test_a_slow_reader_of_reports_gets_every_one(
    exchange: Running, venue: RemoteVenue
) -> None:
    count = 3000
    async with venue.reports() as reports:
        for number in range(count):
            exchange.host.place("alice", bid(f"o{number}", 990 - number % 7))
        told = await read(reports, count)
    assert [each.client_id for each in told] == [f"o{number}" for number in range(count)]


async def test_accounts_hear_of_their_own_orders_only(
    exchange: Running, venue: RemoteVenue
) -> None:
    async with RemoteVenue(exchange.address, "bob") as other, other.reports() as theirs:
        await venue.place(bid("a"))
        await other.place(bid("b"))
        assert [each.client_id for each in await read(theirs, 1)] == ["b"]
        assert await other.look_up("BTCUSDT", "a") is None


async def test_a_position_stream_tells_the_position_and_each_change(
    exchange: Running, venue: RemoteVenue
) -> None:
    exchange.host.advance(1)
    async with venue.position_stream("BTCUSDT") as positions, asyncio.timeout(60):
        assert (await anext(positions)).lots == 0
        await venue.place(bid("a"))
        exchange.host.advance(1)
        assert (await anext(positions)).lots == 4


async def test_a_stopping_exchange_ends_streams_with_an_error(
    exchange: Running, venue: RemoteVenue
) -> None:
    async with venue.reports() as reports:
        exchange.host.close()
        with pytest.raises(VenueUnavailableError, match="stopping"):
            await read(reports, 1)
    with pytest.raises(VenueUnavailableError, match="stopping"):
        await venue.place(bid("a"))


async def test_a_closed_client_ends_its_streams_with_an_error(exchange: Running) -> None:
    venue = RemoteVenue(exchange.address, "alice")
    async with venue.reports() as reports:
        reading = asyncio.create_task(read(reports, 1))
        await asyncio.sleep(0)
        await venue.close()
        with pytest.raises(VenueUnavailableError):
            await reading


async def test_a_canceled_reader_is_canceled(venue: RemoteVenue) -> None:
    async with venue.reports() as reports:
        reading = asyncio.create_task(read(reports, 1))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


# ---- answers that make no sense


class Nonsense(exchange_pb2_grpc.ExchangeServiceServicer):
    """A venue that answers with an enum nobody knows, and streams without saying hello."""

    def __init__(self, real: Any) -> None:
        self._real = real

    async def GetSymbolInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        return await self._real.GetSymbolInfo(request)

    async def PlaceOrder(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        return resources_pb2.Order(client_order_id=request.client_order_id, status=UNKNOWN)

    async def GetOpenOrders(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        return exchange_pb2.OrderList(orders=[resources_pb2.Order(side=UNKNOWN)])

    async def SubscribeOrders(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        await asyncio.sleep(60)
        yield


@pytest.fixture
async def nonsense(stub: Any) -> AsyncIterator[RemoteVenue]:
    server = grpc.aio.server()
    exchange_pb2_grpc.add_ExchangeServiceServicer_to_server(Nonsense(stub), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with RemoteVenue(f"127.0.0.1:{port}", "a", timeout=timedelta(seconds=0.3)) as venue:
        yield venue
    await server.stop(None)


async def test_an_unreadable_answer_to_an_order_is_an_unknown_outcome(
    nonsense: RemoteVenue,
) -> None:
    with pytest.raises(UnknownOutcomeError, match="unreadable"):
        await nonsense.place(bid("a"))


async def test_an_unreadable_answer_to_a_question_is_an_error(nonsense: RemoteVenue) -> None:
    with pytest.raises(VenueError, match="unreadable"):
        await nonsense.open_orders("BTCUSDT")


async def test_a_method_the_venue_lacks_is_an_error(nonsense: RemoteVenue) -> None:
    with pytest.raises(VenueError, match="UNIMPLEMENTED"):
        await nonsense.balances()


async def test_a_stream_that_is_not_proved_live_is_not_entered(nonsense: RemoteVenue) -> None:
    with pytest.raises(VenueUnavailableError, match="not live"):
        async with nonsense.reports():
            pytest.fail("entered")


# ---- what other clients use


async def test_a_batch_has_one_result_per_element(exchange: Running, stub: Any) -> None:
    exchange.host.advance(1)
    good = exchange_pb2.PlaceOrderRequest(
        client_order_id="a",
        symbol="BTCUSDT",
        side="ORDER_SIDE_BUY",
        type="ORDER_TYPE_LIMIT",
        time_in_force="TIME_IN_FORCE_GTC",
        quantity={"value": "0.010"},
        price={"value": "990.0"},
    )
    sideless, crossing, foreign = (exchange_pb2.PlaceOrderRequest() for _ in range(3))
    for each in (sideless, crossing, foreign):
        each.CopyFrom(good)
    sideless.side = UNKNOWN
    crossing.client_order_id, crossing.price.value, crossing.post_only = "c", "1010", True
    foreign.symbol = "DOGE"
    batch = exchange_pb2.BatchPlaceOrdersRequest(orders=[sideless, crossing, foreign, good])
    results = (await stub.BatchPlaceOrders(batch, metadata=ACCOUNT)).results
    assert [each.index for each in results] == [0, 1, 2, 3]
    assert "PlaceOrderRequest.side" in results[0].error.message
    assert results[1].error.refusal.best_price.value == "1000.0"
    assert "DOGE" in results[2].error.message
    assert [each.error.code for each in results[:3]] == [3, 9, 3]  # invalid, precondition, invalid
    assert results[3].order.executed_quantity.value == "0.000"

    order_id = results[3].order.order_id
    cancels = exchange_pb2.BatchCancelOrdersRequest(
        orders=[
            exchange_pb2.CancelOrderRequest(symbol="BTCUSDT", client_order_id="nobody"),
            exchange_pb2.CancelOrderRequest(symbol="BTCUSDT", order_id=order_id),
            exchange_pb2.CancelOrderRequest(symbol="BTCUSDT"),
        ]
    )
    results = (await stub.BatchCancelOrders(cancels, metadata=ACCOUNT)).results
    assert results[0].error.code == 5  # not found
    assert results[1].order.client_order_id == "a"
    assert results[2].error.code == 3


async def test_orders_are_found_by_the_venues_id_too(venue: RemoteVenue, stub: Any) -> None:
    placed = await venue.place(bid("a"))
    assert isinstance(placed, OrderReport)
    request = exchange_pb2.GetOrderRequest(symbol="BTCUSDT", order_id=placed.order_id)
    assert (await stub.GetOrder(request, metadata=ACCOUNT)).client_order_id == "a"
    request.order_id = "nobody"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.GetOrder(request, metadata=ACCOUNT)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_all_orders_of_a_symbol_are_canceled_at_once(venue: RemoteVenue, stub: Any) -> None:
    await venue.place(bid("a"))
    await venue.place(bid("b"))
    request = exchange_pb2.CancelAllOrdersRequest(symbol="BTCUSDT")
    answer = await stub.CancelAllOrders(request, metadata=ACCOUNT)
    assert {each.client_order_id for each in answer.orders} == {"a", "b"}
    assert await venue.open_orders("BTCUSDT") == []


async def test_an_account_is_told_in_one_answer(
    exchange: Running, venue: RemoteVenue, stub: Any
) -> None:
    exchange.host.advance(1)
    await venue.place(bid("a", 1010))
    account = await stub.GetAccount(exchange_pb2.GetAccountRequest(), metadata=ACCOUNT)
    assert [each.size.value for each in account.positions] == ["0.010"]
    assert {each.asset for each in account.balances} == {"USDT", "BTC"}
    names = await stub.GetSymbols(exchange_pb2.GetSymbolsRequest())
    assert list(names.symbols) == ["BTCUSDT", "ETHUSDT"]
    assert (await stub.GetName(exchange_pb2.GetNameRequest())).name == "paper"


async def test_statuses_are_those_of_the_schema(exchange: Running, stub: Any) -> None:
    exchange.host.advance(1)
    order = exchange_pb2.PlaceOrderRequest(
        client_order_id="a",
        symbol="BTCUSDT",
        side="ORDER_SIDE_BUY",
        type="ORDER_TYPE_LIMIT",
        time_in_force="TIME_IN_FORCE_GTC",
        quantity={"value": "100000"},
        price={"value": "990"},
    )
    for changes, status in (
        ({}, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ({"time_in_force": 99}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"symbol": "DOGE"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"reduce_only": True}, grpc.StatusCode.FAILED_PRECONDITION),
    ):
        request = exchange_pb2.PlaceOrderRequest()
        request.CopyFrom(order)
        for field, value in changes.items():
            setattr(request, field, value)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.PlaceOrder(request, metadata=ACCOUNT)
        assert raised.value.code() is status
        assert dict(raised.value.trailing_metadata())["not-executed"] == "true"

"""The gRPC interceptor that plays the scripted faults on calls and streams."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import grpc

from activities.venues.messages import refusal_out
from activities.venues.statuses import (
    NOT_EXECUTED_KEY,
    REFUSAL_KEY,
    REFUSED,
    RETRY_AFTER_KEY,
)
from domain.orders import Refusal
from workers.exchange.faults import FaultKind, FaultPlan, FaultRule

_SERVICE: Final = "/opensqt.market_maker.v1.ExchangeService/"
#: A report that waits for its follower goes out alone when none comes in this time (seconds).
_FOLLOWER_WITHIN: Final = 1.0


class FaultInterceptor(grpc.aio.ServerInterceptor):
    """Plays the rules of *plan* on the ExchangeService."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._on_their_way: set[asyncio.Task[Any]] = set()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_SERVICE):
            return handler
        method = handler_call_details.method.removeprefix(_SERVICE)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, handler.unary_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._call(method, handler.unary_unary),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _call(self, method: str, inner: Any) -> Any:
        async def call(request: Any, context: Any) -> Any:
            rules = self._plan.strike(method, _client_ids(request))
            for rule in rules:
                await _before(rule, request, context)
            waits = [r.delay.total_seconds() for r in rules if r.kind is FaultKind.DELAY_BEFORE]
            if waits:
                answer = await self._late(sum(waits), inner, request, context)
            else:
                answer = await inner(request, context)
            for rule in rules:
                await _after(rule, context)
            return answer

        return call

    async def _late(self, seconds: float, inner: Any, request: Any, context: Any) -> Any:
        """Execute after a while, also when the caller has given up: the request is on its way."""

        async def act() -> Any:
            await asyncio.sleep(seconds)
            return await inner(request, context)

        task = asyncio.create_task(act())
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)
        # An error without a caller has nobody to be told to.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    def _stream(self, method: str, inner: Any) -> Any:
        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            messages = _Followed(inner(request, context))
            try:
                async for message in messages:
                    if message.WhichOneof("event") == "subscribed":
                        yield message
                        continue
                    kinds = {rule.kind for rule in self._plan.strike(method, _client_ids(message))}
                    if FaultKind.DROP_STREAM in kinds:
                        await context.abort(grpc.StatusCode.UNAVAILABLE, "the stream broke off")
                    if FaultKind.REORDER_REPORT in kinds:
                        follower = await messages.follower()
                        if follower is not None:
                            yield follower
                    yield message
                    if FaultKind.DUPLICATE_REPORT in kinds:
                        yield message
            finally:
                await messages.close()

        return stream


class _Followed:
    """An iterator that can be asked for the message after the one it just gave."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages
        self._pending: asyncio.Task[Any] | None = None

    def __aiter__(self) -> "_Followed":
        return self

    async def __anext__(self) -> Any:
        pending, self._pending = self._pending, None
        return await (pending or anext(self._messages))

    async def follower(self) -> Any:
        """Return the next message, or None if none comes in time; then it comes later."""
        self._pending = asyncio.create_task(_next(self._messages))
        try:
            message = await asyncio.wait_for(asyncio.shield(self._pending), _FOLLOWER_WITHIN)
        except TimeoutError:
            return None
        self._pending = None
        return message

    async def close(self) -> None:
        """Give up what is still waited for."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)
        await self._messages.aclose()


async def _next(messages: Any) -> Any:
    return await anext(messages)


def _client_ids(message: Any) -> Sequence[str]:
    """Return the client ids that a request or a stream message is about."""
    fields = message.DESCRIPTOR.fields_by_name
    if "client_order_id" in fields:
        return [message.client_order_id]
    if "orders" in fields and fields["orders"].message_type is not None:
        return [order.client_order_id for order in message.orders]
    if "update" in fields and message.HasField("update"):
        return [message.update.order.client_order_id]
    return []


async def _before(rule: FaultRule, request: Any, context: Any) -> None:
    match rule.kind:
        case FaultKind.UNAVAILABLE:
            await context.abort(
                grpc.StatusCode.UNAVAILABLE,
                "scripted: the venue is down",
                ((NOT_EXECUTED_KEY, "true"),),
            )
        case FaultKind.RATE_LIMIT:
            after = str(round(rule.delay.total_seconds() * 1000))
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "scripted: too many requests",
                ((RETRY_AFTER_KEY, after), (NOT_EXECUTED_KEY, "true")),
            )
        case FaultKind.REFUSE:
            refusal = Refusal(request.client_order_id, rule.reason, "scripted: refused")
            packed = refusal_out(None, refusal).SerializeToString()
            await context.abort(
                REFUSED[rule.reason],
                refusal.message,
                ((REFUSAL_KEY, packed), (NOT_EXECUTED_KEY, "true")),
            )
        case _:
            pass


async def _after(rule: FaultRule, context: Any) -> None:
    match rule.kind:
        case FaultKind.DELAY_AFTER:
            await asyncio.sleep(rule.delay.total_seconds())
        case FaultKind.LOST_ANSWER:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "scripted: the connection broke off")
        case FaultKind.NO_ANSWER:
            await asyncio.Event().wait()  # until the caller, or the server, gives up
        case _:
            pass

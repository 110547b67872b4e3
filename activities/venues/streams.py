"""The client's side of the gRPC streams: live when they are entered, never ending silently.

A stream is entered when its first message, `subscribed`, has come: the server guarantees that
nothing after it is missed. When the connection is lost, or the server ends the stream, iterating
raises a VenueError; a stream never just stops.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc

from activities.venues.statuses import to_error
from domain.errors import InvalidValueError, VenueError, VenueUnavailableError
from domain.market import PriceUpdate
from domain.orders import OrderReport
from opensqt.market_maker.v1 import events_pb2

T = TypeVar("T")


class Subscription(AsyncIterator[T], Generic[T]):
    """One server stream as an async context manager, and then an iterator of domain values.

    *start* makes the call, *decode* turns a message into a value or raises InvalidValueError.
    """

    def __init__(
        self,
        what: str,
        start: Callable[[], Any],
        decode: Callable[[Any], Awaitable[T]],
        live_within: timedelta,
    ) -> None:
        self._what = what
        self._start = start
        self._decode = decode
        self._live_within = live_within
        self._call: Any = None

    async def __aenter__(self) -> Self:
        self._call = self._start()
        try:
            async with asyncio.timeout(self._live_within.total_seconds()):
                first = await self._read()
        except TimeoutError:
            self._call.cancel()
            raise VenueUnavailableError(
                f"{self._what}: not live within {self._live_within.total_seconds()} s"
            ) from None
        except BaseException:
            self._call.cancel()
            raise
        if first.WhichOneof("event") != "subscribed":
            self._call.cancel()
            raise VenueError(f"{self._what}: the first message must be `subscribed`, was {first}")
        self._subscribed(first.subscribed)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await self._value(await self._read())

    def _subscribed(self, first: events_pb2.Subscribed) -> None:
        """Learn where the stream begins."""

    async def _value(self, message: Any) -> T:
        try:
            return await self._decode(message)
        except InvalidValueError as error:
            raise VenueError(f"{self._what}: an unreadable message came: {error}") from error

    async def _read(self) -> Any:
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise to_error(error, self._what, changes=False) from error
        except asyncio.CancelledError:
            # The call is also "canceled" when its channel is closed under it.
            if self._call.cancelled() and not _being_canceled():
                raise VenueUnavailableError(f"{self._what}: the client was closed") from None
            raise
        if message is grpc.aio.EOF:
            raise VenueUnavailableError(f"{self._what}: the venue ended the stream")
        return message


def _being_canceled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Reports(Subscription[OrderReport]):
    """The account's order reports. `sequence` is the number of the last one that was handed out.

    Reports are numbered per account without a hole; after a lost connection a stream that is opened
    with it goes on exactly there.
    """

    sequence: int = 0

    def _subscribed(self, first: events_pb2.Subscribed) -> None:
        self.sequence = first.last_sequence

    async def _value(self, message: Any) -> OrderReport:
        report = await super()._value(message)
        self.sequence = max(self.sequence, message.update.sequence)
        return report


class Latest(Subscription[PriceUpdate]):
    """Prices of which only the newest of each symbol waits to be read.

    The connection is drained at the market's pace, so a slow reader skips and is never behind.
    """

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._waiting: dict[str, PriceUpdate] = {}
        self._changed = asyncio.Event()
        self._failed: BaseException | None = None
        self._draining = asyncio.create_task(self._drain())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._draining.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._draining
        await super().__aexit__(kind, error, trace)

    async def __anext__(self) -> PriceUpdate:
        while not self._waiting:
            if self._failed is not None:
                raise self._failed
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.pop(next(iter(self._waiting)))

    async def _drain(self) -> None:
        try:
            while True:
                update = await self._value(await self._read())
                self._waiting[update.symbol] = update
                self._changed.set()
        except VenueError as error:
            self._failed = error
            self._changed.set()

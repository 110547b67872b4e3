"""Calls of an ExchangeService: one connection, a deadline on each call, errors of our own.

Nothing is retried in here, also not by gRPC: a retry could hide that an outcome is unknown.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

import grpc

from activities.venues.statuses import ACCOUNT_KEY, REFUSAL_KEY, to_error, trailing
from domain.errors import InvalidValueError, NotSentError, UnknownOutcomeError, VenueError
from opensqt.market_maker.v1 import exchange_pb2_grpc, resources_pb2

T = TypeVar("T")

#: A peer that is gone without a word is noticed after one ping and its time-out.
OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 1500),
    ("grpc.http2.ping_timeout_ms", 1500),  # what counts today; 60 s if not set
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


class Calls:
    """The calls of one account. The first one connects; a lost connection is made again."""

    def __init__(self, address: str, account: str, name: str, timeout: timedelta) -> None:
        self._address = address
        self._metadata = ((ACCOUNT_KEY, account),)
        self._name = name
        self._timeout = timeout.total_seconds()
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None

    async def close(self) -> None:
        """Close the connection; open streams raise."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def ask(self, method: str, request: Any, decode: Callable[[Any], T]) -> T:
        """Return the decoded answer to a question that changes nothing."""
        what = self._what(method)
        try:
            answer = await self._method(method)(
                request, metadata=self._metadata, timeout=self._timeout
            )
        except grpc.aio.AioRpcError as error:
            raise to_error(error, what, changes=False) from error
        try:
            return decode(answer)
        except InvalidValueError as error:
            raise VenueError(f"{what}: an unreadable answer came: {error}") from error

    async def change(
        self,
        method: str,
        request: Any,
        decode: Callable[[Any], T],
        refused: Callable[[resources_pb2.Refusal], T],
    ) -> T:
        """Return the decoded answer, or refusal, of a call that changes something.

        Raises NotSentError if there was no connection to send it on, UnknownOutcomeError if it may
        have arrived.
        """
        what = self._what(method)
        await self._connected(what)
        try:
            answer = await self._method(method)(
                request, metadata=self._metadata, timeout=self._timeout
            )
            return decode(answer)
        except grpc.aio.AioRpcError as error:
            packed = trailing(error).get(REFUSAL_KEY)
            if not isinstance(packed, bytes):
                raise to_error(error, what, changes=True) from error
            return refused(resources_pb2.Refusal.FromString(packed))
        except InvalidValueError as error:
            raise UnknownOutcomeError(f"{what}: an unreadable answer came: {error}") from error

    def stream(self, method: str, request: Any) -> Callable[[], Any]:
        """Return what starts a stream."""
        return lambda: self._method(method)(request, metadata=self._metadata)

    async def _connected(self, what: str) -> None:
        """Return once there is a connection; without one nothing can have been sent."""
        channel = self._open()
        if channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await channel.channel_ready()
        except TimeoutError:
            raise NotSentError(
                f"{what}: no connection to {self._address} within {self._timeout} s"
            ) from None

    def _method(self, method: str) -> Any:
        self._open()
        return getattr(self._stub, method)

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self._address, options=OPTIONS)
            self._stub = exchange_pb2_grpc.ExchangeServiceStub(self._channel)
        return self._channel

    def _what(self, method: str) -> str:
        return f"{self._name} {method}"

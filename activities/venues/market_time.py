"""The time at a paper market, which may run faster than ours, and can stand still."""

import time
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import grpc

from activities.venues.calls import OPTIONS
from activities.venues.statuses import to_error
from activities.venues.wire import from_time
from opensqt.market_maker.v1 import paper_pb2, paper_pb2_grpc

_TIMEOUT: Final = 2.0


class PaperTime:
    """Asks the paper exchange at *address* for its time. A context manager.

    A market that stands still is taken to go on as our clock does: what it said last gets old, as
    at any venue that has nothing new to say.
    """

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._stub: Any = paper_pb2_grpc.PaperControlServiceStub(self._channel)
        self._told: datetime | None = None
        self._since = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def __call__(self) -> datetime:
        """Return the market's time; raises a VenueError if the exchange cannot be asked."""
        try:
            status = await self._stub.GetStatus(paper_pb2.GetStatusRequest(), timeout=_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            raise to_error(error, "paper GetStatus", changes=False) from error
        told = from_time(status, "market_time")
        now = time.monotonic()
        if told != self._told:
            self._told, self._since = told, now
        return told + timedelta(seconds=now - self._since)

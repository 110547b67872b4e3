"""The wire between the gateways and the exchange, which the lab can cut: bytes in, bytes out."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 65536


class Wire:
    """Listens on a port of its own and passes everything on to *where* the exchange is now."""

    def __init__(self, where: Callable[[], tuple[str, int]]) -> None:
        self._where = where
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_cut = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.sockets[0].getsockname()
        return str(host), int(port)

    def cut(self) -> None:
        """Break every connection off, as a router that dies does, and let nobody in."""
        self._is_cut = True
        for end in list(self._ends):
            end.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._is_cut:
            writer.transport.abort()
            return
        self._ends.add(writer)
        try:
            upstream, onward = await asyncio.open_connection(*self._where())
            self._ends.add(onward)
            try:
                await asyncio.gather(_pass_on(reader, onward), _pass_on(upstream, writer))
            finally:
                self._ends.discard(onward)
                onward.transport.abort()
        except (OSError, asyncio.CancelledError):
            return  # one of the ends is gone, and so is the other now
        finally:
            self._ends.discard(writer)
            writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    # The other direction has nothing to do any more.
    raise ConnectionResetError

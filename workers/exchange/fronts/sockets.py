"""A WebSocket of a front: one ordered queue out, scripted faults on what goes through it.

What is said goes into the queue and leaves in that order. The news of the host are turned into
messages by one task per subscription, which reads from a cursor: a slow client gets reports late,
and of prices the latest only.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson
from aiohttp import web

from domain.orders import OrderReport
from workers.exchange.faults import PRIVATE_STREAM, PUBLIC_STREAM, FaultKind
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.looks import Look

#: A report that waits for its follower goes out alone when none comes in this time (seconds).
_FOLLOWER_WITHIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Out:
    message: Any
    method: str = ""
    client_id: str = ""


class Socket:
    """One connection. `messages` are what the client says; `say` puts something into the queue."""

    def __init__(self, raw: web.WebSocketResponse, desk: Desk, venue: str) -> None:
        self.venue = venue
        #: Whose news are told on it.
        self.accounts: set[str] = set()
        self._raw = raw
        self._desk = desk
        self._queue: asyncio.Queue[_Out] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._frozen = False
        self._open = asyncio.Event()
        self._spawn(self._send_all())

    def open(self) -> None:
        """Let what was said so far go out: the handshake is done."""
        self._open.set()

    def say(self, message: Any) -> None:
        """Answer the client. Text is sent as it is, anything else as JSON."""
        self._queue.put_nowait(_Out(message))

    async def messages(self) -> AsyncIterator[Any]:
        """Yield what the client says, decoded where it is JSON, until it leaves."""
        while True:
            frame = await self._raw.receive()
            if self._frozen:  # as a peer that is gone without a word: not even a pong
                await asyncio.Event().wait()
            if frame.type is aiohttp.WSMsgType.PING:
                await self._raw.pong(frame.data)
                continue
            if frame.type is aiohttp.WSMsgType.PONG:
                continue
            if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            try:
                yield orjson.loads(frame.data)
            except ValueError:
                yield frame.data

    def tell_orders(
        self, account: str, speak: Callable[[OrderReport], Iterable[Any]]
    ) -> "asyncio.Task[None]":
        """From this moment on say all of the account's reports, in order."""
        cursor = self._desk.cursor(account)
        self.accounts.add(account)

        async def tell() -> None:
            with self._desk.changes() as changed:
                while True:
                    changed.clear()
                    for report in self._desk.news(cursor):
                        for message in speak(report):
                            out = _Out(message, PRIVATE_STREAM, report.client_id)
                            self._queue.put_nowait(out)
                    await changed.wait()

        return self._spawn(tell())

    def tell_changes(self, look: Look) -> "asyncio.Task[None]":
        """Say what *look* returns, now and after every change.

        Of public things the latest counts: while the client does not read, none is looked at.
        """

        async def tell() -> None:
            with self._desk.changes() as changed:
                while True:
                    changed.clear()
                    for message in look.read():
                        self._queue.put_nowait(_Out(message, PUBLIC_STREAM))
                    await self._queue.join()
                    await asyncio.sleep(look.every)
                    await changed.wait()

        return self._spawn(tell())

    async def close(self, *, rudely: bool = False) -> None:
        """End the connection; *rudely*: without a closing handshake."""
        if rudely and self._raw._req is not None:  # noqa: SLF001 - there is no public way
            transport = self._raw._req.transport  # noqa: SLF001 - the same
            if transport is not None:
                transport.abort()
        else:
            await self._raw.close()

    async def end(self) -> None:
        """Stop all that speaks on it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        return task

    async def _send_all(self) -> None:
        held: _Out | None = None
        await self._open.wait()
        while True:
            try:
                wait = _FOLLOWER_WITHIN if held is not None else None
                out = await asyncio.wait_for(self._queue.get(), wait)
            except TimeoutError:
                await self._send(held)
                held = None
                continue
            kinds = self._struck(out)
            if FaultKind.FREEZE_STREAM in kinds:
                self._frozen = True
            if FaultKind.DROP_STREAM in kinds:
                await self.close(rudely=True)
                return
            if FaultKind.REORDER_REPORT in kinds and held is None:
                held = out
                self._queue.task_done()
                continue
            if FaultKind.DROP_REPORT not in kinds:
                await self._send(out)
            if FaultKind.DUPLICATE_REPORT in kinds:
                await self._send(out)
            if held is not None:
                await self._send(held)
                held = None
            self._queue.task_done()

    def _struck(self, out: _Out) -> set[FaultKind]:
        if not out.method:
            return set()
        rules = self._desk.plan.strike(out.method, [out.client_id])
        return {rule.kind for rule in rules}

    async def _send(self, out: _Out | None) -> None:
        if out is None or self._frozen:
            return
        text = out.message
        if not isinstance(text, str):
            text = orjson.dumps(text).decode()
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self._raw.send_str(text)

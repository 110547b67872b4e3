"""A venue's WebSocket as a stream of domain values: every message once, in order, or an error.

The socket is ours, not ccxt.pro's: a watch there can miss the last message, hands out dictionaries
that later messages change, and says nothing of a disconnect nobody waits for. What a venue says on
a socket is a `Conversation`. A stream is entered when its last step was answered, and never ends by
itself: it raises, and whoever listens opens another one.
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType, TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import aiohttp
import orjson

from domain.errors import TradingError, VenueError, VenueUnavailableError

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)
#: Reports that nobody reads: so many mean that the reader is dead. The stream is then given up.
_MOST_WAITING: Final = 100_000
#: A peer that is gone does not say goodbye: whoever comes back must not wait for it.
_PATIENCE: Final = aiohttp.ClientWSTimeout(ws_close=1.0)


@dataclass(frozen=True, slots=True)
class Step:
    """Something to say at the beginning, and what tells that it was answered.

    `answered` returns whether a message is the answer; it raises a VenueError if it is a refusal.
    """

    say: Any
    answered: Callable[[Any], bool]


class Conversation(ABC, Generic[T]):
    """What is said on one socket, by one venue's rules."""

    #: Sent with the handshake, besides the usual ones.
    headers: Mapping[str, str] = MappingProxyType({})
    #: Said this often to keep the connection (text or JSON); None: protocol pings do.
    ping: Any = None
    ping_every: timedelta = timedelta(seconds=10)
    #: No message at all, not even a pong, for this long means that the connection is dead.
    silence: timedelta = timedelta(seconds=25)
    #: How often `keep_alive` is called; None: never.
    keep_alive_every: timedelta | None = None

    @abstractmethod
    async def address(self) -> str:
        """Return the URL; may ask for a listen key."""

    def steps(self) -> Sequence[Step]:
        """Return what is said at the beginning, one after the other: login, subscriptions."""
        return ()

    @abstractmethod
    def read(self, message: Any) -> Iterable[T]:
        """Return what a message says, in order; nothing for answers, pongs and other channels.

        Raises a VenueError if the message means the end (an expired key) or cannot be read.
        """

    async def keep_alive(self) -> None:
        """Do what keeps the stream alive besides pings, such as renewing a listen key."""


class Stream(AsyncIterator[T], Generic[T]):
    """A conversation as an async context manager, and then an iterator.

    With *key* only the newest value of each key waits to be read; without, every value does.
    """

    def __init__(
        self,
        what: str,
        session: aiohttp.ClientSession,
        conversation: Conversation[T],
        *,
        live_within: timedelta = timedelta(seconds=10),
        key: Callable[[T], Hashable] | None = None,
    ) -> None:
        self._what = what
        self._session = session
        self._talk = conversation
        self._live_within = live_within
        self._key = key
        self._all: deque[T] = deque()
        self._latest: dict[Hashable, T] = {}
        self._changed = asyncio.Event()
        self._failed: TradingError | None = None
        self._heard_at = 0.0
        self._said: Any = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._live_within.total_seconds()):
                await self._begin()
        except TimeoutError:
            await self._close()
            raise VenueUnavailableError(
                f"{self._what}: not live within {self._live_within.total_seconds():g} s"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            await self._close()
            raise VenueUnavailableError(f"{self._what}: {_told(error)}") from None
        except BaseException:
            await self._close()
            raise
        self._heard_at = asyncio.get_running_loop().time()
        self._tasks.append(asyncio.create_task(self._guarded(self._drain)))
        if self._talk.ping is not None:
            # With protocol pings aiohttp itself notices a peer that does not answer them.
            self._tasks.append(asyncio.create_task(self._guarded(self._ping)))
            self._tasks.append(asyncio.create_task(self._guarded(self._watch)))
        if self._talk.keep_alive_every is not None:
            self._tasks.append(asyncio.create_task(self._guarded(self._renew)))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()

    async def say(self, message: Any) -> None:
        """Say something on a stream that is open, unless it was the last thing said here.

        Raises VenueUnavailableError if the connection is lost.
        """
        if message == self._said:
            return
        try:
            await self._say(message)
        except (aiohttp.ClientError, OSError) as error:
            raise VenueUnavailableError(f"{self._what}: {_told(error)}") from None
        self._said = message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        """Return the next value; what came before the connection was lost is handed out first."""
        while True:
            if self._all:
                return self._all.popleft()
            if self._latest:
                return self._latest.pop(next(iter(self._latest)))
            if self._failed is not None:
                raise self._failed
            self._changed.clear()
            await self._changed.wait()

    async def _begin(self) -> None:
        url = await self._talk.address()
        heartbeat = None if self._talk.ping is not None else self._talk.ping_every.total_seconds()
        self._socket = await self._session.ws_connect(
            url,
            headers=self._talk.headers,
            heartbeat=heartbeat,
            timeout=_PATIENCE,
            max_msg_size=16 * 1024 * 1024,
            autoclose=True,
            decode_text=False,  # JSON is read from bytes
        )
        for step in self._talk.steps():
            await self._say(step.say)
            while not step.answered(message := await self._hear()):
                self._take(message)

    async def _drain(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            message = await self._hear()
            self._heard_at = clock()
            self._take(message)

    async def _watch(self) -> None:
        """Give the connection up when nothing was heard for too long.

        One timer for all messages: a timeout around each would cost as much as reading it.
        """
        clock, silence = asyncio.get_running_loop().time, self._talk.silence.total_seconds()
        quiet = 0.0
        while quiet < silence:
            await asyncio.sleep(silence - quiet)
            quiet = clock() - self._heard_at
        raise VenueUnavailableError(f"{self._what}: nothing was heard for {silence:g} s")

    def _take(self, message: Any) -> None:
        for value in self._talk.read(message):
            if self._key is not None:
                self._latest[self._key(value)] = value
            elif len(self._all) >= _MOST_WAITING:
                raise VenueUnavailableError(
                    f"{self._what}: {_MOST_WAITING} reports were not read: the reader is too slow"
                )
            else:
                self._all.append(value)
            self._changed.set()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._talk.ping_every.total_seconds())
            await self._say(self._talk.ping)

    async def _renew(self) -> None:
        every = self._talk.keep_alive_every or timedelta(days=1)
        while True:
            await asyncio.sleep(every.total_seconds())
            await self._talk.keep_alive()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except TradingError as error:
            self._fail(error)
        except (aiohttp.ClientError, OSError) as error:
            self._fail(VenueUnavailableError(f"{self._what}: {_told(error)}"))
        except Exception as error:  # noqa: BLE001 - it ends the stream and is told
            # A bug in reading a message must end the stream, not silence it.
            _log.exception("%s", self._what)
            self._fail(VenueError(f"{self._what}: a message could not be read: {error!r}"))

    def _fail(self, error: TradingError) -> None:
        self._failed = self._failed or error
        self._changed.set()

    async def _say(self, message: Any) -> None:
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_str(orjson.dumps(message).decode())

    async def _hear(self) -> Any:
        """Return the next message, decoded; text that is no JSON (a pong) as it is."""
        frame = await self._socket.receive()
        if frame.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            try:
                return orjson.loads(frame.data)
            except ValueError:
                return frame.data.decode(errors="replace")
        if frame.type is aiohttp.WSMsgType.ERROR:
            raise VenueUnavailableError(f"{self._what}: the connection broke: {_told(frame.data)}")
        raise VenueUnavailableError(
            f"{self._what}: the venue closed the connection ({self._socket.close_code})"
        )

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        socket = getattr(self, "_socket", None)
        if socket is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await socket.close()


def _told(error: BaseException) -> str:
    """Return an error's words; a handshake's address may hold a listen key."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the venue refused the connection (HTTP {error.status})"
    return f"{type(error).__name__} {str(error).partition('?')[0]}".strip()

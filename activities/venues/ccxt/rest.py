"""One request: wait for its turn, let ccxt sign and send it, and say exactly what came of it.

ccxt's own throttle and retries are off. Its exceptions are not looked at when an answer came: the
answer is taken at ccxt's response hook, with its status and headers, and judged by our table.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import aiohttp
import ccxt
import orjson

from activities.venues.ccxt.credentials import Credentials
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict, error_of
from activities.venues.ccxt.pacing import Pacer
from domain.errors import (
    AuthenticationError,
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
    VenueUnavailableError,
)
from domain.limiter import Costs, Priority

_log: Final = logging.getLogger(__name__)
#: Longer than this no request that changes something waits for the rate limit: its order desk
#: relies on `arrival_limit`, which counts from before the wait.
ORDER_PATIENCE: Final = timedelta(seconds=2)
QUERY_PATIENCE: Final = timedelta(seconds=30)


@dataclass(slots=True)
class _Caught:
    reply: Reply | None = None


_CAUGHT: ContextVar[_Caught | None] = ContextVar("caught", default=None)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: ccxt's implicit method, its parameters, and what it takes from the limits."""

    method: str
    #: A sequence where the venue's body is a list.
    params: Mapping[str, Any] | Sequence[Any]
    costs: Costs
    priority: Priority = Priority.QUERY
    #: Whether it could change something; then no answer is an unknown outcome.
    changes: bool = False


class Rest:
    """The requests of one account at one venue."""

    def __init__(
        self,
        name: str,
        client: Any,
        pacer: Pacer,
        credentials: Credentials | None,
        judge: Callable[[Reply], Verdict | None],
        used: Callable[[Reply], Mapping[str, int]],
    ) -> None:
        """Take a ccxt client, and what reads the venue's errors and its rate headers."""
        self.client = client
        self._name = name
        self._pacer = pacer
        self._credentials = credentials
        self._judge = judge
        self._used = used
        client.on_rest_response = _catch(client.on_rest_response)

    async def ask(self, call: Call) -> Any:
        """Return the decoded answer, or raise what its code means.

        Raises RefusedError, DuplicateError, NotFoundError or UnchangedError for what the port
        answers with a value; NotSentError, UnknownOutcomeError and the other VenueErrors else.
        """
        reply = await self.reply(call)
        verdict = self._judge(reply)
        if verdict is None:
            return reply.data
        raise await self.error(verdict, call)

    async def error(self, verdict: Verdict, call: Call) -> Exception:
        """Return the error for *verdict*, having heeded what it says of rates and clocks."""
        return await self.meant(verdict, self._what(call), changes=call.changes)

    async def meant(self, verdict: Verdict, what: str, *, changes: bool) -> Exception:
        """Return the error for *verdict* on *what*, having heeded it; for rows of a batch."""
        if verdict.meaning is Meaning.RATE_LIMITED:
            told = self._pacer.pause(verdict.retry_after, f"{what}: {verdict.told}")
            return RateLimitedError(told, retry_after=verdict.retry_after)
        if verdict.meaning is Meaning.CLOCK:
            await self._set_clock()
        return error_of(verdict, what, changes=changes)

    async def reply(self, call: Call) -> Reply:
        """Return the answer whatever its code; for batches, which carry a code per element."""
        patience = ORDER_PATIENCE if call.changes else QUERY_PATIENCE
        async with self._pacer.turn(call.priority, call.costs, patience):
            return await self._reply(call)

    async def _reply(self, call: Call) -> Reply:
        caught = _Caught()
        token = _CAUGHT.set(caught)
        try:
            params = dict(call.params) if isinstance(call.params, Mapping) else list(call.params)
            await getattr(self.client, call.method)(params)
        except Exception as error:  # noqa: BLE001 - ccxt raises nearly anything; all is classified
            if caught.reply is None:
                raise self._unanswered(call, error) from None
        finally:
            _CAUGHT.reset(token)
        if caught.reply is None:
            raise AssertionError("ccxt answered without its response hook")
        self._heed(caught.reply)
        return caught.reply

    async def unified(self, method: str, *args: Any) -> Any:
        """Return what one of ccxt's own methods makes of a question that changes nothing."""
        call = Call(method, {}, {})
        async with self._pacer.turn(call.priority, call.costs, QUERY_PATIENCE):
            return await self._unified(call, *args)

    async def _unified(self, call: Call, *args: Any) -> Any:
        caught = _Caught()
        token = _CAUGHT.set(caught)
        try:
            return await getattr(self.client, call.method)(*args)
        except Exception as error:  # noqa: BLE001 - the same
            if caught.reply is None:
                raise self._unanswered(call, error) from None
            verdict = self._judge(caught.reply)
            if verdict is None:
                raise VenueError(f"{self._what(call)}: {self._told(error)}") from None
            if verdict.meaning is Meaning.CLOCK:  # answered by a comparison, which this may be
                raise error_of(verdict, self._what(call), changes=False) from None
            raise await self.error(verdict, call) from None
        finally:
            _CAUGHT.reset(token)
            if caught.reply is not None:
                self._heed(caught.reply)

    def _heed(self, reply: Reply) -> None:
        for bucket, used in self._used(reply).items():
            self._pacer.told(bucket, used)

    async def _set_clock(self) -> None:
        try:
            await self.unified("load_time_difference")
        except VenueError as error:
            _log.warning("%s: the clock could not be compared: %s", self._name, error)

    def _unanswered(self, call: Call, error: Exception) -> Exception:
        what, told = self._what(call), self._told(error)
        cause = error.__cause__ or error
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            message = f"{what}: no connection ({self._told(cause)})"
            return NotSentError(message) if call.changes else VenueUnavailableError(message)
        if isinstance(error, ccxt.AuthenticationError) and error.__cause__ is None:
            return AuthenticationError(f"{what}: a key is missing ({told})")
        if isinstance(error, ccxt.BadSymbol):
            return InvalidValueError(f"{what}: {told}")
        if isinstance(error, ccxt.BaseError) and error.__cause__ is None:
            # Raised before anything was sent: ccxt did not like the parameters.
            return (
                NotSentError(f"{what}: {told}") if call.changes else VenueError(f"{what}: {told}")
            )
        message = f"{what}: no answer came ({type(error).__name__})"
        return UnknownOutcomeError(message) if call.changes else VenueUnavailableError(message)

    def _told(self, error: BaseException) -> str:
        """Return an error's words without an address's query, which is signed, and without keys."""
        text = f"{type(error).__name__} {str(error).partition('?')[0]}"[:300]
        return self._credentials.redact(text) if self._credentials else text

    def _what(self, call: Call) -> str:
        return f"{self._name} {call.method}"


def _catch(inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return ccxt's response hook, which also hands the answer to the request it belongs to."""

    def hook(  # noqa: PLR0917 - ccxt's signature
        code: int,
        reason: str,
        url: str,
        method: str,
        response_headers: Mapping[str, str],
        response_body: str,
        request_headers: Any,
        request_body: Any,
    ) -> Any:
        caught = _CAUGHT.get()
        if caught is not None:
            headers = {name.lower(): value for name, value in response_headers.items()}
            caught.reply = Reply(code, headers, response_body, _decoded(response_body))
        return inner(
            code,
            reason,
            url,
            method,
            response_headers,
            response_body,
            request_headers,
            request_body,
        )

    return hook


def _decoded(body: str) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None

"""What an answer of a venue means: each code of its error table is one of these, by our table."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from domain.errors import (
    AuthenticationError,
    ClockSkewError,
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
    VenueUnavailableError,
)
from domain.orders import RefusalReason

#: How long to wait when a venue says "too fast" and not how long to wait.
DEFAULT_PAUSE: Final = timedelta(seconds=1)
_TITLE: Final = re.compile(r"<title>([^<]{1,100})", re.IGNORECASE)


class Meaning(StrEnum):
    """What a failed request came to."""

    # a definite no: nothing was executed and nothing will be
    WOULD_CROSS = "would_cross"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INVALID = "invalid"
    REDUCE_ONLY = "reduce_only"
    REFUSED = "refused"
    # about the order that was named
    DUPLICATE = "duplicate"  # there is, or was, one of this client id
    NOT_FOUND = "not_found"  # unknown; of a cancel: unknown or done
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNCHANGED = "unchanged"  # it already is as asked: leverage, position mode
    # about the request
    NOT_EXECUTED = "not_executed"  # the venue says for sure that it did nothing: retry freely
    UNKNOWN = "unknown"  # perhaps executed
    UNAVAILABLE = "unavailable"  # perhaps executed, as unknown; maintenance, overload
    RATE_LIMITED = "rate_limited"  # not executed
    AUTHENTICATION = "authentication"  # not executed
    CLOCK = "clock"  # not executed


REASONS: Final[Mapping[Meaning, RefusalReason]] = {
    Meaning.WOULD_CROSS: RefusalReason.WOULD_CROSS,
    Meaning.INSUFFICIENT_FUNDS: RefusalReason.INSUFFICIENT_FUNDS,
    Meaning.INVALID: RefusalReason.INVALID,
    Meaning.REDUCE_ONLY: RefusalReason.REDUCE_ONLY,
    Meaning.REFUSED: RefusalReason.OTHER,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came: `data` is the decoded body, None if it is not JSON."""

    status: int
    headers: Mapping[str, str]
    body: str
    data: Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a code means, with the venue's own code and words for people."""

    meaning: Meaning
    code: str = ""
    message: str = ""
    retry_after: timedelta = field(default=DEFAULT_PAUSE)

    @property
    def told(self) -> str:
        """The venue's words, short."""
        return f"{self.code} {self.message}".strip()[:300] or self.meaning.value


class RefusedError(VenueError):
    """A definite no to something that was to change; it becomes a Refusal in the port."""

    def __init__(self, told: str, verdict: Verdict) -> None:
        super().__init__(told)
        self.verdict = verdict

    @property
    def reason(self) -> RefusalReason:
        """Why, as the port speaks of it."""
        return REASONS.get(self.verdict.meaning, RefusalReason.OTHER)


class DuplicateError(RefusedError):
    """The venue knows an order of this client id."""


class NotFoundError(VenueError):
    """The venue says that there is no such order, or no working one."""


class UnchangedError(VenueError):
    """It already was as asked."""


def told_by(reply: Reply) -> str:
    """Return the words of an answer that has none of the venue's: of a web page its title."""
    if "<html" not in reply.body[:500].lower():
        return reply.body[:200]
    title = _TITLE.search(reply.body)
    return f"a web page instead of an answer ({title[1].strip() if title else 'without a title'})"


def by_status(status: int) -> Meaning:
    """Return what an answer without a known code means, by its HTTP status alone."""
    if status in (429, 418):
        return Meaning.RATE_LIMITED
    if status in (401, 403):
        return Meaning.AUTHENTICATION
    if status >= 500 or status == 408:
        return Meaning.UNAVAILABLE
    return Meaning.REFUSED if status >= 400 else Meaning.UNKNOWN


def error_of(verdict: Verdict, what: str, *, changes: bool) -> Exception:  # noqa: PLR0911 - a table
    """Return the error for *verdict* on the call *what*; *changes*: it could change something."""
    told = f"{what}: {verdict.told}"
    match verdict.meaning:
        case Meaning.DUPLICATE:
            return DuplicateError(told, verdict)
        case Meaning.NOT_FOUND:
            return NotFoundError(told)
        case Meaning.UNCHANGED:
            return UnchangedError(told)
        case Meaning.UNKNOWN_SYMBOL:
            return InvalidValueError(told)
        case Meaning.RATE_LIMITED:
            return RateLimitedError(told, retry_after=verdict.retry_after)
        case Meaning.AUTHENTICATION:
            return AuthenticationError(f"{told}: check the key, its permissions and its IP list")
        case Meaning.CLOCK:
            return ClockSkewError(f"{told}: check this machine's clock (NTP)")
        case Meaning.NOT_EXECUTED:
            return NotSentError(told) if changes else VenueUnavailableError(told)
        case Meaning.UNKNOWN | Meaning.UNAVAILABLE:
            return UnknownOutcomeError(told) if changes else VenueUnavailableError(told)
        case _:
            return RefusedError(told, verdict) if changes else VenueError(told)

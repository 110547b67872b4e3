"""Errors as gRPC statuses and back (row R-49): the server writes them, the client reads them.

What matters is not lost on the way: a refusal travels whole (`refusal-bin`), a rate limit with its
delay (`retry-after-ms`), and only an answer marked `not-executed` proves that nothing happened.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import grpc

from domain.errors import (
    AuthenticationError,
    InvalidValueError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
    VenueUnavailableError,
)
from domain.orders import RefusalReason

ACCOUNT_KEY: Final = "x-account"
REFUSAL_KEY: Final = "refusal-bin"
RETRY_AFTER_KEY: Final = "retry-after-ms"
NOT_EXECUTED_KEY: Final = "not-executed"

#: The status of a refusal, by its reason.
REFUSED: Final[Mapping[RefusalReason, grpc.StatusCode]] = {
    RefusalReason.INSUFFICIENT_FUNDS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    RefusalReason.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    RefusalReason.WOULD_CROSS: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalReason.REDUCE_ONLY: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalReason.RISK: grpc.StatusCode.FAILED_PRECONDITION,
    RefusalReason.ABSENT: grpc.StatusCode.NOT_FOUND,
    RefusalReason.OTHER: grpc.StatusCode.FAILED_PRECONDITION,
}


class NotFoundError(VenueError):
    """The venue is sure that it has no such order."""


def trailing(error: grpc.aio.AioRpcError) -> dict[str, str | bytes]:
    """Return the trailing metadata of a failed call."""
    return dict(error.trailing_metadata() or ())


def to_error(error: grpc.aio.AioRpcError, what: str, *, changes: bool) -> Exception:
    """Return the domain's error for a failed call of *what*.

    *changes* tells whether the call could have changed something: then an answer that never came,
    or one that does not prove the opposite, leaves the outcome unknown.
    """
    told = f"{what}: {error.details() or 'no answer'} ({error.code().name})"
    metadata = trailing(error)
    match error.code():
        case grpc.StatusCode.RESOURCE_EXHAUSTED if RETRY_AFTER_KEY in metadata:
            after = timedelta(milliseconds=int(metadata[RETRY_AFTER_KEY]))
            return RateLimitedError(told, retry_after=after)
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return AuthenticationError(told)
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.OUT_OF_RANGE:
            return InvalidValueError(told)
        case grpc.StatusCode.NOT_FOUND:
            return NotFoundError(told)
        case grpc.StatusCode.UNIMPLEMENTED:
            return VenueError(told)
        case _ if changes and NOT_EXECUTED_KEY not in metadata:
            return UnknownOutcomeError(told)
        case _:
            return VenueUnavailableError(told)

"""Every error the project raises on purpose, by what the caller should do next.

    TradingError                      trying again unchanged is pointless, unless told otherwise
    ├── InvalidValueError             a person wrote something wrong; the message has the fix
    ├── PreflightError                what a run needs is not in order; nothing was begun or changed
    ├── IllegalTransitionError        a bug: an event came to a slot that has no row for it
    ├── VenueError                    the venue could not be asked, or would not answer
    │   ├── NotSentError              the request never left; retry freely
    │   ├── UnknownOutcomeError       the request may have arrived; look it up before anything else
    │   ├── RateLimitedError          asked to slow down; carries the delay
    │   ├── VenueUnavailableError     down, overloaded or in maintenance
    │   ├── ClockSkewError            our clock is too far from the venue's
    │   └── AuthenticationError       the credentials are wrong; a person must act
    └── StoreError
        ├── StoreUnavailableError     the database cannot be reached or written
        ├── SchemaOutdatedError       the database is at another revision
        ├── CorruptCheckpointError    a checksum does not match; the message says what to do
        └── AlreadyRunningError       another process owns this data

A refusal by the venue is an answer (`domain.orders.Refusal`), not an error.
"""

from datetime import timedelta
from typing import ClassVar


class TradingError(Exception):
    """Base of all errors raised on purpose."""

    #: Trying again unchanged is pointless. The retry policies are read off this flag.
    permanent: ClassVar[bool] = True


class InvalidValueError(TradingError, ValueError):
    """A value that a person or a venue gave is out of its bounds."""


class PreflightError(TradingError):
    """What a run needs of its accounts is not in order; the message has each finding and its fix.

    Nothing was begun, and nothing was changed.
    """


class IllegalTransitionError(TradingError):
    """A slot was told of an event that cannot happen in its state; nothing was changed."""


class VenueError(TradingError):
    """The venue could not be asked, or did not answer as it should."""

    permanent: ClassVar[bool] = False


class NotSentError(VenueError):
    """The request never left this machine: no order can have come of it."""


class UnknownOutcomeError(VenueError):
    """The request may have reached the venue. Nothing may be assumed before a look-up."""


class RateLimitedError(VenueError):
    """The venue asked us to slow down."""

    def __init__(self, message: str, *, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class VenueUnavailableError(VenueError):
    """The venue is down, overloaded or in maintenance."""


class ClockSkewError(VenueError):
    """The venue refused our timestamp."""


class AuthenticationError(VenueError):
    """The venue does not accept our credentials."""

    permanent: ClassVar[bool] = True


class StoreError(TradingError):
    """The ledger or a checkpoint could not be read or written."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached, or refused to write."""

    permanent: ClassVar[bool] = False


class SchemaOutdatedError(StoreError):
    """The database is not at the revision this program needs."""


class CorruptCheckpointError(StoreError):
    """A stored state does not match its checksum."""


class AlreadyRunningError(TradingError):
    """Another process already owns this run or this data directory."""

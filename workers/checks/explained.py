"""What an error means to the person whose account is examined, and what to do about it."""

from typing import Final

from domain.errors import (
    AuthenticationError,
    ClockSkewError,
    InvalidValueError,
    RateLimitedError,
    StoreError,
    TradingError,
    VenueUnavailableError,
)
from workers.checks.findings import Found, Result, bad
from workers.checks.patient import Patient

SET_CLOCK: Final = "let NTP set this machine's clock (timedatectl set-ntp true)"
KEYS: Final = (
    "compare key, secret and passphrase with the venue's, and put this machine's address on the "
    "key's IP list"
)


def explained(patient: Patient, error: Exception) -> Found:
    """Return what *error* means; a wrong key is told once, by the check of the credentials."""
    match error:
        case AuthenticationError():
            return Found(Result.SKIPPED, "needs keys that work: see credentials")
        case ClockSkewError():
            return bad(f"refused for its time: {error}", SET_CLOCK)
        case RateLimitedError():
            wait = max(error.retry_after.total_seconds(), 1)
            return bad(f"too many requests: {error}", _slower(patient, wait))
        case VenueUnavailableError():
            return bad(str(error), _elsewhere(patient))
        case InvalidValueError() | StoreError():
            return bad(str(error), "as the message says")
        case TradingError():
            return bad(str(error), "look the message up in the venue's documentation")
        case OSError():
            return bad(f"{type(error).__name__}: {error}", _elsewhere(patient))
        case _:
            told = " ".join(str(error).split()) or "no message"
            return bad(f"unexpected {type(error).__name__}: {told}", "this is a bug: report it")


def too_long(patient: Patient) -> Found:
    """Return that no answer came in time."""
    seconds = patient.check_within.total_seconds()
    return bad(f"no answer within {seconds:g} s", _elsewhere(patient))


def _slower(patient: Patient, wait: float) -> str:
    setting = f"OPENSQT_ACCOUNTS__{patient.name.upper()}__ORDERS_PER_SECOND"
    return (
        f"wait {wait:.0f} s; end other programs that use this key or address, or set {setting} "
        f"below {patient.known.orders_per_second}"
    )


def _elsewhere(patient: Patient) -> str:
    if patient.paper:
        return (
            "start the paper exchange with `opensqt up`, or set OPENSQT_EXCHANGE to its place; if "
            "it runs and follows a real market, see that venue's status page and the network"
        )
    if patient.known.local is not None:
        return (
            f"is the local exchange running at {patient.known.local}? `opensqt exchange --fronts`"
        )
    return f"see {patient.known.venue}'s status page for maintenance, then this machine's network"

"""What a check comes to."""

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a check ended. `FAILED` stands in the way of trading; `INTERRUPTED` says nothing."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "not checked"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Found:
    """What was found and what it means, and what to do about it where something is wrong."""

    result: Result
    told: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    check: str
    result: Result
    told: str
    fix: str


class SkippedError(Exception):
    """A check cannot be made here; the message says why."""


def good(told: str) -> Found:
    """Return that it works."""
    return Found(Result.OK, told)


def warning(told: str, fix: str) -> Found:
    """Return that it works, and that somebody should look at it."""
    return Found(Result.WARNING, told, fix)


def bad(told: str, fix: str) -> Found:
    """Return that nothing can be traded like this."""
    return Found(Result.FAILED, told, fix)

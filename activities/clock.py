"""The wall clock of a process."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the wall clock, for what is stored or looked up; no engine decides by it."""
    return datetime.now(UTC)

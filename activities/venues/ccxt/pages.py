"""Histories in the pieces that venues tell them in: spans of time, and pages of rows."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
#: Asks for a page by what names it, added to the question.
Ask = Callable[[Mapping[str, Any]], Awaitable[Sequence[Row]]]
#: Returns what names the page that follows all *rows* so far.
Following = Callable[[Sequence[Row]], Mapping[str, Any]]


async def walk(ask: Ask, size: int, following: Following) -> list[Row]:
    """Return the rows of all pages: one that is full, with *size* rows, is followed by another."""
    rows: list[Row] = []
    named: Mapping[str, Any] = {}
    while True:
        page = await ask(named)
        rows += page
        if len(page) < size:
            return rows
        named = following(rows)


def spans(
    since: datetime, now: datetime, longest: timedelta
) -> Iterator[tuple[datetime, datetime | None]]:
    """Yield beginnings and ends of spans no longer than *longest*; the last one has no end."""
    begin = since
    while now - begin > longest:
        yield begin, begin + longest
        begin += longest
    yield begin, None

"""How OKX cuts lists: spans of time, and pages below an id."""

from collections.abc import Callable
from typing import Any, Final

from workers.exchange.fronts.asked import Fields

PAGE: Final = 100


def span(fields: Fields) -> Callable[[int], bool]:
    """Return what tells whether a time is asked for.

    Whether OKX counts `begin` and `end` themselves is not documented: here they do not count.
    """
    begin, end = fields.whole("begin", 0), fields.whole("end", 0)
    return lambda at: begin < at and (not end or at < end)


def page(fields: Fields, cursor: str) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Return what makes a page: newest first, of what is older than the id in `after`."""
    after, limit = fields.whole("after", 0), min(fields.whole("limit", PAGE), PAGE)

    def cut(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        newest = sorted(found, key=lambda row: int(row[cursor]), reverse=True)
        return [row for row in newest if not after or int(row[cursor]) < after][:limit]

    return cut

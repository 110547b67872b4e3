"""Histories in spans and pages: nothing is left out, and nobody asks for ever."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.venues.ccxt.pages import Row, spans, walk

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    "count,asked",
    [(0, [0]), (2, [0]), (3, [0, 3]), (7, [0, 3, 6]), (9, [0, 3, 6, 9])],
)
async def test_a_full_page_is_followed_by_another(count: int, asked: list[int]) -> None:
    begins: list[int] = []

    async def ask(named: Mapping[str, Any]) -> Sequence[Row]:
        begin = named.get("begin", 0)
        begins.append(begin)
        return [{"number": number} for number in range(begin, min(begin + 3, count))]

    rows = await walk(ask, 3, lambda so_far: {"begin": so_far[-1]["number"] + 1})
    assert [row["number"] for row in rows] == list(range(count))
    assert begins == asked


@pytest.mark.parametrize(
    "days,ends",
    [(0, [None]), (7, [None]), (8, [7, None]), (14, [7, None]), (15, [7, 14, None])],
)
def test_spans_touch_each_other_and_the_last_has_no_end(days: int, ends: list[int | None]) -> None:
    told = list(spans(BEGAN, BEGAN + timedelta(days=days), WEEK))
    assert [end and (end - BEGAN).days for _, end in told] == ends
    begins = [BEGAN, *(end for _, end in told if end is not None)]
    assert [begin for begin, _ in told] == begins


def test_a_beginning_in_the_future_is_one_open_span() -> None:
    assert list(spans(BEGAN + WEEK, BEGAN, WEEK)) == [(BEGAN + WEEK, None)]

"""What people hear of besides risk: words of engines, and streams that are lost."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from activities.noticing import Notices
from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.grid.events import Alert, AlertLevel
from tests.activities.wire import ACCOUNT, Clock


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    upgrade(sqlite_url(tmp_path / "ledger.db"))
    return tmp_path / "ledger.db"


@pytest.fixture(name="ledger")
async def _ledger(path: Path) -> AsyncIterator[Ledger]:
    async with Ledger.open(sqlite_url(path), synchronous="NORMAL") as ledger:
        yield ledger


async def said(ledger: Ledger) -> list[tuple[str, str]]:
    return [(each.level.value, each.message) for each in await ledger.alerts()]


async def test_streams_are_a_warning_then_an_error_and_their_return_is_told(ledger: Ledger) -> None:
    clock = Clock()
    notices = Notices(ACCOUNT, RiskDesk(ledger, clock=clock), clock)
    await notices.streams(None)
    lost_at = clock.now
    for seconds in (0, 1, 10, 50, 30):
        clock.passes(seconds)
        await notices.streams(lost_at, "no route")
    await notices.streams(None)
    await notices.streams(None)
    lost = "the streams of account alice are lost since 2026-01-01 00:00:00: no route"
    assert await said(ledger) == [
        ("warning", lost),
        ("error", lost),
        ("info", "the streams of account alice are back"),
    ]


async def test_words_of_an_engine_that_differ_in_ids_and_numbers_only_are_told_once(
    ledger: Ledger,
) -> None:
    desk = RiskDesk(ledger).alerts
    doubts = [f"order q5cspivkfb00000{n}d is in doubt: no answer within {n} s" for n in range(5)]
    await desk.of_engine("btc", [Alert(AlertLevel.WARNING, doubt) for doubt in doubts])
    await desk.of_engine("eth", [Alert(AlertLevel.WARNING, doubts[0])])
    await desk.of_engine("btc", [Alert(AlertLevel.WARNING, "stop_loss 59000 reached at 58990")])
    told = [(each.message, each.times) for each in await ledger.alerts()]
    assert told == [
        (f"run btc: {doubts[0]}", 5),
        (f"run eth: {doubts[0]}", 1),
        ("run btc: stop_loss 59000 reached at 58990", 1),
    ]


async def test_an_alert_that_the_ledger_cannot_take_is_logged_and_hinders_nobody(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = sqlite_url(path)
    async with Ledger.open(url, busy_timeout=timedelta(milliseconds=10)) as ledger:
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        await RiskDesk(ledger).alerts.of_engine("btc", [Alert(AlertLevel.ERROR, "all is lost")])
        other.rollback()
        other.close()
        assert await ledger.alerts() == []
    assert any("run btc: all is lost" in record.getMessage() for record in caplog.records)

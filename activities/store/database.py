"""Engines for SQLite and PostgreSQL, and what their errors mean to us."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, exc, make_url

from domain.errors import (
    InvalidValueError,
    SchemaOutdatedError,
    StoreError,
    StoreUnavailableError,
    TradingError,
)

#: The command that every message about an old schema names.
UPGRADE_COMMAND: Final = "opensqt db upgrade"
_READ_ONLY: Final = "opensqt_read_only"
_CONNECT_TIMEOUT: Final = 5
#: PostgreSQL: undefined table, undefined column.
_OLD: Final = ("42P01", "42703")
#: PostgreSQL: the server, or this transaction, is read-only (a standby after a failover).
_READ_ONLY_SERVER: Final = ("25006",)
_SERVER_GONE: Final = (psycopg.OperationalError, psycopg.InterfaceError)
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_CHECKS: Final = {
    "SQLITE_BUSY": "another process holds its write lock; end it, or raise the busy timeout",
    "SQLITE_LOCKED": "another connection holds a lock on it",
    "SQLITE_CANTOPEN": "check that the file and its directory exist and this user may write them; "
    f"a new ledger is made by `{UPGRADE_COMMAND}`",
    "SQLITE_READONLY": "check that the file *and its directory* may be written by this user",
    "SQLITE_PERM": "check that the file *and its directory* may be written by this user",
    "SQLITE_AUTH": "check that the file *and its directory* may be written by this user",
    "SQLITE_FULL": "the disk is full; make room, nothing was changed",
    "SQLITE_IOERR": "the disk did not do what it was asked; check its room and its health",
    "SQLITE_PROTOCOL": "another process holds its lock; end it, or raise the busy timeout",
}


def sqlite_url(path: Path) -> str:
    """Return the database URL of a SQLite file."""
    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def parsed(url: str) -> URL:
    """Return *url* with the driver we use; raises InvalidValueError for any other database."""
    try:
        parts = make_url(url)
    except exc.ArgumentError:
        raise InvalidValueError(
            "the database URL must look like sqlite:///file or postgresql://user@host/name"
        ) from None
    kind = parts.get_backend_name()
    if kind == "sqlite" and parts.database and parts.database != ":memory:":
        return parts.set(drivername="sqlite")
    if kind == "postgresql":
        return parts.set(drivername="postgresql+psycopg")
    raise InvalidValueError(
        "the database must be a SQLite file (sqlite:///file) or PostgreSQL (postgresql://...), "
        f"was {parts.render_as_string(hide_password=True)}"
    )


def open_engine(
    url: str,
    *,
    synchronous: str = "FULL",
    busy_timeout: timedelta = timedelta(seconds=5),
    create: bool = False,
) -> Engine:
    """Return an engine. A SQLite file is made only if *create* says so; nothing connects yet.

    `synchronous` is SQLite's: FULL survives power loss, NORMAL any kill of the process.
    """
    parts = parsed(url)
    _check_synchronous(synchronous)
    if parts.get_backend_name() == "sqlite":
        return _sqlite(Path(parts.database or ""), synchronous, busy_timeout, create=create)
    return create_engine(
        parts,
        json_serializer=_json,
        pool_size=5,
        max_overflow=10,
        pool_timeout=_CONNECT_TIMEOUT,
        pool_pre_ping=True,  # a restarted server is met with a new connection, not with an error
        connect_args={"connect_timeout": _CONNECT_TIMEOUT, "options": "-c timezone=UTC"},
    )


def read_only(engine: Engine) -> Engine:
    """Return *engine* for reading: its transactions take no write lock in SQLite."""
    return engine.execution_options(**{_READ_ONLY: True})


def connect_sqlite(
    path: Path, synchronous: str, busy_timeout: timedelta, *, create: bool = False
) -> sqlite3.Connection:
    """Open a SQLite file in WAL mode, transactions in our own hands. Raises sqlite3's errors."""
    _check_synchronous(synchronous)
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_timeout.total_seconds(),
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_synchronous(value: str) -> None:
    if value not in ("NORMAL", "FULL", "EXTRA"):
        raise InvalidValueError(f"synchronous must be NORMAL, FULL or EXTRA, was {value!r}")


def _sqlite(path: Path, synchronous: str, busy_timeout: timedelta, *, create: bool) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: connect_sqlite(path, synchronous, busy_timeout, create=create),
        json_serializer=_json,
        poolclass=QueuePool,
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that begins by reading and then writes can fail half-way as "locked",
        # without waiting; so a writer takes the write lock first.
        reading = connection.get_execution_options().get(_READ_ONLY, False)
        # Not by way of SQLAlchemy, which takes longer for it than for a small transaction.
        connection.connection.cursor().execute("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def place(url: str) -> str:
    """Return *url* as messages may show it: without a password."""
    parts = parsed(url)
    if parts.get_backend_name() == "sqlite":
        return str(parts.database)
    return parts.render_as_string(hide_password=True)


@contextmanager
def store_errors(where: str) -> Iterator[None]:
    """Turn a driver's error into one of ours that says what to check; a bug passes as it is."""
    try:
        yield
    except exc.TimeoutError as error:
        raise StoreUnavailableError(
            f"no connection to {where} was free in time: look for what keeps them busy"
        ) from error
    except (exc.DBAPIError, sqlite3.Error) as error:
        ours = _translated(where, error)
        if ours is None:
            raise
        raise ours from error
    except exc.StatementError as error:
        # A value that one of our column types refused.
        if isinstance(error.orig, TradingError):
            raise error.orig from None
        raise


def _translated(where: str, error: exc.DBAPIError | sqlite3.Error) -> StoreError | None:
    lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    driver = error if isinstance(error, sqlite3.Error) else error.orig
    said = " ".join(str(driver).split())
    code = getattr(driver, "sqlite_errorname", None) or getattr(driver, "sqlstate", None) or ""
    if code in _OLD or said.startswith(("no such table", "no such column")):
        return SchemaOutdatedError(
            f"{where} lacks a table or a column of this program ({said}): run `{UPGRADE_COMMAND}`"
        )
    if code.startswith(_DAMAGED):
        return StoreError(
            f"{where} is damaged ({said}). Nothing was changed. Restore a backup, or move the file "
            f"away and run `{UPGRADE_COMMAND}`: a new ledger is filled again from the venue"
        )
    for cause, check in _CHECKS.items():
        if code.startswith(cause):
            return StoreUnavailableError(f"{where} was not usable ({said}): {check}")
    if lost or code in _READ_ONLY_SERVER or isinstance(driver, _SERVER_GONE):
        return StoreUnavailableError(
            f"{where} was not usable ({said}): check that the server runs, accepts connections "
            "from here and has room on its disk"
        )
    return None

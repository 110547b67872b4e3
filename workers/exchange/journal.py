"""What the exchange did, on disk before anybody hears of it.

A snapshot and the inputs after it make the state: orders, cancels, and how far the market moved; of
a market that is followed live, what happened there, for it cannot be read a second time.
They are committed in WAL mode, which survives the kill of the process at any instant.
"""

import fcntl
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final, Literal

from pydantic import TypeAdapter

from domain.errors import (
    AlreadyRunningError,
    CorruptCheckpointError,
    InvalidValueError,
    StoreUnavailableError,
)
from domain.orders import OrderRequest
from domain.simulation.tape import FundingAnnounced, FundingDue, Marked, TradePrinted

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS origin (id INTEGER PRIMARY KEY CHECK (id = 1), origin TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS memo (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, sha256 TEXT NOT NULL,
    state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY, input TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """An account was used for the first time."""

    account: str
    balances: Mapping[str, str]
    kind: Literal["opened"] = "opened"


@dataclass(frozen=True, slots=True)
class Placed:
    """An order was sent."""

    account: str
    request: OrderRequest
    at: datetime
    kind: Literal["placed"] = "placed"


@dataclass(frozen=True, slots=True)
class Canceled:
    """A cancel was sent."""

    account: str
    symbol: str
    client_id: str
    at: datetime
    kind: Literal["canceled"] = "canceled"


@dataclass(frozen=True, slots=True)
class Moved:
    """The market's events before *position* have happened."""

    position: int
    kind: Literal["moved"] = "moved"


@dataclass(frozen=True, slots=True)
class Traded:
    """Somebody traded at a market that is followed, and can never be asked again."""

    event: TradePrinted
    kind: Literal["traded"] = "traded"


@dataclass(frozen=True, slots=True)
class MarkSet:
    """A market that is followed set its mark price."""

    event: Marked
    kind: Literal["mark_set"] = "mark_set"


@dataclass(frozen=True, slots=True)
class Funded:
    """A market that is followed settled its funding."""

    event: FundingDue
    kind: Literal["funded"] = "funded"


@dataclass(frozen=True, slots=True)
class Announced:
    """A market that is followed told the funding that it settles next."""

    event: FundingAnnounced
    kind: Literal["announced"] = "announced"


Happened = Traded | MarkSet | Funded | Announced
Input = Opened | Placed | Canceled | Moved | Happened
_INPUT: Final[TypeAdapter[Input]] = TypeAdapter(Input)


class Journal:
    """The inputs of one exchange in a directory that it owns alone.

    Raises AlreadyRunningError if another process owns it, StoreUnavailableError if it cannot be
    written, InvalidValueError if it belongs to a market of another *origin*.
    """

    def __init__(self, directory: Path, origin: Mapping[str, Any]) -> None:
        self._directory = directory
        self._lock = _lock(directory)
        try:
            self._db = self._open()
            self._check(origin)
        except BaseException:
            self._lock.close()
            raise
        self._moved = False
        self._number = self._scalar("SELECT max(number) FROM journal") or self._scalar(
            "SELECT number FROM snapshot"
        )
        self.since_snapshot = int(self._scalar("SELECT count(*) FROM journal") or 0)

    def load(self) -> tuple[dict[str, Any] | None, Sequence[Input]]:
        """Return the last snapshot, if there is one, and the inputs after it."""
        try:
            row = self._db.execute("SELECT sha256, state FROM snapshot").fetchone()
            inputs = self._db.execute("SELECT input FROM journal ORDER BY number").fetchall()
            if row is not None and sha256(row[1].encode()).hexdigest() != row[0]:
                raise self._corrupt(ValueError("the checksum of its snapshot does not match"))
            state = None if row is None else json.loads(row[1])
            return state, [_INPUT.validate_json(text) for (text,) in inputs]
        except (sqlite3.DatabaseError, ValueError) as error:
            raise self._corrupt(error) from error

    def remember(self, name: str, value: str) -> str:
        """Return what was first remembered under *name*: *value*, if nothing was before."""
        try:
            with self._db:
                self._db.execute("INSERT OR IGNORE INTO memo VALUES (?, ?)", (name, value))
        except sqlite3.Error as error:
            raise self._unwritable(error) from error
        row = self._db.execute("SELECT value FROM memo WHERE name = ?", (name,)).fetchone()
        return str(row[0])

    def recall(self, name: str) -> str | None:
        """Return what was remembered under *name*; None if nothing was."""
        row = self._db.execute("SELECT value FROM memo WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def append(self, *inputs: Input) -> None:
        """Commit *inputs*. Movements of the market that follow each other are kept as one."""
        try:
            with self._db:
                for each in inputs:
                    self._append(each)
        except sqlite3.Error as error:
            raise self._unwritable(error) from error

    def replace(self, state: Mapping[str, Any]) -> None:
        """Commit *state* as the snapshot that holds all inputs so far."""
        text = json.dumps(state, separators=(",", ":"))
        digest = sha256(text.encode()).hexdigest()
        try:
            with self._db:
                self._db.execute(
                    "REPLACE INTO snapshot VALUES (1, ?, ?, ?)", (self._number, digest, text)
                )
                self._db.execute("DELETE FROM journal")
        except sqlite3.Error as error:
            raise self._unwritable(error) from error
        self._moved = False
        self.since_snapshot = 0

    def close(self) -> None:
        """Close the file and give the directory free."""
        self._db.close()
        self._lock.close()

    def _append(self, each: Input) -> None:
        text = _INPUT.dump_json(each).decode()
        moved = isinstance(each, Moved)
        if not (moved and self._moved):
            self._number += 1
            self.since_snapshot += 1
        self._moved = moved
        self._db.execute("REPLACE INTO journal VALUES (?, ?)", (self._number, text))

    def _open(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(self._directory / "exchange.db", timeout=1)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise self._unwritable(error) from error
        except sqlite3.DatabaseError as error:
            raise self._corrupt(error) from error
        return db

    def _check(self, origin: Mapping[str, Any]) -> None:
        text = json.dumps(origin, sort_keys=True)
        row = self._db.execute("SELECT origin FROM origin").fetchone()
        if row is None:
            with self._db:
                self._db.execute("INSERT INTO origin VALUES (1, ?)", (text,))
        elif row[0] != text:
            raise InvalidValueError(
                f"{self._directory} belongs to another market ({row[0]}), this one was {text}: "
                "start with the same market or another --data directory"
            )

    def _scalar(self, query: str) -> int:
        row = self._db.execute(query).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    def _unwritable(self, error: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"{self._directory} cannot be written ({error}): check its rights and free space, or "
            "choose another --data directory"
        )

    def _corrupt(self, error: Exception) -> CorruptCheckpointError:
        return CorruptCheckpointError(
            f"{self._directory / 'exchange.db'} cannot be read ({error}): restore a copy of it, or "
            "start with another --data directory"
        )


def _lock(directory: Path) -> IO[str]:
    path = directory / "lock"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = path.open("a")
    except OSError as error:
        raise StoreUnavailableError(
            f"{directory} cannot be written ({error.strerror}): choose another --data directory"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise AlreadyRunningError(
            f"an exchange is running on {directory} already: stop it, or choose another --data "
            "directory"
        ) from None
    return lock

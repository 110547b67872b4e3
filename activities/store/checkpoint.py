"""Checkpoints of the simple runner: its whole state, committed before the orders it decided leave.

The file is a database of the one schema, made by `upgrade` like any other, so the simple runner's
ledger may live in it too. It is written by bare sqlite3: this is the hot path, and one row.

- Each run has its own rows; a save adds a version and drops the fourth newest, in one transaction.
- `save` is WAL with synchronous NORMAL: it survives any kill of the process. `flush` is the barrier
  against power loss, and notes outside the database how far it went: whatever eats the end of the
  write-ahead log later, an older state is never taken for the newest flushed one.
- `load` checks everything and repairs nothing.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy.exc import DBAPIError

from activities.store.database import (
    UPGRADE_COMMAND,
    connect_sqlite,
    sqlite_url,
    store_errors,
)
from activities.store.migrations import require_current
from domain.errors import (
    AlreadyRunningError,
    CorruptCheckpointError,
    InvalidValueError,
    SchemaOutdatedError,
    StoreError,
    StoreUnavailableError,
)

#: How many states are kept for diagnosis besides the newest.
PREVIOUS: Final = 2
_BUSY: Final = timedelta(seconds=5)


class CheckpointStore:
    """The checkpoints of one run, owned by this process until closed or ended."""

    def __init__(
        self, path: Path, run_id: str, connection: sqlite3.Connection, owner: "_Owner"
    ) -> None:
        self._path = path
        self._run_id = run_id
        self._connection = connection
        self._owner = owner
        self._version: int | None = None  # not known before load()
        self._flushed = 0

    @classmethod
    def open(cls, path: Path, run_id: str) -> Self:
        """Return the store of *run_id* in the database file *path*.

        Raises AlreadyRunningError if another process has it open, SchemaOutdatedError,
        StoreUnavailableError, or CorruptCheckpointError if the file is no database any more.
        """
        if not run_id:
            raise InvalidValueError("run_id must not be empty")
        with _corruption(path, run_id):
            require_current(sqlite_url(path))
            owner = _Owner.take(path, run_id)
            try:
                connection = connect_sqlite(path, "NORMAL", _BUSY)
            except BaseException:
                owner.release()
                raise
        return cls(path, run_id, connection, owner)

    @staticmethod
    def peek(path: Path, run_id: str) -> bytes | None:
        """Return the newest state of a run, which may work meanwhile; None if there is none.

        Raises SchemaOutdatedError, StoreUnavailableError or CorruptCheckpointError.
        """
        if not path.exists():
            return None
        with _corruption(path, run_id):
            require_current(sqlite_url(path))
            with closing(connect_sqlite(path, "NORMAL", _BUSY)) as connection:
                row = connection.execute(
                    "SELECT version, state_schema, payload, sha256 FROM checkpoints"
                    " WHERE run_id = ? ORDER BY version DESC LIMIT 1",
                    (run_id,),
                ).fetchone()
        if row is None:
            return None
        version, state_schema, payload, digest = row
        if _digest(run_id, version, state_schema, payload) != digest:
            raise _corrupt(path, run_id, f"version {version} does not match its SHA-256")
        return bytes(payload)

    def beside(self, name: str) -> "CheckpointStore":
        """Return the store of another state of this run, as `open` does; to be closed by itself."""
        return CheckpointStore.open(self._path, f"{self._run_id}/{name}")

    def load(self, state_schema: int = 1) -> bytes | None:
        """Return the newest state, or None if this run never saved one.

        Raises CorruptCheckpointError if anything does not match; nothing is changed then. A state
        of another *state_schema* than the caller's raises it too, rather than being misread.
        """
        with _corruption(self._path, self._run_id):
            head = self._connection.execute(
                "SELECT version, flushed FROM checkpoint_heads WHERE run_id = ?", (self._run_id,)
            ).fetchone()
            rows = self._connection.execute(
                "SELECT version, state_schema, payload, sha256 FROM checkpoints"
                " WHERE run_id = ? ORDER BY version DESC",
                (self._run_id,),
            ).fetchall()
        floor = self._owner.floor()
        if head is None and not rows and floor == 0:
            self._version = 0
            return None
        payload = self._checked(head, rows, floor)
        if rows[0][1] != state_schema:
            raise self._corrupt(
                f"its state has schema {rows[0][1]}, this program reads schema {state_schema}"
            )
        self._version, self._flushed = head
        return payload

    def save(self, payload: bytes, at: datetime, state_schema: int = 1) -> int:
        """Commit *payload* as the newest state, all or nothing, and return its version.

        From the return on it survives a kill of the process. Call `load` once before. Raises
        StoreUnavailableError, or CorruptCheckpointError if somebody else wrote under this run.
        """
        if self._version is None:
            raise InvalidValueError("a checkpoint must be loaded before the first one is saved")
        before, version = self._version, self._version + 1
        digest = _digest(self._run_id, version, state_schema, payload)
        saved_at = at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO checkpoints (run_id, version, state_schema, payload, sha256, saved_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (self._run_id, version, state_schema, payload, digest, saved_at),
            )
            self._move_head(connection, before, version)
            connection.execute(
                "DELETE FROM checkpoints WHERE run_id = ? AND version < ?",
                (self._run_id, version - PREVIOUS),
            )
        self._version = version
        return version

    def flush(self) -> None:
        """Return when the newest state survives a power loss too. Does nothing if it already does.

        One commit with synchronous FULL: it syncs the whole write-ahead log before it returns.
        """
        version = self._version
        if not version or version == self._flushed:
            return
        with store_errors(str(self._path)):
            self._connection.execute("PRAGMA synchronous=FULL")
        try:
            with self._transaction() as connection:
                connection.execute(
                    "UPDATE checkpoint_heads SET flushed = version WHERE run_id = ?",
                    (self._run_id,),
                )
        finally:
            with store_errors(str(self._path)):
                self._connection.execute("PRAGMA synchronous=NORMAL")
        self._flushed = version
        self._owner.note_floor(version)

    def discard(self) -> None:
        """Forget all states of this run, damaged or not: `--discard-checkpoint`.

        The next `load` returns None, and the run starts from what the venue says.
        """
        with _corruption(self._path, self._run_id), self._transaction() as connection:
            for table in ("checkpoints", "checkpoint_heads"):
                connection.execute(
                    f"DELETE FROM {table} WHERE run_id = ?",  # noqa: S608  names of ours
                    (self._run_id,),
                )
        self._owner.note_floor(0)
        self._version, self._flushed = None, 0

    def close(self) -> None:
        """Let go of the file and of the ownership. Nothing is flushed: see `flush`."""
        self._connection.close()
        self._owner.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _move_head(self, connection: sqlite3.Connection, before: int, version: int) -> None:
        if before == 0:
            connection.execute(
                "INSERT INTO checkpoint_heads (run_id, version, flushed) VALUES (?, ?, 0)",
                (self._run_id, version),
            )
            return
        moved = connection.execute(
            "UPDATE checkpoint_heads SET version = ? WHERE run_id = ? AND version = ?",
            (version, self._run_id, before),
        )
        if moved.rowcount != 1:
            raise self._corrupt(f"its newest version is not {before}, which this process wrote")

    def _checked(self, head: Any, rows: list[Any], floor: int) -> bytes:
        if head is None or not rows:
            missing = "its head was" if head is None else "its states were"
            raise self._corrupt(f"{missing} missing (flushed up to version {floor})")
        version, state_schema, payload, digest = rows[0]  # SQLite stores any type anywhere
        if version != head[0]:
            raise self._corrupt(f"its newest state is version {version}, its head says {head[0]}")
        if version < floor:
            raise self._corrupt(f"version {version} is older than version {floor}, flushed before")
        if _digest(self._run_id, version, state_schema, payload) != digest:
            raise self._corrupt(f"version {version} does not match its SHA-256 {str(digest)[:12]}")
        return bytes(payload)

    def _corrupt(self, found: str) -> CorruptCheckpointError:
        return _corrupt(self._path, self._run_id, found)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with store_errors(str(self._path)):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # Some errors (a full disk) have rolled back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


class _Owner:
    """A locked file beside the database: it dies with its process, however that ends.

    Its content is the newest version that was flushed. It is written after the flush and never
    synced, so it may lag after a power loss, but it can never run ahead of an honest disk.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, run_id: str) -> "_Owner":
        name = sha256(run_id.encode()).hexdigest()[:16]  # a run id may hold anything
        lock = path.with_name(f"{path.name}.{name}.owner")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailableError(
                f"{lock} was not usable ({error.strerror}): check that this user may write its "
                "directory and that there is room"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise AlreadyRunningError(
                f"run {run_id} is already running in another process ({lock} is locked): end that "
                "one first, or choose another run id"
            ) from error
        return cls(descriptor)

    def floor(self) -> int:
        """Return the newest flushed version; 0 if none was, or if the note cannot be read."""
        noted = os.pread(self._descriptor, 64, 0).split(b"\n")[0]
        return int(noted) if noted.isdigit() else 0

    def note_floor(self, version: int) -> None:
        try:
            os.pwrite(self._descriptor, b"%020d\n" % version, 0)
        except OSError as error:
            raise StoreUnavailableError(
                f"the owner file could not be written ({error.strerror}): check the disk"
            ) from error

    def release(self) -> None:
        os.close(self._descriptor)


def _digest(run_id: str, version: Any, state_schema: Any, payload: Any) -> str:
    """Cover every column, so that no damaged one goes unnoticed."""
    frame = f"{len(run_id)}:{run_id}:{version!r}:{state_schema!r}:".encode()
    return sha256(frame + (payload if isinstance(payload, bytes) else b"")).hexdigest()


def _corrupt(path: Path, run_id: str, found: str) -> CorruptCheckpointError:
    return CorruptCheckpointError(
        f"the checkpoint of run {run_id} in {path} is damaged: {found}. Nothing was changed and no "
        "order was sent. Restore a backup of the file, or start afresh from what the venue says: "
        "`opensqt simple run ... --discard-checkpoint` with the usual arguments"
    )


@contextmanager
def _corruption(path: Path, run_id: str) -> Iterator[None]:
    """Tell a damaged file, which only a person can judge, from one that is merely out of reach."""
    try:
        with store_errors(str(path)):
            yield
    except (StoreUnavailableError, SchemaOutdatedError, CorruptCheckpointError):
        raise
    except (StoreError, DBAPIError, sqlite3.Error) as error:
        said = " ".join(str(error.__cause__ or error).split())
        raise CorruptCheckpointError(
            f"the file {path}, which holds the checkpoint of run {run_id}, is damaged: {said}. "
            "Nothing was changed and no order was sent. Restore a backup of the file, or move it "
            f"away, run `{UPGRADE_COMMAND}` and start afresh from what the venue says: "
            "`opensqt simple run ... --discard-checkpoint` with the usual arguments"
        ) from error

"""Checkpoints: what is damaged is refused and left alone, what was saved survives a kill."""

# ruff: noqa: S608  the statements are those below, no input is in them

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from activities.store.checkpoint import PREVIOUS, CheckpointStore
from activities.store.database import sqlite_url
from activities.store.migrations import upgrade
from domain.errors import (
    AlreadyRunningError,
    CorruptCheckpointError,
    InvalidValueError,
    SchemaOutdatedError,
    StoreUnavailableError,
)
from tests.activities.store.builders import at

ROOT = Path(__file__).parents[3]


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    upgrade(sqlite_url(path))
    return path


def _saved(path: Path, *payloads: bytes, run_id: str = "grid-1", flush: bool = True) -> None:
    with CheckpointStore.open(path, run_id) as store:
        store.load()
        for payload in payloads:
            store.save(payload, at(0))
        if flush:
            store.flush()


def _loaded(path: Path, run_id: str = "grid-1") -> bytes | None:
    with CheckpointStore.open(path, run_id) as store:
        return store.load()


def _change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement, values).rowcount > 0


def test_a_run_that_never_saved_has_no_state(path: Path) -> None:
    assert _loaded(path) is None


def test_the_newest_state_comes_back(path: Path) -> None:
    _saved(path, b"one", b"two", b"")
    assert _loaded(path) == b""
    _saved(path, b"four")
    assert _loaded(path) == b"four"


def test_runs_in_one_file_never_touch_each_other(path: Path) -> None:
    _saved(path, b"mine")
    _saved(path, b"theirs", b"theirs, newer", run_id="grid-2/../x y")
    assert _loaded(path) == b"mine"
    assert _loaded(path, "grid-2/../x y") == b"theirs, newer"


def test_a_few_previous_states_are_kept_for_diagnosis(path: Path) -> None:
    _saved(path, *(bytes([n]) for n in range(10)))
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT version FROM checkpoints ORDER BY version").fetchall()
    assert rows == [(8,), (9,), (10,)]
    assert len(rows) == PREVIOUS + 1


def test_nothing_is_saved_before_what_is_there_was_read(path: Path) -> None:
    with (
        CheckpointStore.open(path, "grid-1") as store,
        pytest.raises(InvalidValueError, match="loaded before"),
    ):
        store.save(b"blind", at(0))
    assert _loaded(path) is None


def test_a_state_of_another_schema_is_not_misread(path: Path) -> None:
    _saved(path, b"one")
    with (
        CheckpointStore.open(path, "grid-1") as store,
        pytest.raises(CorruptCheckpointError, match="schema 1, this program reads schema 2"),
    ):
        store.load(state_schema=2)


# ---- damage

ROW = " WHERE run_id = 'grid-1' AND version = 3"
DAMAGES = {
    "payload": "UPDATE checkpoints SET payload = x'746872656f'" + ROW,
    "payload's type": "UPDATE checkpoints SET payload = 'three'" + ROW,
    "checksum": "UPDATE checkpoints SET sha256 = '0' || substr(sha256, 2)" + ROW,
    "version": "UPDATE checkpoints SET version = 4" + ROW,
    "version's type": "UPDATE checkpoints SET version = 'x'" + ROW,
    "state schema": "UPDATE checkpoints SET state_schema = 2" + ROW,
    "run id": "UPDATE checkpoints SET run_id = 'grid-2'" + ROW,
    "newest row": "DELETE FROM checkpoints" + ROW,
    "all rows": "DELETE FROM checkpoints WHERE run_id = 'grid-1'",
    "head": "DELETE FROM checkpoint_heads WHERE run_id = 'grid-1'",
    "head's version": "UPDATE checkpoint_heads SET version = 4 WHERE run_id = 'grid-1'",
    "head's run id": "UPDATE checkpoint_heads SET run_id = 'grid-3' WHERE run_id = 'grid-1'",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_value_is_refused_with_what_to_do_and_left_alone(path: Path, damage: str) -> None:
    _saved(path, b"one", b"two", b"three")
    _change(path, damage)
    before = _dump(path)
    with pytest.raises(CorruptCheckpointError) as refused:
        _loaded(path)
    said = str(refused.value)
    assert "grid-1" in said
    assert str(path) in said
    assert "Nothing was changed" in said
    assert "opensqt simple run ... --discard-checkpoint" in said
    assert _dump(path) == before


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_going_back_to_older_rows_is_noticed(path: Path) -> None:
    _saved(path, b"one", b"two", b"three")
    _change(path, "DELETE FROM checkpoints" + ROW)
    _change(path, "UPDATE checkpoint_heads SET version = 2, flushed = 2")
    with pytest.raises(CorruptCheckpointError, match="version 2 is older than version 3"):
        _loaded(path)


def test_a_lost_file_is_noticed(path: Path) -> None:
    _saved(path, b"one")
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    with pytest.raises(SchemaOutdatedError, match="opensqt db upgrade"):
        _loaded(path)
    upgrade(sqlite_url(path))
    with pytest.raises(CorruptCheckpointError, match="its head was missing"):
        _loaded(path)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_discarded_checkpoint_leaves_a_fresh_start(path: Path, damage: str) -> None:
    _saved(path, b"one", b"two", b"three")
    _saved(path, b"theirs", run_id="grid-9")
    _change(path, damage)
    with CheckpointStore.open(path, "grid-1") as store:
        store.discard()
        assert store.load() is None
        store.save(b"fresh", at(1))
    assert _loaded(path) == b"fresh"
    assert _loaded(path, "grid-9") == b"theirs"


def _positions(blob: bytes, payload: bytes) -> Iterator[int]:
    """Every byte of the file's first page head, the payload's edges, and a sample of the rest."""
    yield from range(100)
    where = blob.index(payload)
    yield from range(where - 80, where + 4)  # the record's header, run id, version, schema
    yield from range(where + len(payload) - 2, where + len(payload) + 70)  # checksum
    yield from random.Random(7).sample(range(len(blob)), 150)


@pytest.mark.slow
def test_no_flipped_byte_of_the_file_ever_gives_another_state(tmp_path: Path, path: Path) -> None:
    payload = b"the state of a grid, quite recognizable" * 3
    _saved(path, b"old", payload)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    blob = path.read_bytes()
    owner = next(tmp_path.glob("*.owner")).read_bytes()
    refused = 0
    for number, position in enumerate(_positions(blob, payload)):
        copy = tmp_path / f"flip{number}" / path.name
        copy.parent.mkdir()
        flipped = bytearray(blob)
        flipped[position] ^= 1 << (number % 8)
        copy.write_bytes(flipped)
        copy.with_name(next(tmp_path.glob("*.owner")).name).write_bytes(owner)
        try:
            assert _loaded(copy) == payload, position
        except (CorruptCheckpointError, SchemaOutdatedError, StoreUnavailableError):
            refused += 1
    assert refused > 50


def test_a_damaged_write_ahead_log_never_hides_a_flushed_state(tmp_path: Path, path: Path) -> None:
    """SQLite drops the end of a log that does not match its checksums, without a word."""
    store = CheckpointStore.open(path, "grid-1")
    store.load()
    store.save(b"one", at(0))
    store.flush()
    store.save(b"two", at(0))
    store.flush()
    wal = path.with_name(path.name + "-wal").read_bytes()
    main = path.read_bytes()
    store.close()
    owner = next(tmp_path.glob("*.owner"))
    answers = []
    for number, position in enumerate(range(32, len(wal), len(wal) // 40)):
        copy = tmp_path / f"wal{number}" / path.name
        copy.parent.mkdir()
        copy.write_bytes(main)
        copy.with_name(owner.name).write_bytes(owner.read_bytes())
        flipped = bytearray(wal)
        flipped[position] ^= 1
        copy.with_name(path.name + "-wal").write_bytes(flipped)
        try:
            answers.append(_loaded(copy))
        except (CorruptCheckpointError, SchemaOutdatedError):
            answers.append(b"refused")
    assert set(answers) <= {b"two", b"refused"}
    assert b"refused" in answers


# ---- one owner


def test_a_second_owner_is_refused_and_the_next_one_is_not(path: Path) -> None:
    first = CheckpointStore.open(path, "grid-1")
    with pytest.raises(AlreadyRunningError, match="grid-1 is already running"):
        CheckpointStore.open(path, "grid-1")
    CheckpointStore.open(path, "grid-2").close()
    first.close()
    CheckpointStore.open(path, "grid-1").close()


def test_a_write_by_somebody_else_is_noticed_before_it_is_overwritten(path: Path) -> None:
    with CheckpointStore.open(path, "grid-1") as store:
        store.load()
        store.save(b"one", at(0))
        _change(path, "UPDATE checkpoint_heads SET version = 7")
        with pytest.raises(CorruptCheckpointError, match="not 1, which this process wrote"):
            store.save(b"two", at(0))


# ---- the disk


def test_a_full_disk_is_said_so_and_the_last_state_stands(path: Path) -> None:
    with CheckpointStore.open(path, "grid-1") as store:
        store.load()
        store.save(b"one", at(0))
        store._connection.execute("PRAGMA max_page_count=1")  # SQLite's own word for a full disk
        with pytest.raises(StoreUnavailableError, match="the disk is full"):
            store.save(b"x" * 200_000, at(0))
        store._connection.execute("PRAGMA max_page_count=1000000")
        assert store.save(b"two", at(0)) == 2
    assert _loaded(path) == b"two"


def test_a_locked_file_is_said_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with CheckpointStore.open(path, "grid-1") as store:
        store.load()
        store._connection.execute("PRAGMA busy_timeout=10")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailableError, match="another process holds"):
                store.save(b"one", at(0))
        assert store.save(b"one", at(0)) == 1


def test_a_directory_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SchemaOutdatedError, match="opensqt db upgrade"):
        CheckpointStore.open(tmp_path / "none" / "state.db", "grid-1")
    with pytest.raises(StoreUnavailableError, match="check that the file and its directory exist"):
        upgrade(sqlite_url(tmp_path / "none" / "state.db"))


# ---- kill -9

WRITER = """
import sys
from pathlib import Path
from activities.store.checkpoint import CheckpointStore
from datetime import datetime, UTC
store = CheckpointStore.open(Path(sys.argv[1]), "grid-1")
before = store.load()
number = int(before.split()[0]) if before else 0
print("from", number, flush=True)
while True:
    number += 1
    store.save(b"%d " % number + b"x" * (number * 37 % 5000), datetime.now(UTC))
    print(number, flush=True)
    if number % 5 == 0:
        store.flush()
"""


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.001)


def test_what_was_saved_survives_a_kill_at_any_moment(
    request: pytest.FixtureRequest, tmp_path: Path, path: Path
) -> None:
    acknowledged = 0
    chance = random.Random(11)
    for attempt in range(8):
        log = tmp_path / f"log{attempt}"
        with log.open("wb") as out:
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=out
            )
            size = chance.randrange(20, 2000)
            request.addfinalizer(writer.kill)
            _until(lambda log=log, size=size: log.stat().st_size > size)  # type: ignore[misc]
            with pytest.raises(AlreadyRunningError):
                CheckpointStore.open(path, "grid-1")
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
        lines = log.read_text().split("\n")[:-1]
        assert lines[0] in (f"from {acknowledged}", f"from {acknowledged + 1}")
        acknowledged = int(lines[-1])
        loaded = _loaded(path)
        assert loaded is not None
        number = int(loaded.split()[0])
        assert number in (acknowledged, acknowledged + 1)  # killed between the commit and the word
        assert loaded == b"%d " % number + b"x" * (number * 37 % 5000)
        acknowledged = number

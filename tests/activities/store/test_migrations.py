"""One source for both databases, and a refusal of any other revision that says what to do."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from activities.store import migrations
from activities.store.checkpoint import CheckpointStore
from activities.store.database import open_engine, sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import (
    current_revision,
    require_current,
    scripts,
    upgrade,
)
from activities.store.schema import REVISION, metadata
from domain.errors import (
    InvalidValueError,
    SchemaOutdatedError,
    StoreError,
    StoreUnavailableError,
)

ROOT = Path(__file__).parents[3]


def _set_revision(url: str, revision: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    engine.dispose()


def test_the_program_needs_the_newest_migration_and_they_are_numbered_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts()))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions[0] == REVISION
    assert revisions == sorted(revisions, reverse=True)


def test_the_migrated_schema_is_the_declared_one(url: str) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_the_migrated_check_constraints_are_the_declared_ones(url: str) -> None:
    """Autogenerate does not compare them, so compare with tables made from the metadata."""
    engine = open_engine(url)

    def checks(connection: Any) -> dict[str, Any]:
        found = inspect(connection)
        return {
            name: sorted(c["name"] + str(c["sqltext"]) for c in found.get_check_constraints(name))
            for name in metadata.tables
        }

    with engine.begin() as connection:
        migrated = checks(connection)
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f"DROP TABLE {table.name}"))
        metadata.create_all(connection)
        assert migrated == checks(connection)
        assert any(migrated.values())
        connection.rollback()
    engine.dispose()


def test_an_upgrade_starts_from_nothing_and_may_be_repeated(empty_url: str) -> None:
    assert current_revision(empty_url) is None
    assert upgrade(empty_url) == REVISION
    assert upgrade(empty_url) == REVISION
    require_current(empty_url)


def test_a_downgrade_leaves_nothing_behind(url: str) -> None:
    migrations.run_alembic(url, "downgrade", "base")
    engine = open_engine(url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()
    assert upgrade(url) == REVISION


def test_an_empty_database_is_refused_with_the_command_and_left_alone(empty_url: str) -> None:
    for attempt in (require_current, Ledger.open):
        with pytest.raises(SchemaOutdatedError, match="run `opensqt db upgrade`"):
            attempt(empty_url)
    assert current_revision(empty_url) is None


def test_asking_for_the_revision_makes_no_file(tmp_path: Path) -> None:
    assert current_revision(sqlite_url(tmp_path / "no.db")) is None
    assert list(tmp_path.iterdir()) == []


def test_an_old_revision_is_refused_with_the_command(url: str) -> None:
    _set_revision(url, "0000")
    with pytest.raises(SchemaOutdatedError, match=r"revision 0000.*run `opensqt db upgrade`"):
        Ledger.open(url)


def test_a_newer_revision_is_refused_with_other_words_and_never_migrated(url: str) -> None:
    _set_revision(url, "0999")
    for attempt in (require_current, Ledger.open, upgrade):
        with pytest.raises(SchemaOutdatedError, match="made by a newer program") as refused:
            attempt(url)
        assert "db upgrade" not in str(refused.value)
    assert current_revision(url) == "0999"


def test_a_checkpoint_file_at_an_old_revision_is_refused_the_same_way(sqlite_database: str) -> None:
    _set_revision(sqlite_database, "0000")
    with pytest.raises(SchemaOutdatedError, match="run `opensqt db upgrade`"):
        CheckpointStore.open(Path(sqlite_database.removeprefix("sqlite:///")), "grid-1")


def test_a_migration_that_fails_leaves_nothing_half_done(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "alembic"
    shutil.copytree(scripts(), copy)
    (copy / "versions" / "0099_broken.py").write_text(
        f"from alembic import op\nrevision, down_revision = '0099', '{REVISION}'\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (x integer)')\n"
        "    op.execute('DROP TABLE nowhere')\n"
    )
    monkeypatch.setattr(migrations, "scripts", lambda: copy)
    with pytest.raises(SchemaOutdatedError, match="nowhere"):
        upgrade(empty_url)
    assert current_revision(empty_url) is None
    engine = open_engine(empty_url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    engine.dispose()


def test_programs_that_start_at_once_migrate_once(empty_url: str) -> None:
    code = "import sys; from activities.store.migrations import upgrade; upgrade(sys.argv[1])"
    started = [
        subprocess.Popen([sys.executable, "-c", code, empty_url], cwd=ROOT, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=60)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors
    require_current(empty_url)


def test_opening_a_current_ledger_never_loads_alembic(url: str) -> None:
    code = (
        "import sys; from activities.store.ledger import Ledger; "
        "Ledger.open(sys.argv[1]).close(); sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, check=False).returncode == 0


def test_the_alembic_command_works_in_the_checkout(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "by-hand.db")
    command = [sys.executable, "-m", "alembic", "-x", f"url={url}"]
    for what in (["upgrade", "head"], ["check"]):
        subprocess.run([*command, *what], cwd=ROOT, check=True, capture_output=True)
    require_current(url)


def test_the_scripts_of_an_installed_package_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = tmp_path / "workers" / "_migrations"
    shutil.copytree(scripts(), packaged)
    monkeypatch.setattr(migrations, "_CHECKOUT", tmp_path / "alembic")
    monkeypatch.setattr(migrations, "_PACKAGED", packaged)
    assert upgrade(sqlite_url(tmp_path / "x.db")) == REVISION
    shutil.rmtree(packaged)
    with pytest.raises(StoreError, match="install the program again"):
        scripts()


@pytest.mark.parametrize("bad", ["", "nonsense", "sqlite://", "mysql://u:hush@h/d"])
def test_a_database_that_we_do_not_speak_is_refused_without_showing_secrets(bad: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Ledger.open(bad)
    assert "hush" not in str(refused.value)


def test_a_server_that_is_not_there_is_said_so() -> None:
    with pytest.raises(StoreUnavailableError, match="check that the server runs") as refused:
        Ledger.open("postgresql://someone:hush@127.0.0.1:1/opensqt")
    assert "hush" not in str(refused.value)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("dear diary " * 1000)
    before = path.read_bytes()
    for attempt in (Ledger.open, upgrade):
        with pytest.raises(StoreError, match=r"damaged.*Restore a backup"):
            attempt(sqlite_url(path))
    assert path.read_bytes() == before


@pytest.fixture(name="foreign_directory")
def _foreign_directory() -> Iterator[Path]:
    """A directory of our own below the temporary one, which others may enter but not write."""
    directory = Path(tempfile.mkdtemp(prefix="ro"))
    yield directory
    directory.chmod(0o700)
    shutil.rmtree(directory)


def test_a_directory_that_may_not_be_written_is_named(foreign_directory: Path) -> None:
    """In a process of its own, for which file modes count even if the tests run as root."""
    path = foreign_directory / "ledger.db"
    upgrade(sqlite_url(path))
    before = path.read_bytes()
    path.chmod(0o444)
    foreign_directory.chmod(0o555)
    code = (
        "import sys, os\n"
        "from activities.store import ledger, migrations\n"
        "from domain.errors import StoreUnavailableError\n"
        "import alembic.command\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for attempt in (ledger.Ledger.open, migrations.upgrade):\n"
        "    try: attempt(sys.argv[1])\n"
        "    except StoreUnavailableError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, sqlite_url(path)]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    lines = answer.stdout.splitlines()
    assert len(lines) == 2, answer.stdout + answer.stderr
    assert all(str(path) in line and "check that the file" in line for line in lines)
    assert path.read_bytes() == before

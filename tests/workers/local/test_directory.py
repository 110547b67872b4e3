"""One stack per directory, and one message for a directory that cannot be used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import AlreadyRunningError, StoreUnavailableError
from workers.local.directory import owned, write_stack
from workers.settings import Settings, read_stack


def test_a_second_owner_is_refused_with_the_process_of_the_first(tmp_path: Path) -> None:
    with (
        owned(tmp_path),
        pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"),
        owned(tmp_path),
    ):
        pass
    with owned(tmp_path):
        pass


def test_a_killed_owner_leaves_the_directory_free(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from workers.local.directory import owned\n"
        "with owned(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert (tmp_path / "up.lock").read_text().isdecimal()
    with owned(tmp_path):
        assert (tmp_path / "up.lock").read_text() == str(os.getpid())


def test_a_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    # No mode keeps root out, but nobody makes a directory below a file.
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreUnavailableError, match="cannot be written"),
        owned(tmp_path / "file" / "x"),
    ):
        pass


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command to make a full disk with")
    if done.returncode:
        pytest.skip("a full disk is a mounted one, and mounting is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_without_room_is_refused_before_anything_starts(tiny_disk: Path) -> None:
    with (
        pytest.raises(StoreUnavailableError, match="make room, or choose another"),
        owned(tiny_disk),
    ):
        pass


def test_a_full_disk_is_one_message_and_leaves_the_old_file(tiny_disk: Path) -> None:
    write_stack(tiny_disk, {"temporal": "127.0.0.1:1"})
    (tiny_disk / "filler").write_bytes(b"")
    with pytest.raises(OSError, match="No space"):
        (tiny_disk / "filler").write_bytes(b"0" * 100_000)
    with pytest.raises(StoreUnavailableError, match="No space left"):
        write_stack(tiny_disk, {"temporal": "x" * 10_000})
    assert read_stack(tiny_disk) == {"temporal": "127.0.0.1:1"}


def test_other_terminals_find_the_stack_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OPENSQT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENSQT_DATA_DIR", str(tmp_path))
    assert Settings().temporal == "127.0.0.1:7233"
    write_stack(tmp_path, {"temporal": "127.0.0.1:9", "exchange": "127.0.0.1:8", "pid": 1})
    monkeypatch.setenv("OPENSQT_EXCHANGE", "venue:1")
    settings = Settings()
    assert (settings.temporal, settings.exchange) == ("127.0.0.1:9", "venue:1")
    assert Settings(data_dir=tmp_path / "other").temporal == "127.0.0.1:7233"

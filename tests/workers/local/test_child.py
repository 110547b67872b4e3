"""Processes of the stack: restarted when they die, ended when asked, and never orphaned."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from workers.local import child as module
from workers.local import tether
from workers.local.child import Child, ChildFailedError


def _child(log: Path, script: str) -> tuple[Child, list[str]]:
    said: list[str] = []
    return Child("thing", [sys.executable, "-c", script], {}, log, said.append), said


async def _until(true: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.02)


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.exists() and Path("/proc/self").exists():
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def _start(
    script: str, word: str, *, stdin: int | None = None, stdout: int | None = None
) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, word]
    return subprocess.Popen(command, text=True, stdin=stdin, stdout=stdout)


SLEEP = "import time, sys; print('up', flush=True); time.sleep(600)"


async def test_a_process_that_is_killed_is_started_again_and_that_is_said(tmp_path: Path) -> None:
    child, said = _child(tmp_path / "log", SLEEP)
    await child.start()
    keeping = asyncio.create_task(child.keep_alive())
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await _until(lambda: child.pid not in (None, first))
    assert said == ["thing was killed by signal 9: starting it again in 0.25 s"]
    await child.end(5)
    await keeping
    assert child.pid is None


async def test_after_five_quick_deaths_the_end_of_the_log_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.01)
    child, said = _child(tmp_path / "log", "print('it hurts'); raise SystemExit(3)")
    await child.start()
    with pytest.raises(ChildFailedError, match="died 5 times in a row") as caught:
        await child.keep_alive()
    assert "  it hurts" in str(caught.value)
    assert len(said) == 4
    assert "ended with code 3" in said[0]


async def test_a_process_that_refuses_its_arguments_is_not_tried_again(tmp_path: Path) -> None:
    child, said = _child(tmp_path / "log", "print('no such tape'); raise SystemExit(2)")
    await child.start()
    with pytest.raises(ChildFailedError, match=r"refused to run(.|\n)*no such tape"):
        await child.keep_alive()
    assert said == []


async def test_a_process_that_dies_while_it_starts_is_told_with_its_log(tmp_path: Path) -> None:
    child, _ = _child(tmp_path / "log", "raise SystemExit('port in use')")

    async def never() -> bool:
        return False

    await child.start()
    with pytest.raises(ChildFailedError, match=r"while it started(.|\n)*port in use"):
        await child.ready(never, 20)


async def test_a_process_that_never_answers_is_told(tmp_path: Path) -> None:
    child, _ = _child(tmp_path / "log", SLEEP)

    async def never() -> bool:
        return False

    await child.start()
    with pytest.raises(ChildFailedError, match=r"did not answer within 0.3 s"):
        await child.ready(never, 0.3)
    await child.end(5)


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP
    child, said = _child(tmp_path / "log", stubborn)
    await child.start()
    await _until(lambda: (tmp_path / "log").read_text() == "up\n")
    await child.end(0.2)
    assert child.pid is None
    assert said == ["thing did not end within 0.2 s and was killed"]


async def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    child, _ = _child(tmp_path / "none" / "log", SLEEP)
    with pytest.raises(ChildFailedError, match="cannot be started"):
        await child.start()


async def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROTATE_AT", 10)
    (tmp_path / "log.log").write_text("x" * 100)
    child, _ = _child(tmp_path / "log.log", SLEEP)
    await child.start()
    await child.end(5)
    assert (tmp_path / "log.old.log").read_text() == "x" * 100


PARENT = """
import asyncio, sys
from pathlib import Path
from workers.local.child import Child

async def main():
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = Child("c", sleep, {}, Path(sys.argv[1]), print)
    await child.start()
    print(child.pid, flush=True)
    await child.keep_alive()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere another process does it, see below")
async def test_no_process_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = _start(PARENT, str(tmp_path / "log"), stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await _until(lambda: not _alive(pid))


async def test_where_the_kernel_does_not_help_the_tether_ends_with_the_pipe(
    tmp_path: Path,
) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(Path(tether.__file__).parents[2])!r})\n"
        "from workers.local.tether import _watched\n"
        "sys.exit(_watched([sys.executable, '-c', sys.argv[1]]))"
    )
    told = tmp_path / "pid"
    body = f"import os, time; open({str(told)!r}, 'w').write(f'{{os.getpid()}} '); time.sleep(600)"
    holder = _start(script, body, stdin=subprocess.PIPE)
    await _until(lambda: told.exists() and told.read_text().endswith(" "))
    pid = int(told.read_text())
    assert _alive(pid)
    assert holder.stdin is not None
    holder.stdin.close()  # as the kernel does when the parent dies
    await _until(lambda: not _alive(pid))
    assert holder.wait(10) != 0


def test_a_parent_that_died_before_it_could_be_watched_starts_nothing(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only the kernel's way has that moment")
    told = tmp_path / "told"
    body = f"open({str(told)!r}, 'w').write('ran')"
    done = subprocess.run(
        [sys.executable, "-IS", tether.__file__, "1", sys.executable, "-c", body], check=False
    )
    assert done.returncode == 1
    assert not told.exists()

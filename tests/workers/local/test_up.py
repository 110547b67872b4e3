"""`opensqt up` for real: it trades within a minute, and goes on whatever way it ended."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: Fast enough that a level of the demo is crossed every second.
UP = ("up", "--demo", "--no-watch", "--speed", "30")


class Terminal:
    """One data directory, and the commands that somebody types for it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.up: subprocess.Popen[bytes] | None = None
        self.said = data.parent / "said"
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENSQT_")}
        self._environment["OPENSQT_DATA_DIR"] = str(data)

    def start(self, *words: str) -> None:
        with self.said.open("wb") as said:
            self.up = subprocess.Popen(
                self._command(*(words or UP)),
                stdout=said,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self._command(*words),
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
            timeout=60,
        )

    def ask(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.returncode == 0, f"{words}: {done.stdout} {done.stderr} {self.text}"
        return json.loads(done.stdout)

    def adds_up(self) -> None:
        """Check that the venue and the ledger agree.

        While it trades so fast there nearly always is a fill on its way from one to the other, and
        the busier the machine the longer. A run that is paused enters nothing.
        """
        self.ask("grid", "pause", "demo", "--why", "to count")
        answers: list[Any] = []

        def nothing_left() -> bool:
            answers.append(self.ask("pnl"))
            return float(answers[-1]["accounts"][0]["residual"]) == 0

        self.until("a residual of 0", nothing_left, told=lambda: answers[-3:])
        self.ask("grid", "resume", "demo")

    def until(
        self,
        what: str,
        true: Callable[[], object],
        seconds: float = 120,
        told: Callable[[], object] = str,
    ) -> None:
        ends = time.monotonic() + seconds
        while not true():
            assert self.up is not None
            assert self.up.poll() is None, f"up ended: {self.text}"
            assert time.monotonic() < ends, f"{what} did not happen: {told()} {self.text}"
            time.sleep(0.1)

    def ready(self) -> bool:
        return re.search(r"^ready in", self.text, re.MULTILINE) is not None

    def fills(self) -> int:
        return int(self.ask("grid", "list")["runs"][0]["fills"])

    def has_more_fills_than(self, before: int) -> None:
        self.until(f"more fills than {before}", lambda: self.fills() > before)

    def said_that(self, text: str) -> None:
        self.until(f"saying {text!r}", lambda: text in self.text)

    def pids(self) -> dict[str, int]:
        processes = json.loads((self.data / "stack.json").read_text())["processes"]
        return {name: int(pid) for name, pid in processes.items()}

    @property
    def text(self) -> str:
        return self.said.read_text()

    def end(self, number: signal.Signals) -> int:
        assert self.up is not None
        self.up.send_signal(number)
        return self.up.wait(60)

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "workers.cli", *words]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path / "data")
    yield terminal
    if terminal.up is not None and terminal.up.poll() is None:
        terminal.up.kill()
        terminal.up.wait()


def _gone(pids: dict[str, int]) -> bool:
    def dead(pid: int) -> bool:
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"

    return all(map(dead, pids.values()))


def _clients_ids(data: Path) -> list[str]:
    with sqlite3.connect(f"file:{data / 'ledger.db'}?mode=ro", uri=True) as ledger:
        ids = [row[0] for row in ledger.execute("SELECT client_id FROM orders")]
    ledger.close()
    return ids


def test_a_demo_trades_and_goes_on_with_the_same_run_and_orders(terminal: Terminal) -> None:
    began = time.monotonic()
    terminal.start()
    terminal.until("ready", terminal.ready)
    terminal.until("a fill", lambda: terminal.fills() >= 2)
    assert time.monotonic() - began < 60
    assert re.search(r"Temporal UI +http://127\.0\.0\.1:\d+", terminal.text)

    second = terminal.run("up", "--no-watch")
    assert (second.returncode, second.stdout) == (5, "")
    assert f"process {terminal.up and terminal.up.pid}" in second.stderr

    status = terminal.ask("grid", "status", "demo")["status"]
    assert (status["phase"], status["feed"]) == ("running", "live")
    assert len(terminal.ask("grid", "slots", "demo")["slots"]) >= 16
    assert terminal.ask("doctor")["works"]
    assert terminal.ask("grid", "watch", "demo")["fills"]
    again = terminal.run("grid", "start", "examples/demo.yaml", "--name", "demo")
    assert again.returncode == 5
    assert terminal.run("grid", "status", "nobody").returncode == 4

    paused = terminal.ask("grid", "pause", "demo", "--why", "a look")
    assert paused["status"]["phase"] == "paused"
    refused = terminal.run("grid", "pause", "demo")
    assert (refused.returncode, "cannot pause" in refused.stderr) == (1, True)
    assert terminal.ask("grid", "resume", "demo")["status"]["phase"] == "running"

    terminal.adds_up()

    before, ids, pids = terminal.fills(), _clients_ids(terminal.data), terminal.pids()
    assert terminal.end(signal.SIGINT) == 0
    assert _gone(pids)

    terminal.start()
    terminal.said_that("run demo goes on")
    terminal.has_more_fills_than(before)
    assert [run["name"] for run in terminal.ask("grid", "list", "--all")["runs"]] == ["demo"]
    assert set(ids) <= set(_clients_ids(terminal.data))
    terminal.adds_up()

    ended = terminal.ask("grid", "stop", "demo", "--mode", "close")["status"]
    assert ended["phase"] in ("stopping", "finished")
    terminal.until("the end of the run", lambda: not terminal.ask("grid", "list")["runs"])
    (money,) = terminal.ask("pnl")["runs"]
    assert float(money["position"]) == 0
    assert terminal.end(signal.SIGTERM) == 0


def test_a_kill_of_everything_leaves_no_process_and_the_next_up_goes_on(
    terminal: Terminal,
) -> None:
    terminal.start()
    terminal.until("ready", terminal.ready)
    terminal.until("a fill", lambda: terminal.fills() >= 1)
    pids = terminal.pids()
    before = terminal.fills()
    terminal.end(signal.SIGKILL)
    ends = time.monotonic() + 60
    while not _gone(pids):
        assert time.monotonic() < ends, "a process outlived the stack"
        time.sleep(0.05)
    terminal.start()
    terminal.said_that("run demo goes on")
    terminal.has_more_fills_than(before)
    terminal.adds_up()
    assert terminal.end(signal.SIGINT) == 0


def test_a_process_that_is_killed_comes_back_and_trading_goes_on(terminal: Terminal) -> None:
    terminal.start()
    terminal.until("a fill", lambda: terminal.ready() and terminal.fills() >= 1)
    for name in ("worker", "exchange", "temporal"):
        before = terminal.fills()
        os.kill(terminal.pids()[name], signal.SIGKILL)
        terminal.said_that(f"{name} was killed by signal 9")
        terminal.has_more_fills_than(before)
    assert terminal.end(signal.SIGINT) == 0

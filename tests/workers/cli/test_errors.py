"""Every failure is one message with a fix and an exit code, as text and as JSON; no traceback."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from activities.store.database import sqlite_url
from activities.store.migrations import upgrade

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]

SPEC = "symbol: BTC/USDT:USDT\ninterval: 30\namount: 200\n"


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "grid.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture
def ledger(data: Path) -> Path:
    data.mkdir()
    upgrade(sqlite_url(data / "ledger.db"))
    return data / "ledger.db"


def _clear(result: Result, code: int, *told: str) -> None:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("opensqt: ")
    for words in told:
        assert words in result.stderr


def test_an_unknown_command_suggests_the_nearest(invoke: Invoke) -> None:
    _clear(invoke("gird"), 2, "did you mean grid?")
    _clear(invoke("grid", "statsu", "x"), 2, "did you mean status?")


def test_a_wrong_option_is_a_usage_error_in_json_too(invoke_json: InvokeJson) -> None:
    code, told = invoke_json("grid", "list", "--nope")
    assert code == 2
    assert told["error"]["code"] == 2
    assert "--nope" in told["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [
        ("grid", "status", "x"),
        ("grid", "slots", "x"),
        ("grid", "pause", "x"),
        ("grid", "resume", "x"),
        ("grid", "stop", "x"),
    ],
    ids=lambda words: words[1],
)
def test_no_temporal_is_told_within_seconds(
    invoke: Invoke, ledger: Path, words: tuple[str, ...]
) -> None:
    began = time.monotonic()
    _clear(invoke(*words), 3, "Temporal does not answer at 127.0.0.1:1", "`opensqt up`")
    assert time.monotonic() - began < 8  # four of them wait for a connection


def test_start_without_temporal_is_told(invoke: Invoke, ledger: Path, spec: str) -> None:
    _clear(invoke("grid", "start", spec), 3, "Temporal does not answer")


def test_preview_without_an_exchange_is_told(invoke: Invoke, spec: str) -> None:
    _clear(invoke("grid", "preview", spec), 3, "127.0.0.1:1", "does not answer")


def test_a_worker_without_temporal_ends_with_a_message(invoke: Invoke, ledger: Path) -> None:
    _clear(invoke("worker"), 3, "Temporal does not answer")


def test_an_account_that_is_not_set_up_is_told(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(f"{SPEC}account: main\n")
    _clear(invoke("grid", "preview", str(path)), 2, "account must be one of paper, was main")
    _clear(invoke("worker", "--queues", "main"), 2, "account must be one of paper, was main")


def test_a_spec_with_a_mistake_is_refused_before_anything_is_asked(invoke: Invoke) -> None:
    result = invoke("grid", "start", "-", stdin="symbol: BTC/USDT\nintervall: 3\n")
    _clear(result, 2, "stdin:2: intervall is no field of a grid: did you mean interval?")


def test_an_empty_spec_on_stdin_is_told(invoke: Invoke) -> None:
    _clear(invoke("grid", "preview", "-", stdin=""), 2, "stdin is empty")


def test_a_name_that_no_run_may_have_is_refused(invoke: Invoke, ledger: Path, spec: str) -> None:
    for name in ("feed.paper", "a b", "", "-x", "x" * 65):
        result = invoke("grid", "start", spec, f"--name={name}")
        if name:
            _clear(result, 2, "a run's name has 1 to 64 letters")


def test_reconfigure_never_waits_for_an_answer_nobody_can_give(invoke: Invoke, spec: str) -> None:
    _clear(invoke("grid", "reconfigure", "x", spec), 2, "add --yes, or --dry-run")
    _clear(invoke("grid", "reconfigure", "x", "-", stdin=SPEC), 2, "add --yes")


def test_a_missing_ledger_says_how_to_make_one(invoke: Invoke, data: Path) -> None:
    _clear(invoke("grid", "list"), 1, "has no ledger yet: run `opensqt db upgrade`")
    _clear(invoke("pnl"), 1, "has no ledger yet")
    assert not data.exists()


def test_a_damaged_ledger_is_told_and_left_alone(invoke: Invoke, data: Path) -> None:
    data.mkdir()
    (data / "ledger.db").write_bytes(b"no database at all" * 100)
    _clear(invoke("pnl"), 1, "is damaged", "Restore a backup")
    assert (data / "ledger.db").read_bytes().startswith(b"no database")


def test_a_run_that_is_not_there_is_not_found(
    invoke: Invoke, invoke_json: InvokeJson, ledger: Path
) -> None:
    _clear(invoke("pnl", "nobody"), 4, "there is no run nobody: `opensqt grid list`")
    code, told = invoke_json("pnl", "nobody")
    assert (code, told["error"]["kind"]) == (4, "NotFound")


def test_wrong_settings_name_the_variable_and_not_its_value(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSQT_ACCOUNTS__PAPER__VENUE", "s3cret")
    result = invoke("grid", "list")
    _clear(result, 2, "OPENSQT_ACCOUNTS__PAPER__VENUE")
    assert "s3cret" not in result.stderr


def test_a_database_of_another_kind_is_refused(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSQT_DATABASE", "mysql://root:pa55@localhost/x")
    result = invoke("grid", "list")
    _clear(result, 2, "must be a SQLite file")
    assert "pa55" not in result.output


def test_a_damaged_stack_file_is_told(invoke: Invoke, data: Path) -> None:
    data.mkdir()
    (data / "stack.json").write_text("{")
    _clear(invoke("grid", "list"), 2, "stack.json is damaged", "delete it")


def test_a_data_directory_that_cannot_be_written_is_told(invoke: Invoke, tmp_path: Path) -> None:
    # Tests may run as root, whom no mode stops; below a file nobody can make a directory.
    (tmp_path / "file").write_text("")
    below = str(tmp_path / "file" / "data")
    _clear(invoke("up", "--data", below), 3, "cannot be written", "choose another --data DIR")
    _clear(invoke("db", "upgrade", "--data", below), 3, "cannot be made")
    # /proc exists and takes no new files, whoever asks.
    if Path("/proc/self").exists():
        _clear(invoke("up", "--data", "/proc/self/x"), 3, "cannot be written")


def test_up_refuses_what_contradicts_itself(invoke: Invoke, spec: str, tmp_path: Path) -> None:
    _clear(invoke("up", "--demo", "--grid", spec), 2, "one grid at a time")
    _clear(invoke("up", "--tape", "x", "--seed", "1"), 2, "recorded or made")
    _clear(invoke("up", "--speed", "0"), 2, "a number above 0")
    _clear(invoke("up", "--tape", str(tmp_path / "none.csv.gz")), 2, "must be a file")


def test_a_bug_is_called_one_and_shows_where_only_if_asked(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    monkeypatch.setattr("workers.cli.db.current_revision", lambda _url: 1 / 0)
    _clear(invoke("db", "status"), 1, "This is a bug", "OPENSQT_DEBUG=1")
    monkeypatch.setenv("OPENSQT_DEBUG", "1")
    assert "Traceback" in invoke("db", "status").stderr


def test_ctrl_c_ends_with_130(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(url: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("workers.cli.db.current_revision", interrupt)
    assert invoke("db", "status").exit_code == 130


def test_cancellation_inside_a_command_is_no_silent_success() -> None:
    from workers.cli.failures import describe

    assert describe(asyncio.CancelledError()).code != 0

"""`opensqt doctor --account`: a table for people, a document for programs, and an exit code."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from domain.money import MarketKind
from tests.eventually import eventually
from tests.workers.checks.conftest import surgery_of
from workers.cli.doctor_account import examine
from workers.exchange.fronts.tls import server_context

Invoke = Callable[..., Result]


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[int]:
    """A port that takes connections and never says a word."""
    server_context(tmp_path / "tls", ["api.binance.com"])
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int) -> None:
    fields = {
        "VENUE": "binance",
        "MARKET": "spot",
        "LOCAL": f"127.0.0.1:{port}",
        "AUTHORITY": str(tmp_path / "tls" / "authority.pem"),
        "KEY": "k",
        "SECRET": "s",
    }
    for name, value in fields.items():
        monkeypatch.setenv(f"OPENSQT_ACCOUNTS__MAIN__{name}", value)


async def test_a_person_reads_a_table_and_a_program_a_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with surgery_of("gate", MarketKind.SPOT, tmp_path) as surgery:
        surgery.sign_as("alice.withdraws")
        surgery.bench.advance(5)
        moving = asyncio.create_task(surgery._move())
        assert await examine(surgery.settings, "main", None, as_json=False)
        table = capsys.readouterr().out
        assert await examine(surgery.settings, "main", "BTC/USDT", as_json=True)
        document = json.loads(capsys.readouterr().out)
        moving.cancel()
    for words in ("check", "result", "what it means", "fix", "permissions", "warning"):
        assert words in table
    assert "main can trade. No order was sent." in table
    assert document["can_trade"] is True
    lines: dict[str, Any] = {each["check"]: each for each in document["checks"]}
    assert lines["permissions"]["result"] == "warning"
    assert lines["leverage"]["result"] == "not checked"
    assert lines["reach"] | {"told": ""} == {
        "check": "reach",
        "result": "ok",
        "told": "",
        "fix": "",
    }


def test_an_account_that_cannot_trade_is_an_exit_code(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, silent: int
) -> None:
    account(monkeypatch, tmp_path, silent)
    monkeypatch.delenv("OPENSQT_ACCOUNTS__MAIN__LOCAL")
    result = invoke("doctor", "--account", "main")
    assert result.exit_code == 1
    assert "main cannot trade: settings" in result.stdout


def test_what_cannot_be_meant_is_a_usage_error(invoke: Invoke) -> None:
    assert invoke("doctor", "--account", "nobody").exit_code == 2
    told = invoke("doctor", "--symbol", "BTC/USDT")
    assert told.exit_code == 2
    assert "--symbol needs --account" in told.stderr


async def test_whoever_interrupts_sees_what_was_found(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, silent: int
) -> None:
    account(monkeypatch, tmp_path, silent)
    monkeypatch.setenv("COLUMNS", "200")
    code, out = await _interrupted(silent)
    if code == 1:  # on a busy machine its time may be up before the signal comes
        code, out = await _interrupted(silent)
    assert code == 130
    assert "trades binance spot at the local exchange" in out
    assert "was not examined to the end" in out


async def _interrupted(silent: int) -> tuple[int | None, str]:
    command = [sys.executable, "-m", "workers.cli", "doctor", "--account", "main"]
    doctor = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        # It waits for an answer that never comes: the connection tells that it has begun.
        await eventually(lambda: _connected(silent), within=60, what="a connection")
        doctor.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(doctor.communicate(), 60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            doctor.kill()
    return doctor.returncode, out.decode()


def _connected(port: int) -> bool:
    """Return whether somebody holds a connection to *port*, as the kernel tells it."""
    wanted = f":{port:04X} 01"
    rows = Path("/proc/net/tcp").read_text().splitlines()
    return any(f"{row.split()[2][8:]} {row.split()[3]}" == wanted for row in rows[1:])

"""`opensqt arb run` as a process: it enters, is left and gone on with, and closed on request."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.eventually import eventually
from tests.workers.cli.pair_exchanges import SPEC, accounts_of, exchanges
from tests.workers.exchange.process import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]


async def started(spec: Path, *options: str) -> Process:
    words = ("arb", "run", str(spec), "--name", "laptop", *options)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers.cli", *words),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
        stdout=PIPE,
        stderr=PIPE,
    )


async def ended(process: Process) -> dict[str, Any]:
    """Return what a process printed; it has ended in order."""
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    answer: dict[str, Any] = json.loads(output)
    return answer


@pytest.fixture(name="spec")
def _spec(books: None, tmp_path: Path) -> Path:
    path = tmp_path / "pair.yaml"
    path.write_text(SPEC)
    return path


async def test_it_is_left_killed_gone_on_with_and_closed(
    spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    invoke: Invoke,
    invoke_json: InvokeJson,
) -> None:
    async def status() -> dict[str, Any] | None:
        _, told = await asyncio.to_thread(invoke_json, "arb", "status", "laptop")
        found: dict[str, Any] | None = told.get("status")
        return found

    async def held() -> bool:
        found = await status()
        return bool(found and found["trades"] == 1 and not found["trade"])

    async with exchanges(tmp_path) as found:
        monkeypatch.setenv("OPENSQT_ACCOUNTS", accounts_of(found))
        first = await started(spec, "--json")
        await eventually(held, within=90, what="an entry")
        second = await started(spec, "--json")
        output, _ = await second.communicate()
        assert second.returncode == 5, output
        first.send_signal(signal.SIGINT)
        assert await ended(first) == {"name": "laptop", "ended": False, "result": None}

        told = await asyncio.to_thread(invoke, "arb", "pause", "laptop")
        assert (told.exit_code, "is run by `opensqt arb run`" in told.stderr) == (2, True)
        shown = await asyncio.to_thread(invoke, "arb", "status", "laptop")
        assert "checkpoint of `opensqt arb run`" in shown.stderr

        killed = await started(spec)
        assert killed.stdout is not None
        lines = [(await killed.stdout.readline()).decode() for _ in range(2)]
        assert "Ctrl-C leaves it" in lines[0]
        assert "running, positive" in lines[1]
        killed.kill()
        await killed.communicate()

        stopped = await ended(await started(spec, "--json", "--stop"))
        assert (stopped["ended"], stopped["result"]["trades"]) == (True, 2)
        legs = stopped["result"]["legs"]
        assert {Decimal(leg["residual"]) for leg in legs} == {Decimal(0)}
        assert all(abs(Decimal(leg["base"])) < Decimal("0.001") for leg in legs)
        again = await started(spec, "--json")
        output, _ = await again.communicate()
        assert (again.returncode, b"run laptop has ended" in output) == (2, True)

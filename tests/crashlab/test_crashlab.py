"""The crash lab itself: a short run finds nothing wrong, and it can find what is wrong."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually

ROOT = Path(__file__).parents[2]


def lab(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers.cli", "crashlab", *options],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}", "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done(*options: str) -> tuple[int, dict[str, Any], str]:
    """Run the lab to its end; return its exit code, its document and what it said besides."""
    process = lab("--json", *options)
    output, errors = process.communicate()
    assert output, errors
    return process.returncode, json.loads(output), errors


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_few_kills_break_nothing_and_leave_a_report(tmp_path: Path) -> None:
    code, told, errors = done(
        *("--seed", "4", "--kills", "8", "--round", "2", "--lanes", "2"),
        *("--processes", "worker,simple", "--steps", "sent,accepted", "--venues", "okx,bybit"),
        *("--report", str(tmp_path)),
    )
    assert told["violations"] == [], errors
    assert code == 0
    assert told["kills"] == 8
    cells = {(cell["step"], cell["process"]): cell["kills"] for cell in told["matrix"]}
    assert cells == {
        ("sent", "worker"): 2,
        ("accepted", "worker"): 2,
        ("sent", "simple"): 2,
        ("accepted", "simple"): 2,
    }
    assert told["orders"] > 8
    assert "8 kills" in (tmp_path / "crash-lab.md").read_text()
    assert (tmp_path / "crash-lab.svg").read_text().startswith("<svg ")
    assert len(list(tmp_path.iterdir())) == 2  # no system has left anything


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_lab_without_the_look_up_before_a_second_sending_fails() -> None:
    """The venue takes an id again only once its order is over, so it takes a fill in between."""
    for seed in range(3, 9):
        code, told, _ = done(
            *("--without-look-up", "--seed", f"{seed}"),
            *("--kills", "6", "--round", "3", "--lanes", "1"),
            *("--processes", "worker", "--steps", "accepted", "--venues", "binance"),
        )
        if any(each["what"].startswith("duplicate: ") for each in told["violations"]):
            assert code == 1
            return
    pytest.fail("no order was doubled in 36 kills")


@pytest.mark.timeout(300)
async def test_ctrl_c_ends_it_in_order(tmp_path: Path) -> None:
    process = lab("--kills", "100", "--report", str(tmp_path), "--processes", "simple")
    logs = "*/*-simple/worker.log"
    await eventually(lambda: list(tmp_path.glob(logs)), within=150, what="a worker")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().endswith("interrupted")
    assert "Interrupted: kills of systems" in (tmp_path / "crash-lab.md").read_text()

"""`opensqt grid preflight`, against a paper exchange and a ledger; no worker is needed."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from tests.workers.exchange.process import started

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]
SYMBOL = "BTC/USDT:USDT"


@pytest.fixture(name="spec")
def _spec(data: Path, tmp_path: Path) -> str:
    data.mkdir()
    upgrade(sqlite_url(data / "ledger.db"))
    file = tmp_path / "grid.yaml"
    file.write_text(f"symbol: {SYMBOL}\ninterval: 100\namount: 100\nbuy_window: 3\n")
    return str(file)


async def test_a_person_reads_a_table_and_a_program_a_document(
    invoke: Invoke,
    invoke_json: InvokeJson,
    data: Path,
    tmp_path: Path,
    spec: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = ("--symbol", SYMBOL, "--market", "perpetual", "--speed", "0")
    async with started(tmp_path / "exchange", *market) as exchange:
        monkeypatch.setenv("OPENSQT_EXCHANGE", exchange.address)
        await exchange.advance(5)
        shown = await asyncio.to_thread(invoke, "grid", "preflight", spec)
        assert "It would start. Nothing was started." in shown.stdout, shown.output
        assert shown.exit_code == 0
        monkeypatch.setenv("OPENSQT_RISK__PREFLIGHT__MAX_LEVERAGE", "2")
        monkeypatch.setenv("OPENSQT_RISK__PREFLIGHT__MAX_FEE", "0")
        shown = await asyncio.to_thread(invoke, "grid", "preflight", spec, "--accept", "fees")
        assert shown.exit_code == 1
        assert "It would not start: leverage. Nothing was started." in shown.stdout
        code, told = await asyncio.to_thread(invoke_json, "grid", "preflight", spec)
        assert (code, told["starts"]) == (1, False)
        failed = {each["name"]: each for each in told["checks"] if each["outcome"] == "failed"}
        assert set(failed) == {"leverage", "fees"}
        assert failed["leverage"]["found"] == "The leverage is 10."
        assert failed["leverage"]["fix"] == f"Lower the leverage of {SYMBOL} at the venue."
    async with Ledger.open(sqlite_url(data / "ledger.db")) as ledger:
        assert await ledger.runs() == []


def test_a_name_that_cannot_be_accepted_is_a_usage_error(invoke: Invoke, spec: str) -> None:
    for words in (("grid", "preflight"), ("grid", "start"), ("simple", "run")):
        shown = invoke(*words, spec, "--accept", "leverage")
        assert shown.exit_code == 2, shown.output
        assert "accept must be one of balance, fees, foreign_orders" in shown.stderr


def test_without_an_exchange_nothing_can_be_told(invoke: Invoke, spec: str) -> None:
    shown = invoke("grid", "preflight", spec)
    assert shown.exit_code == 3
    assert "does not answer" in shown.stderr

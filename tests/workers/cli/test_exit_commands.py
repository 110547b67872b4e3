"""`opensqt grid exit` and `risk exit`: asked for in the ledger, begun by who works on the run."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from activities.exits import Exits
from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.store.records import Run
from domain.risk.leaving import Phase
from domain.risk.way_out import Debt, WayOut
from tests.activities.wire import INSTRUMENT, SYMBOL
from tests.eventually import eventually

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]
T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OUT = ("--why", "the venue fails", "--yes", "--no-wait")


@pytest.fixture(autouse=True)
def _ledger(data: Path) -> None:
    data.mkdir()
    url = sqlite_url(data / "ledger.db")
    upgrade(url)

    async def open_runs() -> None:
        async with Ledger.open(url) as ledger:
            for name, tag, kind in (("one", "abcd1234", "simple"), ("two", "abcd1235", "grid")):
                run = Run(name, tag, kind, "paper", "paper", SYMBOL, {}, INSTRUMENT, T0)
                await ledger.open_run(run)

    asyncio.run(open_runs())


def test_it_is_asked_for_once_and_seen_and_in_the_log(
    invoke: Invoke, invoke_json: InvokeJson
) -> None:
    for why in ("the venue fails", "it fails still"):
        code, told = invoke_json("grid", "exit", "one", "--why", why, "--yes", "--no-wait")
        (way,) = told["exits"]
        assert (code, way["run_id"], way["number"], way["why"]) == (0, "one", 1, "the venue fails")
        assert (way["debt"], way["ended_at"], way["alone"]) == (None, None, True)
    _, shown = invoke_json("risk", "status")
    stands = {run["name"]: (run["halted"], run["exit"] is not None) for run in shown["runs"]}
    assert stands == {"one": (True, True), "two": (False, False)}
    assert "LEAVING since" in " ".join(invoke("risk", "status").stdout.split())
    _, log = invoke_json("audit", "--run", "one")
    commands = [(each["command"], each["why"]) for each in log["entries"]]
    assert commands == [
        ("exit asked", "the venue fails"),
        ("breaker open", "emergency exit: the venue fails"),
    ]


def test_a_durable_one_waits_for_temporal_if_that_is_down(
    invoke: Invoke, invoke_json: InvokeJson
) -> None:
    result = invoke("risk", "exit", "--account", "paper", *OUT)
    assert result.exit_code == 0
    assert "2 asked to leave" in result.stdout
    assert "note: asked, and begun when Temporal is up again" in result.stderr
    _, shown = invoke_json("risk", "status")
    assert [run["exit"]["why"] for run in shown["runs"]] == ["the venue fails"] * 2


async def test_it_tells_each_change_until_it_has_ended(data: Path, invoke: Invoke) -> None:
    words = ("grid", "exit", "one", "--why", "the venue fails", "--yes")
    command = asyncio.create_task(asyncio.to_thread(invoke, *words))
    async with Ledger.open(sqlite_url(data / "ledger.db")) as ledger:
        exits = Exits(ledger, RiskDesk(ledger))

        async def asked() -> WayOut | None:
            return (await exits.of(["one"])).get("one")

        way = await eventually(asked, what="a request")
        await exits.end(way, Debt(Phase.LEFT_OVER, Decimal("0.001"), Decimal(4), 2))
        result = await asyncio.wait_for(command, 30)
        assert result.exit_code == 0
        assert f"one: left_over, 0.001 of {SYMBOL} open, worth 4" in result.stdout
        run = await ledger.run("one")
        assert run is not None
        assert (await exits.ask(run, "ann", "again")).number == 2


@pytest.mark.parametrize(
    "words,code,said",
    [
        (("grid", "exit", "none", *OUT), 4, "there is no run none"),
        (("grid", "exit", "one", "--why", "x"), 2, "there is nobody to ask: add --yes"),
        (("grid", "exit", "one", "--why", "", "--yes"), 2, "an exit needs a reason"),
        (("risk", "exit", "--account", "other", *OUT), 2, "account must be one of paper"),
    ],
)
def test_what_cannot_be_done_is_told(
    invoke: Invoke, words: tuple[str, ...], code: int, said: str
) -> None:
    result = invoke(*words)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_an_account_without_runs_has_nothing_to_leave(data: Path, invoke: Invoke) -> None:
    async def close() -> None:
        async with Ledger.open(sqlite_url(data / "ledger.db")) as ledger:
            for name in ("one", "two"):
                await ledger.close_run(name, T0)

    asyncio.run(close())
    result = invoke("risk", "exit", "--account", "paper", *OUT)
    assert (result.exit_code, "no run of account paper is open" in result.stderr) == (1, True)

"""`opensqt risk` and `opensqt audit`: they need the ledger, and nothing that runs."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.store.records import Run
from domain.risk.monitor import Verdict
from domain.risk.readings import Reading
from tests.activities.wire import INSTRUMENT, SYMBOL
from workers.settings import load_settings

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]
T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _ledger(data: Path) -> None:
    data.mkdir()
    url = sqlite_url(data / "ledger.db")
    upgrade(url)

    async def open_run() -> None:
        async with Ledger.open(url) as ledger:
            run = Run("my-grid", "abcd1234", "grid", "paper", "paper", SYMBOL, {}, INSTRUMENT, T0)
            await ledger.open_run(run)

    asyncio.run(open_run())


def stands(invoke_json: InvokeJson) -> tuple[bool, str]:
    code, told = invoke_json("risk", "status")
    (run,) = told["runs"]
    assert (code, run["name"], run["account"]) == (0, "my-grid", "paper")
    return run["halted"], run["why"]


@pytest.mark.parametrize("which", [(), ("--account", "paper"), ("--run", "my-grid")])
def test_a_trip_halts_and_a_reset_lets_go_on_and_both_are_in_the_log(
    invoke: Invoke, invoke_json: InvokeJson, which: tuple[str, ...]
) -> None:
    assert stands(invoke_json) == (False, "clear")
    code, told = invoke_json("risk", "trip", *which, "--why", "news at two")
    assert (code, told["phase"]) == (0, "open")
    halted, why = stands(invoke_json)
    assert halted
    assert "news at two" in why
    shown = " ".join(invoke("risk", "status").stdout.split())
    assert "halted" in shown
    assert "news at two" in shown
    assert "is closed" in invoke("risk", "reset", *which, "--why", "over").stdout
    assert stands(invoke_json) == (False, "clear")
    _, log = invoke_json("audit")
    assert [each["why"] for each in log["entries"]] == ["over", "news at two"]
    assert all(each["who"] for each in log["entries"])
    assert log["entries"][0]["before"]["phase"] == "open"
    _, of_run = invoke_json("audit", "--run", "my-grid", "--limit", "1")
    assert [each["why"] for each in of_run["entries"]] == (["over"] if "--run" in which else [])
    assert "news at two" in invoke("audit").stdout


@pytest.mark.parametrize(
    "words,code,said",
    [
        (("trip", "--why", " "), 2, "--why"),
        (("trip", "--run", "nobody", "--why", "x"), 4, "nobody"),
        (("reset", "--account", "other", "--why", "x"), 2, "account must be one of paper"),
        (("reset", "--run", "my-grid", "--account", "paper", "--why", "x"), 2, "one of them"),
        (("trip",), 2, "--why"),
    ],
)
def test_what_cannot_be_done_is_refused(
    invoke: Invoke, invoke_json: InvokeJson, words: tuple[str, ...], code: int, said: str
) -> None:
    result = invoke("risk", *words)
    assert result.exit_code == code
    assert said in result.stderr
    assert stands(invoke_json) == (False, "clear")


def test_a_monitor_that_is_set_up_and_says_nothing_halts(
    invoke_json: InvokeJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSQT_RISK__MONITOR__SYMBOLS", '["BTC/USDT"]')
    assert stands(invoke_json) == (True, "the market monitor has not spoken")


def test_the_environment_says_when_breakers_open(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSQT_RISK__BREAKER", '{"consecutive_losses": null}')
    monkeypatch.setenv("OPENSQT_RISK__BREAKER__REFUSALS", "7")
    monkeypatch.setenv("OPENSQT_RISK__LIMITS__ACCOUNTS__PAPER__EXPOSURE", "1000")
    spec = load_settings(data).risk
    assert (spec.breaker.consecutive_losses, spec.breaker.refusals) == (None, 7)
    assert spec.breaker.drawdown_percent == 10
    assert spec.limits.accounts["paper"].exposure == 1000


def test_the_word_of_the_monitor_is_shown_with_its_numbers_and_a_person_may_overrule_it(
    data: Path, invoke: Invoke, invoke_json: InvokeJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke_json("risk", "status")[1]["monitor"] is None
    monkeypatch.setenv("OPENSQT_RISK__MONITOR__SYMBOLS", f'["{SYMBOL}"]')
    unheard = invoke_json("risk", "status")[1]["monitor"]
    assert (unheard["halted"], unheard["why"]) == (True, "the market monitor has not spoken")
    assert "nothing to reset" in invoke("risk", "reset", "--monitor", "--why", "x").stderr
    spec = load_settings(data).risk
    now = datetime.now(UTC)
    opened = now.replace(second=0, microsecond=0)
    loud = Reading(SYMBOL, opened, False, 590, Decimal(600), 90, Decimal(10), True, False)
    storm = Verdict(True, "storm: much", now, True, (loud,), (), opened, opened)

    async def speak() -> None:
        async with Ledger.open(sqlite_url(data / "ledger.db")) as ledger:
            await RiskDesk(ledger, spec).speak(storm)

    asyncio.run(speak())
    line = invoke_json("risk", "status")[1]["monitor"]
    assert (line["halted"], line["why"]) == (True, "storm: much")
    assert [(each["price"], each["average_volume"]) for each in line["readings"]] == [(590, "10")]
    shown = " ".join(invoke("risk", "status").stdout.split())
    assert f"{SYMBOL} {opened:%H:%M} forming 590 600.00 90 10.00 anomalous" in shown
    code, told = invoke_json("risk", "reset", "--monitor", "--why", "a fat finger")
    assert (code, told["scope"]) == (0, "monitor")
    assert invoke_json("audit")[1]["entries"][0]["why"] == "a fat finger"
    refused = invoke("risk", "reset", "--monitor", "--run", "my-grid", "--why", "x")
    assert refused.exit_code == 2

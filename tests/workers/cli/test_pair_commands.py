"""The commands of pairs against a real stack: two exchanges, a Temporal server and its workers."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from temporalio.client import Client

from activities.store.ledger import Ledger
from tests.eventually import eventually
from tests.workers.cli.pair_exchanges import (
    HOUR,
    PERPETUAL,
    RATE,
    SPEC,
    SPOT,
    accounts_of,
    exchanges,
)
from tests.workers.exchange.process import ROOT
from tests.workflows.server import TemporalServer
from tests.workflows.stage import connected
from workers.cli.pair_runs import PairRuns
from workers.durable import account_worker
from workers.exchange.server import Running
from workers.settings import load_settings
from workers.wiring import all_desks
from workflows import names
from workflows.messages import Command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]


@pytest.fixture(name="spec")
def _spec(tmp_path: Path) -> str:
    path = tmp_path / "pair.yaml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture(name="exchanges")
async def _exchanges(
    books: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[str, Running]]:
    """An exchange for each account, and a ledger; commands find them by the environment."""
    async with exchanges(tmp_path) as found:
        monkeypatch.setenv("OPENSQT_ACCOUNTS", accounts_of(found))
        yield found


@pytest.fixture(name="client")
async def _client(
    server: TemporalServer, exchanges: dict[str, Running], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    monkeypatch.setenv("OPENSQT_TEMPORAL", server.address)
    client = await connected(server.address)
    yield client
    async for run in client.list_workflows("ExecutionStatus='Running'"):
        await client.get_workflow_handle(run.id).terminate("the test ends")


@pytest.fixture(name="workers")
async def _workers(client: Client) -> AsyncIterator[None]:
    """Workers of both accounts, as `opensqt worker` makes them."""
    settings = load_settings()
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(Ledger.open(settings.ledger_url))
        desks = await stack.enter_async_context(all_desks(settings, ledger, ("spot", "perp")))
        for each in desks:
            await stack.enter_async_context(account_worker(client, each))
        yield


async def run(invoke: Callable[..., Any], *words: str) -> Any:
    """Run a command beside the stack that this loop drives."""
    return await asyncio.to_thread(invoke, *words)


async def until_quiet(invoke_json: InvokeJson, name: str, trades: int) -> dict[str, Any]:
    """Wait until a pair has made so many trades and none is in flight."""

    async def quiet() -> dict[str, Any] | None:
        _, told = await run(invoke_json, "arb", "status", name)
        found: dict[str, Any] | None = told.get("status")
        done = found is not None and found["trades"] == trades and not found["trade"]
        return found if done else None

    return await eventually(quiet, within=60, what=f"{trades} trades of {name}")


# --- before there is a pair


async def test_a_preview_tells_what_a_pair_would_be_and_changes_nothing(
    exchanges: dict[str, Running], spec: str, invoke: Invoke, invoke_json: InvokeJson
) -> None:
    code, told = await run(invoke_json, "arb", "preview", spec)
    assert (code, told["enters"], told["why_not"]) == (0, True, [])
    assert (told["direction"], told["apr"]) == ("positive", "1.095")
    first, second = told["legs"]
    assert (first["account"], first["base"], second["base"]) == ("spot", "0.100", "-0.100")
    assert (Decimal(second["rate"]), second["interval_hours"]) == (RATE, "8")
    shown = await run(invoke, "arb", "preview", spec)
    assert "It would be entered now." in shown.stdout
    assert "109.50 % a year" in shown.stdout
    for account, symbol in (("spot", SPOT), ("perp", PERPETUAL)):
        ever = datetime.now(UTC) - 3 * HOUR
        assert not exchanges[account].host.exchange.orders_since(account, symbol, ever)
    code, told = await run(invoke_json, "arb", "list", "--all")
    assert (code, told) == (0, {"pairs": []})


async def test_a_preview_tells_in_words_why_a_pair_is_not_entered(
    exchanges: dict[str, Running], spec: str, invoke: Invoke, tmp_path: Path
) -> None:
    assert exchanges
    (tmp_path / "greedy.yaml").write_text(f"{SPEC}entry_apr: 3\n")
    shown = await run(invoke, "arb", "preview", str(tmp_path / "greedy.yaml"))
    assert "It would not be entered now:" in shown.stdout
    assert "it would earn 109.50% a year, entry_apr is 300.00%" in shown.stdout


async def test_what_does_not_fit_or_does_not_answer_is_told(
    exchanges: dict[str, Running], invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exchanges
    (tmp_path / "spots.yaml").write_text(
        SPEC.replace(f'perp, symbol: "{PERPETUAL}"', "perp, symbol: BTC/USDT")
    )
    result = await run(invoke, "arb", "preview", str(tmp_path / "spots.yaml"))
    assert (result.exit_code, "second.symbol must be a perpetual" in result.stderr) == (2, True)
    (tmp_path / "pair.yaml").write_text(SPEC)
    result = await run(invoke, "arb", "start", str(tmp_path / "pair.yaml"))
    assert (result.exit_code, "Temporal does not answer" in result.stderr) == (3, True)
    monkeypatch.setenv("OPENSQT_ACCOUNTS", "{}")
    result = await run(invoke, "arb", "preview", str(tmp_path / "pair.yaml"))
    assert (result.exit_code, "account must be one of" in result.stderr) == (2, True)


# --- a durable pair


async def test_a_pair_is_started_watched_told_and_stopped(
    workers: None, spec: str, invoke: Invoke, invoke_json: InvokeJson, tmp_path: Path
) -> None:
    started = await run(invoke, "arb", "start", spec, "--name", "ours")
    assert started.exit_code == 0, started.output
    assert "pair ours is running: opensqt arb watch ours" in started.stdout
    again = await run(invoke, "arb", "start", spec, "--name", "ours")
    assert (again.exit_code, "`opensqt arb status ours`" in again.stderr) == (5, True)
    grid = tmp_path / "grid.yaml"
    grid.write_text(f"symbol: {PERPETUAL}\naccount: perp\ninterval: 10\namount: 50\n")
    same = await run(invoke, "grid", "start", str(grid), "--name", "ours")
    assert (same.exit_code, "`opensqt arb status ours`" in same.stderr) == (5, True)

    held = await until_quiet(invoke_json, "ours", 1)
    assert (held["phase"], held["direction"], held["apr"]) == ("running", "positive", "1.095")
    # Spot takes its fee in base, that of a taker or of a maker.
    spot, perpetual = (Decimal(leg["base"]) for leg in held["legs"])
    assert perpetual == -Decimal("0.1")
    assert 0 > spot + perpetual > -Decimal("0.001")
    shown = (await run(invoke, "arb", "status", "ours")).stdout
    assert all(words in shown for words in ("109.50 % a year", "0.1000 % / 8 h", "spot", "-0.1"))
    once = await run(invoke, "arb", "watch", "ours", "--once")
    assert "running, positive  109.50 % a year  +0.0999" in once.stdout

    paused = await run(invoke, "arb", "pause", "ours", "--why", "news")
    assert paused.stdout == "pair ours is paused\n"
    twice = await run(invoke, "arb", "pause", "ours")
    assert (twice.exit_code, "the run is paused" in twice.stderr) == (1, True)
    resumed = await run(invoke, "arb", "resume", "ours")
    assert resumed.stdout == "pair ours is running\n"
    await run(invoke, "arb", "exit", "ours", "--why", "enough")
    left = await until_quiet(invoke_json, "ours", 2)
    assert (left["phase"], left["direction"]) == ("running", None)

    stopped = await run(invoke, "arb", "stop", "ours")
    assert stopped.exit_code == 0, stopped.output
    await eventually(lambda: _is_over(invoke_json, "ours"), what="the end")
    code, told = await run(invoke_json, "arb", "pause", "ours")
    assert (code, told["error"]["message"]) == (1, "run ours has ended: nothing can be changed")
    _, log = await run(invoke_json, "audit", "--run", "ours")
    commands = [each["command"] for each in log["entries"]]
    assert {"pause", "resume", "exit", "stop", "enter done", "exit done"} <= set(commands)


async def _is_over(invoke_json: InvokeJson, name: str) -> bool:
    _, told = await run(invoke_json, "arb", "list", "--all")
    (pair,) = [each for each in told["pairs"] if each["name"] == name]
    return pair["ended_at"] is not None


async def test_a_watcher_prints_a_line_for_each_change_until_the_end(
    workers: None, spec: str, invoke: Invoke, invoke_json: InvokeJson
) -> None:
    await run(invoke, "arb", "start", spec, "--name", "seen")
    await until_quiet(invoke_json, "seen", 1)
    watching = asyncio.create_task(run(_lines, "seen"))
    await run(invoke_json, "arb", "stop", "seen")
    told = await asyncio.wait_for(watching, 60)
    assert "ended, nothing held" in told[-1]
    assert len(told) == len(set(told))


def _lines(name: str) -> list[str]:
    """Return what `arb watch` prints, by a process of its own: its output is read as it comes."""
    words = [sys.executable, "-m", "workers.cli", "arb", "watch", name]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"}
    done = subprocess.run(
        words, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [line.partition("  ")[2] for line in done.stdout.splitlines()]


async def test_settings_of_a_live_pair_are_changed_and_its_legs_are_not(
    workers: None, spec: str, invoke: Invoke, invoke_json: InvokeJson, tmp_path: Path
) -> None:
    await run(invoke, "arb", "start", spec, "--name", "tuned")
    await until_quiet(invoke_json, "tuned", 1)
    (tmp_path / "next.yaml").write_text(f"{SPEC}entry_apr: 5\nexit_apr: 2\n")
    words = ("arb", "reconfigure", "tuned", str(tmp_path / "next.yaml"))
    result = await run(invoke, *words)
    assert (result.exit_code, "there is nobody to ask" in result.stderr) == (2, True)
    result = await run(invoke, *words, "--dry-run")
    assert "would be left: it earns less than 200.00%" in result.stdout
    (tmp_path / "other.yaml").write_text(SPEC.replace("spot,", "perp,"))
    other = await run(invoke, "arb", "reconfigure", "tuned", str(tmp_path / "other.yaml"), "--yes")
    assert (other.exit_code, "stay what they are" in other.stderr) == (2, True)
    code, told = await run(invoke_json, *words, "--yes")
    assert (code, told["changed"]) == (0, True)
    left = await until_quiet(invoke_json, "tuned", 2)
    assert left["direction"] is None


async def test_without_workers_everything_says_so(
    client: Client,
    exchanges: dict[str, Running],
    invoke: Invoke,
    invoke_json: InvokeJson,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Temporal remembers the workers of other accounts for a while.
    accounts = {f"idle-{name}": {"address": each.address} for name, each in exchanges.items()}
    monkeypatch.setenv("OPENSQT_ACCOUNTS", json.dumps(accounts))
    path = tmp_path / "idle.yaml"
    path.write_text(SPEC.replace("{account: ", "{account: idle-"))
    code, told = await run(invoke_json, "arb", "start", str(path), "--name", "alone")
    assert (code, told["phase"]) == (0, "starting")
    notes = " ".join(told["notes"])
    assert "no worker takes legs of account idle-perp: `opensqt worker --queues idle-perp`" in notes
    result = await run(invoke, "arb", "pause", "alone")
    assert (result.exit_code, "no worker answered for run alone" in result.stderr) == (3, True)
    missing = await run(invoke, "arb", "status", "nobody")
    assert (missing.exit_code, "`opensqt arb list`" in missing.stderr) == (4, True)
    folio = tmp_path / "folio.yaml"
    folio.write_text("accounts: [idle-spot, idle-perp]\nequity: 1000\n")
    begun = await run(invoke, "portfolio", "start", str(folio))
    assert (begun.exit_code, "portfolio folio is started" in begun.stdout) == (0, True)
    for words, code, said in (
        (("start", str(folio)), 5, "see it with `opensqt portfolio status folio`"),
        (("pause", "folio"), 3, "no worker answered for portfolio folio"),
        (("status", "alone"), 4, "run alone is another kind: `opensqt arb status alone`"),
        (("status", "nobody"), 4, "there is no portfolio nobody: `opensqt audit`"),
    ):
        result = await run(invoke, "portfolio", *words)
        assert (result.exit_code, said in result.stderr) == (code, True), result.output


async def test_who_ends_a_command_is_not_told_that_nobody_answers(client: Client) -> None:
    """Temporal's client makes an error of its own of a cancel, and Ctrl-C was taken for silence."""
    await client.start_workflow(names.ARBITRAGE_RUN, {}, id="alone", task_queue="nobody works here")
    asked = asyncio.create_task(PairRuns(client, load_settings()).tell("alone", "pause", Command()))
    await eventually(lambda: "start_workflow_update" in _stands_in(asked), what="the update")
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


def _stands_in(task: "asyncio.Task[Any]") -> list[str]:
    """Return the names of the functions that *task* waits in, the outermost one first."""
    found: list[str] = []
    at: Any = task.get_coro()
    while at is not None:
        found.append(getattr(at, "__name__", ""))
        at = getattr(at, "cr_await", None)
    return found


# --- where other commands meet pairs


async def test_other_commands_know_what_a_leg_is(
    workers: None, data: Path, spec: str, invoke: Invoke, invoke_json: InvokeJson
) -> None:
    await run(invoke, "arb", "start", spec, "--name", "legs")
    status = await until_quiet(invoke_json, "legs", 1)
    assert await run(invoke_json, "grid", "list", "--all") == (0, {"runs": []})
    code, told = await run(invoke_json, "reconcile")
    assert (code, told) == (0, {"runs": []})
    for words, code, said in (
        (("grid", "status", "legs"), 4, "run legs is another kind: `opensqt arb status legs`"),
        (("grid", "pause", "legs"), 4, "run legs is another kind: `opensqt arb status legs`"),
        (("grid", "status", "legs.1"), 2, "is a leg of the pair legs"),
        (("grid", "exit", "legs.1", "--why", "x", "--yes"), 2, "is a leg of the pair legs"),
        (("grid", "exit", "legs", "--why", "x", "--yes"), 2, "`opensqt arb stop legs`"),
        (("reconcile", "legs"), 2, "compares its books"),
        (("risk", "trip", "--run", "legs", "--why", "x"), 2, "--run legs.1 and --run legs.2"),
    ):
        result = await run(invoke, *words)
        assert (result.exit_code, said in result.stderr) == (code, True), result.output
    _, told = await run(invoke_json, "pnl", "legs")
    assert sorted(each["name"] for each in told["runs"]) == ["legs.1", "legs.2"]
    (pair,) = told["pairs"]
    slipped = [Decimal(leg["slippage"]) for leg in status["legs"]]
    assert [Decimal(each["slippage"]) for each in told["runs"]] == slipped  # of the ledger, too
    assert Decimal(pair["slippage"]) == sum(slipped) > 0
    parts = Decimal(pair["funding"]) + Decimal(pair["basis"])
    parts -= Decimal(pair["slippage"]) + Decimal(pair["fees"])
    assert Decimal(pair["total"]) == parts
    assert {Decimal(each["residual"]) for each in told["accounts"]} == {Decimal(0)}
    shown_money = (await run(invoke, "pnl")).stdout
    assert all(word in shown_money for word in ("basis", "slippage"))
    with closing(sqlite3.connect(data / "ledger.db")) as old:  # of a program that kept no price
        old.execute("UPDATE orders SET decided = NULL")
        old.commit()
    _, told = await run(invoke_json, "pnl", "legs")
    (pair,) = told["pairs"]
    assert pair["slippage"] is None
    parts = Decimal(pair["funding"]) + Decimal(pair["basis"]) - Decimal(pair["fees"])
    assert Decimal(pair["total"]) == parts
    _, shown = await run(invoke_json, "risk", "status")
    assert sorted(each["name"] for each in shown["runs"]) == ["legs.1", "legs.2"]

    out = ("risk", "exit", "--account", "perp", "--why", "it fails", "--yes", "--no-wait")
    code, told = await run(invoke_json, *out)
    assert (code, told["exits"], told["pairs"][0]["stops"]) == (0, [], True)
    await eventually(lambda: _is_over(invoke_json, "legs"), within=60, what="both legs closed")

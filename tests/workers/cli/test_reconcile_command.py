"""`opensqt reconcile`: a plan by an exchange and a run's checkpoint, and what cannot be told."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.grid.spec import parse_spec
from domain.money import MarketKind
from domain.orders import Side
from tests.eventually import eventually
from tests.reconcile.worlds import opened_world
from workers.cli.comparing import RunPlan, plan_of
from workers.settings import load_settings
from workers.simple_run import SimpleRun
from workers.wiring import desks

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]


@pytest.fixture(name="ledger")
def _ledger(data: Path) -> Path:
    data.mkdir()
    for name in ("ledger.db", "simple.db"):
        upgrade(sqlite_url(data / name))
    return data


def test_without_runs_there_is_nothing_to_compare(
    ledger: Path, invoke: Invoke, invoke_json: InvokeJson
) -> None:
    assert ledger.exists()
    assert invoke_json("reconcile") == (0, {"runs": []})
    assert "no runs" in invoke("reconcile").stdout
    assert invoke_json("reconcile", "--apply") == (0, {"applied": []})
    code, told = invoke_json("reconcile", "nobody")
    assert (code, "nobody" in str(told)) == (4, True)


async def planned(data: Path, sold: int) -> RunPlan:
    """Return the plan of a simple run that has bought, after *sold* lots were sold by hand."""
    url = sqlite_url(data / "ledger.db")
    async with (
        opened_world("paper", MarketKind.PERPETUAL, data) as world,
        Ledger.open(url) as ledger,
    ):
        grid = {"symbol": world.instrument.symbol, "interval": "10", "amount": "505"}
        spec = parse_spec({**grid, "buy_window": 3, "reconcile_every": 3600})
        made = desks("paper", world.venue, ledger)
        with CheckpointStore.open(data / "simple.db", "by-name") as store:
            run = await SimpleRun.open("by-name", spec, made, store)
            task = asyncio.create_task(run.run())
            await eventually(lambda: len(world.resting(Side.BUY)) == 3, what="three entries")
            world.advance(4)
            await eventually(lambda: world.leaves == world.lots > 1000, what="two exits")
            await eventually(lambda: all(o.rank for o in run.state.working()), what="answers")
            if sold:
                world.by_hand(-sold)
            stored = await ledger.run("by-name")
            assert stored is not None
            found = await plan_of(load_settings(data), ledger, stored, world.venue)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return found


@pytest.mark.parametrize(
    "sold,agreement", [(0, "match"), (10, "correct"), (500, "severe")], ids=str
)
def test_a_plan_says_what_a_comparison_would_come_to(
    ledger: Path, sold: int, agreement: str
) -> None:
    found = asyncio.run(planned(ledger, sold))
    assert found.position is not None
    assert (found.name, found.note, str(found.position.agreement)) == ("by-name", "", agreement)
    # Of the exits the exchange takes back what the position can no longer be reduced by.
    assert {str(order.move) for order in found.orders} <= {"keep", "recreate"}
    assert sold or {str(order.move) for order in found.orders} == {"keep"}


def test_a_simple_run_cannot_be_told(ledger: Path, invoke_json: InvokeJson) -> None:
    asyncio.run(planned(ledger, 0))
    code, told = invoke_json("reconcile", "by-name", "--apply")
    assert code == 2
    assert "is a simple run" in str(told)

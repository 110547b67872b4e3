"""The plain loop, the simple runner and the durable runner do the same: byte for byte."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from domain.grid.spec import GridSpec, StopMode, parse_spec
from tests.domain.simulation.test_recorded_tapes import PERPETUAL, SPOT, crash_day, trades
from tests.lockstep import Asked
from tests.parity import lab
from tests.parity.lab import Outcome, Scenario

#: Ticks of the reconcile timer come by the wall clock, so there are none here.
_CALM = {"reconcile_every": 3600}


def perpetual(**fields: Any) -> GridSpec:
    common = {"symbol": PERPETUAL.symbol, "interval": "26", "amount": 300, "buy_window": 6}
    return parse_spec(common | _CALM | fields)


def spot(**fields: Any) -> GridSpec:
    return parse_spec({"symbol": SPOT.symbol, "interval": "500", "amount": 500} | _CALM | fields)


def full_trades() -> Scenario:
    return Scenario(PERPETUAL, perpetual(), trades())


def full_crash_day() -> Scenario:
    return Scenario(SPOT, spot(), crash_day())


def neutral() -> Scenario:
    spec = perpetual(direction="neutral", sell_window=6, skew={"factor": 0.5, "max_levels": 3})
    return Scenario(PERPETUAL, spec, trades()[:12_000])


def short() -> Scenario:
    return Scenario(PERPETUAL, perpetual(direction="short", sell_window=5), trades()[6_000:])


def adaptive() -> Scenario:
    spec = spot(interval="200", adaptive={"scale": 1, "period": 5, "candle": "1m"})
    return Scenario(SPOT, spec, crash_day()[660:800])


def commands() -> Scenario:
    changed = perpetual(interval="30", buy_window=4)
    asked: dict[int, Asked] = {2_000: "pause", 4_000: "resume", 7_000: changed}
    orders = {**asked, 12_000: StopMode.CLOSE}
    return Scenario(PERPETUAL, perpetual(), trades(), orders)


SCENARIOS = {
    "trades": full_trades,
    "crash_day": full_crash_day,
    "neutral": neutral,
    "short": short,
    "adaptive": adaptive,
    "commands": commands,
}
#: Fewer fills would show little.
LEAST = {"trades": 50, "crash_day": 100, "neutral": 20, "short": 10, "adaptive": 20, "commands": 10}
#: Here entries are canceled because the ladder changes, or a person asks for it.
MOVING = ("adaptive", "commands")


@pytest.fixture(name="name", params=list(SCENARIOS))
def _name(request: pytest.FixtureRequest, shared_data: Path) -> str:
    return str(request.param)


@pytest.fixture(name="scenario")
def _scenario(name: str) -> Scenario:
    return SCENARIOS[name]()


async def reference(scenario: Scenario, directory: Path) -> Outcome:
    (directory / "plain").mkdir()
    return await lab.plain(scenario, directory / "plain")


def same(one: Outcome, other: Outcome) -> None:
    assert one.actions == other.actions
    assert one.ledger == other.ledger
    assert one.residual == other.residual == Decimal(0)


async def test_the_simple_runner_does_what_the_plain_loop_does(
    name: str, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = await reference(scenario, tmp_path)
    assert wanted.fills >= LEAST[name]
    assert name not in MOVING or wanted.actions.count('"kind": "cancel"') > 10
    same(await lab.simple(scenario, tmp_path, monkeypatch), wanted)


@pytest.mark.slow
async def test_the_durable_runner_does_what_the_plain_loop_does(
    name: str, scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    wanted = await reference(scenario, tmp_path)
    assert wanted.fills >= LEAST[name]
    same(await lab.durable(scenario, tmp_path, monkeypatch, client), wanted)

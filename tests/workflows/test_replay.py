"""Recorded runs replay: a change that would break live runs is found here."""

import json
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError

from tests.histories.scenarios import SCENARIOS, name_of
from tests.workflows.guarding import RollingGuard
from tests.workflows.one_more_activity import OneMoreActivity
from tests.workflows.replaying import replayer
from tests.workflows.soon_rolling import SoonRolling
from workflows.alerts import AlertRun
from workflows.exit import EmergencyExit
from workflows.feed import FeedRun
from workflows.grid import GridRun
from workflows.names import ALERT_RUN, FEED_RUN
from workflows.risk import RiskGuard

HISTORIES = Path(__file__).parents[1] / "histories"
RECORDED = sorted(HISTORIES.glob("*.json"))
OTHERS = {
    "alert_run": AlertRun,
    "emergency_exit": EmergencyExit,
    "feed_run": FeedRun,
    "risk_guard": RollingGuard,
}
GRIDS = [path for path in RECORDED if path.stem not in OTHERS]
KINDS = {"continue_as_new": SoonRolling, **OTHERS}


def history(path: Path) -> WorkflowHistory:
    # The tag in a run's order ids comes from its name: under another one it would know no order.
    return WorkflowHistory.from_json(name_of(path.stem), path.read_text())


def events(path: Path) -> list[str]:
    return [event["eventType"] for event in json.loads(path.read_text())["events"]]


def test_every_scenario_is_recorded() -> None:
    assert [path.stem for path in RECORDED] == sorted(SCENARIOS)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_run_replays(path: Path) -> None:
    result = await replayer(KINDS.get(path.stem, GridRun)).replay_workflow(history(path))
    assert result.replay_failure is None


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
async def test_one_activity_more_is_noticed(path: Path) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(OneMoreActivity).replay_workflow(history(path))


async def test_a_run_that_rolls_elsewhere_is_noticed() -> None:
    """The recorded one went on in a new workflow after 40 events; this one would not have."""
    path = HISTORIES / "continue_as_new.json"
    assert events(path)[-1].endswith("CONTINUED_AS_NEW")
    with pytest.raises(NondeterminismError):
        await replayer(GridRun).replay_workflow(history(path))


async def test_a_guard_that_rolls_elsewhere_is_noticed() -> None:
    with pytest.raises(NondeterminismError):
        await replayer(RiskGuard).replay_workflow(history(HISTORIES / "risk_guard.json"))


@workflow.defn(name=FEED_RUN)
class SleepyFeed(FeedRun):
    """A feed that does one thing more than the recorded one."""

    @workflow.run
    async def run(self, account: str) -> None:
        await workflow.sleep(1)
        await super().run(account)


@workflow.defn(name=ALERT_RUN)
class SleepyAlerts(AlertRun):
    """A delivery that does one thing more than the recorded one."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(1)
        await super().run()


@pytest.mark.parametrize("name,kind", [("feed_run", SleepyFeed), ("alert_run", SleepyAlerts)])
async def test_a_stream_or_a_delivery_that_does_more_is_noticed(name: str, kind: type) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(kind).replay_workflow(history(HISTORIES / f"{name}.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recording_names_no_machine_and_is_small(path: Path) -> None:
    text = path.read_text()
    assert len(text) < 200_000
    assert "@" not in text
    assert str(Path.home()) not in text
    assert str(Path(__file__).parents[2]) not in text
    identities = {
        attributes["identity"]
        for event in json.loads(text)["events"]
        for attributes in event.values()
        if isinstance(attributes, dict) and "identity" in attributes
    }
    assert identities <= {"worker", "history-service", ""}

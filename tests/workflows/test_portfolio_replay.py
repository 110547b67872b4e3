"""A recorded portfolio replays: a change that would break live ones is found here."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError

from tests.portfolio.soon_rolling import Recorded
from tests.workflows.replaying import replayer
from workflows.names import PORTFOLIO_RUN
from workflows.portfolio import PortfolioRun
from workflows.portfolio_messages import PortfolioInput, PortfolioResult

RECORDED = sorted((Path(__file__).parents[1] / "histories" / "portfolios").glob("*.json"))


def history(path: Path) -> WorkflowHistory:
    told = json.loads(path.read_text())
    return WorkflowHistory.from_json(told.pop("workflow_id"), told)


def events() -> list[dict[str, Any]]:
    return [event for path in RECORDED for event in json.loads(path.read_text())["events"]]


def asked(activity: str) -> int:
    """Return how often an activity was asked for."""
    attributes = [each.get("activityTaskScheduledEventAttributes", {}) for each in events()]
    return sum(each.get("activityType") == {"name": activity} for each in attributes)


def test_a_whole_chain_is_recorded_with_all_that_a_portfolio_does() -> None:
    kinds = [event["eventType"] for event in events()]
    assert [path.stem for path in RECORDED] == ["portfolio_1", "portfolio_2"]
    assert kinds.count("EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW") == len(RECORDED) - 1
    assert kinds[-1] == "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED"
    assert kinds.count("EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED") == 3
    assert kinds.count("EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED") == 4
    # a relief, two that are told their settings, a resize; then a removal, and the stop of two
    assert asked("change_pair") >= 4
    assert asked("close_pair") == 3
    assert asked("survey") >= 3


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_portfolio_replays(path: Path) -> None:
    result = await replayer(Recorded).replay_workflow(history(path))
    assert result.replay_failure is None


async def test_a_portfolio_that_rolls_elsewhere_is_noticed() -> None:
    with pytest.raises(NondeterminismError):
        await replayer(PortfolioRun).replay_workflow(history(RECORDED[0]))


@workflow.defn(name=PORTFOLIO_RUN)
class Sleepy(Recorded):
    """A portfolio that does one thing more than the recorded one."""

    @workflow.init
    def __init__(self, start: PortfolioInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: PortfolioInput) -> PortfolioResult:
        await workflow.sleep(1)
        return await super().run(start)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_one_command_more_is_noticed(path: Path) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(Sleepy).replay_workflow(history(path))

"""Recorded pairs replay: a change that would break live ones is found here."""

import json
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.workflow import NondeterminismError

from domain.arbitrage.events import TradeEnded
from tests.workflows.replaying import replayer
from workflows.arbitrage import ArbitrageRun
from workflows.names import PAIR_TRADE
from workflows.pair import PairTradeRun
from workflows.pair_messages import PairTradeInput

RECORDED = sorted((Path(__file__).parents[1] / "histories" / "pairs").glob("*.json"))


def history(path: Path) -> WorkflowHistory:
    told = json.loads(path.read_text())
    return WorkflowHistory.from_json(told.pop("workflow_id"), told)


def test_a_pair_and_its_trades_are_recorded() -> None:
    assert [path.stem for path in RECORDED] == ["pair", "trade_1", "trade_2"]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_pair_replays(path: Path) -> None:
    kind = ArbitrageRun if path.stem == "pair" else PairTradeRun
    result = await replayer(kind).replay_workflow(history(path))
    assert result.replay_failure is None


@workflow.defn(name=PAIR_TRADE)
class Sleepy(PairTradeRun):
    """A trade that does one thing more than the recorded ones."""

    @workflow.init
    def __init__(self, start: PairTradeInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: PairTradeInput) -> TradeEnded:
        await workflow.sleep(1)
        return await super().run(start)


@pytest.mark.parametrize("path", RECORDED[1:], ids=lambda path: path.stem)
async def test_one_command_more_is_noticed(path: Path) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(Sleepy).replay_workflow(history(path))

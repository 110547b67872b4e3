"""Pairs and trades that go on in a new workflow much sooner than usual."""

from temporalio import workflow

from domain.arbitrage.events import TradeEnded
from domain.arbitrage.pair import PairTrade
from workflows import arbitrage, names, pair
from workflows.pair_messages import ArbInput, PairResult, PairTradeInput


@workflow.defn(name=names.ARBITRAGE_RUN)
class SoonRollingPair(arbitrage.ArbitrageRun):
    """Rolls every few looks, so that the lab meets it often."""

    roll_at = 40

    @workflow.init
    def __init__(self, start: ArbInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ArbInput) -> PairResult:
        return await super().run(start)


@workflow.defn(name=names.PAIR_TRADE)
class SoonRollingTrade(pair.PairTradeRun):
    """Rolls whenever it rests."""

    roll_at = 12

    @workflow.init
    def __init__(self, start: PairTradeInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: PairTradeInput) -> TradeEnded:
        return await super().run(start)

    @property
    def trade(self) -> PairTrade:
        """The trade as it was kept last."""
        return self._trade

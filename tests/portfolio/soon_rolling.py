"""Portfolios that go on in a new workflow much sooner than the real one: no more."""

from temporalio import workflow

from workflows import names, portfolio
from workflows.portfolio_messages import PortfolioInput, PortfolioResult


@workflow.defn(name=names.PORTFOLIO_RUN)
class SoonRolling(portfolio.PortfolioRun):
    """Rolls after 60 events."""

    roll_at = 60

    @workflow.init
    def __init__(self, start: PortfolioInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: PortfolioInput) -> PortfolioResult:
        return await super().run(start)


@workflow.defn(name=names.PORTFOLIO_RUN)
class Recorded(portfolio.PortfolioRun):
    """Rolls after 250 events: its histories are recorded, so it has to stay as it is."""

    roll_at = 250

    @workflow.init
    def __init__(self, start: PortfolioInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: PortfolioInput) -> PortfolioResult:
        return await super().run(start)

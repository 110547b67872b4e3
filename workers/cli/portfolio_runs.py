"""Portfolios as Temporal knows them."""

from domain.arbitrage.portfolio_spec import PortfolioSpec
from workers.cli.failures import NotFoundError
from workers.cli.runs import QUERY, DurableRuns, operator
from workflows import names
from workflows.portfolio_messages import PortfolioInput, PortfolioPreview, PortfolioStatus


class Portfolios(DurableRuns[PortfolioStatus]):
    """The portfolios of one Temporal namespace."""

    workflow = names.PORTFOLIO_RUN
    group = "portfolio"
    status_type = PortfolioStatus
    noun = "portfolio"

    async def start(self, name: str, spec: PortfolioSpec, why: str) -> None:
        """Start a portfolio; raises ExistsError if there is, or was, a run of that name."""
        message = PortfolioInput(spec, by=operator(), why=why)
        told = f"Portfolio of {', '.join(spec.accounts)}"[:200]
        await self._start(name, names.SERVICES_QUEUE, message, told)

    async def preview(self, name: str, spec: PortfolioSpec) -> PortfolioPreview:
        """Return what *spec* would change of a portfolio; it changes nothing."""
        async with self._answers(name, QUERY):
            handle = await self._handle(name)
            answer: PortfolioPreview = await handle.query(
                "preview", spec, result_type=PortfolioPreview
            )
            return answer

    def _unknown(self, name: str) -> NotFoundError:
        return NotFoundError(
            f"there is no portfolio {name}: `opensqt audit` shows what was started, and as what"
        )

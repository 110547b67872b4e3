"""Pairs as Temporal knows them."""

from activities.messages import Accepted
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.view import PairStatus
from workers.cli.failures import CommandError
from workers.cli.runs import QUERY, DurableRuns
from workflows import names
from workflows.pair_messages import ArbInput, PairTradeStatus


class PairRuns(DurableRuns[PairStatus]):
    """The pairs of one Temporal namespace."""

    workflow = names.ARBITRAGE_RUN
    group = "arb"
    status_type = PairStatus

    async def start(self, name: str, spec: ArbSpec, accepted: Accepted) -> None:
        """Start a pair of *spec*, whose preflights may find what is *accepted*.

        Raises ExistsError if there is, or was, a run of that name.
        """
        for leg in spec.legs:
            self._settings.address_of(leg.account)
        told = f"{spec.first.symbol} against {spec.second.symbol}"
        queue = names.account_queue(spec.first.account)
        await self._start(name, queue, ArbInput(spec, accepted=accepted), told)

    async def trade(self, name: str, tag: str) -> PairTradeStatus | None:
        """Return how far the trade *tag* of a pair is; None if that cannot be told now."""
        handle = self._client.get_workflow_handle(names.trade_workflow_id(name, tag))
        try:
            async with self._answers(name, QUERY):
                answer: PairTradeStatus = await handle.query("status", result_type=PairTradeStatus)
                return answer
        except CommandError:  # it is about to begin, or nobody works on it
            return None

    async def missing(self, account: str) -> str:
        """Return what to do if nobody works on *account*; empty: somebody does."""
        from workers.local.stack import pollers  # noqa: PLC0415  needs much of Temporal's API

        if await pollers(self._client, account):
            return ""
        return f"no worker takes legs of account {account}: `opensqt worker --queues {account}`"

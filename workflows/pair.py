"""A trade of two legs as a Temporal workflow: it does not end before nothing of it is naked.

One for each trade of a pair, by its tag: a second start finds the first. Its decisions are
`domain.arbitrage.pairing`, its loop is the simple runner's. A trade whose workflow is canceled
wants no more, and ends hedged or flat like any other.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

from temporalio import workflow
from temporalio.exceptions import FailureError

from activities.pair_messages import LegTurnInput, PairToldInput
from domain.arbitrage.events import TradeEnded
from domain.arbitrage.pair import PairTrade
from domain.arbitrage.pair_events import AbortAsked, OrderAction, PairEvent
from domain.arbitrage.trades import outcome_of
from domain.grid.events import Alert, TimePassed
from workflows import names, pair_calls
from workflows.canceling import uncanceled
from workflows.length import is_long
from workflows.pair_gauges import show_trade
from workflows.pair_loop import trade_pair
from workflows.pair_messages import PairTradeInput, PairTradeStatus

#: As many events as a history has before the trade goes on in a new workflow.
ROLL_AT: Final = 1000


class _Rolled(Exception):  # noqa: N818 - no error: the history is long enough
    """The trade goes on in a new workflow."""


@workflow.defn(name=names.PAIR_TRADE)
class PairTradeRun:
    """One trade of one pair, from the first order until nothing of it is naked."""

    roll_at: ClassVar[int] = ROLL_AT

    @workflow.init
    def __init__(self, start: PairTradeInput) -> None:
        self._legs = start.legs
        self._why = start.why
        self._trade = start.trade
        self._inbox: list[PairEvent] = list(start.inbox)

    @workflow.run
    async def run(self, start: PairTradeInput) -> TradeEnded:
        """Run until nothing is naked. Nothing makes it fail: it tries again."""
        self._tag()
        work = asyncio.create_task(trade_pair(self, start.trade, begins=not start.begun))
        try:
            self._trade = await uncanceled(work, lambda: self.abort("its workflow was canceled"))
        except _Rolled:
            workflow.continue_as_new(
                PairTradeInput(self._legs, self._trade, self._why, True, tuple(self._inbox))  # noqa: FBT003
            )
        outcome = outcome_of(self._trade)
        await asyncio.shield(self._tell_pair(outcome))
        return outcome

    @workflow.signal
    def abort(self, why: str) -> None:
        """Want no more of the trade: what was done is hedged or undone."""
        self._inbox.append(AbortAsked(workflow.now(), why))

    async def _tell_pair(self, outcome: TradeEnded) -> None:
        """Tell the pair what was done; one that has ended does not have to know."""
        told = {f"leg {each.leg}": f"{each.base} for {each.quote}" for each in outcome.moved}
        did = f"{self._trade.kind} done"
        why = outcome.gave_up or self._why
        await pair_calls.tell_pair(PairToldInput(self._legs[0], (), did, why, after=told))
        pair = workflow.get_external_workflow_handle(self._legs[0].pair)
        try:
            await pair.signal("trade_ended", outcome)
        except FailureError as error:
            workflow.logger.warning("%s could not be told: %s", self._legs[0].pair, error)

    # --- the hands of the loop ---------------------------------------------------------------

    async def keep(self, trade: PairTrade) -> None:
        """Show *trade*; the history keeps it."""
        self._trade = trade
        show_trade(self._legs[0].pair, trade)
        workflow.set_current_details(_details(self.status()))

    async def turn(
        self, trade: PairTrade, number: int, actions: Sequence[OrderAction]
    ) -> Sequence[PairEvent]:
        """Have *actions* carried out by a worker of the leg's account."""
        order = trade.leg(number).order
        live = order.client_id if order else None
        asked = LegTurnInput(self._legs[number - 1], tuple(actions), live)
        return await pair_calls.turn_of_leg(asked)

    async def say(self, alerts: Sequence[Alert]) -> None:
        """Let people hear of *alerts*."""
        await pair_calls.tell_pair(PairToldInput(self._legs[0], tuple(alerts)))

    def news(self) -> Sequence[PairEvent]:
        """Return what was asked of the trade since the last turn."""
        news, self._inbox = self._inbox, []
        return news

    async def rest(self, trade: PairTrade, pause: timedelta) -> datetime:
        """Wait; a long history ends here, where the state is enough to go on."""
        self._trade = trade
        await workflow.sleep(pause, summary="look again")
        if is_long(self.roll_at):
            # The next workflow has to hear that it has rested: what is in doubt is looked up then.
            self._inbox.append(TimePassed(workflow.now()))
            raise _Rolled
        return workflow.now()

    # --- what is shown -----------------------------------------------------------------------

    @workflow.query(name="status")
    def status(self) -> PairTradeStatus:
        """Return how far the trade is, and what of it is not hedged."""
        trade = self._trade
        return PairTradeStatus(
            trade.tag,
            trade.kind,
            trade.stage,
            self._why,
            trade.debt,
            trade.debt_age().total_seconds(),
            trade.generation,
            trade.gave_up,
        )

    def _tag(self) -> None:
        lead = self._trade.lead
        workflow.upsert_search_attributes(
            [
                names.STRATEGY.value_set("pair"),
                names.SYMBOL.value_set(lead.instrument.symbol),
                names.ACCOUNT.value_set(lead.account),
                names.PHASE.value_set(str(self._trade.kind)),
            ]
        )


def _details(status: PairTradeStatus) -> str:
    debt = f"{status.debt} for {status.debt_seconds:.0f} s" if status.debt else "none"
    gave_up = f"\n\nGave up: {status.gave_up}" if status.gave_up else ""
    return f"{status.kind} ({status.stage}): {status.why}\n\nHedge debt: {debt}{gave_up}"

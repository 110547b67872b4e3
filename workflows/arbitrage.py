"""A pair as a Temporal workflow: look, decide, trade one trade at a time.

All decisions are `domain.arbitrage.engine.step`; this file brings it events and carries its actions
out. A trade is a workflow of its own, which outlives this one and tells it what it did.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Final

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, FailureError, WorkflowAlreadyStartedError

from activities.messages import Accepted
from activities.pair_messages import LegKey, LegLookInput, LegOpened, OpenLegInput, PairToldInput
from domain.arbitrage.engine import begin, check_change
from domain.arbitrage.events import (
    AbortTrade,
    ArbEvent,
    ExitAsked,
    SpecChanged,
    StartTrade,
    TradeEnded,
)
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.state import ArbState, Phase, bind
from domain.arbitrage.view import PairStatus, status
from domain.errors import InvalidValueError
from domain.grid.events import Alert, PauseAsked, ResumeAsked, TimePassed
from domain.money import fixed
from workflows import names, pair_calls
from workflows.canceling import uncanceled
from workflows.length import is_long
from workflows.messages import Command
from workflows.pair_gauges import show_pair
from workflows.pair_loop import ended, take
from workflows.pair_messages import (
    ArbInput,
    ExitPair,
    PairResult,
    PairTradeInput,
    ReconfigurePair,
    legs_of,
)
from workflows.timing import TASK_TIMEOUT

#: As many events as a history has before the pair goes on in a new workflow.
ROLL_AT: Final = 500


@workflow.defn(name=names.ARBITRAGE_RUN)
class ArbitrageRun:
    """One pair from start to stop, through any number of workflows of one chain."""

    roll_at: ClassVar[int] = ROLL_AT

    @workflow.init
    def __init__(self, start: ArbInput) -> None:
        info = workflow.info()
        self._identity = f"{info.workflow_id}/{info.first_execution_run_id}"
        self._state = start.state
        self._legs = start.legs or legs_of(info.workflow_id, self._identity, start.spec)
        self._inbox: deque[ArbEvent] = deque(start.inbox)
        self._taken = len(self._inbox)
        self._handled = 0
        self._told: tuple[str, str] | None = None

    @workflow.run
    async def run(self, start: ArbInput) -> PairResult:
        """Run until stopped. A canceled workflow closes its pair before it ends.

        Fails with InvalidValueError if the settings cannot be used, and with PreflightError if what
        the pair needs is not in order; nothing was begun then.
        """
        if self._state is None:
            self._state = await self._begin(start.spec, start.accepted)
        self._show()
        if await uncanceled(asyncio.create_task(self._loop()), self._close_first):
            carried = ArbInput(start.spec, self._pair, self._legs, tuple(self._inbox))
            workflow.continue_as_new(carried)
        self._handled = self._taken  # who asked for something of a pair that is over is told so
        await workflow.wait_condition(workflow.all_handlers_finished)
        books = [await pair_calls.close_leg(leg) for leg in self._legs]
        return PairResult((books[0], books[1]), self._pair.trades)

    def _close_first(self) -> None:
        self._put(ExitAsked(workflow.now(), "the workflow was canceled", ends=True))

    async def _begin(self, spec: ArbSpec, accepted: Accepted) -> ArbState:
        """Look at both legs, and open the books of both, or of none: a name is used up by that."""
        self._tag()
        first, second = [await self._open(leg, spec, accepted, dry=True) for leg in self._legs]
        try:
            config = bind(spec, first.instrument, second.instrument)
        except InvalidValueError as error:
            raise _refusal(error) from None
        try:
            for leg in self._legs:
                await self._open(leg, spec, accepted, dry=False)
        except (FailureError, asyncio.CancelledError):
            for leg in self._legs:
                await asyncio.shield(pair_calls.close_leg(leg))
            raise
        return begin(config, self._identity, workflow.now())

    async def _open(
        self, leg: LegKey, spec: ArbSpec, accepted: Accepted, *, dry: bool
    ) -> LegOpened:
        return await pair_calls.open_leg(OpenLegInput(leg, spec, accepted, dry))

    # --- the loop ----------------------------------------------------------------------------

    async def _loop(self) -> bool:
        """Handle events until the pair is over (False) or should go on elsewhere (True)."""
        while not ended(self._pair):
            await self._take_all()
            looked = await self._look()
            # A trade tells what it did before it ends: who finds it ended has been told by now.
            await self._take_all()
            self._state = await take(self, self._pair, looked)
            self._show()
            if ended(self._pair):
                break
            if is_long(self.roll_at) and workflow.all_handlers_finished():
                return True
            await self._wait()
        return False

    async def _take_all(self) -> None:
        """Take what has come in, one after the other."""
        while self._inbox:
            event = self._inbox.popleft()
            self._state = await take(self, self._pair, [event])
            self._handled += 1

    async def _wait(self) -> None:
        pause = timedelta(seconds=self._pair.spec.look_every)
        try:
            await workflow.wait_condition(lambda: bool(self._inbox), timeout=pause)
        except TimeoutError:
            self._state = await take(self, self._pair, [TimePassed(workflow.now())])

    async def _look(self) -> list[ArbEvent]:
        """Return what is known of both legs, the first one first."""
        flight = self._pair.in_flight
        trade = names.trade_workflow_id(self._legs[0].pair, flight.tag) if flight else None
        tag = flight.tag if flight else ""
        looks = [pair_calls.look_at_leg(LegLookInput(leg, trade, tag)) for leg in self._legs]
        return [event for told in await asyncio.gather(*looks) for event in told]

    def _put(self, event: ArbEvent) -> int:
        """Put an event into the inbox, and return how many were put there by now."""
        self._inbox.append(event)
        self._taken += 1
        return self._taken

    # --- the hands of the loop ---------------------------------------------------------------

    async def keep(self, state: ArbState) -> None:
        """Make *state* the one that counts; the history keeps it."""
        self._state = state

    async def start(self, action: StartTrade) -> None:
        """Start the workflow of a trade; it goes on when this workflow is replaced by the next."""
        trade = action.trade
        try:
            await workflow.start_child_workflow(
                names.PAIR_TRADE,
                PairTradeInput(self._legs, trade, action.why),
                id=names.trade_workflow_id(self._legs[0].pair, trade.tag),
                task_queue=names.account_queue(trade.lead.account),
                task_timeout=TASK_TIMEOUT,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=action.why[:200],
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.warning("trade %s was started before", trade.tag)

    async def abort(self, action: AbortTrade) -> None:
        """Ask the trade in flight to want no more."""
        trade = names.trade_workflow_id(self._legs[0].pair, action.tag)
        try:
            await workflow.get_external_workflow_handle(trade).signal("abort", action.why)
        except FailureError as error:  # it has ended: that is told by itself
            workflow.logger.warning("trade %s could not be told: %s", trade, error)

    async def say(self, alerts: Sequence[Alert]) -> None:
        """Let people hear of *alerts*."""
        await pair_calls.tell_pair(PairToldInput(self._legs[0], tuple(alerts)))

    # --- what is told and asked --------------------------------------------------------------

    @workflow.signal
    def trade_ended(self, outcome: TradeEnded) -> None:
        """Take in what a trade did."""
        self._put(outcome)

    @workflow.update
    async def pause(self, command: Command) -> PairStatus:
        """Open nothing until `resume`; exits go on."""
        return await self._commanded("pause", PauseAsked(workflow.now()), command)

    @pause.validator
    def _check_pause(self, command: Command) -> None:  # noqa: ARG002 - as the update
        self._require("pause", Phase.RUNNING)

    @workflow.update
    async def resume(self, command: Command) -> PairStatus:
        """Open again what earns enough."""
        return await self._commanded("resume", ResumeAsked(workflow.now()), command)

    @resume.validator
    def _check_resume(self, command: Command) -> None:  # noqa: ARG002 - as the update
        self._require("resume", Phase.PAUSED)

    @workflow.update(name="exit")
    async def leave(self, command: ExitPair) -> PairStatus:
        """Close the pair, and end the run if it is to."""
        asked = ExitAsked(workflow.now(), command.why or "asked", command.ends)
        name = "stop" if command.ends else "exit"
        return await self._commanded(name, asked, Command(command.by, command.why))

    @leave.validator
    def _check_exit(self, command: ExitPair) -> None:  # noqa: ARG002 - as the update
        self._require("exit", Phase.RUNNING, Phase.PAUSED)

    @workflow.update
    async def reconfigure(self, command: ReconfigurePair) -> PairStatus:
        """Go on with other settings; the legs stay what they are."""
        told = SpecChanged(command.spec, workflow.now())
        asked = Command(command.by, command.why)
        return await self._commanded("reconfigure", told, asked)

    @reconfigure.validator
    def _check_reconfigure(self, command: ReconfigurePair) -> None:
        self._require("reconfigure", Phase.RUNNING, Phase.PAUSED)
        try:
            check_change(self._pair, SpecChanged(command.spec, workflow.now()))
        except InvalidValueError as error:
            raise _refusal(error) from None

    async def _commanded(self, name: str, event: ArbEvent, command: Command) -> PairStatus:
        number = self._put(event)
        asked = PairToldInput(self._legs[0], (), name, command.why, command.by)
        await pair_calls.tell_pair(asked)
        await workflow.wait_condition(lambda: self._handled >= number)
        return self.status()

    @workflow.query(name="status")
    def status(self) -> PairStatus:
        """Return what the pair is doing."""
        return status(self._pair)

    @property
    def _pair(self) -> ArbState:
        if self._state is None:
            raise ApplicationError("the run is still being prepared", type="NotReady")
        return self._state

    def _require(self, what: str, *phases: Phase) -> None:
        phase = self._pair.phase
        if phase not in phases:
            raise ApplicationError(f"cannot {what}: the run is {phase}", type="InvalidValueError")

    # --- what is shown -----------------------------------------------------------------------

    def _tag(self) -> None:
        first = self._legs[0]
        workflow.upsert_search_attributes(
            [
                names.STRATEGY.value_set("arbitrage"),
                names.SYMBOL.value_set(first.symbol),
                names.ACCOUNT.value_set(first.account),
            ]
        )

    def _show(self) -> None:
        shown = self.status()
        show_pair(self._legs[0].pair, shown)
        workflow.set_current_details(_details(shown))
        risk = "halted" if shown.halted else "clear"
        told = (str(shown.phase), risk)
        if told != self._told:
            self._told = told
            workflow.upsert_search_attributes(
                [names.PHASE.value_set(told[0]), names.RISK.value_set(told[1])]
            )


def _refusal(error: InvalidValueError) -> ApplicationError:
    return ApplicationError(str(error), type="InvalidValueError", non_retryable=True)


def _details(shown: PairStatus) -> str:
    rows = "\n".join(
        f"| {leg.account} | {leg.symbol} | {leg.base} | {leg.rate} | {leg.funding} |"
        for leg in shown.legs
    )
    apr = "not known" if shown.apr is None else fixed(shown.apr, 4)
    doing = f"\n\nTrade: {shown.trade}" if shown.trade else ""
    halted = f"\n\nHalted: {shown.halted}" if shown.halted else ""
    return (
        f"{shown.phase}, {shown.direction or 'flat'}, {apr} a year, not hedged: {shown.debt}"
        f"{doing}{halted}\n\n| account | symbol | base | rate | funding |\n|---|---|---|---|---|\n"
        f"{rows}"
    )

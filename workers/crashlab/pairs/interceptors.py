"""The steps inside the workflows of pairs: Temporal's interceptors come to them."""

from typing import TYPE_CHECKING, Any, NoReturn, cast

import temporalio.client
import temporalio.worker
from temporalio import workflow

from workers.crashlab.pairs.doing import doing_of, steps_of
from workers.crashlab.steps import Step
from workers.crashlab.trap import Tripwire
from workflows.names import ARBITRAGE_RUN, PAIR_TRADE

if TYPE_CHECKING:  # workflows are imported in the sandbox
    from workers.crashlab.pairs.rolling import SoonRollingTrade

_ROLLING = {ARBITRAGE_RUN: Step.ROLLING, PAIR_TRADE: Step.TRADE_ROLLING}


class PairInterceptor(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Comes to a step when a trade is started, turns, tells its end, or something rolls."""

    def __init__(self, wire: Tripwire) -> None:
        self._wire = wire

    def workflow_interceptor_class(
        self,
        input: temporalio.worker.WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - its name
    ) -> type[temporalio.worker.WorkflowInboundInterceptor] | None:
        wire = self._wire

        class Inbound(_Inbound):
            tripwire = wire

        return Inbound


class _Inbound(temporalio.worker.WorkflowInboundInterceptor):
    tripwire: Tripwire

    def init(self, outbound: temporalio.worker.WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self.tripwire))

    async def execute_workflow(self, input: temporalio.worker.ExecuteWorkflowInput) -> Any:  # noqa: A002
        info = workflow.info()
        if info.continued_run_id and info.workflow_type in _ROLLING:
            _at(self.tripwire, _ROLLING[info.workflow_type])
        return await super().execute_workflow(input)

    async def handle_signal(self, input: temporalio.worker.HandleSignalInput) -> None:  # noqa: A002
        if input.signal == "trade_ended":
            _at(self.tripwire, Step.ENDED)
        await super().handle_signal(input)


class _Outbound(temporalio.worker.WorkflowOutboundInterceptor):
    def __init__(
        self, following: temporalio.worker.WorkflowOutboundInterceptor, tripwire: Tripwire
    ) -> None:
        super().__init__(following)
        self._tripwire = tripwire

    async def start_child_workflow(
        self,
        input: temporalio.worker.StartChildWorkflowInput,  # noqa: A002
    ) -> Any:
        self._tripwire.doing = doing_of(input.args[0].trade)
        _at(self._tripwire, Step.STARTING)
        return await super().start_child_workflow(input)

    def start_activity(self, input: temporalio.worker.StartActivityInput) -> Any:  # noqa: A002
        if input.activity == "turn_of_leg":
            trade = cast("SoonRollingTrade", workflow.instance()).trade
            self._tripwire.doing = doing_of(trade)
            for step in steps_of(trade):
                _at(self._tripwire, step)
        return super().start_activity(input)

    async def signal_external_workflow(
        self,
        input: temporalio.worker.SignalExternalWorkflowInput,  # noqa: A002
    ) -> None:
        if input.signal == "trade_ended":
            _at(self._tripwire, Step.ENDED)
        await super().signal_external_workflow(input)

    def continue_as_new(self, input: temporalio.worker.ContinueAsNewInput) -> NoReturn:  # noqa: A002
        _at(self._tripwire, _ROLLING[workflow.info().workflow_type])
        super().continue_as_new(input)


def _at(wire: Tripwire, step: Step) -> None:
    """Come to *step*, unless the run only plays again what was before."""
    if workflow.unsafe.is_replaying():
        return
    with workflow.unsafe.sandbox_unrestricted():
        wire.at_once(step, workflow.info().workflow_id)

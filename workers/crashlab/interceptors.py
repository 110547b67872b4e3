"""The steps inside a workflow: Temporal's interceptors come to them."""

from typing import Any, NoReturn

import temporalio.client
import temporalio.worker
from temporalio import workflow

from workers.crashlab.steps import Step
from workers.crashlab.trap import Tripwire
from workflows.names import GRID_RUN


class StepInterceptor(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Comes to a step when a run takes a signal, rolls, or begins after it has rolled."""

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
        if workflow.info().continued_run_id:
            _at(self.tripwire, Step.ROLLING)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: temporalio.worker.HandleSignalInput) -> None:  # noqa: A002
        _at(self.tripwire, Step.SIGNALED)
        await super().handle_signal(input)


class _Outbound(temporalio.worker.WorkflowOutboundInterceptor):
    def __init__(
        self, following: temporalio.worker.WorkflowOutboundInterceptor, tripwire: Tripwire
    ) -> None:
        super().__init__(following)
        self._tripwire = tripwire

    def continue_as_new(self, input: temporalio.worker.ContinueAsNewInput) -> NoReturn:  # noqa: A002
        _at(self._tripwire, Step.ROLLING)
        super().continue_as_new(input)


def _at(wire: Tripwire, step: Step) -> None:
    """Come to *step*, unless the run only plays again what was before."""
    info = workflow.info()
    if info.workflow_type != GRID_RUN or workflow.unsafe.is_replaying():
        return
    with workflow.unsafe.sandbox_unrestricted():
        wire.at_once(step, info.workflow_id)

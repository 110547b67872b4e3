"""An exit whose workflows are short. In a module of its own, for the sandbox imports it anew."""

from typing import ClassVar

from temporalio import workflow

from workflows.exit import EmergencyExit
from workflows.messages import ExitInput, ExitResult


@workflow.defn(name="EmergencyExit")
class SoonRollingExit(EmergencyExit):
    """Goes on in a new workflow after a few events."""

    roll_at: ClassVar[int] = 20

    @workflow.init
    def __init__(self, start: ExitInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ExitInput) -> ExitResult:
        return await super().run(start)

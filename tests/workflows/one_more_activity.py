"""A run that does one thing more than the recorded ones: what a careless change would be."""

from temporalio import workflow

from activities.messages import Accepted, NoteInput
from domain.grid.spec import GridSpec
from workflows import calls, grid, names
from workflows.messages import GridResult, GridRunInput


@workflow.defn(name=names.GRID_RUN)
class OneMoreActivity(grid.GridRun):
    """Notes its own start."""

    @workflow.init
    def __init__(self, start: GridRunInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: GridRunInput) -> GridResult:
        return await super().run(start)

    async def _prepare(self, spec: GridSpec, accepted: Accepted) -> None:
        await super()._prepare(spec, accepted)
        await calls.note(NoteInput(self._run_id, "start", "", ""))

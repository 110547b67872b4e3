"""A grid run that goes on in a new workflow much sooner than usual: nothing else is different."""

from temporalio import workflow

from workflows import grid, names
from workflows.messages import GridResult, GridRunInput


@workflow.defn(name=names.GRID_RUN)
class SoonRolling(grid.GridRun):
    """Rolls after some forty events, so that the lab meets it often."""

    roll_at = 40

    @workflow.init
    def __init__(self, start: GridRunInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: GridRunInput) -> GridResult:
        return await super().run(start)

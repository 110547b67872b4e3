"""What is kept of a system whose books were wrong: for who looks for the cause."""

from pprint import pformat

from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from workers.crashlab.books import Books
from workers.crashlab.role import Grid
from workers.crashlab.steps import Runner
from workers.crashlab.system import System


async def keep_evidence(system: System, grid: Grid, seen: Books | None) -> None:
    """Write the books of *grid* as they were *seen* last, and the history of its run."""
    directory = system.plan.directory
    (directory / f"{grid.name}.books.txt").write_text(pformat(seen, width=160))
    if system.plan.runner is Runner.SIMPLE:
        return
    try:
        history = await system.client.get_workflow_handle(grid.name).fetch_history()
    except (RPCError, TemporalError) as error:
        (directory / f"{grid.name}.history.txt").write_text(f"it could not be read: {error}")
    else:
        (directory / f"{grid.name}.history.json").write_text(history.to_json())

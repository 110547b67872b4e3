"""What the runs of a system say of themselves: asked of Temporal, or read from the checkpoints."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Final

from pydantic import TypeAdapter
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from domain.grid.state import GridState
from domain.grid.view import GridStatus, SlotView, slots, status
from workers.crashlab.books import View
from workers.crashlab.role import Grid
from workers.crashlab.steps import Runner
from workers.crashlab.system import System

_STATE: Final = TypeAdapter(GridState)
_NEWEST: Final = "SELECT payload FROM checkpoints WHERE run_id = ? ORDER BY version DESC LIMIT 1"
_PATIENCE: Final = timedelta(seconds=10)


async def view_of(system: System, grid: Grid) -> View | None:
    """Return the view of a run, or None while nobody can tell it."""
    if system.plan.runner is Runner.SIMPLE:
        return _checkpoint(system, grid)
    run = system.client.get_workflow_handle(grid.name)
    try:
        return View(
            await run.query("status", result_type=GridStatus, rpc_timeout=_PATIENCE),
            await run.query("slots", result_type=list[SlotView], rpc_timeout=_PATIENCE),
        )
    except (RPCError, TemporalError):  # the server or the worker is not back yet
        return None


def _checkpoint(system: System, grid: Grid) -> View | None:
    path = system.plan.directory / "simple.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
        row = connection.execute(_NEWEST, (grid.name,)).fetchone()
    if row is None:
        return None
    state = _STATE.validate_json(row[0])
    return View(status(state), slots(state))

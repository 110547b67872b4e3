"""The real `GridRun`, which says how far it is and rolls soon; nothing else is different.

Its time is the script's: its own look-ups of orders in doubt are a day away, and it has asked for a
comparison when the venue answered it, for no time passes in between.
"""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

from activities.messages import NoteInput
from domain.grid.events import GridEvent, Resynced
from tests.fuzz.board import Notice, say
from workflows import grid, names
from workflows.messages import GridResult, GridRunInput


class Telling(grid.GridRun):
    """Says how far it is whenever it waits, and when it has ended."""

    roll_at = 25
    look_again = timedelta(days=1)

    def _tell(
        self,
        event: GridEvent | None,
        source: grid._From,
        note: NoteInput | None = None,
        *,
        resync: bool = False,
    ) -> grid._Item:
        if isinstance(event, Resynced):
            event = replace(event, asked_at=event.at)
        return super()._tell(event, source, note, resync=resync)

    async def _may_roll(self) -> bool:
        self._say()  # a command that was just handled gets its answer before the pause is over
        return await super()._may_roll()

    async def _wait(self) -> None:
        self._say()
        await super()._wait()

    async def _finish(self) -> GridResult:
        self._say()
        return await super()._finish()

    def _say(self) -> None:
        if workflow.unsafe.is_replaying():
            return  # it was said before
        one = workflow.info().run_id
        notice = Notice(one, self._taken, len(self._inbox), self._is_asking(), self._state)
        say(self._run_id, notice)


@workflow.defn(name=names.GRID_RUN)
class Watched(Telling):
    """The run that is compared with the plain loop."""

    @workflow.init
    def __init__(self, start: GridRunInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: GridRunInput) -> GridResult:
        return await super().run(start)

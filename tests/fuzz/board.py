"""Where watched workflows say how far they are."""

import asyncio
from dataclasses import dataclass

from domain.grid.state import GridState
from workflows.messages import Taken


@dataclass(frozen=True, slots=True)
class Notice:
    """How far a run is: what it has taken and handled, and where that has left it."""

    #: The workflow of the chain that says so.
    workflow: str
    taken: Taken
    #: Events that it has not handled.
    waiting: int
    #: It compares itself with the venue.
    asking: bool
    state: GridState | None


class Line:
    """What one run says."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.last: Notice | None = None
        self.workflows: set[str] = set()
        self.news = asyncio.Event()

    def say(self, notice: Notice) -> None:
        """Keep *notice*: to be called from any thread."""
        self._loop.call_soon_threadsafe(self._keep, notice)

    def _keep(self, notice: Notice) -> None:
        self.last = notice
        self.workflows.add(notice.workflow)
        self.news.set()


#: By run id.
LINES: dict[str, Line] = {}


def say(run_id: str, notice: Notice) -> None:
    """Let a run say how far it is; nobody need listen."""
    line = LINES.get(run_id)
    if line is not None:
        line.say(notice)

"""How long a history has grown: as its workflow counts it, or as Temporal says.

`workflow.info().get_current_history_length()` is no ground to decide on where local activities run:
what follows one is not always replayed in the workflow task that it was done in. See decision 13.
"""

from typing import ClassVar

from temporalio import workflow


class Length:
    """About as many events as the history has; tasks that only wait for an activity are missing."""

    TASK: ClassVar[int] = 3  # scheduled, started, completed
    ACTIVITY: ClassVar[int] = 3
    TIMER: ClassVar[int] = 2  # started, fired
    UPDATE: ClassVar[int] = 2  # accepted, completed
    SIGNAL: ClassVar[int] = 1
    MARKER: ClassVar[int] = 1  # a local activity

    def __init__(self) -> None:
        self._events = 0

    def add(self, events: int) -> None:
        """Count *events* more; they may be about to come."""
        self._events += events

    def reaches(self, roll_at: int) -> bool:
        """Return whether there are *roll_at* events, so that the run goes on in a new workflow."""
        return self._events >= roll_at


def is_long(roll_at: int) -> bool:
    """Return whether the run is to go on in a new workflow, by what Temporal says.

    Only for a workflow that calls no local activities: see above.
    """
    info = workflow.info()
    return info.get_current_history_length() >= roll_at or info.is_continue_as_new_suggested()

"""Where a kill hits, and whom: the rows and the columns of the matrix.

To extend the lab by a process, add a `Victim`, say which steps it can be killed at, and teach
`System.strike` to kill and start it.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """A moment in the life of an order or a run that is told by the process it happens in."""

    BEFORE_SEND = "before-send"
    SENT = "sent"
    ACCEPTED = "accepted"
    PART_FILLED = "part-filled"
    SIGNALED = "signaled"
    ROLLING = "rolling"
    RESYNC = "resync"
    RANDOM = "random"


#: What the rows mean, in one line each.
MEANING: Final = {
    Step.BEFORE_SEND: "the send marker is stored, the order has not left",
    Step.SENT: "the exchange has executed it and holds the answer back",
    Step.ACCEPTED: "the answer is here and not recorded",
    Step.PART_FILLED: "a part of an order was filled, the report is not recorded",
    Step.SIGNALED: "news reached the run, its decision is not stored",
    Step.ROLLING: "the run goes on in a new workflow (continue-as-new)",
    Step.RESYNC: "the venue was asked for everything, the answer is not used",
    Step.RANDOM: "any moment",
}


class Runner(StrEnum):
    """What keeps the grids of a scenario going."""

    DURABLE = "durable"
    SIMPLE = "simple"


class Victim(StrEnum):
    """A process, or a connection, that is killed."""

    WORKER = "worker"
    SERVICES = "services"
    TEMPORAL = "temporal"
    CONNECTION = "connection"
    POSTGRES = "postgres"
    SIMPLE = "simple"

    @property
    def runner(self) -> Runner:
        """The kind of scenario it lives in."""
        return Runner.SIMPLE if self is Victim.SIMPLE else Runner.DURABLE


#: A cell of the matrix.
Cell = tuple[Step, Victim]


def cells(steps: Sequence[Step], victims: Sequence[Victim]) -> list[Cell]:
    """Return the cells that exist: the simple runner has no workflow that could roll."""
    return [
        (step, victim)
        for victim in victims
        for step in steps
        if not (victim is Victim.SIMPLE and step is Step.ROLLING)
    ]

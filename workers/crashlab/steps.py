"""Where a kill hits, and whom: the rows and the columns of the matrix.

To extend the lab by a process, add a `Victim`, say which steps it can be killed at, and teach
`System.strike` (of pairs: `PairSystem.strike`) to kill and start it.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """A moment in the life of an order or a run that is told by the process it happens in."""

    STARTING = "starting"
    BEFORE_SEND = "before-send"
    SENT = "sent"
    ACCEPTED = "accepted"
    PART_FILLED = "part-filled"
    BETWEEN = "between-legs"
    DEBT = "debt"
    ENDED = "trade-ended"
    SIGNALED = "signaled"
    ROLLING = "rolling"
    TRADE_ROLLING = "trade-rolling"
    RESYNC = "resync"
    RANDOM = "random"


#: What the rows mean, in one line each.
MEANING: Final = {
    Step.STARTING: "the pair has decided on a trade, which does not exist yet",
    Step.BEFORE_SEND: "the send marker is stored, the order has not left",
    Step.SENT: "the exchange has executed it and holds the answer back",
    Step.ACCEPTED: "the answer is here and not recorded",
    Step.PART_FILLED: "a part of an order was filled, the report is not recorded",
    Step.BETWEEN: "one leg has traded and the other has not",
    Step.DEBT: "something is not hedged, and the trade is about to act on it",
    Step.ENDED: "a trade has ended, the pair has not heard of it",
    Step.SIGNALED: "news reached the run, its decision is not stored",
    Step.ROLLING: "the run goes on in a new workflow (continue-as-new)",
    Step.TRADE_ROLLING: "a trade goes on in a new workflow (continue-as-new)",
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
    EXCHANGE_A = "exchange-a"
    EXCHANGE_B = "exchange-b"
    SIMPLE = "simple"

    @property
    def runner(self) -> Runner:
        """The kind of scenario it lives in."""
        return Runner.SIMPLE if self is Victim.SIMPLE else Runner.DURABLE


class Doing(StrEnum):
    """What the trade of a pair is about when a kill hits."""

    ENTER = "enter"
    EXIT = "exit"
    PART_EXIT = "part-exit"
    UNWIND = "unwind"


#: A cell of the matrix.
Cell = tuple[Step, Victim]

_OF_PAIRS: Final = (
    Step.STARTING,
    Step.BETWEEN,
    Step.DEBT,
    Step.ENDED,
    Step.TRADE_ROLLING,
)
#: The exchanges of a pair's legs.
EXCHANGES: Final = (Victim.EXCHANGE_A, Victim.EXCHANGE_B)
#: What there is of grids, and what of pairs.
GRID_STEPS: Final = tuple(step for step in Step if step not in _OF_PAIRS)
PAIR_STEPS: Final = tuple(step for step in Step if step is not Step.SIGNALED)
GRID_VICTIMS: Final = tuple(victim for victim in Victim if victim not in EXCHANGES)
PAIR_VICTIMS: Final = (Victim.WORKER, Victim.TEMPORAL, *EXCHANGES, Victim.SIMPLE)
#: The simple runner has no workflow that could roll.
ROLLS: Final = (Step.ROLLING, Step.TRADE_ROLLING)


def cells(steps: Sequence[Step], victims: Sequence[Victim]) -> list[Cell]:
    """Return the cells that exist."""
    return [
        (step, victim)
        for victim in victims
        for step in steps
        if not (victim is Victim.SIMPLE and step in ROLLS)
    ]

"""What a dialect is built of: routes, the rooms that answer them, and the door to the rooms.

A room has the routes of one topic (orders, account, market) and their handlers. All rooms of a
venue share one door: it knows who asks, in what words the venue refuses, and what clients said.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from domain.orders import OrderReport
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked
from workers.exchange.fronts.desk import Desk

#: Answers a request at once: nothing else happens in between. What is no Told is a JSON body.
Handler = Callable[[Asked], Any]
_LEVERAGE: Final = 10
Word = TypeVar("Word")


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, with {names} for parts of it; what it is about; who answers."""

    method: str
    path: str
    operation: Operation
    handler: Handler
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        object.__setattr__(self, "pattern", re.compile(pattern))


class Memory(Generic[Word]):
    """What clients said and the host does not keep; it lives as long as the process."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], Word] = {}
        self._leverages: dict[tuple[str, str], int] = {}

    def call(self, account: str, client_id: str, word: Word) -> None:
        """Remember what a client called the type of its order."""
        self._words[account, client_id] = word

    def word(self, account: str, report: OrderReport, otherwise: Word) -> Word:
        """Return what a client called the type of its order; *otherwise* after a restart."""
        return self._words.get((account, report.client_id), otherwise)

    def set_leverage(self, account: str, symbol: str, leverage: int) -> None:
        """Remember the leverage an account set; it changes no margin here."""
        self._leverages[account, symbol] = leverage

    def leverage(self, account: str, symbol: str) -> int:
        """Return the leverage an account set, or the one it begins with."""
        return self._leverages.get((account, symbol), _LEVERAGE)


class Door(Generic[Word]):
    """What the rooms and sockets of a venue share; a venue's own adds how it authenticates."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.memory: Memory[Word] = Memory()


DoorT = TypeVar("DoorT", bound=Door[Any])


class Room(ABC, Generic[DoorT]):
    """The routes of one topic. Handlers are synchronous: they check, act on the desk, answer."""

    def __init__(self, door: DoorT) -> None:
        self.door = door
        self.desk = door.desk

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return what this room answers."""

"""The lab's hand on an exchange that is a process of its own: one line asked, one line answered."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from domain.market import Balance, Position
from domain.money import Instrument, Price
from domain.orders import Fill, OrderReport
from workers.crashlab.pairs.moves import Move
from workers.exchange.faults import FaultRule

#: A line may hold all orders and fills that there ever were.
_LONGEST: Final = 64 * 1024 * 1024
_PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Let *moves* happen, and let *faults* be in force; unchanged ones go on counting."""

    moves: tuple[Move, ...] = ()
    faults: tuple[FaultRule, ...] = ()
    #: Answer with the books.
    books: bool = False


@dataclass(frozen=True, slots=True)
class ExchangeBooks:
    """What an exchange knows of the account of its leg, of all times."""

    instrument: Instrument
    orders: Sequence[OrderReport]
    fills: Sequence[Fill]
    positions: Sequence[Position]
    balances: Sequence[Balance]
    price: Price
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """How often the faults in force have played, how many orders rest, and perhaps the books."""

    played: int
    orders: int
    resting: int
    books: ExchangeBooks | None = None


ASKED: Final = TypeAdapter(Asked)
TOLD: Final = TypeAdapter(Told)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Where:
    """Where an exchange listens: for its clients, and for the lab."""

    pid: int
    clients: tuple[str, int]
    hand: tuple[str, int]


def where(path: Path) -> Where | None:
    """Return what the last exchange that started has written to *path*."""
    try:
        told = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return Where(told["pid"], tuple(told["clients"]), tuple(told["hand"]))


class HandError(Exception):
    """The exchange does not answer: it is dead, or not back yet."""


async def ask(path: Path, asked: Asked) -> Told:
    """Ask the exchange that has written to *path*; raises HandError if it does not answer."""
    there = where(path)
    if there is None:
        raise HandError("it was never started")
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(*there.hand, limit=_LONGEST)
            try:
                writer.write(ASKED.dump_json(asked) + b"\n")
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise HandError(str(error)) from error
    if not line.endswith(b"\n"):
        raise HandError("it broke off")
    return TOLD.validate_json(line)

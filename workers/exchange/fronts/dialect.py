"""What a venue's dialect is: rooms with routes, what it says on sockets, and how it fails."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Protocol
from urllib.parse import unquote

from domain.orders import RefusalReason
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Told
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.rooms import Room, Route
from workers.exchange.fronts.sockets import Socket


class Talker(Protocol):
    """Who speaks on the sockets of some paths."""

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        """Speak until the socket ends; False, at once: this is no path of its own."""


class Dialect(ABC):
    """One venue: the rooms that answer requests, the sockets, and how it fails."""

    name: ClassVar[str]
    #: Every host name it answers to.
    hosts: ClassVar[frozenset[str]]
    #: The names under which requests carry client ids, for fault rules that pick some.
    id_fields: ClassVar[Sequence[str]]
    #: How old a request may be; None where each request tells that itself.
    window: timedelta | None = None

    def __init__(self, desk: Desk, rooms: Sequence[Room[Any]], sockets: Sequence[Talker]) -> None:
        self.desk = desk
        self._rooms = rooms
        self._sockets = sockets

    def routes(self) -> Sequence[Route]:
        """Return everything that is answered; all else is a 404."""
        return [route for room in self._rooms for route in room.routes()]

    def operation(self, route: Route, asked: Asked) -> Operation:  # noqa: ARG002 - as it is
        """Return what a request is about, where one path serves for several things."""
        return route.operation

    def arrived(self, asked: Asked, socket: Socket) -> Told | None:  # noqa: ARG002 - as it is
        """Meet a WebSocket before its handshake ends; who subscribes by coming hears all after.

        Return the answer of a handshake that is refused.
        """
        return None

    async def converse(self, asked: Asked, socket: Socket) -> bool:
        """Speak on a WebSocket until it ends; False: there is none at this path."""
        for talker in self._sockets:
            if await talker.converse(asked, socket):
                return True
        return False

    # ---- how it fails

    @abstractmethod
    def limited(self, retry_after: timedelta) -> Told:
        """Return the answer to one request too many."""

    def banned(self, retry_after: timedelta) -> Told:
        """Return the answer to one who did not listen."""
        return self.limited(retry_after)

    @abstractmethod
    def unavailable(self) -> Told:
        """Return the venue's own words for: overloaded, or in maintenance."""

    @abstractmethod
    def refusal(self, reason: RefusalReason) -> Told:
        """Return the answer to an order that is refused for *reason*."""

    def client_ids(self, asked: Asked) -> Sequence[str]:
        """Return the client ids a request is about."""
        text = unquote(f"{asked.path}?{asked.query}&{asked.body}")
        names = "|".join(map(re.escape, self.id_fields))
        return re.findall(rf'(?:{names})"?[=:]\s*\[?"?([^"&,\]]+)', text)

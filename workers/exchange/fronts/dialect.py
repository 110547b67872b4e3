"""What a venue's dialect is: routes, refusals, what it says on sockets, and how it fails."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import unquote

from domain.orders import RefusalReason
from workers.exchange.faults import Operation
from workers.exchange.fronts.asked import Asked, Told
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.sockets import Socket

#: Answers a request at once: nothing else happens in between. What is no Told is a JSON body.
Handler = Callable[[Asked], Any]


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


class Dialect(ABC):
    """One venue. Handlers are synchronous: they check, act on the desk, and answer."""

    name: ClassVar[str]
    #: Every host name it answers to.
    hosts: ClassVar[frozenset[str]]
    #: The names under which requests carry client ids, for fault rules that pick some.
    id_fields: ClassVar[Sequence[str]]

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        #: By how much a scripted fault has the clock ahead, for the request in hand.
        self.ahead = timedelta()

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return everything that is answered; all else is a 404."""

    def operation(self, route: Route, asked: Asked) -> Operation:  # noqa: ARG002 - as it is
        """Return what a request is about, where one path serves for several things."""
        return route.operation

    def arrived(self, asked: Asked, socket: Socket) -> Told | None:  # noqa: ARG002 - as it is
        """Meet a WebSocket before its handshake ends; who subscribes by coming hears all after.

        Return the answer of a handshake that is refused.
        """
        return None

    @abstractmethod
    async def converse(self, asked: Asked, socket: Socket) -> bool:
        """Speak on a WebSocket until it ends; False: there is none at this path."""

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

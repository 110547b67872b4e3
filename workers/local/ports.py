"""Which ports the stack listens on: the usual ones, or free ones where those are taken."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from domain.errors import InvalidValueError

HOST: Final = "127.0.0.1"
#: What each port is for, and where it is when nobody has it.
USUAL: Final[Mapping[str, int]] = {
    "temporal": 7233,
    "ui": 8233,
    "exchange": 50051,
    "metrics": 9464,
}


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one stack, all on the loopback address."""

    temporal: int
    ui: int
    exchange: int
    metrics: int


def choose(asked: Mapping[str, int | None], before: Mapping[str, int]) -> Ports:
    """Return the ports to use: *asked* for, else those of *before*, else the usual, else free ones.

    Raises InvalidValueError if one that was asked for is taken.
    """
    chosen: dict[str, int] = {}
    for name, usual in USUAL.items():
        chosen[name] = _port(name, asked.get(name), before.get(name, usual), set(chosen.values()))
    return Ports(**chosen)


def anywhere() -> Ports:
    """Return ports that nobody has, away from the usual ones: for tests and benches."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in USUAL]
        for probe in probes:
            probe.bind((HOST, 0))
        return Ports(*(probe.getsockname()[1] for probe in probes))


def is_free(port: int) -> bool:
    """Return whether somebody could listen on *port* now."""
    with socket.socket() as probe:
        # As the servers do it: a connection of before that is still closing is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return not _answers(port)


def _port(name: str, asked: int | None, preferred: int, used: set[int]) -> int:
    if asked is not None:
        if asked in used or not is_free(asked):
            raise InvalidValueError(
                f"--{name}-port {asked} is taken by another program: choose another, or leave the "
                "option out and a free one is found"
            )
        return asked
    if preferred not in used and is_free(preferred):
        return preferred
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if port not in used:
            return port


def _answers(port: int) -> bool:
    """Return whether somebody listens there already, perhaps on all addresses."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0

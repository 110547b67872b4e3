"""The usual ports, or free ones; never one that is taken."""

import socket
from collections.abc import Iterator

import pytest

from domain.errors import InvalidValueError
from workers.local.ports import HOST, USUAL, choose, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def _free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def test_a_port_that_was_asked_for_and_is_taken_is_refused_by_name(taken: int) -> None:
    with pytest.raises(InvalidValueError, match=f"--exchange-port {taken} is taken"):
        choose({"exchange": taken}, {})


def test_a_port_that_was_asked_for_is_used() -> None:
    port = _free()
    assert choose({"ui": port}, {}).ui == port


def test_the_same_port_twice_is_refused() -> None:
    port = _free()
    with pytest.raises(InvalidValueError, match="--ui-port"):
        choose({"temporal": port, "ui": port}, {})


def test_the_port_of_the_last_time_is_used_again_unless_it_is_taken(taken: int) -> None:
    before = _free()
    assert choose({}, {"temporal": before}).temporal == before
    chosen = choose({}, {"temporal": taken}).temporal
    assert chosen != taken
    assert is_free(chosen)


def test_all_ports_differ_and_can_be_listened_on() -> None:
    chosen = choose({}, {})
    ports = {chosen.temporal, chosen.ui, chosen.exchange, chosen.metrics}
    assert len(ports) == len(USUAL)
    assert all(map(is_free, ports))

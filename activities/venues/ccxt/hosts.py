"""Which machines a venue's client may reach: the venue's own, or a local exchange instead of them.

No URL is ever changed. With a `Local` the venue's host names resolve to it, and any other name is
refused, so a test cannot reach a real venue by accident.
"""

import asyncio
import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from domain.errors import InvalidValueError


@dataclass(frozen=True, slots=True)
class Local:
    """A local exchange: where it listens, and the certificate authority it made for itself."""

    host: str
    port: int
    authority: Path


class Mapped(AbstractResolver):
    """Resolves the given names to the local exchange, and no other."""

    def __init__(self, hosts: Collection[str], local: Local) -> None:
        self._hosts = frozenset(hosts)
        self._local = local

    async def resolve(
        self,
        host: str,
        port: int = 0,  # noqa: ARG002 - the local one counts
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the same
    ) -> list[ResolveResult]:
        if host not in self._hosts:
            raise OSError(f"{host} is not one of this venue's hosts, and only those are mapped")
        return [
            ResolveResult(
                hostname=host,
                host=self._local.host,
                port=self._local.port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held open."""


class _Only(aiohttp.ThreadedResolver):
    """Resolves the venue's own names and nothing else."""

    def __init__(self, hosts: Collection[str]) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._hosts = frozenset(hosts)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in self._hosts:
            raise OSError(f"{host} is not one of this venue's hosts")
        return await super().resolve(host, port, family)


def open_session(hosts: Collection[str], local: Local | None) -> aiohttp.ClientSession:
    """Return a session that reaches *hosts* only, at *local* if it is given.

    Raises InvalidValueError if the local exchange's certificate cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=str(local.authority) if local else None)
    except (OSError, ssl.SSLError) as error:
        where = local.authority if local else "the system's certificates"
        raise InvalidValueError(f"{where} cannot be read ({error}): is the exchange up?") from None
    connector = aiohttp.TCPConnector(
        resolver=Mapped(hosts, local) if local else _Only(hosts),
        ssl=context,
        use_dns_cache=local is None,
        limit=64,
    )
    return aiohttp.ClientSession(connector=connector)

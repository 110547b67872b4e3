"""All fronts of one host behind one TLS port: the host name of a request picks the dialect."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

from domain.errors import AlreadyRunningError, TradingError
from workers.exchange.faults import HANDSHAKE, FaultKind, FaultPlan, Operation
from workers.exchange.fronts.answers import by_a_stranger, cut_off, instead, response, total_delay
from workers.exchange.fronts.arrivals import Arrival, Arrivals
from workers.exchange.fronts.asked import Asked, Told, WrongError
from workers.exchange.fronts.desk import Desk
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.keys import keys_of
from workers.exchange.fronts.registry import dialects_of
from workers.exchange.fronts.rooms import Route
from workers.exchange.fronts.sockets import Socket
from workers.exchange.fronts.tls import AUTHORITY_FILE, server_context
from workers.exchange.host import Host

_log: Final = logging.getLogger(__name__)


class Disconnect(Protocol):
    """Cuts the WebSockets of a venue and an account (None: of all) and returns how many."""

    async def __call__(
        self, venue: str | None, account: str | None, *, rudely: bool = True
    ) -> int: ...


@dataclass(frozen=True, slots=True)
class Fronts:
    """Fronts that answer: where, as whom, and what their clients must trust."""

    host: str
    port: int
    authority: Path
    desk: Desk
    dialects: Sequence[Dialect]
    arrivals: Arrivals
    disconnect: Disconnect


@asynccontextmanager
async def fronts(
    names: Sequence[str], host: Host, plan: FaultPlan, directory: Path, address: str, port: int
) -> AsyncIterator[Fronts]:
    """Serve the dialects of *names* inside the context; port 0 takes a free one.

    Raises InvalidValueError for an unknown name, AlreadyRunningError if the port is taken.
    """
    desk = Desk(host, plan)
    dialects = dialects_of(names, desk)
    by_host = {name: dialect for dialect in dialects for name in dialect.hosts}
    context = server_context(directory, by_host)
    app = web.Application(client_max_size=4 * 1024 * 1024)
    server = _Server(desk, by_host)
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, port, ssl_context=context)
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise AlreadyRunningError(
            f"{address}:{port} cannot be listened on ({error}): choose another --fronts-listen"
        ) from error
    taken = runner.addresses[0][1]
    try:
        yield Fronts(
            address,
            taken,
            directory / AUTHORITY_FILE,
            desk,
            dialects,
            server.arrivals,
            server.disconnect,
        )
    finally:
        await server.close()
        await runner.cleanup()


class _Server:
    def __init__(self, desk: Desk, by_host: Mapping[str, Dialect]) -> None:
        self._desk = desk
        self._by_host = by_host
        self.arrivals = Arrivals()
        self._routes = {name: dialect.routes() for name, dialect in by_host.items()}
        self._sockets: set[Socket] = set()
        self._on_their_way: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """End all sockets, and requests that are on their way."""
        self._desk.dead_men.close()
        for socket in list(self._sockets):
            await socket.close(rudely=True)
            await socket.end()
        for task in self._on_their_way:
            task.cancel()
        await asyncio.gather(*self._on_their_way, return_exceptions=True)

    async def disconnect(
        self, venue: str | None, account: str | None, *, rudely: bool = True
    ) -> int:
        """Cut the WebSockets of a venue and an account (None: of all) and return how many."""
        meant = [
            socket
            for socket in self._sockets
            if venue in (None, socket.venue) and (account is None or account in socket.accounts)
        ]
        for socket in meant:
            await socket.close(rudely=rudely)
        return len(meant)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, or speak on a socket."""
        asked = Asked(
            request.method,
            request.host.partition(":")[0],
            request.rel_url.raw_path,
            request.rel_url.raw_query_string,
            (await request.read()).decode(errors="replace"),
            {name.lower(): value for name, value in request.headers.items()},
        )
        dialect = self._by_host.get(asked.host)
        if dialect is None:
            return self._absent(asked)
        if asked.headers.get("upgrade", "").lower() == "websocket":
            return await self._converse(dialect, asked, request)
        for route in self._routes[asked.host]:
            matched = route.pattern.fullmatch(asked.path)
            if matched and route.method == asked.method:
                asked = replace(asked, parts=matched.groupdict())
                return await self._noted(dialect, route, asked, request)
        absent = _arrival(dialect, None, asked)
        absent.status = 404
        self.arrivals.note(absent)
        self.arrivals.close(absent)
        return self._absent(asked)

    async def _noted(
        self, dialect: Dialect, route: Route, asked: Asked, request: web.Request
    ) -> web.StreamResponse:
        """Answer a request, noted when it comes and again when it is answered or given up."""
        arrival = _arrival(dialect, dialect.operation(route, asked), asked)
        self.arrivals.note(arrival)
        try:
            response = await self._rest(dialect, route, arrival, request)
            if request.transport is not None and not request.transport.is_closing():
                arrival.status = response.status
            return response
        finally:
            self.arrivals.close(arrival)

    async def _rest(
        self, dialect: Dialect, route: Route, arrival: Arrival, request: web.Request
    ) -> web.StreamResponse:
        asked = arrival.asked
        rules = self._desk.plan.strike(f"rest.{arrival.operation}", arrival.client_ids)
        kinds = {rule.kind for rule in rules}
        if FaultKind.DROP_CONNECTION in kinds:
            return cut_off(request)
        for rule in rules:
            told = instead(dialect, rule)
            if told is not None:
                return response(told)
        if FaultKind.REVOKE_KEY in kinds:
            asked = by_a_stranger(asked)
        ahead = total_delay(rules, FaultKind.SKEW_CLOCK)
        waits = total_delay(rules, FaultKind.DELAY_BEFORE)
        if waits:
            told = await self._late(waits, dialect, route, asked, ahead)
        else:
            told = _act(dialect, route, asked, ahead)
        if FaultKind.LOST_ANSWER in kinds:
            return cut_off(request)
        if FaultKind.NO_ANSWER in kinds:
            await asyncio.Event().wait()  # until the client, or the server, gives up
        await asyncio.sleep(total_delay(rules, FaultKind.DELAY_AFTER).total_seconds())
        return response(told)

    async def _late(
        self, wait: timedelta, dialect: Dialect, route: Route, asked: Asked, ahead: timedelta
    ) -> Told:
        """Execute after a while, also when the client has given up: the request is on its way."""

        async def act() -> Told:
            await asyncio.sleep(wait.total_seconds())
            return _act(dialect, route, asked, ahead)

        task = asyncio.create_task(act())
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)
        return await asyncio.shield(task)

    async def _converse(
        self, dialect: Dialect, asked: Asked, request: web.Request
    ) -> web.StreamResponse:
        for rule in self._desk.plan.strike(HANDSHAKE, []):
            told = instead(dialect, rule)
            return cut_off(request) if told is None else response(told)
        raw = web.WebSocketResponse(compress=False, autoping=False)
        socket = Socket(raw, self._desk, dialect.name)
        self._sockets.add(socket)
        try:
            refused = dialect.arrived(asked, socket)
            if refused is not None:
                return response(refused)
            await raw.prepare(request)
            socket.open()
            if not await dialect.converse(asked, socket):
                _log.warning("no socket at %s %s", asked.host, asked.path)
                await raw.close(code=1008, message=b"unknown path")
        finally:
            self._sockets.discard(socket)
            await socket.end()
        return raw

    def _absent(self, asked: Asked) -> web.Response:
        _log.warning("404 %s %s%s", asked.method, asked.host, asked.path)
        return web.Response(status=404, text="404 page not found")


def _arrival(dialect: Dialect, operation: Operation | None, asked: Asked) -> Arrival:
    """Return a request as it is noted; whose key it carries, whatever the header is called."""
    keys = (keys_of(value) for value in asked.headers.values())
    account = next((each.account for each in keys if each is not None), "")
    return Arrival(operation, asked, dialect.name, account, dialect.client_ids(asked))


def _act(dialect: Dialect, route: Route, asked: Asked, ahead: timedelta) -> Told:
    try:
        with dialect.desk.skewed(ahead):
            told = route.handler(asked)
    except WrongError as wrong:
        return wrong.answer
    except TradingError as error:
        _log.exception("%s %s", asked.method, asked.path)
        return Told(str(error), 500)
    return told if isinstance(told, Told) else Told(told)

"""The exchange as a process: everything wired together, served until it is told to stop."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from domain.errors import AlreadyRunningError
from opensqt.market_maker.v1 import exchange_pb2_grpc, paper_pb2_grpc
from workers.exchange.breaking import FaultInterceptor
from workers.exchange.control import PaperControl
from workers.exchange.faults import FaultPlan, read_faults
from workers.exchange.fronts.registry import has_notional_minima
from workers.exchange.fronts.server import Fronts, fronts
from workers.exchange.host import Host
from workers.exchange.journal import Journal
from workers.exchange.live.market import live_market
from workers.exchange.markets import open_source
from workers.exchange.panel.server import Panel, control_api
from workers.exchange.service import ExchangeService
from workers.exchange.settings import ExchangeSettings
from workers.exchange.sources import Source

#: Events released in one go at most, so that calls are answered also while a market catches up.
_BATCH: Final = 500
#: A busy tape is committed this often at most, and a changed clock is noticed as fast (seconds).
_TICK: Final = 0.005
_LOOK_AGAIN: Final = 0.05
#: What calls get to end by themselves when the exchange stops (seconds).
_GRACE: Final = 0.5
_OPTIONS: Final = (
    # Two servers on one port would share the calls between them.
    ("grpc.so_reuseport", 0),
    # Clients ping every second to notice a dead server.
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 5000),
    ("grpc.keepalive_timeout_ms", 5000),
    ("grpc.http2.ping_timeout_ms", 5000),
)
_SERVICES: Final = (
    "",
    "opensqt.market_maker.v1.ExchangeService",
    "opensqt.market_maker.v1.PaperControlService",
)


@dataclass(frozen=True, slots=True)
class Running:
    """An exchange that answers: its address, what it trades and its market."""

    address: str
    symbols: Sequence[str]
    host: Host
    plan: FaultPlan
    fronts: Fronts | None = None
    #: The URL of the control API, if it is served.
    control: str | None = None


async def serve(settings: ExchangeSettings, ready: Callable[[Running], None] | None = None) -> None:
    """Run the exchange until SIGTERM or SIGINT; *ready* is called once it answers.

    Raises InvalidValueError for a tape or setting that cannot be used, AlreadyRunningError if the
    directory or the port is taken, StoreUnavailableError if it cannot write.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(settings) as exchange:
            if ready is not None:
                ready(exchange)
            stopping = asyncio.create_task(stop.wait())
            broken = asyncio.create_task(exchange.host.broken.wait())
            await asyncio.wait({stopping, broken}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            broken.cancel()
            if not stop.is_set() and exchange.host.failure is not None:
                raise exchange.host.failure
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running(
    settings: ExchangeSettings, source: Source | None = None
) -> AsyncIterator[Running]:
    """Run the exchange inside the context, on *source* if it is given."""
    plan = FaultPlan(read_faults(settings.faults) if settings.faults else ())
    async with AsyncExitStack() as opened:
        if settings.feed is not None and source is None:
            host, follower = await opened.enter_async_context(live_market(settings))
            run = follower.run
        else:
            host = opened.enter_context(_market(settings, source or open_source(settings)))
            run = partial(_run_market, host)
        server, address = await _listen(settings, host, plan)
        market = asyncio.create_task(_guarded(host, run))
        try:
            async with AsyncExitStack() as stack:
                spoken = None
                if settings.fronts:
                    where = settings.fronts_address
                    spoken = await stack.enter_async_context(
                        fronts(settings.fronts, host, plan, settings.data, *where)
                    )
                control = None
                if settings.control_address is not None:
                    serving = control_api(Panel(host, plan, spoken), *settings.control_address)
                    control = await stack.enter_async_context(serving)
                yield Running(address, host.symbols, host, plan, spoken, control)
        finally:
            market.cancel()
            await asyncio.gather(market, return_exceptions=True)
            if host.failure is None:
                host.keep()
            host.close()
            await server.stop(_GRACE)


@contextmanager
def _market(settings: ExchangeSettings, source: Source) -> Iterator[Host]:
    """Yield the books of a market that is read from *source*."""
    journal = Journal(settings.data, source.origin)
    try:
        minima = has_notional_minima(settings.fronts)
        yield Host(source, journal, settings.balances, settings.speed, notional_minima=minima)
    finally:
        journal.close()


async def _listen(
    settings: ExchangeSettings, host: Host, plan: FaultPlan
) -> tuple[grpc.aio.Server, str]:
    server = grpc.aio.server(interceptors=[FaultInterceptor(plan)], options=_OPTIONS)
    exchange_pb2_grpc.add_ExchangeServiceServicer_to_server(ExchangeService(host, "paper"), server)
    paper_pb2_grpc.add_PaperControlServiceServicer_to_server(PaperControl(host, plan), server)
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    try:
        _probe(settings)
        port = server.add_insecure_port(settings.listen)
    except (OSError, RuntimeError) as error:
        raise AlreadyRunningError(
            f"{settings.listen} cannot be listened on ({error}): choose another --listen address, "
            "or port 0 for any that is free"
        ) from error
    await server.start()
    for service in _SERVICES:
        await healthy.set(service, health_pb2.HealthCheckResponse.SERVING)
    return server, f"{settings.address[0]}:{port}"


def _probe(settings: ExchangeSettings) -> None:
    """Raise OSError if the address is taken; gRPC itself would also write about it to stderr."""
    host, port = settings.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host.strip("[]"), port))


async def _run_market(host: Host) -> None:
    """Release market events when they are due."""
    while True:
        if host.clock.moving and host.move(_BATCH, host.clock.now()) == _BATCH:
            await asyncio.sleep(0)
            continue
        upcoming = host.next_at
        wait = None if upcoming is None else host.clock.wall_until(upcoming)
        await asyncio.sleep(_LOOK_AGAIN if wait is None else max(_TICK, min(wait, _LOOK_AGAIN)))


async def _guarded(host: Host, run: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run the market; without one the exchange is broken."""
    try:
        await run()
    except Exception as error:
        host.fail(error)
        raise

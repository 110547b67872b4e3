"""Every venue and both kinds of market, each with the real client over real sockets."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.venues.ccxt.registry import VENUES
from domain.money import MarketKind
from tests.contract.bench import Bench, opened
from tests.workflows.server import TemporalServer, serving
from tests.workflows.stage import connected
from workers.exchange.fronts.registry import DIALECTS

#: A venue that is in either registry is tested here: none can be forgotten.
NAMES = sorted({*VENUES, *DIALECTS})
BOTH = [pytest.param((name, kind), id=f"{name}-{kind}") for name in NAMES for kind in MarketKind]
PERPETUALS = [pytest.param((name, MarketKind.PERPETUAL), id=f"{name}") for name in NAMES]


@pytest.fixture(params=BOTH)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    name, kind = request.param
    async with opened(name, kind, tmp_path) as bench:
        yield bench


@pytest.fixture(params=PERPETUALS)
async def perpetual(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    name, kind = request.param
    async with opened(name, kind, tmp_path) as bench:
        yield bench


@pytest.fixture(scope="session", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    with serving(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture(name="client")
async def _client(server: TemporalServer) -> Client:
    return await connected(server.address)

"""One real Temporal server for the durable pairs."""

from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client

from tests.workflows.server import TemporalServer, serving
from tests.workflows.stage import connected


@pytest.fixture(scope="session", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    with serving(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture(name="client", params=["simple", "durable"])
async def _client(
    request: pytest.FixtureRequest, server: TemporalServer
) -> AsyncIterator[Client | None]:
    """A client for the durable runner; None for the simple one."""
    if request.param == "simple":
        yield None
        return
    yield await connected(server.address)

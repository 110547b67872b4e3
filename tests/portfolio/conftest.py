"""One real Temporal server for portfolios."""

from collections.abc import Iterator

import pytest
from temporalio.client import Client

from tests.workflows.server import TemporalServer, serving
from tests.workflows.stage import connected


@pytest.fixture(scope="session", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    with serving(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture(name="client")
async def _client(server: TemporalServer) -> Client:
    return await connected(server.address)

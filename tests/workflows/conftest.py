"""One real Temporal server for all tests of workflows; a stage and a worker for each."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.workflows.server import TemporalServer, serving
from tests.workflows.stage import Stage, connected, staged, working
from workflows.names import feed_workflow_id

_accounts = count(1)


@pytest.fixture(scope="session", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    with serving(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture(name="client")
async def _client(server: TemporalServer) -> Client:
    return await connected(server.address)


@pytest.fixture(name="stage")
async def _stage(client: Client, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage that nobody works on yet."""
    async with staged(client, tmp_path, f"acc{next(_accounts)}") as stage:
        yield stage
        await _end_feed(client, stage.account)


@pytest.fixture(name="live")
async def _live(stage: Stage) -> AsyncIterator[Stage]:
    """A stage with a worker."""
    async with working(stage):
        yield stage


async def _end_feed(client: Client, account: str) -> None:
    """Nobody works on the account any more: its feed would be tried again for ever."""
    from temporalio.service import RPCError

    try:
        await client.get_workflow_handle(feed_workflow_id(account)).terminate()
    except RPCError:
        return

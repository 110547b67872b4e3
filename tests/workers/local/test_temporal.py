"""The dev server knows our search attributes, on a new file and on one of before."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from workers.local import temporal
from workers.local.child import Child
from workers.local.ports import HOST, choose
from workflows.names import SEARCH_ATTRIBUTES


@asynccontextmanager
async def _server(directory: Path, *, bare: bool = False) -> AsyncIterator[Client]:
    ports = choose({}, {})
    command = temporal.command(directory / "temporal.db", ports)
    if bare:  # as a version that knew no search attributes made it
        command = [word for word in command if "=Keyword" not in word]
        command = [word for word in command if word != "--search-attribute"]
    child = Child("temporal", command, {}, directory / "temporal.log", print)
    await child.start()
    try:
        yield await _connected(f"{HOST}:{ports.temporal}")
    finally:
        await child.end(10)


async def _connected(address: str) -> Client:
    ends = time.monotonic() + 30
    while True:
        with suppress(RuntimeError, RPCError):
            client = await Client.connect(address)
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace="default")
            )
            return client
        assert time.monotonic() < ends, "the server did not come up"
        await asyncio.sleep(0.1)


async def _attributes(client: Client) -> set[str]:
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace="default")
    )
    return set(known.custom_attributes)


WANTED = {key.name for key in SEARCH_ATTRIBUTES}


@pytest.mark.slow
async def test_a_new_file_and_an_old_one_are_both_prepared(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    async with _server(old, bare=True) as client:
        assert not await _attributes(client) & WANTED
    async with _server(old) as client:
        # The flags of an existing file are ignored by the server.
        assert not await _attributes(client) & WANTED
        await temporal.prepare(client)
        await temporal.prepare(client)
        assert await _attributes(client) >= WANTED
        described = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace="default")
        )
        assert described.config.workflow_execution_retention_ttl.seconds == 720 * 3600


def test_the_server_is_tuned_and_listens_on_this_machine_only(tmp_path: Path) -> None:
    words = temporal.command(tmp_path / "t.db", choose({}, {}))
    assert words[words.index("--ip") + 1] == "127.0.0.1"
    told = " ".join(words)
    for flag in (
        "--sqlite-pragma journal_mode=WAL",
        "--sqlite-pragma synchronous=FULL",
        "history.transferProcessorMaxPollRPS=2000",
        'history.timerProcessorMaxTimeShift="10ms"',
        "--search-attribute OpensqtPhase=Keyword",
    ):
        assert flag in told

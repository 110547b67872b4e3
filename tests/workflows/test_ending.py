"""A worker ends when it is told to, whatever the SDK waits for."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.worker import UnsandboxedWorkflowRunner

from tests.eventually import eventually
from tests.workflows.server import TemporalServer
from tests.workflows.stage import connected
from workers.ending import EndingWorker

begun, released = asyncio.Event(), asyncio.Event()


@activity.defn
async def stubborn() -> None:
    """Do not end, like a part of the SDK that waits for itself."""
    begun.set()
    while not released.is_set():
        with suppress(asyncio.CancelledError):
            await released.wait()


@workflow.defn
class Hanging:
    """Waits for what never ends."""

    @workflow.run
    async def run(self) -> None:
        """Wait."""
        await workflow.execute_activity(
            stubborn, start_to_close_timeout=timedelta(hours=1), heartbeat_timeout=None
        )


async def test_a_worker_that_hangs_in_its_end_is_left(
    server: TemporalServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = await connected(server.address)
    worker = EndingWorker(
        client,
        ends_within=timedelta(seconds=4),
        task_queue="hanging",
        workflows=[Hanging],
        activities=[stubborn],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        handle = await client.start_workflow(Hanging.run, id="hanging", task_queue="hanging")
        await eventually(begun.is_set, what="the activity")
        await handle.terminate()
        told = time.monotonic()
    released.set()
    assert time.monotonic() - told < 30
    assert "the worker of hanging has not ended 4 s after it was told to" in caplog.text

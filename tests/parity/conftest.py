"""A real Temporal server for each test, tuned as `opensqt up` tunes it."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from workers.converter import DATA_CONVERTER
from workers.local.temporal import program
from workflows.names import SEARCH_ATTRIBUTES

_TUNING = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    'history.timerProcessorMaxTimeShift="10ms"',
)


@pytest.fixture(name="client")
async def _client() -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        data_converter=DATA_CONVERTER,
        search_attributes=SEARCH_ATTRIBUTES,
        dev_server_existing_path=program(),
        dev_server_log_level="error",
        dev_server_extra_args=[
            word for value in _TUNING for word in ("--dynamic-config-value", value)
        ],
    )
    async with environment:
        yield environment.client

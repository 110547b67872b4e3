"""Two runs that start at the same instant where there is room for one: exactly one is admitted.

Repeated over several rounds, on SQLite and on PostgreSQL. Whoever wins a round ends, and gives free
what it had reserved: then the next two may try.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from activities.risk import RiskDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.errors import InvalidValueError
from domain.grid.spec import GridSpec, StopMode, parse_spec
from domain.risk.limits import Limits, LimitsSpec
from domain.risk.spec import RiskSpec
from opensqt.market_maker.v1 import paper_pb2
from tests.crash.cast import Cast
from tests.eventually import eventually
from tests.workflows.stage import Stage, staged, working
from workers.converter import DATA_CONVERTER
from workers.simple_run import SimpleRun
from workers.wiring import Desks, desks
from workflows.messages import GridRunInput, StopGrid
from workflows.names import account_queue, feed_workflow_id

Run = WorkflowHandle[Any, Any]
SYMBOL, ROUNDS = "BTC/USDT:USDT", 4
#: Three entries of 125 want less than 380; two grids want more than 500.
ONE = RiskSpec(limits=LimitsSpec(overall=Limits(exposure=Decimal(500))))
GRID = {"symbol": SYMBOL, "interval": "100", "amount": "125", "buy_window": 3, "shared": True}
_accounts = count(1)


def grid(account: str) -> GridSpec:
    return parse_spec({**GRID, "account": account, "reconcile_every": 3600})


async def begin(client: Client, name: str, account: str) -> Run:
    return await client.start_workflow(
        "GridRun",
        GridRunInput(grid(account)),
        id=name,
        task_queue=account_queue(account),
    )


async def refusal(run: Run) -> str | None:
    """Return why a run was refused; None: it was admitted."""

    async def decided() -> bool:
        described = await run.describe()
        if described.status is not WorkflowExecutionStatus.RUNNING:
            return True
        await run.query("status")  # which fails before there is a state
        return True

    await eventually(decided, ignoring=(Exception,), what="a decision")
    if (await run.describe()).status is WorkflowExecutionStatus.RUNNING:
        return None
    with pytest.raises(WorkflowFailureError) as failed:
        await run.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.message


# --- two durable runs of one worker


@asynccontextmanager
async def stage_over(url: str, client: Client, directory: Path) -> AsyncIterator[Stage]:
    """Yield a stage whose ledger is at *url*, with a worker."""
    async with (
        staged(client, directory, f"narrow{next(_accounts)}") as stage,
        Ledger.open(url) as ledger,
    ):
        stage.ledger = ledger
        stage.desks = desks(stage.account, stage.venue, ledger, RiskDesk(ledger, ONE))
        stage.trade(60_000)
        async with working(stage):
            yield stage
        await client.get_workflow_handle(feed_workflow_id(stage.account)).terminate()


async def test_of_two_durable_runs_one_is_admitted(
    url: str, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "stage").mkdir()
    async with stage_over(url, client, tmp_path / "stage") as stage:
        for number in range(ROUNDS):
            names = [f"{stage.account}-{number}{which}" for which in "ab"]
            runs = await asyncio.gather(*(begin(client, each, stage.account) for each in names))
            refusals = await asyncio.gather(*map(refusal, runs))
            (why,) = (each for each in refusals if each is not None)
            winner = runs[refusals.index(None)]
            assert "exposure is limited to 500 USDT" in why
            assert f"are taken by {winner.id} and" in why
            assert set(await stage.ledger.reserved()) == {winner.id}
            await winner.execute_update("stop", StopGrid(StopMode.CANCEL))
            await winner.result()
            assert await stage.ledger.reserved() == {}


# --- a durable run in one process, a simple one in another


async def test_of_a_durable_and_a_simple_run_in_two_processes_one_is_admitted(
    url: str, tmp_path: Path
) -> None:
    market = ("--symbol", SYMBOL, "--market", "perpetual", "--speed", "0")
    cast = Cast(tmp_path / "cast", market)
    cast.directory.mkdir()
    cast.ledger_url = url
    told = {"OPENSQT_DATABASE": url, "OPENSQT_RISK": json.dumps(ONE.model_dump(mode="json"))}
    cast.worker.environment = {**cast.worker.environment, **told}
    upgrade(sqlite_url(tmp_path / "simple.db"))
    try:
        await cast.start()
        await cast.control("Advance", paper_pb2.AdvanceRequest(max_events=5))
        client = await Client.connect(cast.server.address, data_converter=DATA_CONVERTER)
        async with Ledger.open(url) as ledger, cast.venue() as venue:
            here = desks("paper", venue, ledger, RiskDesk(ledger, ONE))
            won = [
                await one_round(client, here, tmp_path / "simple.db", number)
                for number in range(ROUNDS)
            ]
            assert len(won) == ROUNDS
    finally:
        cast.end()


async def one_round(client: Client, here: Desks, checkpoints: Path, number: int) -> str:
    """Start both at once; return which runner won, ended."""
    durable, simple = f"durable-{number}", f"simple-{number}"
    with CheckpointStore.open(checkpoints, simple) as store:
        run, mine = await asyncio.gather(
            begin(client, durable, "paper"), _refusal_here(here, store, simple)
        )
        theirs = await refusal(run)
        assert (mine is None) != (theirs is None), (mine, theirs)
        if mine is None:
            assert set(await here.ledger.reserved()) == {simple}
            assert theirs is not None
            assert simple in theirs
            await here.books.finish(simple, SYMBOL)
        else:
            assert set(await here.ledger.reserved()) == {durable}
            assert durable in mine
            await run.execute_update("stop", StopGrid(StopMode.CANCEL))
            await run.result()
        assert await here.ledger.reserved() == {}
    return durable if mine else simple


async def _refusal_here(here: Desks, store: CheckpointStore, name: str) -> str | None:
    """Begin a simple run; return why it was refused, None if it was not."""
    try:
        await SimpleRun.open(name, grid("paper"), here, store)
    except InvalidValueError as error:
        return str(error)
    return None

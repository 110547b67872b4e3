"""`opensqt reconcile --apply`: a durable run is told to compare itself, and sets itself right."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from temporalio.client import Client

from activities.store.ledger import Ledger
from domain.money import Price, Quantity
from domain.orders import OrderReport, OrderRequest, Side
from domain.simulation.tape import TradePrinted
from tests.contract.bench import BALANCES, PERPETUAL
from tests.eventually import eventually
from tests.workers.cli.pair_exchanges import Ago
from tests.workflows.server import TemporalServer
from tests.workflows.stage import connected
from workers.durable import account_worker
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings
from workers.settings import load_settings
from workers.wiring import all_desks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ACCOUNT, NAME = "alice", "my-grid"
SYMBOL = PERPETUAL.symbol
SPEC = f"""
account: {ACCOUNT}
symbol: "{SYMBOL}"
interval: 10
amount: 505
buy_window: 3
reconcile_every: 3600
"""


@pytest.fixture(name="exchange")
async def _exchange(
    books: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    """Two entries are filled by the second and third trade."""
    now = datetime.now(UTC)
    events = [
        TradePrinted(SYMBOL, Price(price * 10), Quantity(1_000_000), now + timedelta(seconds=n))
        for n, price in enumerate((1000, 985, 979))
    ]
    settings = ExchangeSettings(
        data=tmp_path / "exchange", listen="127.0.0.1:0", speed=Decimal(0), balances=BALANCES
    )
    async with running(settings, Ago(events)) as exchange:
        exchange.host.advance(1)
        monkeypatch.setenv("OPENSQT_ACCOUNTS", json.dumps({ACCOUNT: {"address": exchange.address}}))
        yield exchange


@pytest.fixture(name="client")
async def _client(
    server: TemporalServer, exchange: Running, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    """A server that has a worker of the account."""
    monkeypatch.setenv("OPENSQT_TEMPORAL", server.address)
    client = await connected(server.address)
    settings = load_settings()
    async with (
        Ledger.open(settings.ledger_url) as ledger,
        all_desks(settings, ledger, (ACCOUNT,)) as (desks,),
        account_worker(client, desks),
    ):
        yield client
        async for run in client.list_workflows("ExecutionStatus='Running'"):
            await client.get_workflow_handle(run.id).terminate("the test ends")


def held(exchange: Running) -> Decimal:
    """Return the position that the venue has."""
    positions = exchange.host.exchange.positions(exchange.host.account(ACCOUNT), SYMBOL)
    return PERPETUAL.base_of(Quantity(sum(position.lots for position in positions)))


def by_hand(exchange: Running, lots: int) -> None:
    """Sell at once what a run has bought, behind its back."""
    order = OrderRequest("by-hand", SYMBOL, Side.SELL, Quantity(lots), Price(9_700))
    report = exchange.host.place(ACCOUNT, order)
    assert isinstance(report, OrderReport)
    assert report.filled == Quantity(lots)


async def test_a_run_that_somebody_sold_for_is_set_right_and_says_so(
    exchange: Running,
    client: Client,
    tmp_path: Path,
    invoke: Callable[..., Result],
    invoke_json: Callable[..., tuple[int, Any]],
) -> None:
    async def run(*words: str) -> Any:
        code, told = await asyncio.to_thread(invoke_json, *words)
        assert code == 0, told
        return told

    async def agrees(amount: Decimal) -> bool:
        return Decimal((await run("grid", "status", NAME))["status"]["position"]) == amount

    (tmp_path / "grid.yaml").write_text(SPEC)
    await run("grid", "start", str(tmp_path / "grid.yaml"), "--name", NAME)
    nothing = await run("reconcile", NAME, "--apply")
    assert nothing["applied"][0]["changed"] == []
    exchange.host.advance(2)
    bought = held(exchange)
    assert bought > 1
    await eventually(lambda: agrees(bought), what="two entries")
    by_hand(exchange, 10)
    (plan,) = (await run("reconcile", NAME))["runs"]
    assert plan["position"]["agreement"] == "correct"
    assert await agrees(bought)  # a plan does nothing
    (done,) = (await run("reconcile", NAME, "--apply", "--why", "sold by hand"))["applied"]
    assert any("corrected by -10 lots" in each for each in done["changed"])
    assert done["after"]["position"]["agreement"] == "match"
    assert await agrees(held(exchange))
    assert held(exchange) == bought - PERPETUAL.base_of(Quantity(10))
    log = (await run("audit", "--run", NAME))["entries"]
    assert "sold by hand" in [each["why"] for each in log]
    shown = await asyncio.to_thread(invoke, "reconcile", NAME, "--apply")
    assert "nothing was to be done" in shown.stdout

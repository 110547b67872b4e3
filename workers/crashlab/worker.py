"""What a forked process does: it works the grids, or the pair, of its role until it is killed."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from pydantic import TypeAdapter
from temporalio.client import Client

from activities.gate import SizeGate
from activities.orders import OrderDesk
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.venues.ccxt.hosts import Local
from workers.converter import DATA_CONVERTER
from workers.crashlab.interceptors import StepInterceptor
from workers.crashlab.jobs import Job
from workers.crashlab.pairs.exchange import be_exchange
from workers.crashlab.pairs.roles import ExchangeRole, PairRole
from workers.crashlab.pairs.worker import work_pair
from workers.crashlab.ports import RashDesk, WiredStore, WiredVenue
from workers.crashlab.role import Grid, Role
from workers.crashlab.rolling import SoonRolling
from workers.crashlab.steps import Runner
from workers.crashlab.trap import Tripwire
from workers.durable import account_worker, services_worker
from workers.settings import PAPER, MonitorFeed, Settings
from workers.simple_run import SimpleRun
from workers.watching import market_guard
from workers.wiring import Desks, desks, ensure_feed, ensure_guard
from workflows.messages import GridResult
from workflows.names import RISK_GUARD_ID

_LOOK_EVERY: Final = 1.0
RESULT: Final = TypeAdapter(GridResult)


def work(role: Job) -> None:
    """Work until killed; a simple runner that was told to stop ends by itself."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_work(role, os.getppid()))


async def _work(role: Job, parent: int) -> None:
    watching = asyncio.create_task(_die_with(parent))
    match role:
        case PairRole():
            await work_pair(role)
        case ExchangeRole():
            await be_exchange(role)
        case Role():
            await _work_grids(role)
    watching.cancel()


async def _work_grids(role: Role) -> None:
    if role.services:
        await _services(role)
    else:
        await (_durable(role) if role.runner is Runner.DURABLE else _simple(role))


async def _die_with(parent: int) -> None:
    """End this process soon after its parent: nobody else would."""
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(_LOOK_EVERY)
    os._exit(1)


async def _durable(role: Role) -> None:
    wire = Tripwire(role.trap)
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(Ledger.open(role.ledger_url))
        client = await Client.connect(
            role.temporal, data_converter=DATA_CONVERTER, interceptors=[StepInterceptor(wire)]
        )
        for grid in role.grids:
            account = await stack.enter_async_context(_desks(role, grid, ledger, wire))
            await ensure_feed(client, grid.account)
            await stack.enter_async_context(account_worker(client, account, SoonRolling))
        await asyncio.Event().wait()


async def _services(role: Role) -> None:
    settings = Settings(risk=role.risk, monitor_feed=MonitorFeed(venue=PAPER, address=role.market))
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(Ledger.open(role.ledger_url))
        client = await Client.connect(role.temporal, data_converter=DATA_CONVERTER)
        guard = await stack.enter_async_context(market_guard(settings, ledger, RISK_GUARD_ID))
        await ensure_guard(client)
        risk = RiskDesk(ledger, role.risk)
        await stack.enter_async_context(services_worker(client, guard, risk))
        await asyncio.Event().wait()


async def _simple(role: Role) -> None:
    async with Ledger.open(role.ledger_url) as ledger, asyncio.TaskGroup() as tasks:
        for grid in role.grids:
            tasks.create_task(_run_simple(role, grid, ledger))


async def _run_simple(role: Role, grid: Grid, ledger: Ledger) -> None:
    wire = Tripwire(role.trap)
    async with _desks(role, grid, ledger, wire) as account:
        with WiredStore.open(role.checkpoints, grid.name) as store:
            store.wire, store.account = wire, grid.account
            run = await SimpleRun.open(grid.name, grid.spec, account, store, stop=role.stop)
            result = await run.run()
    if result is not None:
        (role.directory / f"{grid.name}.json").write_bytes(RESULT.dump_json(result))


@asynccontextmanager
async def _desks(role: Role, grid: Grid, ledger: Ledger, wire: Tripwire) -> AsyncIterator[Desks]:
    async with WiredVenue(Local(*role.exchange, role.authority), grid, wire) as venue:
        account = desks(grid.account, venue, ledger, RiskDesk(ledger, role.risk))
        if not role.look_up:
            account = replace(account, orders=_rash(account))
        yield account


def _rash(account: Desks) -> OrderDesk:
    return RashDesk(account.account, account.venue, account.ledger, SizeGate())

"""A grid that holds something, at a venue that the test breaks, and what its exit leaves behind.

Both runners, on paper behind gRPC and behind the real client of a venue's dialect. All desks are
wired as the program wires them; the market moves only when it is told to.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, count
from pathlib import Path
from typing import Any, NamedTuple

from temporalio.client import Client, WorkflowHandle

from activities.exits import Exits
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.ccxt.hosts import Local
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from activities.venues.remote import RemoteVenue
from domain.grid.spec import parse_spec
from domain.money import MarketKind
from domain.order_ids import decode
from domain.orders import OrderReport
from domain.ports import Venue
from domain.risk.scope import Scope, ScopeKind
from domain.risk.way_out import WayOut
from tests.contract.bench import (
    BALANCES,
    SPOT,
    START,
    SYMBOLS,
    UNHURRIED,
    Markets,
    credentials,
    rule,
    trade,
)
from tests.eventually import eventually
from workers.durable import account_worker
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings
from workers.simple_run import SimpleRun
from workers.wiring import Desks, desks, ensure_feed
from workflows.messages import GridResult, GridRunInput
from workflows.names import account_queue, exit_workflow_id, feed_workflow_id

PAPER = "paper"
#: Down through two entries: they are held, their exits rest, and three more entries below.
PRICES = (1000, 990, 980)
#: Whom the exchange knows the account as.
_ALICE = "alice"
_numbers = count(1)


class Where(NamedTuple):
    """A venue, a kind of market, and how the grid is run there."""

    name: str
    kind: MarketKind = MarketKind.PERPETUAL
    durable: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.kind}-{'durable' if self.durable else 'simple'}"


@dataclass
class Holder:
    """A grid that holds something."""

    where: Where
    exchange: Running
    desks: Desks
    exits: Exits
    client: Client | None = None
    simple: "asyncio.Task[GridResult | None] | None" = None

    @property
    def run_id(self) -> str:
        return self.desks.account

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.where.kind]

    def break_down(self, *rules: dict[str, Any]) -> None:
        """Let these rules be in force from now on."""
        self.exchange.plan.set([rule(**each) for each in rules])

    def orders(self) -> Sequence[OrderReport]:
        """Return every order the exchange ever took."""
        return self.exchange.host.exchange.orders_since(_ALICE, self.symbol, START)

    def resting(self) -> Sequence[OrderReport]:
        return self.exchange.host.exchange.open_orders(_ALICE, self.symbol)

    def held(self) -> list[int]:
        """Return the lots that the run held after each of its fills."""
        fills = self.exchange.host.exchange.fills_since(_ALICE, self.symbol, START)
        return list(accumulate(fill.side.sign * fill.quantity.lots for fill in fills))

    async def holds(self) -> None:
        """Let two entries fill; their exits rest."""
        for _ in PRICES[1:]:
            before = len(self.held())
            self.exchange.host.advance(1)
            assert len(self.held()) == before + 1
            await self._exits_are(before + 1)

    async def _exits_are(self, number: int) -> None:
        def rest() -> bool:
            return sum(order.side == "sell" for order in self.resting()) == number

        await eventually(rest, what="an exit")

    async def ask(self, why: str = "the test wants out") -> WayOut:
        run = await self.desks.ledger.run(self.run_id)
        assert run is not None
        return await self.exits.ask(run, "tester", why)

    async def way(self) -> WayOut | None:
        return (await self.exits.of([self.run_id])).get(self.run_id)

    async def left(self, within: float = 120) -> WayOut:
        """Wait for the end of the exit, and check that all is well behind it."""

        async def ended() -> WayOut | None:
            if self.simple is not None and self.simple.done():
                self.simple.result()  # or it never ends
            way = await self.way()
            return way if way is not None and way.ended else None

        way = await eventually(ended, within=within, what="the end of the exit")
        await self._check(await self._residual(way))
        return way

    async def _residual(self, way: WayOut) -> Decimal | None:
        if self.simple is not None:
            result = await asyncio.wait_for(self.simple, 60)
            assert result is not None
            return result.residual
        assert self.client is not None
        handle: WorkflowHandle[Any, Any] = self.client.get_workflow_handle(
            exit_workflow_id(way.run_id, way.number)
        )
        left: Any = await asyncio.wait_for(handle.result(), 60)
        ended = await asyncio.wait_for(
            self.client.get_workflow_handle(self.run_id, result_type=GridResult).result(), 60
        )
        assert ended.why == "an emergency exit took over"
        return None if left["residual"] is None else Decimal(left["residual"])

    async def _check(self, residual: Decimal | None) -> None:
        assert residual == 0
        held = self.held()
        assert min(held) >= 0, f"sold more than was held: {held}"
        if self.where.kind is MarketKind.PERPETUAL:
            assert held[-1] == 0, held
        else:  # fees were taken in base: what is left of them is too little to be sold
            (base,) = [
                each.total for each in await self.desks.venue.balances() if each.asset == "BTC"
            ]
            assert 0 <= base - BALANCES["BTC"] < SPOT.lot_size
        assert not self.resting()
        ids = [order.client_id for order in self.orders()]
        assert len(ids) == len(set(ids))
        assert not any("~" in each for each in ids)  # no id was used again
        stored = await self.desks.ledger.fills_of_run(self.run_id)
        assert sum(fill.side.sign * fill.quantity.lots for fill in stored) == held[-1]
        run = await self.desks.ledger.run(self.run_id)
        assert run is not None
        assert run.status == "stopped"
        scope = Scope(ScopeKind.RUN, self.run_id)
        assert (await self.desks.risk.known([scope])).breakers[scope].phase == "open"

    def leaving_orders(self) -> list[OrderReport]:
        """Return the orders of exits that the exchange took, in their order."""
        keys = [(each, decode(each.client_id)) for each in self.orders()]
        ours = [(each, key) for each, key in keys if key is not None and key.purpose.leaves]
        return [each for each, _ in sorted(ours, key=lambda one: one[1].generation)]


@asynccontextmanager
async def holding(
    where: Where, directory: Path, *, client: Client | None = None, **spec: Any
) -> AsyncIterator[Holder]:
    """Yield a grid that holds two entries; durable ones need a *client*."""
    account = f"{where.name}-{where.kind}-exit-{next(_numbers)}"
    market = Markets([trade(SYMBOLS[where.kind], 15 * n, p) for n, p in enumerate(PRICES, 1)])
    settings = ExchangeSettings(
        data=directory / "exchange",
        listen="127.0.0.1:0",
        speed=Decimal(0),
        balances=BALANCES,
        fronts=() if where.name == PAPER else (where.name,),
    )
    for database in ("ledger.db", "simple.db"):
        upgrade(sqlite_url(directory / database))
    async with (
        running(settings, market) as exchange,
        _venue(where, exchange) as venue,
        Ledger.open(sqlite_url(directory / "ledger.db"), synchronous="NORMAL") as ledger,
    ):
        exchange.host.advance(1)
        exchange.host.account(_ALICE)
        wired = desks(account, venue, ledger)
        holder = Holder(where, exchange, wired, Exits(ledger, wired.risk), client)
        grid = {"symbol": SYMBOLS[where.kind], "account": account, "interval": "10"}
        full = {**grid, "amount": "50", "buy_window": 3, "reconcile_every": 3600, **spec}
        runs = _durable(holder, full) if where.durable else _simple(holder, full, directory)
        async with runs:
            await eventually(lambda: len(holder.resting()) == 3, what="three entries")
            await holder.holds()
            yield holder


@asynccontextmanager
async def _venue(where: Where, exchange: Running) -> AsyncIterator[Venue]:
    if where.name == PAPER:
        async with RemoteVenue(exchange.address, _ALICE) as remote:
            yield remote
        return
    fronts = exchange.fronts
    assert fronts is not None
    async with CcxtVenue(
        quirks_of(where.name, where.kind),
        credentials(_ALICE),
        local=Local(fronts.host, fronts.port, fronts.authority),
        orders=UNHURRIED,
    ) as venue:
        yield venue


@asynccontextmanager
async def _simple(holder: Holder, spec: dict[str, Any], directory: Path) -> AsyncIterator[None]:
    with CheckpointStore.open(directory / "simple.db", holder.run_id) as store:
        run = await SimpleRun.open(holder.run_id, parse_spec(spec), holder.desks, store)
        holder.simple = asyncio.create_task(run.run())
        try:
            yield
        finally:
            holder.simple.cancel()
            with suppress(asyncio.CancelledError):
                await holder.simple


@asynccontextmanager
async def _durable(holder: Holder, spec: dict[str, Any]) -> AsyncIterator[None]:
    client, account = holder.client, holder.desks.account
    assert client is not None
    async with account_worker(client, holder.desks):
        await ensure_feed(client, account)
        try:
            await client.start_workflow(
                "GridRun",
                GridRunInput(parse_spec(spec)),
                id=holder.run_id,
                task_queue=account_queue(account),
            )
            yield
        finally:
            await client.get_workflow_handle(feed_workflow_id(account)).terminate("the test ends")

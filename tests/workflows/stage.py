"""A grid on a stage: a market in the test's hand, a ledger, a worker and a real Temporal server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker, WorkflowRunner

from activities.messages import FeedBatch
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket, PaperVenue
from domain.grid.events import GridEvent
from domain.grid.spec import parse_spec
from domain.grid.view import GridStatus, SlotView
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import Fill, OrderReport
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import TradePrinted
from tests.eventually import eventually
from workers.converter import DATA_CONVERTER
from workers.durable import account_worker
from workers.wiring import (
    Desks,
    activities_of,
    desks,
    ensure_feed,
    workflow_runner,
)
from workflows.exit import EmergencyExit
from workflows.feed import FeedRun
from workflows.grid import GridRun
from workflows.messages import GridRunInput
from workflows.names import account_queue
from workflows.timing import TASK_TIMEOUT

START = datetime(2026, 1, 1, tzinfo=UTC)
SYMBOL = "BTC/USDT:USDT"
INSTRUMENT = Instrument(
    symbol=SYMBOL,
    kind=MarketKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal(1),
    lot_size=Decimal("0.001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
#: Five buys of 2 lots below a price of 60000; an exit lies 100 above its entry.
SPEC: dict[str, Any] = {"symbol": SYMBOL, "interval": "100", "amount": "125", "buy_window": 3}
_names = count(1)


@dataclass
class Stage:
    """Everything a run needs, in this process."""

    client: Client
    account: str
    market: PaperMarket
    venue: PaperVenue
    ledger: Ledger
    desks: Desks
    at: datetime = START

    def trade(self, price: int, lots: int = 1000) -> None:
        """Let somebody trade at *price*, a second later: what rests there or better is filled."""
        self.at += timedelta(seconds=1)
        self.market.on(TradePrinted(SYMBOL, Price(price), Quantity(lots), self.at))

    def spec(self, **changes: Any) -> dict[str, Any]:
        """Return a spec as a person writes it."""
        return {**SPEC, "account": self.account, "reconcile_every": 3600, **changes}

    async def start(self, name: str | None = None, **changes: Any) -> WorkflowHandle[Any, Any]:
        """Start a run; it has a state when this returns."""
        handle = await self.begin(name, **changes)
        await eventually(lambda: self.status(handle), ignoring=(Exception,), what="a first state")
        return handle

    async def begin(self, name: str | None = None, **changes: Any) -> WorkflowHandle[Any, Any]:
        """Start a run and do not wait."""
        return await self.client.start_workflow(
            "GridRun",
            GridRunInput(parse_spec(self.spec(**changes))),
            id=name or f"{self.account}-{next(_names)}",
            task_queue=account_queue(self.account),
            task_timeout=TASK_TIMEOUT,
        )

    async def trading(self, name: str | None = None, **changes: Any) -> WorkflowHandle[Any, Any]:
        """Start a run at a price of 60000 and wait for its three buys."""
        if self.market.exchange.last_price(SYMBOL) is None:
            self.trade(60_000)
        handle = await self.start(name, **changes)
        await self.resting(buys=[59_900, 59_800, 59_700])
        return handle

    async def status(self, handle: WorkflowHandle[Any, Any]) -> GridStatus:
        answer: GridStatus = await handle.query("status", result_type=GridStatus)
        return answer

    async def slots(self, handle: WorkflowHandle[Any, Any]) -> list[SlotView]:
        answer: list[SlotView] = await handle.query("slots", result_type=list[SlotView])
        return answer

    def open_orders(self) -> Sequence[OrderReport]:
        """Return the working orders as the venue has them."""
        return self.market.exchange.open_orders(self.account, SYMBOL)

    def orders(self) -> Sequence[OrderReport]:
        """Return every order the venue ever took."""
        return self.market.exchange.orders_since(self.account, SYMBOL, START)

    def fills(self) -> Sequence[Fill]:
        """Return every fill of the venue."""
        return self.market.exchange.fills_since(self.account, SYMBOL, START)

    def prices(self) -> tuple[list[int], list[int]]:
        """Return where buys and where sells rest, nearest to the price first."""
        found: dict[str, list[int]] = {"buy": [], "sell": []}
        for order in self.open_orders():
            assert order.price is not None
            found[order.side].append(order.price.ticks)
        return sorted(found["buy"], reverse=True), sorted(found["sell"])

    async def resting(self, *, buys: Sequence[int] = (), sells: Sequence[int] = ()) -> None:
        """Wait until exactly these orders rest at the venue."""
        wanted = (list(buys), list(sells))
        await eventually(lambda: self.prices() == wanted, what=f"{wanted}, was {self.prices()}, ")

    async def feed(
        self, handle: WorkflowHandle[Any, Any], session: str, number: int, *events: GridEvent
    ) -> None:
        """Tell a run something as a feed does."""
        await handle.signal("feed", FeedBatch(session, number, events))

    async def until(self, handle: WorkflowHandle[Any, Any], **wanted: Any) -> GridStatus:
        """Wait until the run's status has these values."""

        async def has() -> GridStatus | None:
            status = await self.status(handle)
            same = all(getattr(status, name) == value for name, value in wanted.items())
            return status if same else None

        return await eventually(has, what=f"{wanted}")

    def worker(
        self,
        grid: type = GridRun,
        leaving: type = EmergencyExit,
        runner: WorkflowRunner | None = None,
    ) -> Worker:
        """Return a worker as `opensqt worker` runs it, perhaps with another kind of run or exit."""
        if grid is GridRun and leaving is EmergencyExit and runner is None:
            return account_worker(self.client, self.desks)
        return Worker(
            self.client,
            task_queue=account_queue(self.account),
            workflows=[grid, FeedRun, leaving],
            activities=activities_of(self.desks, self.client).all(),
            workflow_runner=runner or workflow_runner(),
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        )


@asynccontextmanager
async def staged(client: Client, tmp_path: Path, account: str) -> AsyncIterator[Stage]:
    """Yield a stage without a worker."""
    exchange = SimulatedExchange(
        ExchangeRules((INSTRUMENT,), {account: {"USDT": Decimal(100_000)}}), START
    )
    market = PaperMarket(exchange)
    venue = PaperVenue(market, account)
    url = sqlite_url(tmp_path / f"{account}.db")
    upgrade(url)
    with_url = Ledger.open(url, synchronous="NORMAL")
    async with with_url as ledger:
        yield Stage(client, account, market, venue, ledger, desks(account, venue, ledger))


async def connected(address: str) -> Client:
    """Return a client as the program makes it."""
    return await Client.connect(address, data_converter=DATA_CONVERTER)


@asynccontextmanager
async def working(
    stage: Stage,
    grid: type = GridRun,
    leaving: type = EmergencyExit,
    runner: WorkflowRunner | None = None,
) -> AsyncIterator[Stage]:
    """Run a worker and its feed for the stage."""
    await ensure_feed(stage.client, stage.account)
    async with stage.worker(grid, leaving, runner):
        yield stage

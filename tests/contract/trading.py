"""A grid that trades at a venue, in lockstep with a market that the test moves."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from temporalio.client import Client
from temporalio.service import RPCError

from activities.account import AccountDesk
from activities.gate import SizeGate
from activities.risk import RiskDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.ccxt.credentials import Credentials
from domain.grid.config import bind
from domain.grid.events import Cancel
from domain.grid.spec import GridSpec, StopMode, parse_spec
from domain.grid.state import begin
from domain.money import MarketKind
from domain.order_ids import decode, run_tag
from domain.orders import Fill, OrderReport
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import MarketEvent
from tests.contract.bench import BALANCES, PERPETUAL, SPOT, START, SYMBOLS, Bench, opened, trade
from tests.eventually import eventually
from tests.lockstep import (
    OpenFeed,
    Recorder,
    Runner,
    SimpleRunner,
    come_to_rest,
    durable_run,
    event_of,
    told,
)
from workers.backtest import OrderAction, Played, play
from workers.simple_run import SimpleRun
from workers.wiring import Desks
from workflows.messages import GridResult

#: Down through two levels and up again, one of them twice; far up, so that entries follow; down.
PRICES = (1000, 995, 990, 980, 986, 990, 1000, 990, 1000, 1040, 1020, 1018)
#: What somebody trades at, one after the other.
Prices = Sequence[int]
#: No two accounts have one name: runs are known to a server for ever.
_numbers = count(1)


def tape(kind: MarketKind, prices: Prices = PRICES) -> Sequence[MarketEvent]:
    """Return a trade every 15 seconds."""
    return [trade(SYMBOLS[kind], 15 * number, price) for number, price in enumerate(prices, 1)]


def spec(kind: MarketKind, account: str = "alice") -> GridSpec:
    """Return three entries below the price, ten apart; the timers never come by themselves."""
    grid = {"symbol": SYMBOLS[kind], "account": account, "interval": "10", "amount": "50"}
    return parse_spec({**grid, "buy_window": 3, "reconcile_every": 3600})


def planned(kind: MarketKind, prices: Prices = PRICES) -> Played:
    """Return what the plain loop does about the same prices, its end included."""
    instrument = PERPETUAL if kind is MarketKind.PERPETUAL else SPOT
    exchange = SimulatedExchange(ExchangeRules((instrument,), {"alice": BALANCES}), START)
    first, *rest = tape(kind, prices)
    exchange.on(first)
    state = begin(bind(spec(kind), instrument), run_tag("x"))
    end = [event_of(StopMode.CLOSE, instrument, START)]
    return play(exchange, "alice", state, rest, {len(rest): end})


def alike(actions: Sequence[OrderAction]) -> str:
    """Return *actions* as text, without the ids that a venue gave: each has its own."""
    own = [replace(each, order_id="") if isinstance(each, Cancel) else each for each in actions]
    return told(own)


class Clock:
    """Wall time, which a test may move on: for what waits until nothing can arrive any more."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, by: timedelta) -> None:
        self._ahead += by


@dataclass
class Trader:
    """A grid, the venue it trades at, and the market's hand."""

    bench: Bench
    desks: Desks
    desk: Recorder
    runner: Runner
    clock: Clock
    #: Lots of each order that the run knows to be filled, whoever told it.
    known: dict[str, int] = field(default_factory=dict)

    @property
    def exchange(self) -> SimulatedExchange:
        return self.bench.exchange.host.exchange

    @property
    def actions(self) -> str:
        """What the run asked of its venue, comparable with what others asked of theirs."""
        return alike(self.desk.actions)

    def orders(self) -> Sequence[OrderReport]:
        """Return every order of the run that the exchange ever took."""
        orders = self.exchange.orders_since("alice", self.bench.symbol, START)
        return [order for order in orders if decode(order.client_id.partition("~")[0])]

    def resting(self) -> set[str]:
        """Return the client ids of all orders that work at the exchange."""
        return {o.client_id for o in self.exchange.open_orders("alice", self.bench.symbol)}

    def fills(self) -> Sequence[Fill]:
        """Return every execution at the exchange."""
        return self.exchange.fills_since("alice", self.bench.symbol, START)

    async def settle(self) -> None:
        """Wait until the run has heard of all that happened, and has done something about it."""

        async def behind(feed: OpenFeed) -> str:
            return self._unread(feed) or await self.runner.handled(feed) or self._unread(feed)

        await come_to_rest(self.desks.account, behind)

    async def move(self, events: int = 1) -> None:
        """Let that many trades happen, and each be handled."""
        for _ in range(events):
            self.bench.advance(1)
            await self.settle()

    async def agree(self) -> None:
        """Wait until the run and the exchange say the same of orders, fills and position."""
        await eventually(self._agrees, every=0.02, ignoring=(RPCError,), what="an agreement")
        self.known = self._filled()

    async def _agrees(self) -> bool:
        status, slots = await self.runner.status(), await self.runner.slots()
        instrument = PERPETUAL if self.bench.kind is MarketKind.PERPETUAL else SPOT
        traded = [instrument.notional(fill.price, fill.quantity) for fill in self.fills()]
        working = {slot.client_id for slot in slots if slot.order}
        return status.volume == sum(traded) and working == self.resting()

    async def close(self) -> GridResult:
        """End the run, with its position closed, and return what came of it: all of it right."""
        await self.runner.obey(StopMode.CLOSE)
        result = await self.runner.result()
        ids = [order.client_id for order in self.orders()]
        assert len(ids) == len(set(ids))
        assert not any("~" in each for each in ids)  # no id was used again
        assert not self.resting()
        fills = await self.desks.ledger.fills_of_run(self.desks.account)
        assert sorted(map(_execution, fills)) == sorted(map(_execution, self.fills()))
        assert result.position == 0
        assert result.residual == 0
        return result

    def _unread(self, feed: OpenFeed) -> str:
        for client_id, lots in self._filled().items():
            if max(self.known.get(client_id, 0), feed.filled.get(client_id, 0)) < lots:
                return "a fill is unread"
        return feed.behind(self.exchange)

    def _filled(self) -> dict[str, int]:
        return {order.client_id: order.filled.lots for order in self.orders() if order.filled}


def _execution(fill: Fill) -> tuple[str, datetime, int, int]:
    """Return what a fill is, without the id that each venue writes in its own way."""
    return (fill.client_id, fill.at, fill.price.ticks, fill.quantity.lots)


@asynccontextmanager
async def trading(
    where: tuple[str, MarketKind],
    directory: Path,
    *,
    client: Client | None = None,
    prices: Prices = PRICES,
    timeout: timedelta = timedelta(seconds=10),
    keys: Credentials | None = None,
) -> AsyncIterator[Trader]:
    """Run a grid at a venue that has its first price: durable with a *client*, else simple."""
    name, kind = where
    account = f"{name}-{kind}-{next(_numbers)}"
    async with (
        opened(name, kind, directory / "exchange", tape(kind, prices), timeout, keys=keys) as bench,
        _ledger(directory) as ledger,
    ):
        bench.advance(1)
        bench.exchange.host.account("alice")  # opened, so that it can be looked at
        clock = Clock()
        desk = Recorder(account, bench.venue, ledger, SizeGate(), clock)
        books = AccountDesk(account, bench.venue, ledger, clock)
        desks = Desks(account, bench.venue, ledger, desk, books, RiskDesk(ledger))
        run = spec(kind, account)
        if client is not None:
            async with durable_run(client, account, run, desks) as durable:
                yield Trader(bench, desks, desk, durable, clock)
            return
        with CheckpointStore.open(directory / "simple.db", account) as store:
            opening = await SimpleRun.open(account, run, desks, store, clock=clock)
            async with SimpleRunner(opening) as simple:
                yield Trader(bench, desks, desk, simple, clock)


@asynccontextmanager
async def _ledger(directory: Path) -> AsyncIterator[Ledger]:
    for database in ("ledger.db", "simple.db"):
        upgrade(sqlite_url(directory / database))
    async with Ledger.open(sqlite_url(directory / "ledger.db"), synchronous="NORMAL") as ledger:
        yield ledger

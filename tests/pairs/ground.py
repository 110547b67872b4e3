"""A pair over two exchanges that the test moves and breaks, under either runner.

The desks are wired as the program wires them, over real sockets: paper behind gRPC, or the real
client of a venue behind that venue's dialect. The markets stand still unless they are told to move.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError

from activities.legs import LegDesk
from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.ccxt.hosts import Local
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from activities.venues.remote import RemoteVenue
from domain.arbitrage.events import ArbEvent, ExitAsked
from domain.arbitrage.spec import ArbSpec, parse_spec
from domain.arbitrage.view import PairStatus, status
from domain.grid.events import PauseAsked
from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderReport
from domain.ports import Venue
from domain.risk.scope import Scope, ScopeKind
from domain.simulation.tape import (
    DepthShown,
    FundingAnnounced,
    FundingDue,
    MarketEvent,
    Quoted,
    TradePrinted,
)
from tests.contract.bench import (
    BALANCES,
    START,
    SYMBOLS,
    UNHURRIED,
    Markets,
    credentials,
    rule,
)
from tests.eventually import eventually
from workers.durable import account_worker
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings
from workers.simple_pair import SimplePair
from workers.wiring import Desks, desks
from workflows.messages import Command
from workflows.names import ARBITRAGE_RUN, account_queue, feed_workflow_id
from workflows.pair_messages import ArbInput, ExitPair, PairResult

PAPER = "paper"
KINDS = {1: MarketKind.SPOT, 2: MarketKind.PERPETUAL}
MUCH = 1_000_000
#: Less than this no venue takes an order for: 5 quote at 1000.
TRADABLE = Decimal("0.005")
#: What the pair is worth a leg, and at 1000 a base.
AMOUNT = Decimal(101)
LOTS = 100
#: When the funding before the run was settled.
SETTLED_AGO = timedelta(hours=1)
EVER = START - timedelta(days=1)
ALICE = "alice"
_numbers = count(1)
#: A ladder of a second a rung: no test waits for long.
HEDGE = {"passive_for": 1, "cross_for": 1, "wide_for": 1, "alert_after": 2}
#: So old may a debt become: all rungs, a turn on the last one, and a machine that is out of breath.
MOST = timedelta(seconds=20)


class KilledError(BaseException):
    """The end of a process, which nothing in it can catch."""


@dataclass
class Side:
    """One leg: an exchange, its market, and the account that holds the leg there."""

    number: int
    where: str
    exchange: Running
    events: list[MarketEvent]
    last: datetime = START
    desks: Desks | None = None

    @property
    def symbol(self) -> str:
        return SYMBOLS[KINDS[self.number]]

    @property
    def lot(self) -> Decimal:
        return Decimal("0.001")

    def at(self) -> datetime:
        """Return the time of the next event: now, for what is settled before a run is not its."""
        self.last = max(datetime.now(UTC), self.last + timedelta(milliseconds=1))
        return self.last

    def happens(self, event: MarketEvent) -> None:
        self.events.append(event)
        self.exchange.host.advance(1)

    def quote(self, price: int, size: int = MUCH, spread: int = 2) -> None:
        """Let *price*, in whole quote, be the middle; *size* lots stand on each side."""
        bid, ask = Price(price * 10 - spread // 2), Price(price * 10 + spread // 2)
        lots = Quantity(size)
        self.happens(Quoted(self.symbol, bid, ask, lots, lots, self.at()))
        self.happens(DepthShown(self.symbol, ((bid, lots),), ((ask, lots),), self.at()))

    def print(self, price: int, lots: int = MUCH) -> None:
        self.happens(TradePrinted(self.symbol, Price(price * 10), Quantity(lots), self.at()))

    def fund(self, rate: str, hours: int = 8, ago: timedelta = timedelta()) -> None:
        """Settle at *rate*, and announce it again."""
        due = FundingDue(self.symbol, Decimal(rate), self.at() - ago)
        self.happens(due)
        after = due.at + timedelta(hours=hours)
        self.happens(FundingAnnounced(self.symbol, Decimal(rate), after, due.at))

    def announce(self, rate: str, hours: int = 8) -> None:
        """Tell another rate for the settlement that is due next."""
        told = self.at()
        last = next(e for e in reversed(self.events) if isinstance(e, FundingAnnounced))
        self.happens(FundingAnnounced(self.symbol, Decimal(rate), last.due_at, told))

    def break_down(self, *rules: dict[str, Any]) -> None:
        self.exchange.plan.set([rule(**each) for each in rules])

    def heal(self) -> None:
        self.exchange.plan.set([])

    def orders(self) -> Sequence[OrderReport]:
        """Return every order that the exchange ever took."""
        return self.exchange.host.exchange.orders_since(ALICE, self.symbol, EVER)

    def resting(self) -> Sequence[OrderReport]:
        return self.exchange.host.exchange.open_orders(ALICE, self.symbol)

    def held(self) -> Decimal:
        """Return the signed base that is held, by the exchange's own fills, after their fees."""
        fills = self.exchange.host.exchange.fills_since(ALICE, self.symbol, EVER)
        lots = sum(fill.side.sign * fill.quantity.lots for fill in fills)
        fees = sum((f.fee for f in fills if f.fee_asset == "BTC"), Decimal(0))
        return Decimal(lots) * Decimal("0.001") - fees

    # --- what breaks

    def _on_places(self, **fault: Any) -> dict[str, Any]:
        return {"method": "PlaceOrder" if self.where == PAPER else "rest.place", **fault}

    def refuses(self, times: int | None = None, every: int = 1) -> None:
        fault = {"kind": "refuse", "reason": "insufficient_funds", "every": every}
        self.break_down(self._on_places(count=times, **fault))

    def loses_answers(self, times: int | None = None) -> None:
        self.break_down(self._on_places(kind="lost_answer", count=times))

    def is_down(self) -> None:
        kind = "unavailable" if self.where == PAPER else "drop_connection"
        names = _CALLS if self.where == PAPER else ("rest.*",)
        self.break_down(*({"method": name, "kind": kind} for name in names))


#: The calls of paper that a pair makes, as the fronts have `rest.*`.
_CALLS = (
    "PlaceOrder",
    "CancelOrder",
    "GetOrder",
    "GetOpenOrders",
    "GetPositions",
    "GetAccountView",
    "GetLatestPrice",
    "GetFundingRates",
)


@dataclass
class Ground:
    """Two sides, a ledger, and the runner of the pair on them."""

    sides: dict[int, Side]
    ledger: Ledger
    run_id: str
    directory: Path
    client: Client | None = None
    naked: "Naked | None" = None
    _stack: AsyncExitStack | None = None
    _pair: SimplePair | None = None
    _task: "asyncio.Task[PairResult | None] | None" = None
    _store: CheckpointStore | None = None

    @property
    def durable(self) -> bool:
        return self.client is not None

    def spec(self, **more: Any) -> ArbSpec:
        legs = [{"account": s.desks.account, "symbol": s.symbol} for s in self.sides.values()]  # type: ignore[union-attr]
        return parse_spec(
            {
                "first": legs[0],
                "second": legs[1],
                "amount": str(AMOUNT),
                "look_every": 1,
                "lead_for": 3,
                "cool_off": 1,
                "lead": "first",
                "quote_ttl": 60,
                "hedge": HEDGE,
                **more,
            }
        )

    # --- the runner

    async def start(self, **spec: Any) -> None:
        """Begin the pair."""
        wanted = self.spec(**spec)
        self._spec = wanted
        if self.client is None:
            await self._open()
            return
        await self.work()
        await self.client.start_workflow(
            ARBITRAGE_RUN,
            ArbInput(wanted),
            id=self.run_id,
            task_queue=account_queue(wanted.first.account),
        )

    async def _open(self) -> None:
        self._store = CheckpointStore.open(self.directory / "simple.db", self.run_id)
        legs = {s.desks.account: s.desks.legs() for s in self.sides.values() if s.desks}
        self._pair = await SimplePair.open(self.run_id, self._spec, legs, self._store)
        self._task = asyncio.create_task(self._pair.run())

    async def dies(self, wrap: Callable[[LegDesk, int], Any]) -> None:
        """Run the simple runner, told to stop, until what *wrap* puts round a desk ends it."""
        sides = [side for side in self.sides.values() if side.desks is not None]
        legs = {s.desks.account: wrap(s.desks.legs(), s.number) for s in sides if s.desks}
        store = CheckpointStore.open(self.directory / "simple.db", self.run_id)
        with store, suppress(KilledError):
            pair = await SimplePair.open(self.run_id, self.spec(cool_off=3600), legs, store)
            pair.stop("the test ends")
            await pair.run()
            raise AssertionError("nothing has ended it")

    async def work(self) -> None:
        """Start workers of both accounts."""
        assert self.client is not None
        self._stack = AsyncExitStack()
        for side in self.sides.values():
            assert side.desks is not None
            await self._stack.enter_async_context(account_worker(self.client, side.desks))

    async def crash(self) -> None:
        """End whatever works on the pair, wherever it is, and begin anew."""
        await self.end()
        for side in self.sides.values():
            assert side.desks is not None
            old = side.desks
            side.desks = desks(old.account, old.venue, old.ledger)
        if self.client is None:
            await self._open()
        else:
            await self.work()

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._store is not None:
            self._store.close()
        if self._stack is not None:
            await self._stack.aclose()
        self._task, self._store, self._stack = None, None, None

    @property
    def handle(self) -> "WorkflowHandle[Any, Any]":
        assert self.client is not None
        return self.client.get_workflow_handle(self.run_id)

    async def status(self) -> PairStatus:
        if self._pair is not None and self.client is None:
            assert self._task is not None
            if self._task.done():
                self._task.result()
            return status(self._pair.state)
        found: PairStatus = await self.handle.query("status", result_type=PairStatus)
        return found

    async def stop(self) -> None:
        """Ask for the end."""
        if self._pair is not None:
            self._pair.stop("the test ends")
        else:
            await self.handle.execute_update("exit", ExitPair(ends=True, why="the test ends"))

    async def tell(self, update: str, event: ArbEvent, message: Any) -> None:
        """Ask the run for something: the simple one by an event, the durable one by an update."""
        if self._pair is not None:
            self._pair.tell(event)
        else:
            await self.handle.execute_update(update, message)

    async def pause(self) -> None:
        await self.tell("pause", PauseAsked(datetime.now(UTC)), Command("tester"))

    async def leave(self) -> None:
        """Ask for the pair to be closed; the run goes on watching."""
        asked = ExitAsked(datetime.now(UTC), "the test wants out")
        await self.tell("exit", asked, ExitPair(why="the test wants out"))

    async def halt(self) -> None:
        """Open the breaker of everything."""
        scope, side = Scope(ScopeKind.OVERALL, ""), self.sides[1]
        assert side.desks is not None
        await side.desks.risk.trip(scope, "tester", "a storm")

    async def clear(self) -> None:
        scope, side = Scope(ScopeKind.OVERALL, ""), self.sides[1]
        assert side.desks is not None
        await side.desks.risk.reset(scope, "tester", "it is over")

    async def result(self) -> PairResult:
        if self._task is not None:
            found = await asyncio.wait_for(self._task, 60)
            assert found is not None
            return found
        handle = self.client.get_workflow_handle(self.run_id, result_type=PairResult)  # type: ignore[union-attr]
        return await asyncio.wait_for(handle.result(), 60)

    # --- what is waited for

    async def until(self, what: str, true: Any, within: float = 80) -> PairStatus:
        """Wait until *true* of the status; it is watched how long something is naked meanwhile."""

        async def asked() -> PairStatus | None:
            found = await self.status()
            return found if true(found) else None

        return await eventually(asked, within=within, what=what, ignoring=_NOT_YET)

    async def is_quiet(self, what: str = "the end of the trade") -> PairStatus:
        """Wait until a trade was made and none is in flight."""
        return await self.until(what, lambda found: found.trades and not found.trade)

    async def check(self, *, flat: bool) -> None:
        """Compare the exchanges' own books with ours: nothing twice, nothing naked, it adds up."""
        held = [side.held() for side in self.sides.values()]
        assert abs(sum(held, Decimal(0))) < TRADABLE, f"naked: {held}"
        assert (abs(held[1]) < TRADABLE) is flat, held
        for side in self.sides.values():
            assert not side.resting()
            ids = [order.client_id for order in side.orders()]
            assert len(ids) == len(set(ids))
            assert not any("~" in each for each in ids)  # no id was used again
            await eventually(partial(self._books_agree, side), what="fills in the ledger")

    async def _books_agree(self, side: Side) -> bool:
        account = await self.ledger.account_of_run(f"{self.run_id}.{side.number}")
        return account.base == side.held()


#: A run that was just started cannot be asked yet.
_NOT_YET = (WorkflowQueryFailedError,)


class _Here(Markets):
    """Both kinds of market, from a while ago on."""

    def begin(self, started_at: datetime) -> datetime:
        super().begin(started_at)
        return datetime.now(UTC) - 2 * SETTLED_AGO


@asynccontextmanager
async def ground(
    directory: Path,
    *,
    where: tuple[str, str] = (PAPER, PAPER),
    client: Client | None = None,
) -> AsyncIterator[Ground]:
    """Yield the ground of a pair that is not begun: prices at 1000, funding of 0.1 % in 8 hours."""
    number = next(_numbers)
    for database in ("ledger.db", "simple.db"):
        upgrade(sqlite_url(directory / database))
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(
            Ledger.open(sqlite_url(directory / "ledger.db"), synchronous="NORMAL")
        )
        sides = {}
        for leg, name in enumerate(where, start=1):
            sides[leg] = await _side(stack, directory, leg, name)
            venue = await stack.enter_async_context(_venue(sides[leg]))
            sides[leg].desks = desks(f"{name}-{number}-{leg}", venue, ledger)
        made = Ground(sides, ledger, f"pair-{number}", directory, client)
        made.naked = Naked(list(sides.values()))
        try:
            yield made
        finally:
            await made.naked.end()
            await made.end()
            await _end_workflows(made)


async def _side(stack: AsyncExitStack, directory: Path, leg: int, name: str) -> Side:
    events: list[MarketEvent] = []
    settings = ExchangeSettings(
        data=directory / f"exchange-{leg}",
        listen="127.0.0.1:0",
        speed=Decimal(0),
        balances=BALANCES,
        fronts=() if name == PAPER else (name,),
    )
    exchange = await stack.enter_async_context(running(settings, _Here(events)))
    exchange.host.account(ALICE)
    side = Side(leg, name, exchange, events)
    begin = datetime.now(UTC) - SETTLED_AGO
    bid, ask, much = Price(9999), Price(10001), Quantity(MUCH)
    side.happens(Quoted(side.symbol, bid, ask, much, much, begin))
    if leg == 2:
        side.fund("0.001", ago=SETTLED_AGO)
    side.print(1000)
    side.quote(1000)
    return side


@asynccontextmanager
async def _venue(side: Side) -> AsyncIterator[Venue]:
    if side.where == PAPER:
        async with RemoteVenue(side.exchange.address, ALICE) as remote:
            yield remote
        return
    fronts = side.exchange.fronts
    assert fronts is not None
    async with CcxtVenue(
        quirks_of(side.where, KINDS[side.number]),
        credentials(ALICE),
        local=Local(fronts.host, fronts.port, fronts.authority),
        orders=UNHURRIED,
    ) as venue:
        yield venue


async def _end_workflows(made: Ground) -> None:
    if made.client is None:
        return
    for side in made.sides.values():
        assert side.desks is not None
        with suppress(Exception):
            feed = made.client.get_workflow_handle(feed_workflow_id(side.desks.account))
            await feed.terminate("the test ends")


class Naked:
    """How long, and how much, both exchanges together were not hedged, by their own fills."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self._sides = sides
        self.longest = timedelta()
        self.most = Decimal(0)
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        since: float | None = None
        while True:
            debt = abs(sum((side.held() for side in self._sides), Decimal(0)))
            if debt < TRADABLE:
                since = None
            else:
                now = time.monotonic()
                since = since or now
                self.longest = max(self.longest, timedelta(seconds=now - since))
                self.most = max(self.most, debt)
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

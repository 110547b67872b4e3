"""Made-up misfortunes of a pair, played by both runners: they have to send the same orders.

A script breaks the n-th order that arrives at a leg, thins a book, or trips the breaker; nothing in
it depends on how long anything takes, since no clock is the same twice. The ladder crosses at once.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count
from pathlib import Path

from temporalio.client import Client, WorkflowQueryFailedError

from activities.store.checkpoint import CheckpointStore
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.venues.paper import PaperMarket, PaperVenue
from domain.arbitrage.pair import PairTrade
from domain.arbitrage.pair_events import LegTold, OrderAction, PairEvent
from domain.arbitrage.spec import ArbSpec, parse_spec
from domain.arbitrage.view import PairStatus, status
from domain.conditions import FundingRate
from domain.errors import NotSentError, UnknownOutcomeError
from domain.grid.events import Reported
from domain.money import Price, Quantity
from domain.order_ids import decode
from domain.orders import OrderReport, OrderRequest, OrderStatus, Refusal, RefusalReason
from domain.risk.scope import Scope, ScopeKind
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import DepthShown, FundingDue, Quoted
from tests.contract.bench import PERPETUAL, SPOT
from tests.eventually import eventually
from workers.durable import account_worker
from workers.simple_pair import LegsAre, PairCheckpoint, SimplePair
from workers.wiring import Desks, desks
from workflows.names import ARBITRAGE_RUN, account_queue, feed_workflow_id
from workflows.pair_messages import ArbInput, ExitPair, PairResult

INSTRUMENTS = {1: SPOT, 2: PERPETUAL}
RICH = {"USDT": Decimal(100_000), "BTC": Decimal(1)}
MUCH = 1_000_000
#: How often a pair is in and out again before its script ends.
ROUNDS = 2
_numbers = count(1)


class Fault(StrEnum):
    """What becomes of an order."""

    NONE = "none"
    REFUSED = "refused"
    NOT_SENT = "not sent"
    LOST_BEFORE = "lost before"
    LOST_AFTER = "lost after"
    THIN = "thin"  # it finds a third of what it wants
    HALT = "halt"  # it arrives just as the breaker opens


@dataclass(frozen=True)
class Script:
    """What becomes of the first orders at each leg, and after which states a process dies."""

    first: tuple[Fault, ...] = ()
    second: tuple[Fault, ...] = ()
    crashes: frozenset[int] = frozenset()
    lead: str = "first"

    def faults(self, leg: int) -> tuple[Fault, ...]:
        return self.first if leg == 1 else self.second


@dataclass
class Played:
    """What a runner did: the orders that arrived at each leg, and what it held in the end."""

    orders: list[list[str]] = field(default_factory=list)
    held: list[Decimal] = field(default_factory=list)
    residuals: list[Decimal | None] = field(default_factory=list)


class Misfortune(PaperVenue):
    """One leg's venue, on which a script plays."""

    def __init__(self, leg: int, script: Script) -> None:
        self.leg = leg
        begin = datetime.now(UTC) - timedelta(hours=1)
        rules = ExchangeRules((INSTRUMENTS[leg],), {"alice": RICH})
        self.book = SimulatedExchange(rules, begin)
        super().__init__(PaperMarket(self.book), "alice")
        self.symbol = INSTRUMENTS[leg].symbol
        self.began = begin
        self.arrived = 0
        self.script = script.faults(leg)
        self.desks: Desks | None = None
        self._show(MUCH, begin)
        if leg == 2:
            self.book.on(FundingDue(self.symbol, Decimal("0.001"), begin))

    @property
    def arrival_limit(self) -> timedelta:
        """An order that was lost on its way arrives no more after this."""
        return timedelta(milliseconds=200)

    def _show(self, lots: int, at: datetime) -> None:
        bid, ask, size = Price(9999), Price(10001), Quantity(lots)
        self.book.on(Quoted(self.symbol, bid, ask, size, size, at))
        self.book.on(DepthShown(self.symbol, ((bid, size),), ((ask, size),), at))

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        fault = self.script[self.arrived] if self.arrived < len(self.script) else Fault.NONE
        self.arrived += 1
        if fault is Fault.REFUSED:
            return Refusal(request.client_id, RefusalReason.INSUFFICIENT_FUNDS, "no funds")
        if fault is Fault.NOT_SENT:
            raise NotSentError("nobody is there")
        if fault is Fault.LOST_BEFORE:
            raise UnknownOutcomeError("lost on its way")
        if fault is Fault.HALT:
            assert self.desks is not None
            await self.desks.risk.trip(Scope(ScopeKind.OVERALL, ""), "script", "a storm")
        now = max(self.book.now, datetime.now(UTC))
        self._show(max(request.quantity.lots // 3, 1) if fault is Fault.THIN else MUCH, now)
        done = await super().place(request)
        self._show(MUCH, now)
        if fault is Fault.LOST_AFTER:
            raise UnknownOutcomeError("the answer is lost")
        return done

    async def funding_rate(self, symbol: str) -> FundingRate:
        """Pay well while nothing is held, so it is entered, and badly while something is."""
        held = any(position.lots for position in self.book.positions("alice", symbol))
        fills = self.book.fills_since("alice", symbol, self.began)
        rounds = sum(fill.side == "buy" for fill in fills)
        good = not held and rounds < ROUNDS
        due = self.began + timedelta(hours=8)
        return FundingRate(symbol, Decimal("0.001" if good else "-0.001"), due)

    def orders(self) -> list[str]:
        """Return what arrived and was taken, without what differs between two runs."""
        return [_told(order) for order in self.book.orders_since("alice", self.symbol, self.began)]

    def held(self) -> Decimal:
        fills = self.book.fills_since("alice", self.symbol, self.began)
        lots = sum(fill.side.sign * fill.quantity.lots for fill in fills)
        fees = sum((f.fee for f in fills if f.fee_asset == "BTC"), Decimal(0))
        return Decimal(lots) * INSTRUMENTS[self.leg].lot_size - fees


def _told(order: OrderReport) -> str:
    key = decode(order.client_id)
    assert key is not None, f"foreign: {order}"
    return f"{key.purpose} {order.side} {order.quantity.lots} {order.status} {order.filled.lots}"


class _Died(Exception):  # noqa: N818 - a process that was killed
    """The script ends the process here."""


class Mortal(SimplePair):
    """A simple runner that dies right after some of the states that it committed."""

    commits: int = 0
    deaths: frozenset[int] = frozenset()

    def _commit(self, kept: PairCheckpoint) -> None:
        super()._commit(kept)
        Mortal.commits += 1
        if Mortal.commits in Mortal.deaths and kept.books is not LegsAre.CLOSED:
            raise _Died  # nothing goes on after the end


class Hopeful(Mortal):
    """The mutation that has to be found: what was sent counts, and not what was executed (D-7)."""

    async def turn(
        self, trade: PairTrade, number: int, actions: Sequence[OrderAction]
    ) -> Sequence[PairEvent]:
        return [_hoped(each) for each in await super().turn(trade, number, actions)]


def _hoped(event: PairEvent) -> PairEvent:
    if not isinstance(event, LegTold) or not isinstance(event.event, Reported):
        return event
    report = event.event.report
    filled = replace(report, status=OrderStatus.FILLED, filled=report.quantity)
    return LegTold(event.leg, Reported(filled))


@asynccontextmanager
async def _world(script: Script, directory: Path) -> AsyncIterator[tuple[list[Misfortune], Ledger]]:
    for database in ("ledger.db", "simple.db"):
        upgrade(sqlite_url(directory / database))
    async with Ledger.open(sqlite_url(directory / "ledger.db"), synchronous="NORMAL") as ledger:
        venues = [Misfortune(leg, script) for leg in (1, 2)]
        number = next(_numbers)
        for venue in venues:
            venue.desks = desks(f"shadow-{number}-{venue.leg}", venue, ledger)
        yield venues, ledger


def _spec(venues: Sequence[Misfortune], script: Script) -> ArbSpec:
    accounts = [venue.desks.account for venue in venues if venue.desks]
    return parse_spec(
        {
            "first": {"account": accounts[0], "symbol": SPOT.symbol},
            "second": {"account": accounts[1], "symbol": PERPETUAL.symbol},
            "amount": "101",
            "look_every": 1,
            "cool_off": 3600,
            "lead": script.lead,
            "lead_for": 60,
            "hedge": {"passive_for": 0, "cross_for": 60, "wide_for": 60, "silent_after": 60},
        }
    )


async def simple(script: Script, directory: Path, runner: type[Mortal] = Mortal) -> Played:
    """Play *script* with the simple *runner*, which dies as often as the script wants."""
    Mortal.commits, Mortal.deaths = 0, script.crashes
    async with _world(script, directory) as (venues, ledger):
        spec, run_id = _spec(venues, script), "shadow"
        while True:
            legs = {v.desks.account: v.desks.legs() for v in venues if v.desks}
            with CheckpointStore.open(directory / "simple.db", run_id) as store:
                try:
                    return await _simple(run_id, spec, legs, store, venues, runner)
                except _Died:
                    for venue in venues:
                        assert venue.desks is not None
                        venue.desks = desks(venue.desks.account, venue, ledger)


async def _simple(
    run_id: str,
    spec: ArbSpec,
    legs: object,
    store: CheckpointStore,
    venues: list[Misfortune],
    runner: type[Mortal],
) -> Played:
    pair = await runner.open(run_id, spec, legs, store)  # type: ignore[arg-type]
    task = asyncio.create_task(pair.run())

    async def asked() -> PairStatus:
        if task.done():
            task.result()
        return status(pair.state)

    try:
        await _is_over(asked, venues)
        pair.stop("the script ends")
        result = await asyncio.wait_for(asyncio.shield(task), 60)
        assert result is not None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return _played(venues, result)


async def durable(script: Script, directory: Path, client: Client) -> Played:
    """Play *script* with workflows, each of whose tasks is a replay from the beginning."""
    async with _world(script, directory) as (venues, _), AsyncExitStack() as stack:
        spec, run_id = _spec(venues, script), f"shadow-{next(_numbers)}"
        for venue in venues:
            assert venue.desks is not None
            await stack.enter_async_context(account_worker(client, venue.desks))
        handle = await client.start_workflow(
            ARBITRAGE_RUN,
            ArbInput(spec),
            id=run_id,
            task_queue=account_queue(spec.first.account),
            result_type=PairResult,
        )

        async def asked() -> PairStatus:
            found: PairStatus = await handle.query("status", result_type=PairStatus)
            return found

        try:
            await _is_over(asked, venues)
            await handle.execute_update("exit", ExitPair(ends=True, why="the script ends"))
            result = await asyncio.wait_for(handle.result(), 60)
        finally:
            for leg in spec.legs:
                await client.get_workflow_handle(feed_workflow_id(leg.account)).terminate()
        return _played(venues, result)


async def _is_over(asked: object, venues: Sequence[Misfortune]) -> None:
    """Wait until the pair has done what it will do: it looks on, and nothing is traded."""

    async def quiet() -> bool:
        before = [venue.arrived for venue in venues]
        if (await asked()).trade:  # type: ignore[operator]
            return False
        await asyncio.sleep(2.5)  # two looks, each of which would begin what is to begin
        after = [venue.arrived for venue in venues]
        return before == after and not (await asked()).trade  # type: ignore[operator]

    await eventually(
        quiet, within=60, what="the end of the script", ignoring=(WorkflowQueryFailedError,)
    )


def _played(venues: Sequence[Misfortune], result: PairResult) -> Played:
    residuals = [books.residual if books else None for books in result.legs]
    return Played([v.orders() for v in venues], [v.held() for v in venues], residuals)

"""Where an example is played: a market, a venue that fails on demand, the real desks over both.

Each runner has a world of its own, and all worlds of a script are alike: they answer the same to
the same calls in the same order. Time is the script's. What concerns several things at once, the
comparison with the venue, waits at a door until the one who plays opens it.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from activities.account import AccountDesk
from activities.gate import Gates, RiskGate, SizeGate
from activities.messages import ClearInput
from activities.noticing import Notices
from activities.orders import OrderDesk
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.venues.paper import PaperMarket, PaperVenue
from domain.errors import (
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
    VenueUnavailableError,
)
from domain.grid.events import BookAction, Cancel, GridAction, GridEvent, LookUp, Place, Resynced
from domain.market import AccountView
from domain.money import Instrument, Price, Quantity
from domain.orders import OrderReport, OrderRequest, OrderStatus, Refusal, RefusalReason
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.spec import RiskSpec
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import TradePrinted
from tests.domain.grid.harness import T0
from tests.fuzz.script import MIDDLE, Call, Fault, Kind, Script
from workers.backtest import OrderAction
from workers.wiring import Desks

T = TypeVar("T")
#: What a runner asked of the outside: a batch of orders, or a comparison with the venue.
Asked = tuple[OrderAction, ...] | str
RESYNC: Final = "resync"
#: Which call of a runner this is, however often it is tried; None: each is another one.
CALL: ContextVar[object] = ContextVar("CALL", default=None)
_RICH: Final = {"USDT": Decimal(1_000_000)}
#: A request may still be executed for so long.
_ARRIVAL: Final = timedelta(seconds=20)
#: Only what happens in the example may open a breaker: not how slow this machine is, nor what
#: others do in the same ledger.
_RISK: Final = RiskSpec(
    breaker=BreakerSpec(
        consecutive_losses=None, latency_p99=None, drawdown_percent=None, stale_feed_after=None
    )
)


class Clock:
    """The script's time."""

    def __init__(self) -> None:
        self.now: datetime = T0

    def __call__(self) -> datetime:
        return self.now


class FaultyVenue(PaperVenue):
    """A paper venue whose calls fail as they are told to."""

    def __init__(self, market: PaperMarket, account: str, clock: Clock) -> None:
        super().__init__(market, account)
        self._clock = clock
        self.troubles: dict[Call, deque[Kind]] = defaultdict(deque)
        #: Orders on their way.
        self._late: list[OrderRequest] = []

    @property
    def arrival_limit(self) -> timedelta:
        return _ARRIVAL

    def fail(self, faults: Sequence[Fault]) -> None:
        """Let the next calls fail."""
        for fault in faults:
            self.troubles[fault.call].append(fault.kind)

    async def arrive(self) -> None:
        """Let the orders arrive that are on their way."""
        late, self._late = self._late, []
        for request in late:
            await super().place(request)

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        kind = self._trouble("place")
        self._exchange.advance(self._clock())
        if kind == "poor":
            return Refusal(request.client_id, RefusalReason.INSUFFICIENT_FUNDS, "no money")
        if kind == "crossing":
            return Refusal(request.client_id, RefusalReason.WOULD_CROSS, "would take")
        if kind == "late":
            self._late.append(request)
            raise UnknownOutcomeError("no answer")
        return await self._answered(kind, super().place, request)

    async def cancel(self, symbol: str, client_id: str) -> OrderReport | None:
        kind = self._trouble("cancel")
        self._exchange.advance(self._clock())
        return await self._answered(kind, super().cancel, symbol, client_id)

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        return await self._answered(self._trouble("look_up"), super().look_up, symbol, client_id)

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        return await self._answered(self._trouble("look"), super().account_view, symbol, since)

    def _trouble(self, call: Call) -> Kind | None:
        waiting = self.troubles[call]
        return waiting.popleft() if waiting else None

    async def _answered(
        self, kind: Kind | None, call: Callable[..., Awaitable[T]], *arguments: Any
    ) -> T:
        """Return what *call* returns, unless it fails as *kind* says."""
        if kind is None:
            return await call(*arguments)
        if kind == "unanswered":
            await call(*arguments)
        raise _error(kind)


def _error(kind: Kind) -> VenueError:
    if kind == "unsent":
        return NotSentError("no connection")
    if kind == "limited":
        return RateLimitedError("slower", retry_after=timedelta(milliseconds=1))
    if kind == "banned":
        return RateLimitedError("much slower", retry_after=timedelta(minutes=1))
    if kind in ("lost", "unanswered"):
        return UnknownOutcomeError("no answer")
    return VenueUnavailableError("in maintenance")


class Trap:
    """Kills whoever submits next, before it is done or after."""

    def __init__(self) -> None:
        self._sent: bool | None = None
        #: What it does to them, as their runner sees it: hangs for ever, or raises.
        self.spring: Callable[[], Awaitable[None]] = _forever

    def arm(self, *, sent: bool) -> None:
        self._sent = sent

    async def around(self, work: Callable[[], Awaitable[T]]) -> T:
        sent, self._sent = self._sent, None
        if sent is None:
            return await work()
        if sent:
            await work()
        await self.spring()
        raise AssertionError("nobody survives a trap")


async def _forever() -> None:
    await asyncio.Event().wait()


class TrappedDesk(OrderDesk):
    """The real order desk; what it is asked for is written down, and a trap may lie before it."""

    def __init__(self, world: "World", gate: Gates, notices: Notices) -> None:
        super().__init__(
            world.account, world.venue, world.ledger, gate, world.clock, notices=notices
        )
        self._world = world

    async def submit(
        self, instrument: Instrument, actions: Sequence[GridAction]
    ) -> list[GridEvent]:
        if not actions:  # a durable run only tells what it wants watched
            return await super().submit(instrument, actions)
        orders = tuple(each for each in actions if isinstance(each, Place | Cancel | LookUp))
        self._world.write_down(orders)
        submit = super().submit
        return await self._world.trap.around(lambda: submit(instrument, orders))


class Door:
    """Where a comparison with the venue waits until nothing else moves: then it is no race."""

    def __init__(self) -> None:
        self.open, self.came, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._here = 0

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Wait until the door is open; it closes behind whoever leaves with an answer."""
        self._here += 1
        self.came.set()
        try:
            await self.open.wait()
            yield
            self.open.clear()
            self.left.set()
        finally:
            self._here -= 1
            if not self._here:
                self.came.clear()

    async def let_in(self) -> None:
        """Open the door, and return when one that came has had its answer."""
        self.left.clear()
        self.open.set()
        await self.left.wait()


class DoorDesk(AccountDesk):
    """The real account desk, but a comparison with the venue waits at the door."""

    def __init__(self, world: "World") -> None:
        super().__init__(world.account, world.venue, world.ledger, world.clock, world.risk)
        self._world = world

    async def resync(self, run_id: str, symbol: str, tag: str) -> Resynced:
        async with self._world.door.passed():
            found = await super().resync(run_id, symbol, tag)
            self._world.asked.append(RESYNC)
            return found

    async def clear(self, asked: ClearInput) -> None:
        """Let all go on: a simple run asks when it is started again, a durable one when resumed."""

    async def settle(
        self, run_id: str, symbol: str, actions: Sequence[BookAction]
    ) -> list[GridEvent]:
        self._world.asked.append(f"settle {list(actions)}")
        return await super().settle(run_id, symbol, actions)


class World:
    """A market, an account, its books, and the desks of the process that works on it."""

    def __init__(self, script: Script, name: str, ledger: Ledger) -> None:
        self.script, self.run_id = script, f"run-{name}"
        self.account, self.ledger = f"account-{name}", ledger
        self.instrument, self.clock = script.config.instrument, Clock()
        rules = ExchangeRules((self.instrument,), {self.account: _RICH})
        self.exchange = SimulatedExchange(rules, T0)
        self.venue = FaultyVenue(PaperMarket(self.exchange), self.account, self.clock)
        self.asked: list[Asked] = []
        self.trap, self.door = Trap(), Door()
        self._read = 0
        self._call: object = None
        self._reports: list[OrderReport] = []
        self.trade(0, 1000)
        self.reopen()

    def write_down(self, orders: tuple[OrderAction, ...]) -> None:
        """Note what is asked for, once however often it has to be tried."""
        call = CALL.get()
        if call is None or call != self._call:
            self.asked.append(orders)
        self._call = call

    def reopen(self) -> None:
        """Give the world the desks of a new process: they remember nothing."""
        self.risk = RiskDesk(self.ledger, _RISK, self.clock)
        gate = Gates((SizeGate(), RiskGate(self.account, self.risk)))
        self.orders = TrappedDesk(self, gate, Notices(self.account, self.risk, self.clock))
        self.books = DoorDesk(self)

    @property
    def desks(self) -> Desks:
        return Desks(self.account, self.venue, self.ledger, self.orders, self.books, self.risk)

    # --- what happens ------------------------------------------------------------------------

    async def pass_time(self, seconds: int) -> None:
        """Let time pass; what was on its way arrives."""
        self.clock.now += timedelta(seconds=seconds)
        self.exchange.advance(self.clock.now)
        await self.venue.arrive()

    def trade(self, ticks: int, lots: int) -> None:
        """Let the market trade at *ticks* off its middle."""
        self.exchange.on(
            TradePrinted(
                self.instrument.symbol, Price(MIDDLE + ticks), Quantity(lots), self.clock.now
            )
        )

    @property
    def price(self) -> Price:
        update = self.exchange.last_price(self.instrument.symbol)
        assert update is not None
        return update.price

    async def new_reports(self) -> list[OrderReport]:
        """Return what the venue reported since the last time, without mere acknowledgments."""
        news = self.exchange.reports_after(self.account, self._read)
        self._read += len(news)
        new = [report for _, report in news if not _is_empty(report)]
        self._reports += new
        return new

    def report(self, number: int) -> OrderReport | None:
        """Return a report of before, the newest ones first; None if there is none yet."""
        return self._reports[-1 - number % len(self._reports)] if self._reports else None

    async def keep(self, reports: Sequence[OrderReport]) -> list[OrderReport]:
        """Put *reports* into the ledger and return them as a feed tells them."""
        if reports:
            await self.ledger.record_reports(self.account, reports)
        return [replace(report, fill=None) for report in reports]

    def calm(self) -> None:
        """Let no more calls fail."""
        self.venue.troubles.clear()


def _is_empty(report: OrderReport) -> bool:
    return report.status is OrderStatus.OPEN and not report.filled

"""A venue whose wire breaks as told, and a ledger that can be locked: what faults need to be real.

The venue below is the simulated exchange; the wire only loses, delays and counts. It looks into the
ledger at the very moment an order leaves, which no scripted fault of a process could do.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from activities.gate import SizeGate
from activities.orders import OrderDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.store.records import Run
from activities.venues.paper import PaperMarket, PaperVenue
from domain.accounting import VenueView
from domain.grid.events import (
    Cancel,
    GridEvent,
    LookUp,
    OutcomeUnknown,
    Place,
    Refused,
    Reported,
)
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import OrderReport, OrderRequest, Refusal, Side
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import TradePrinted

ACCOUNT, SYMBOL = "alice", "BTC/USDT:USDT"
TAG = run_tag("a run")
START = datetime(2026, 1, 1, tzinfo=UTC)
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


class Clock:
    """A clock in the test's hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Wire:
    """The way to a venue. What stands in `before` and `after` happens once each, in order."""

    venue: PaperVenue
    time: Clock
    ledger: Ledger
    limit: timedelta = timedelta(seconds=2)
    #: Raised instead of sending, and after the venue has acted.
    before: list[Exception | None] = field(default_factory=list)
    after: list[Exception | None] = field(default_factory=list)
    #: Raised instead of an answer to a look-up or a cancel.
    deaf: list[Exception | None] = field(default_factory=list)
    #: Seconds that each sending takes.
    slow: float = 0
    calls: list[tuple[str, str]] = field(default_factory=list)
    #: Whether the ledger had a marker when the order left, by client id.
    marked: dict[str, bool] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.venue, name)

    @property
    def arrival_limit(self) -> timedelta:
        return self.limit

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        self.calls.append(("place", request.client_id))
        stored = await self.ledger.order(request.client_id)
        self.marked[request.client_id] = stored is not None and stored.sent_at is not None
        self.time.passes(self.slow)
        _raise_next(self.before)
        answer = await self.venue.place(request)
        _raise_next(self.after)
        return answer

    async def cancel(self, symbol: str, client_id: str) -> OrderReport | None:
        self.calls.append(("cancel", client_id))
        _raise_next(self.deaf)
        return await self.venue.cancel(symbol, client_id)

    async def look_up(self, symbol: str, client_id: str) -> OrderReport | None:
        self.calls.append(("look_up", client_id))
        _raise_next(self.deaf)
        return await self.venue.look_up(symbol, client_id)


def _raise_next(faults: list[Exception | None]) -> None:
    fault = faults.pop(0) if faults else None
    if fault is not None:
        raise fault


@dataclass
class Desk:
    """An order desk, its ledger on disk, and the venue behind the wire."""

    path: Path
    ledger: Ledger
    market: PaperMarket
    wire: Wire
    clock: Clock
    orders: OrderDesk

    async def do(self, *actions: Any) -> list[GridEvent]:
        return await self.orders.submit(INSTRUMENT, actions)

    def restarted(self) -> None:
        """Give the desk the memory of a process that just began."""
        self.orders = OrderDesk(ACCOUNT, self.wire, self.ledger, SizeGate(), self.clock)

    async def warm(self) -> None:
        """Send one order, so that the caution of a first batch is over; forget it was sent."""
        await self.do(Place(order(0, price=50_000)))
        self.wire.calls.clear()
        self.wire.marked.clear()

    def trade(self, price: int, lots: int = 1000) -> None:
        self.market.on(TradePrinted(SYMBOL, Price(price), Quantity(lots), self.clock.now))

    def working(self) -> set[str]:
        exchange = self.market.exchange
        return {o.client_id for o in exchange.open_orders(ACCOUNT, SYMBOL)}

    def calls(self, what: str) -> list[str]:
        """Return the client ids of the calls of one kind, in order."""
        return [client_id for name, client_id in self.wire.calls if name == what]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let another program hold the database for writing."""
        other = sqlite3.connect(self.path)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.rollback()
            other.close()


@asynccontextmanager
async def desk_at(
    path: Path, gate: SizeGate | None = None, lock_patience: timedelta = timedelta(milliseconds=50)
) -> AsyncIterator[Desk]:
    """Yield a desk on a new ledger, at a market whose price is 60000."""
    url = sqlite_url(path)
    upgrade(url)
    clock = Clock()
    rules = ExchangeRules((INSTRUMENT,), {ACCOUNT: {"USDT": Decimal(100_000)}})
    market = PaperMarket(SimulatedExchange(rules, START))
    async with Ledger.open(url, synchronous="NORMAL", busy_timeout=lock_patience) as ledger:
        wire = Wire(PaperVenue(market, ACCOUNT), clock, ledger)
        opening = VenueView(Decimal(100_000), Decimal(0))
        await ledger.open_run(
            Run("a run", TAG, "grid", ACCOUNT, "paper", SYMBOL, {}, INSTRUMENT, START, opening)
        )
        desk = OrderDesk(ACCOUNT, wire, ledger, gate or SizeGate(), clock)
        made = Desk(path, ledger, market, wire, clock, desk)
        made.trade(60_000)
        yield made


def client_id(generation: int, purpose: Purpose = Purpose.ENTRY_BUY, key: int = 59_900) -> str:
    return encode(OrderKey(TAG, purpose, key, generation))


def order(generation: int, price: int = 59_900, lots: int = 2, **changes: Any) -> OrderRequest:
    """Return an entry that rests below the price."""
    name = client_id(generation, key=price)
    return OrderRequest(name, SYMBOL, Side.BUY, Quantity(lots), Price(price), **changes)


def leave(generation: int, price: int = 60_100, lots: int = 2) -> OrderRequest:
    """Return an exit that rests above the price."""
    name = client_id(generation, Purpose.EXIT_SELL, key=price)
    return OrderRequest(name, SYMBOL, Side.SELL, Quantity(lots), Price(price), entry=False)


def cancel(request: OrderRequest) -> Cancel:
    return Cancel(SYMBOL, request.client_id, "")


def look_up(request: OrderRequest) -> LookUp:
    return LookUp(SYMBOL, request.client_id)


def told(events: list[GridEvent]) -> list[str]:
    """Return what came of each action in a word: a status, a reason, or unknown."""
    words = []
    for event in events:
        match event:
            case Reported(report):
                words.append(str(report.status))
            case Refused(refusal):
                words.append(str(refusal.reason))
            case OutcomeUnknown():
                words.append("unknown")
            case _:
                words.append(event.kind)
    return words


Deliver = Callable[..., Any]

"""A market of the test's own events, and an exchange served on it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from activities.venues.paper import PaperMarket, PaperVenue
from activities.venues.remote import RemoteVenue
from domain.conditions import FundingVenue, QuoteVenue
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.ports import Snapshots, Venue
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import FundingDue, MarketEvent, TradePrinted
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings

ADAPTERS = ("paper", "remote")
START = datetime(2026, 1, 1, tzinfo=UTC)
BALANCES = {"USDT": Decimal(100_000), "BTC": Decimal(1)}
PERPETUAL = Instrument(
    symbol="BTCUSDT",
    kind=MarketKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
SPOT = replace(PERPETUAL, symbol="ETHUSDT", base="ETH", kind=MarketKind.SPOT)


class Scripted:
    """A market of the test's own events."""

    def __init__(self, events: Sequence[MarketEvent]) -> None:
        self.instruments = (PERPETUAL, SPOT)
        self.origin: Mapping[str, Any] = {"scripted": len(events)}
        self._events = events
        self._index = 0

    def begin(self, started_at: datetime) -> datetime:
        self._index = 0
        return START

    def peek(self) -> MarketEvent | None:
        return self._events[self._index] if self._index < len(self._events) else None

    def take(self) -> None:
        self._index += 1

    def mark(self) -> Mapping[str, Any]:
        return {"index": self._index}

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._index = mark["index"]


def trade(seconds: float, price: int, lots: int = 1000, symbol: str = "BTCUSDT") -> TradePrinted:
    """A trade at *price* in whole quote units; ticks are tenths."""
    at = START + timedelta(seconds=seconds)
    return TradePrinted(symbol, Price(price * 10), Quantity(lots), at)


#: 1: a first price; 2: down to 990 with 4 lots; 3: again with plenty; 4: funding; 5-: a walk up;
#: 205: another market, down to its last tick, below which nobody can bid.
EVENTS: Sequence[MarketEvent] = (
    trade(1, 1000),
    trade(2, 990, lots=4),
    trade(3, 990),
    FundingDue("BTCUSDT", Decimal("0.001"), START + timedelta(seconds=4)),
    *(trade(10 + 10 * step, 1001 + step) for step in range(200)),
    TradePrinted(SPOT.symbol, Price(1), Quantity(1000), START + timedelta(hours=1)),
)


class Adapter(Venue, Snapshots, FundingVenue, QuoteVenue, Protocol):
    """What both adapters are."""


@dataclass
class Bench:
    """A venue and the hand that moves its market."""

    venue: Adapter
    advance: Callable[[int], Any]


def served(
    data: Path, events: Sequence[MarketEvent] = EVENTS, **changes: Any
) -> AbstractAsyncContextManager[Running]:
    """Run an exchange that moves only when told to."""
    written: dict[str, Any] = {"listen": "127.0.0.1:0", "speed": Decimal(0), "balances": BALANCES}
    return running(ExchangeSettings(data=data, **{**written, **changes}), Scripted(events))


@asynccontextmanager
async def opened(
    adapter: str, data: Path, events: Sequence[MarketEvent] = EVENTS
) -> AsyncIterator[Bench]:
    """Yield the account alice at a market of *events*: "paper" in this process, or "remote"."""
    if adapter == "remote":
        async with (
            served(data, events) as exchange,
            RemoteVenue(exchange.address, "alice") as venue,
        ):
            yield Bench(venue, exchange.host.advance)
        return
    rules = ExchangeRules((PERPETUAL, SPOT), {"alice": BALANCES})
    market = PaperMarket(SimulatedExchange(rules, START))
    tape = iter(events)

    def advance(count: int) -> None:
        for _ in range(count):
            market.on(next(tape))

    yield Bench(PaperVenue(market, "alice"), advance)

"""A market that the test moves, an account at it, and somebody else who trades on that account."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from activities.venues.paper import PaperMarket, PaperVenue
from domain.market import AccountView
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderRequest, Refusal, Side
from domain.ports import Venue
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import MarketEvent, TradePrinted
from tests.contract.bench import BALANCES, PERPETUAL, SPOT, START, SYMBOLS, opened, trade

#: Two entries are filled, the third is not, and no exit is reached; then up through the first exit.
PRICES = (1000, 995, 990, 980, 985, 990)
HOLDERS = "alice"


class Counted(PaperVenue):
    """A venue that counts how often it was looked at, and leaves out orders if told to."""

    views = 0
    hidden: frozenset[str] = frozenset()

    async def account_view(self, symbol: str, since: datetime) -> AccountView:
        self.views += 1
        view = await super().account_view(symbol, since)
        return replace(view, orders=tuple(o for o in view.orders if o.client_id not in self.hidden))


@dataclass
class World:
    """An account at a venue: the run's, and by hand also somebody else's."""

    kind: MarketKind
    venue: Venue
    exchange: SimulatedExchange
    place: Callable[[OrderRequest], OrderReport | Refusal]
    #: Let so many trades of the tape happen.
    advance: Callable[[int], Any]
    #: Of paper only: let this happen.
    happens: Callable[[MarketEvent], Any] | None = None

    @property
    def instrument(self) -> Instrument:
        return PERPETUAL if self.kind is MarketKind.PERPETUAL else SPOT

    @property
    def lots(self) -> int:
        """The position of a perpetual as the venue has it."""
        held = self.exchange.positions(HOLDERS, self.instrument.symbol)
        return sum(position.lots for position in held)

    def trade(self, ticks: int, lots: int) -> None:
        """Let others trade at a price, a minute after the tape."""
        assert self.happens is not None
        at = START + timedelta(minutes=3)
        self.happens(TradePrinted(self.instrument.symbol, Price(ticks), Quantity(lots), at))

    def orders(self) -> Sequence[OrderReport]:
        """Return every order that the account ever had."""
        return self.exchange.orders_since(HOLDERS, self.instrument.symbol, START)

    def by_hand(self, lots: int, name: str = "by-hand") -> None:
        """Let somebody trade signed *lots* at once, without touching what rests."""
        side = Side.BUY if lots > 0 else Side.SELL
        limit = Price(9_890 if lots > 0 else 9_750)  # beyond the market, short of our orders
        request = OrderRequest(name, self.instrument.symbol, side, Quantity(abs(lots)), limit)
        report = self.place(request)
        assert isinstance(report, OrderReport)
        assert report.filled == Quantity(abs(lots)), report

    def resting(self, side: Side) -> Sequence[OrderReport]:
        """Return the working orders of a side, those by hand too."""
        orders = self.exchange.open_orders(HOLDERS, self.instrument.symbol)
        return [order for order in orders if order.side is side]

    @property
    def leaves(self) -> int:
        """The lots that all resting sells are for."""
        return sum(order.leaves.lots for order in self.resting(Side.SELL))


def tape(kind: MarketKind) -> Sequence[MarketEvent]:
    return [trade(SYMBOLS[kind], 15 * number, price) for number, price in enumerate(PRICES, 1)]


@asynccontextmanager
async def opened_world(name: str, kind: MarketKind, directory: Path) -> AsyncIterator[World]:
    """Yield an account at a venue that has its first price: `paper`, or a front of its own."""
    if name == "paper":
        yield _paper(kind)
        return
    patience = timedelta(seconds=10)
    async with opened(name, kind, directory / "exchange", tape(kind), patience) as bench:
        bench.advance(1)
        host = bench.exchange.host
        host.account(HOLDERS)
        yield World(
            kind,
            bench.venue,
            host.exchange,
            lambda request: host.place(HOLDERS, request),
            bench.advance,
        )


def _paper(kind: MarketKind) -> World:
    rules = ExchangeRules((PERPETUAL, SPOT), {HOLDERS: BALANCES})
    exchange = SimulatedExchange(rules, START)
    market, events = PaperMarket(exchange), iter(tape(kind))

    def place(request: OrderRequest) -> OrderReport | Refusal:
        told = exchange.place(HOLDERS, request)
        market.tell()
        return told

    def advance(number: int) -> None:
        for _ in range(number):
            market.on(next(events))

    advance(1)
    return World(kind, Counted(market, HOLDERS), exchange, place, advance, market.on)

"""The real market of these tests: a local exchange whose tape is the test's own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from activities.venues.remote import RemoteVenue
from domain.errors import VenueUnavailableError
from domain.money import MarketKind
from domain.simulation.tape import MarketEvent
from tests.contract.bench import BALANCES, SYMBOLS, Markets, trade
from tests.eventually import eventually
from workers.exchange.faults import FaultRule
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings


@dataclass
class RealMarket:
    """A venue that is followed: its prices are those that the test sets."""

    exchange: Running
    name: str
    symbol: str

    def feed(self, data: Path) -> ExchangeSettings:
        """Return the settings of a paper exchange that follows it."""
        assert self.exchange.fronts is not None
        fronts = self.exchange.fronts
        return ExchangeSettings(
            data=data,
            listen="127.0.0.1:0",
            balances=BALANCES,
            feed=self.name,
            symbols=(self.symbol,),
            feed_local=f"{fronts.host}:{fronts.port}",
            feed_authority=fronts.authority,
        )

    def trade(self) -> None:
        """Let the next trade of the tape happen."""
        self.exchange.host.advance(1)

    def cut(self) -> None:
        """Break off the streams, at the next trade, and answer no question."""
        broken = [{"method": "stream.public", "kind": "drop_stream"}]
        broken += [{"method": "rest.market", "kind": "unavailable"}]
        self.exchange.plan.set([FaultRule.model_validate(rule) for rule in broken])

    def heal(self) -> None:
        """Let everything work again."""
        self.exchange.plan.set([])


async def sees(paper: Running, symbol: str, price: int | None = None) -> None:
    """Wait until *paper* sees its market, at *price* if one is given."""

    def seen() -> bool:
        paper.host.require_market()
        last = paper.host.exchange.last_price(symbol)
        return last is not None and price in (None, last.price.ticks // 10)

    await eventually(seen, ignoring=(VenueUnavailableError,), what=f"a price of {price}")


async def blind(paper: Running) -> None:
    """Wait until *paper* has noticed that it cannot see its market."""

    def halted() -> bool:
        try:
            paper.host.require_market()
        except VenueUnavailableError:
            return True
        return False

    await eventually(halted, what="a halt")


@asynccontextmanager
async def following(settings: ExchangeSettings) -> AsyncIterator[tuple[Running, RemoteVenue]]:
    """Run a paper exchange until it sees its market, and a client of it."""
    async with running(settings) as paper, RemoteVenue(paper.address, "alice") as venue:
        await sees(paper, settings.symbols[0])
        yield paper, venue


@asynccontextmanager
async def real_market(
    data: Path,
    prices: Sequence[int],
    *,
    name: str = "binance",
    kind: MarketKind = MarketKind.PERPETUAL,
) -> AsyncIterator[RealMarket]:
    """Serve *name* with trades at *prices*, a second apart, of which the first has happened."""
    symbol = SYMBOLS[kind]
    events: Sequence[MarketEvent] = [
        trade(symbol, 1 + number, price) for number, price in enumerate(prices)
    ]
    settings = ExchangeSettings(
        data=data, listen="127.0.0.1:0", speed=Decimal(0), balances=BALANCES, fronts=(name,)
    )
    async with running(settings, Markets(events)) as exchange:
        market = RealMarket(exchange, name, symbol)
        market.trade()
        yield market

"""A month of coins with funding at one venue, behind its protocol on real sockets."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from activities.venues.ccxt.hosts import Local
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.simulation.tape import FundingAnnounced, FundingDue, MarketEvent, TradePrinted
from tests.activities.venues.market import Scripted
from tests.contract.bench import ACCOUNT, PERPETUAL, UNHURRIED, credentials
from workers.exchange.fronts.keys import local_keys
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings
from workers.settings import AccountSettings

HOUR = timedelta(hours=1)
DAYS = 32
#: The last settlement of every coin. Far enough back that none is on its way to be written down.
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Coin:
    """What is traded of a coin at a venue: perpetual and spot at one price, and the rate it pays.

    `volume` is that of the last day of each, in quote.
    """

    base: str
    rate: str
    hours: int = 8
    volume: int = 50_000_000
    price: int = 1000
    days: int = DAYS

    @property
    def instruments(self) -> tuple[Instrument, Instrument]:
        perpetual = replace(PERPETUAL, symbol=f"{self.base}/USDT:USDT", base=self.base)
        return perpetual, replace(perpetual, symbol=f"{self.base}/USDT", kind=MarketKind.SPOT)

    def events(self) -> Iterator[MarketEvent]:
        perpetual = self.instruments[0].symbol
        for day in range(self.days, -1, -1):
            worth = self.volume if day == 0 else 1000
            lots = Quantity(worth * 1000 // self.price)  # of a thousandth each
            for each in self.instruments:
                price = Price(self.price * 10)
                yield TradePrinted(each.symbol, price, lots, NOW - day * 24 * HOUR)
        rate, step = Decimal(self.rate), self.hours * HOUR
        for number in range(self.days * 24 // self.hours):
            yield FundingDue(perpetual, rate, NOW - number * step)
        yield FundingAnnounced(perpetual, rate, NOW + step, NOW)


class Coins(Scripted):
    """Some coins at one venue."""

    def __init__(self, coins: Sequence[Coin]) -> None:
        events = [event for coin in coins for event in coin.events()]
        super().__init__(sorted(events, key=lambda event: event.at))
        self.instruments = tuple(each for coin in coins for each in coin.instruments)  # type: ignore[assignment]
        self.first = self._events[0].at

    def begin(self, started_at: datetime) -> datetime:
        super().begin(started_at)
        return self.first

    def __len__(self) -> int:
        return len(self._events)


@dataclass
class Town:
    """An exchange that speaks the language of `venue`, with both kinds of market."""

    venue: str
    exchange: Running

    @property
    def local(self) -> Local:
        assert self.exchange.fronts is not None
        fronts = self.exchange.fronts
        return Local(fronts.host, fronts.port, fronts.authority)

    def client(self, kind: MarketKind) -> CcxtVenue:
        timeout = timedelta(seconds=20)
        return CcxtVenue(
            quirks_of(self.venue, kind),
            credentials(ACCOUNT),
            local=self.local,
            orders=UNHURRIED,
            timeout=timeout,
        )

    def account(self, kind: MarketKind) -> AccountSettings:
        keys, local = local_keys(ACCOUNT), self.local
        written: dict[str, Any] = {
            "venue": self.venue,
            "market": kind,
            "local": f"{local.host}:{local.port}",
            "authority": local.authority,
            "key": keys.key,
            "secret": keys.secret,
            "passphrase": keys.passphrase,
            "uid": keys.uid,
        }
        return AccountSettings.model_validate(written)


@asynccontextmanager
async def town(venue: str, data: Path, coins: Sequence[Coin]) -> AsyncIterator[Town]:
    """Run an exchange with *coins*, at the end of their month."""
    settings = ExchangeSettings(
        data=data,
        listen="127.0.0.1:0",
        speed=Decimal(0),
        balances={"USDT": Decimal(100_000)},
        fronts=(venue,),
    )
    source = Coins(coins)
    async with running(settings, source) as exchange:
        exchange.host.advance(len(source))
        yield Town(venue, exchange)

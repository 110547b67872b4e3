"""A market of the test's own events behind a venue's dialect, and the real client of it."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from activities.venues.ccxt.credentials import Credentials
from activities.venues.ccxt.hosts import Local
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from domain.limiter import Rate
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.simulation.tape import FundingDue, MarketEvent, TradePrinted
from tests.activities.venues.market import Scripted
from workers.exchange.faults import FaultRule
from workers.exchange.fronts.keys import local_keys
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings
from workers.exchange.sources import Source

#: Close to now, for a venue's history is asked for in spans that end now; a full hour, so that
#: candles of any length begin alike in every run.
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
BALANCES = {"USDT": Decimal(100_000), "BTC": Decimal(1)}
PERPETUAL = Instrument(
    symbol="BTC/USDT:USDT",
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
SPOT = replace(PERPETUAL, symbol="BTC/USDT", kind=MarketKind.SPOT)
SYMBOLS = {MarketKind.PERPETUAL: PERPETUAL.symbol, MarketKind.SPOT: SPOT.symbol}
ACCOUNT = "alice"
#: Fast enough that no contract test waits for it.
UNHURRIED = Rate(1000, timedelta(seconds=1))


class Markets(Scripted):
    """Both kinds of market at once."""

    def __init__(self, events: Sequence[MarketEvent]) -> None:
        super().__init__(events)
        self.instruments = (PERPETUAL, SPOT)

    def begin(self, started_at: datetime) -> datetime:
        super().begin(started_at)
        return START


def trade(symbol: str, seconds: float, price: int, lots: int = 1000) -> TradePrinted:
    """A trade at *price* in whole quote units; ticks are tenths."""
    at = START + timedelta(seconds=seconds)
    return TradePrinted(symbol, Price(price * 10), Quantity(lots), at)


def events(kind: MarketKind) -> Sequence[MarketEvent]:
    """1: a first price; 2: down to 990 with 4 lots; 3: again with plenty; 4: funding; 5-: up."""
    symbol = SYMBOLS[kind]
    fourth = START + timedelta(seconds=4)
    funding = FundingDue(symbol, Decimal("0.001"), fourth)
    return (
        trade(symbol, 1, 1000),
        trade(symbol, 2, 990, lots=4),
        trade(symbol, 3, 990),
        funding if kind is MarketKind.PERPETUAL else trade(symbol, 4, 990),
        *(trade(symbol, 10 + 10 * step, 1001 + step) for step in range(200)),
    )


@dataclass
class Bench:
    """A venue, the hand that moves its market, and the hand that breaks it."""

    venue: CcxtVenue
    exchange: Running
    kind: MarketKind

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.kind]

    @property
    def advance(self) -> Callable[[int], Any]:
        return self.exchange.host.advance

    @property
    def local(self) -> Local:
        assert self.exchange.fronts is not None
        fronts = self.exchange.fronts
        return Local(fronts.host, fronts.port, fronts.authority)

    def fail(self, method: str, kind: str, **more: Any) -> None:
        """From now on this rule alone is in force."""
        self.exchange.plan.set([rule(method, kind, **more)])

    def hasten(self) -> None:
        """Let each request of the client wait for a second only: for answers that never come."""
        self.venue._client.timeout = 1000

    def heal(self) -> None:
        self.exchange.plan.set([])


def rule(method: str, kind: str, **more: Any) -> FaultRule:
    """Return a fault rule as a person writes it."""
    return FaultRule.model_validate({"method": method, "kind": kind, **more})


def credentials(account: str) -> Credentials:
    keys = local_keys(account)
    return Credentials(
        SecretStr(keys.key), SecretStr(keys.secret), SecretStr(keys.passphrase), keys.uid
    )


@asynccontextmanager
async def opened(
    name: str,
    kind: MarketKind,
    data: Path,
    market: Sequence[MarketEvent] | None = None,
    timeout: timedelta = timedelta(seconds=20),
    source: Source | None = None,
    keys: Credentials | None = None,
) -> AsyncIterator[Bench]:
    """Run an exchange that speaks *name* and moves only when told to, and a client of it.

    Its market is *source*, else the events of *market*, else those of `events`. *timeout* is for
    each request of the client, and it signs with *keys*, else with the right ones.
    """
    settings = ExchangeSettings(
        data=data,
        listen="127.0.0.1:0",
        speed=Decimal(0),
        balances=BALANCES,
        fronts=(name,),
    )
    made = source or Markets(events(kind) if market is None else market)
    async with running(settings, made) as exchange:
        assert exchange.fronts is not None
        fronts = exchange.fronts
        venue = CcxtVenue(
            quirks_of(name, kind),
            keys or credentials(ACCOUNT),
            local=Local(fronts.host, fronts.port, fronts.authority),
            orders=UNHURRIED,
            timeout=timeout,
        )
        async with venue:
            yield Bench(venue, exchange, kind)

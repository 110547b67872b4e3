"""A local exchange in a process of its own, so that its work is nobody else's CPU time.

`python -m bench.exchanges` reads what it is to be from its first line of input and ends with it.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import grpc
from pydantic import SecretStr

from activities.venues.ccxt.credentials import Credentials
from activities.venues.ccxt.hosts import Local
from activities.venues.ccxt.registry import VENUES, quirks_of
from activities.venues.wire import to_decimal
from bench.tapped import TappedVenue
from domain.errors import VenueUnavailableError
from domain.limiter import Rate
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.simulation.tape import FundingAnnounced, FundingDue, MarketEvent, TradePrinted
from opensqt.market_maker.v1 import paper_pb2, paper_pb2_grpc
from workers.exchange.fronts.keys import local_keys
from workers.exchange.server import running
from workers.exchange.settings import ExchangeSettings

ACCOUNT: Final = "bench"
KEYS: Final = local_keys(ACCOUNT)
NAMES: Final = tuple(VENUES)
_START: Final = 10_000  # ticks
#: The price of all second trades, in ticks.
FIRST: Final = _START - 100
_PERPETUAL: Final = Instrument(
    symbol="C0/USDT:USDT",
    kind=MarketKind.PERPETUAL,
    base="C0",
    quote="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
_BALANCES: Final = {"USDT": Decimal(100_000_000)}
_MICROSECOND: Final = timedelta(microseconds=1)
_EIGHT: Final = timedelta(hours=8)
#: Days of a `Month`: those that a score looks at, and two more.
_MONTH: Final = 32


def symbol(kind: MarketKind, number: int = 0) -> str:
    """Return the name of a market of the exchange."""
    return f"C{number}/USDT" if kind is MarketKind.SPOT else f"C{number}/USDT:USDT"


def markets(kind: MarketKind, count: int) -> Sequence[Instrument]:
    """Return *count* markets of one kind."""
    return [
        replace(_PERPETUAL, symbol=symbol(kind, number), kind=kind, base=f"C{number}")
        for number in range(count)
    ]


class Trades:
    """Trades without end: a first price of each market, then of each in turn, a tick down each lap.

    A lap is so long that *lots* lots trade at each price of the first market.
    """

    def __init__(self, perpetuals: int, spots: int, lots: int) -> None:
        self.instruments: Sequence[Instrument] = [
            *markets(MarketKind.PERPETUAL, perpetuals),
            *markets(MarketKind.SPOT, spots),
        ]
        self.origin: Mapping[str, Any] = {"perpetuals": perpetuals, "spots": spots, "lots": lots}
        self._lots = lots
        self._index = 0

    def begin(self, started_at: datetime) -> datetime:
        self._began = started_at.astimezone(UTC)
        return self._began

    def peek(self) -> MarketEvent | None:
        lap, which = divmod(self._index, len(self.instruments))
        # The first lap is above all orders; then every price is met `lots` times.
        ticks = _START if lap == 0 else FIRST - (lap - 1) // self._lots % 5000
        at = self._began + self._index * _MICROSECOND
        return TradePrinted(self.instruments[which].symbol, Price(ticks), Quantity(1), at)

    def take(self) -> None:
        self._index += 1

    def mark(self) -> Mapping[str, Any]:
        return {"index": self._index}

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._index = mark["index"]


class Month:
    """A month of each coin, spot and perpetual: a trade a day, and funding every eight hours.

    It ends with the last full hour; each coin pays another rate, and the next one is announced.
    """

    def __init__(self, coins: int) -> None:
        perpetuals, spots = markets(MarketKind.PERPETUAL, coins), markets(MarketKind.SPOT, coins)
        self.instruments: Sequence[Instrument] = [*perpetuals, *spots]
        self.origin: Mapping[str, Any] = {"coins": coins}
        self._end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        hours = range(-24 * _MONTH, 1)
        self._events = [event for hour in hours for event in self._hour(hour)]
        self._events += [
            FundingAnnounced(each.symbol, _rate(number), self._end + _EIGHT, self._end)
            for number, each in enumerate(perpetuals)
        ]
        self._index = 0

    def __len__(self) -> int:
        return len(self._events)

    def begin(self, started_at: datetime) -> datetime:  # noqa: ARG002 - it has times of its own
        return self._end - _MONTH * timedelta(days=1)

    def peek(self) -> MarketEvent | None:
        return self._events[self._index] if self._index < len(self._events) else None

    def take(self) -> None:
        self._index += 1

    def mark(self) -> Mapping[str, Any]:
        return {"index": self._index}

    def seek(self, mark: Mapping[str, Any]) -> None:
        self._index = mark["index"]

    def _hour(self, hour: int) -> Iterator[MarketEvent]:
        at = self._end + timedelta(hours=hour)
        for number, each in enumerate(self.instruments):
            if hour % 24 == 0:
                price = Price(_START + hour // 24 * (number % 7))
                yield TradePrinted(each.symbol, price, Quantity(20_000_000), at)
            if hour % 8 == 0 and each.kind is MarketKind.PERPETUAL:
                yield FundingDue(each.symbol, _rate(number), at)


def _rate(number: int) -> Decimal:
    return Decimal(100 + number).scaleb(-6)


@dataclass(frozen=True, slots=True)
class Exchange:
    """An exchange that runs: where its fronts are, and what moves its market."""

    local: Local
    control: paper_pb2_grpc.PaperControlServiceStub

    def advance(self, events: int) -> None:
        """Release market events."""
        self.control.Advance(paper_pb2.AdvanceRequest(max_events=events))

    def flood(self) -> None:
        """Release events as fast as it can, until `pause`: a million of them is due each second."""
        self._go(Decimal(1))

    def pause(self) -> None:
        """Let the market stand still."""
        self._go(Decimal(0))

    def _go(self, speed: Decimal) -> None:
        self.control.SetSpeed(paper_pb2.SetSpeedRequest(speed=to_decimal(speed)))

    def venue(self, name: str, kind: MarketKind) -> TappedVenue:
        """Return our gateway to it; it waits for no rate limit of orders."""
        return TappedVenue(
            quirks_of(name, kind),
            credentials(),
            local=self.local,
            orders=Rate(100_000, timedelta(seconds=1)),
            timeout=timedelta(seconds=30),
        )


def credentials() -> Credentials:
    return Credentials(
        SecretStr(KEYS.key), SecretStr(KEYS.secret), SecretStr(KEYS.passphrase), KEYS.uid
    )


@contextmanager
def exchange(
    fronts: Sequence[str] = NAMES,
    *,
    perpetuals: int = 1,
    spots: int = 1,
    lots: int = 1,
    coins: int = 0,
) -> Iterator[Exchange]:
    """Run an exchange inside the context; the first price of each market is there.

    With *coins* its market is a `Month` of them, and that is over.
    """
    with (
        TemporaryDirectory(prefix="opensqt-bench-") as directory,
        (Path(directory) / "exchange.log").open("w") as log,
    ):
        markets = {"perpetuals": perpetuals, "spots": spots, "lots": lots}
        asked = {"data": directory, "fronts": fronts, "coins": coins, **markets}
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.exchanges"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        try:
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise VenueUnavailableError(f"the exchange ended: {Path(log.name).read_text()}")
            told = json.loads(line)
            with grpc.insecure_channel(told["address"]) as channel:
                local = Local(told["host"], told["port"], Path(told["authority"]))
                runs = Exchange(local, paper_pb2_grpc.PaperControlServiceStub(channel))
                runs.advance(told["prices"])
                yield runs
        finally:
            process.stdin.close()
            process.wait(20)


async def _serve() -> None:
    asked = json.loads(await asyncio.to_thread(sys.stdin.readline))
    settings = ExchangeSettings(
        data=Path(asked["data"]),
        listen="127.0.0.1:0",
        speed=Decimal(0),
        balances=_BALANCES,
        fronts=tuple(asked["fronts"]),
    )
    source: Trades | Month = Trades(asked["perpetuals"], asked["spots"], asked["lots"])
    prices = len(source.instruments)
    if asked["coins"]:
        source = Month(asked["coins"])
        prices = len(source)
    async with running(settings, source) as runs:
        if runs.fronts is None:
            raise AssertionError("fronts were asked for")
        told = {
            "address": runs.address,
            "host": runs.fronts.host,
            "port": runs.fronts.port,
            "authority": str(runs.fronts.authority),
            "prices": prices,
        }
        print(json.dumps(told), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())

"""The market and the grid that the benches share: a walk around 50,000 with steps of 0.8.

With an interval of 50 (0.1 %) and a window of 20 that is one fill in some thousands of ticks, which
is what a grid of that interval sees of real trades.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from domain.grid.config import GridConfig, bind
from domain.grid.spec import GridSpec, parse_spec
from domain.grid.state import GridState, begin
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules, Liquidity
from domain.simulation.tape import TradePrinted

SYMBOL: Final = "BTC/USDT:USDT"
ACCOUNT: Final = "bench"
TAG: Final = "bench000"
START: Final = 500_000
INTERVAL: Final = 500  # ticks
BEGAN: Final = datetime(2024, 1, 1, tzinfo=UTC)
PERPETUAL: Final = Instrument(
    SYMBOL,
    MarketKind.PERPETUAL,
    "BTC",
    "USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.00001"),
    min_quantity=Quantity(1),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
)
_LOTS: Final = Quantity(1_000_000)
RICH: Final = Decimal(1_000_000_000)


def walk(count: int, seed: int = 7, step: float = 8.0) -> list[int]:
    """Return *count* prices in ticks, the same for ever."""
    gauss, price, prices = Random(seed).gauss, float(START), []
    for _ in range(count):
        price += gauss(0.0, step)
        prices.append(round(price))
    return prices


def trades(prices: Sequence[int]) -> list[TradePrinted]:
    """Return *prices* as trades, one a second; equal prices are one object."""
    known = {ticks: Price(ticks) for ticks in set(prices)}
    second = timedelta(seconds=1)
    return [
        TradePrinted(SYMBOL, known[ticks], _LOTS, BEGAN + number * second)
        for number, ticks in enumerate(prices, 1)
    ]


def trade(ticks: int, at: datetime) -> TradePrinted:
    """Return one trade large enough to fill whatever it reaches."""
    return TradePrinted(SYMBOL, Price(ticks), _LOTS, at)


def exchange(ticks: int = START) -> SimulatedExchange:
    """Return an exchange with a rich account and a first price."""
    rules = ExchangeRules((PERPETUAL,), {ACCOUNT: {"USDT": RICH}}, liquidity=Liquidity.UNLIMITED)
    simulated = SimulatedExchange(rules, BEGAN)
    simulated.on(trade(ticks, BEGAN))
    return simulated


def spec(**fields: Any) -> GridSpec:
    """Return the spec of the benches' grid, with *fields* set otherwise."""
    # Several grids of a bench trade the one market there is.
    usual: dict[str, Any] = {"symbol": SYMBOL, "account": ACCOUNT, "shared": True}
    usual |= {"interval": "50", "amount": "100"}
    return parse_spec(usual | {"buy_window": 20} | fields)


def grid(**fields: Any) -> GridState:
    """Return a grid before its first event."""
    return begin(config(**fields), TAG)


def config(**fields: Any) -> GridConfig:
    """Return the spec of `spec`, bound to the benches' instrument."""
    return bind(spec(**fields), PERPETUAL)


def seconds() -> Iterator[datetime]:
    """Yield the seconds after the market's first price."""
    at = BEGAN
    while True:
        at += timedelta(seconds=1)
        yield at

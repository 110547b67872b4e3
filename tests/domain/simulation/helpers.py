"""What the tests of the simulated exchange trade, and short ways to say it."""

import csv
import gzip
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from domain.market import Candle
from domain.money import EXACT, ZERO, Instrument, MarketKind, Price, Quantity, add
from domain.orders import OrderReport, OrderRequest, OrderType, Refusal, Side, TimeInForce
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import FEES, MARKET, ExchangeRules
from domain.simulation.tape import CandleClosed, Quoted, TradePrinted

START = datetime(2024, 8, 8, tzinfo=UTC)
BUY, SELL = Side.BUY, Side.SELL

#: One tick x lot of both is 1 USDT x 0.01 BTC = 0.01 USDT.
SPOT = Instrument(
    symbol="BTC/USDT",
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=Decimal(1),
    lot_size=Decimal("0.01"),
    min_quantity=Quantity(2),
    min_notional=Decimal(2),
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.002"),
)
PERPETUAL = Instrument(
    symbol="BTC/USDT:USDT",
    kind=MarketKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    tick_size=Decimal(1),
    lot_size=Decimal("0.01"),
    min_quantity=Quantity(2),
    min_notional=Decimal(2),
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.002"),
)
RICH = {"USDT": Decimal(1_000_000), "BTC": Decimal(100)}
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def exchange(**rules: object) -> SimulatedExchange:
    """Return an exchange of both instruments with the rich accounts ann and bob."""
    settings: dict = {
        "instruments": (SPOT, PERPETUAL),
        "accounts": {"ann": RICH, "bob": RICH},
    }
    return SimulatedExchange(ExchangeRules(**(settings | rules)), START)


def limit(
    client_id: str, side: Side, ticks: int, lots: int, symbol: str = SPOT.symbol, **more: object
) -> OrderRequest:
    fields: dict = {"price": Price(ticks)} | more
    return OrderRequest(client_id, symbol, side, Quantity(lots), **fields)


def market(
    client_id: str, side: Side, lots: int, symbol: str = SPOT.symbol, **more: object
) -> OrderRequest:
    fields: dict = {"type": OrderType.MARKET, "time_in_force": TimeInForce.IOC} | more
    return OrderRequest(client_id, symbol, side, Quantity(lots), **fields)


def printed(
    ticks: int, lots: int = 1000, symbol: str = SPOT.symbol, second: int = 1
) -> TradePrinted:
    return TradePrinted(symbol, Price(ticks), Quantity(lots), START + timedelta(seconds=second))


def quoted(
    bid: int, ask: int, bid_lots: int = 1000, ask_lots: int = 1000, symbol: str = SPOT.symbol
) -> Quoted:
    return Quoted(symbol, Price(bid), Price(ask), Quantity(bid_lots), Quantity(ask_lots), START)


def closed(
    open_: int, high: int, low: int, close: int, volume: int = 1000, *, minute: int = 0
) -> CandleClosed:
    candle = Candle(
        SPOT.symbol,
        START + timedelta(minutes=minute),
        Price(open_),
        Price(high),
        Price(low),
        Price(close),
        Quantity(volume),
    )
    return CandleClosed(candle, timedelta(minutes=1))


def accepted(outcome: OrderReport | Refusal) -> OrderReport:
    assert isinstance(outcome, OrderReport), outcome
    return outcome


def refused(outcome: OrderReport | Refusal) -> Refusal:
    assert isinstance(outcome, Refusal), outcome
    return outcome


def totals(at: SimulatedExchange, account: str) -> dict[str, Decimal]:
    return {balance.asset: balance.total for balance in at.balances(account)}


def locked(at: SimulatedExchange, account: str) -> dict[str, Decimal]:
    return {balance.asset: balance.locked for balance in at.balances(account)}


def equity(at: SimulatedExchange, account: str, instrument: Instrument) -> Decimal:
    """What the account is worth in quote at the last or mark price."""
    worth = totals(at, account).get(instrument.quote, ZERO)
    price = at.last_price(instrument.symbol)
    assert price is not None
    if instrument.kind is MarketKind.SPOT:
        base = totals(at, account).get(instrument.base, ZERO)
        return add(worth, EXACT.multiply(base, instrument.price_of(price.price)))
    for position in at.positions(account, instrument.symbol):
        assert position.mark is not None
        open_value = position.lots * position.mark.ticks - position.cost
        worth = add(worth, instrument.notional_of(open_value))
    return worth


def everybody(at: SimulatedExchange) -> list[str]:
    return [*at.rules.accounts, MARKET, FEES]


def rows(name: str) -> Iterator[Mapping[str, str]]:
    """Return the rows of a recorded file, or skip the test if it is not there."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"recorded market data are not there: ../shared/data/{name}")
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)

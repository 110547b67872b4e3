"""A living market through the unified methods of an unmodified ccxt, as its users call them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.async_support as ccxt
import pytest

from activities.venues.ccxt.hosts import Local, open_session
from activities.venues.ccxt.registry import quirks_of
from domain.money import MarketKind
from domain.orders import Side
from tests.contract.bench import START
from tests.contract.conftest import NAMES
from workers.exchange.fronts.keys import local_keys
from workers.exchange.fronts.registry import dialects_of
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings

SYMBOLS = ("BTC/USDT", "BTC/USDT:USDT")
LEVELS = 20


@asynccontextmanager
async def living(data: Path, *venues: str) -> AsyncIterator[Running]:
    """Run both kinds of market with others in them; they move when told to."""
    settings = ExchangeSettings(
        data=data,
        listen="127.0.0.1:0",
        speed=Decimal(0),
        symbols=SYMBOLS,
        crowd=LEVELS,
        start_at=START,
        fronts=venues,
    )
    async with running(settings) as exchange:
        yield exchange


@asynccontextmanager
async def client(exchange: Running, name: str, keys: bool = False) -> AsyncIterator[Any]:
    """An unmodified client, whose names resolve to the local exchange."""
    assert exchange.fronts is not None
    fronts = exchange.fronts
    (dialect,) = dialects_of([name], fronts.desk)
    local = Local(fronts.host, fronts.port, fronts.authority)
    async with open_session(dialect.hosts, local) as session:
        settings: dict[str, Any] = {"session": session, "enableRateLimit": False}
        if keys:
            alice = local_keys("alice")
            settings |= {"apiKey": alice.key, "secret": alice.secret, "password": alice.passphrase}
        unmodified = getattr(ccxt, name)(settings)
        try:
            yield unmodified
        finally:
            await unmodified.close()


@pytest.mark.parametrize("name", NAMES)
async def test_all_markets_load_with_keys_and_without_any_option(name: str, tmp_path: Path) -> None:
    async with living(tmp_path, name) as exchange, client(exchange, name, keys=True) as unmodified:
        markets = await unmodified.load_markets()
        assert sorted(markets) == sorted(SYMBOLS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("symbol", SYMBOLS)
async def test_book_ticker_trades_and_candles_are_those_of_one_living_market(
    name: str, symbol: str, tmp_path: Path
) -> None:
    async with living(tmp_path, name) as exchange, client(exchange, name) as unmodified:
        host = exchange.host
        host.advance(2000)
        instrument = host.instrument(symbol)
        last = host.exchange.last_price(symbol)
        assert last is not None
        price = float(instrument.price_of(last.price))

        book = await unmodified.fetch_order_book(symbol, 5)
        bids, asks = host.exchange.book(symbol, 5)
        size = _size(unmodified, symbol, instrument.lot_size)
        assert [level[:2] for level in book["bids"]] == [
            [float(at * instrument.tick_size), pytest.approx(lots * size)] for at, lots in bids
        ]
        assert [level[:2] for level in book["asks"]] == [
            [float(at * instrument.tick_size), pytest.approx(lots * size)] for at, lots in asks
        ]
        assert book["bids"][0][0] < price < book["asks"][0][0]

        ticker = await unmodified.fetch_ticker(symbol)
        assert ticker["last"] == price
        assert ticker["low"] <= price <= ticker["high"]
        assert (ticker["quoteVolume"] or ticker["baseVolume"]) > 0  # swaps of OKX: base only
        if not (name == "binance" and ":" in symbol):  # whose day of futures tells no best prices
            assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])

        trades = await unmodified.fetch_trades(symbol, limit=50)
        assert len(trades) == 50
        assert trades[-1]["price"] == price
        times = [each["timestamp"] for each in trades]
        assert times == sorted(times)
        assert len({each["id"] for each in trades}) == 50
        assert {each["side"] for each in trades} == {str(Side.BUY), str(Side.SELL)}

        since = int(START.timestamp() * 1000)
        bars = await unmodified.fetch_ohlcv(symbol, "1m", since, 3)
        known = host.exchange.candles(symbol, timedelta(minutes=1), 10_000)
        assert [bar[0] for bar in bars] == [
            int(bar.opened_at.timestamp() * 1000) for bar in known[:3]
        ]
        assert [bar[4] for bar in bars] == [
            float(instrument.price_of(bar.close)) for bar in known[:3]
        ]
        newest = await unmodified.fetch_ohlcv(symbol, "1m", limit=2)
        assert newest[-1][4] == price


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("symbol", SYMBOLS)
async def test_orders_are_placed_found_canceled_and_filled(
    name: str, symbol: str, tmp_path: Path
) -> None:
    async with living(tmp_path, name) as exchange, client(exchange, name, keys=True) as unmodified:
        exchange.host.advance(200)
        book = await unmodified.fetch_order_book(symbol, 5)
        away = float(unmodified.price_to_precision(symbol, book["bids"][0][0] * 0.99))
        size = 0.01 / (unmodified.market(symbol)["contractSize"] or 1)

        placed = await unmodified.create_order(symbol, "limit", "buy", size, away)
        (resting,) = await unmodified.fetch_open_orders(symbol)
        assert (resting["id"], resting["price"], resting["amount"]) == (placed["id"], away, size)
        await unmodified.cancel_order(placed["id"], symbol)
        assert await unmodified.fetch_open_orders(symbol) == []

        await unmodified.create_order(symbol, "market", "sell", size)
        trades = await unmodified.fetch_my_trades(symbol)
        assert sum(each["amount"] for each in trades) == pytest.approx(size)
        assert trades[0]["price"] == book["bids"][0][0]
        sold = [each for each in await unmodified.fetch_closed_orders(symbol) if each["filled"]]
        assert [each["side"] for each in sold] == ["sell"]
        if ":" in symbol:
            (position,) = await unmodified.fetch_positions([symbol])
            assert (position["side"], position["contracts"]) == ("short", size)
        else:
            balance = await unmodified.fetch_balance()
            assert balance["BTC"]["total"] == pytest.approx(10 - 0.01)


def _size(unmodified: Any, symbol: str, lot: Decimal) -> float:
    """Return what one lot is in the units that the venue counts in: contracts, or base."""
    return float(lot) / (unmodified.market(symbol)["contractSize"] or 1)


@pytest.mark.parametrize("name", NAMES)
async def test_best_prices_stream_and_move_with_the_market(name: str, tmp_path: Path) -> None:
    """Told on the wire: what a client makes of it is its own affair."""
    symbol = SYMBOLS[1]
    async with living(tmp_path, name) as exchange:
        exchange.host.advance(10)
        assert exchange.fronts is not None
        fronts = exchange.fronts
        quirks = quirks_of(name, MarketKind.PERPETUAL)
        local = Local(fronts.host, fronts.port, fronts.authority)
        address, subscription, best = BEST[name]
        async with (
            open_session(quirks.hosts, local) as session,
            session.ws_connect(address) as socket,
        ):
            await socket.send_json(subscription)
            told: list[list[Decimal]] = []
            while len(told) < 3:
                row = best(await socket.receive_json(timeout=20))
                if row is None:
                    continue
                told.append([Decimal(each) for each in row])
                exchange.host.advance(2)
                bids, asks = exchange.host.exchange.book(symbol, 1)
                while (bids, asks) == exchange.host.exchange.book(symbol, 1):
                    exchange.host.advance(1)
        assert all(bid < ask for bid, ask in told)
        assert len({tuple(each) for each in told}) > 1


def _binance(message: Any) -> Any:
    return [message["b"], message["a"]] if message.get("e") == "bookTicker" else None


def _bybit(message: Any) -> Any:
    if message.get("topic") != "orderbook.1.BTCUSDT":
        return None
    return [message["data"]["b"][0][0], message["data"]["a"][0][0]]


def _pushed(message: Any) -> Any:
    if "data" not in message:
        return None
    return [message["data"][0]["bids"][0][0], message["data"][0]["asks"][0][0]]


def _gate(message: Any) -> Any:
    told = message["event"] == "update"
    return [message["result"]["b"], message["result"]["a"]] if told else None


BEST: dict[str, tuple[str, Any, Any]] = {
    "binance": (
        "wss://fstream.binance.com/public/ws",
        {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1},
        _binance,
    ),
    "bybit": (
        "wss://stream.bybit.com/v5/public/linear",
        {"op": "subscribe", "args": ["orderbook.1.BTCUSDT"]},
        _bybit,
    ),
    "bitget": (
        "wss://ws.bitget.com/v2/ws/public",
        {
            "op": "subscribe",
            "args": [{"instType": "USDT-FUTURES", "channel": "books1", "instId": "BTCUSDT"}],
        },
        _pushed,
    ),
    "okx": (
        "wss://ws.okx.com:8443/ws/v5/public",
        {"op": "subscribe", "args": [{"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"}]},
        _pushed,
    ),
    "gate": (
        "wss://fx-ws.gateio.ws/v4/ws/usdt",
        {
            "time": 1,
            "channel": "futures.book_ticker",
            "event": "subscribe",
            "payload": ["BTC_USDT"],
        },
        _gate,
    ),
}

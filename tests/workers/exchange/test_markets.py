"""Markets that are made of several, with others in them; and the public trades they leave."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidValueError
from domain.money import MarketKind, Price, Quantity
from domain.orders import Side
from domain.simulation.tape import (
    CandleClosed,
    DepthShown,
    FundingAnnounced,
    FundingDue,
    MarketEvent,
    Quoted,
    TradePrinted,
)
from workers.exchange.host import Host
from workers.exchange.journal import Journal
from workers.exchange.markets import open_source
from workers.exchange.prints import REMEMBERED, Prints
from workers.exchange.settings import STARTING_BALANCES, ExchangeSettings
from workers.exchange.sources import Source

START = datetime(2026, 1, 1, 7, 59, 50, tzinfo=UTC)
SYMBOLS = ("BTC/USDT", "BTC/USDT:USDT", "ETH/USDT")
QUOTES = "time_ms,bid_price,bid_qty,ask_price,ask_qty\n1000,99.9,1,100.1,1\n2000,99.9,1,100.1,2\n"
CANDLES = "open_time_ms,open,high,low,close,volume\n60000,1,2,1,2,5\n120000,2,3,2,3,5\n"


def living(data: Path, **changes: Any) -> ExchangeSettings:
    return ExchangeSettings(data=data, symbols=SYMBOLS, crowd=5, start_at=START, **changes)


def taken(source: Source, count: int) -> list[MarketEvent]:
    events = []
    for _ in range(count):
        event = source.peek()
        assert event is not None
        events.append(event)
        source.take()
    return events


def begun(settings: ExchangeSettings) -> Source:
    source = open_source(settings)
    source.begin(START)
    return source


def recorded(path: Path, rows: str) -> Path:
    path.write_bytes(gzip.compress(rows.encode()))
    return path


def test_events_of_several_markets_come_in_the_order_of_time(tmp_path: Path) -> None:
    source = begun(living(tmp_path))
    assert [each.symbol for each in source.instruments] == list(SYMBOLS)
    assert source.instruments[1].kind is MarketKind.PERPETUAL
    events = taken(source, 500)
    assert {each.symbol for each in events} == set(SYMBOLS)
    times = [each.at for each in events]
    assert times == sorted(times)


def test_every_trade_is_followed_by_the_depth_around_it(tmp_path: Path) -> None:
    events = taken(begun(living(tmp_path)), 300)
    for symbol in SYMBOLS:
        own = [
            each
            for each in events
            if each.symbol == symbol and isinstance(each, TradePrinted | DepthShown)
        ]
        for trade, shown in zip(own[::2], own[1::2], strict=False):
            assert isinstance(trade, TradePrinted)
            assert isinstance(shown, DepthShown)
            assert shown.at == trade.at
            assert shown.bids[0][0] < trade.price < shown.asks[0][0]


def test_markets_of_one_coin_go_together_and_others_do_not(tmp_path: Path) -> None:
    events = taken(begun(living(tmp_path)), 600)
    prices: dict[str, list[Decimal]] = {symbol: [] for symbol in SYMBOLS}
    source = open_source(living(tmp_path))
    ticks = {each.symbol: each.tick_size for each in source.instruments}
    for each in events:
        if isinstance(each, TradePrinted):
            prices[each.symbol].append(each.price.ticks * ticks[each.symbol])
    spot, swap, other = (prices[symbol] for symbol in SYMBOLS)
    assert all(abs(a - b) < a / 1000 for a, b in zip(spot, swap, strict=False))
    assert any(abs(a - b) > a / 1000 for a, b in zip(spot, other, strict=False))


def test_a_perpetual_announces_its_funding_and_settles_what_it_announced(tmp_path: Path) -> None:
    funding: list[FundingAnnounced | FundingDue] = [
        each
        for each in taken(begun(living(tmp_path)), 2000)
        if isinstance(each, FundingAnnounced | FundingDue)
    ]
    before, first, due, second = funding
    assert isinstance(before, FundingDue)
    assert isinstance(first, FundingAnnounced)
    assert isinstance(due, FundingDue)
    assert isinstance(second, FundingAnnounced)
    eight = START.replace(hour=8, minute=0, second=0)
    assert before.at == eight - timedelta(hours=8)
    assert (first.due_at, due.at, second.at) == (eight, eight, eight)
    assert first.rate == due.rate
    assert second.due_at == eight + timedelta(hours=8)
    assert {each.symbol for each in funding} == {"BTC/USDT:USDT"}


def test_funding_begins_with_a_market_that_begins_at_another_time(tmp_path: Path) -> None:
    source = open_source(living(tmp_path))
    assert source.begin(START + timedelta(hours=9)) == START
    announced = next(each for each in taken(source, 50) if isinstance(each, FundingAnnounced))
    assert announced.due_at == START + timedelta(seconds=10)


def test_funding_can_be_said(tmp_path: Path) -> None:
    rate = Decimal("-0.0003")
    source = begun(living(tmp_path, funding=rate))
    told = {e.rate for e in taken(source, 2000) if isinstance(e, FundingAnnounced | FundingDue)}
    assert told == {rate}
    assert source.origin != begun(living(tmp_path)).origin  # a journal is of one market


@pytest.mark.parametrize("after", [0, 1, 2, 7, 150, 151])
def test_it_goes_on_where_it_was_left(after: int, tmp_path: Path) -> None:
    one, two = begun(living(tmp_path)), begun(living(tmp_path))
    taken(one, after)
    two.seek(one.mark())
    assert taken(one, 50) == taken(two, 50)
    assert one.origin == two.origin
    assert open_source(living(tmp_path, seed=2)).origin != one.origin


def test_the_books_of_a_living_market_survive_a_stop(tmp_path: Path) -> None:
    known: list[Any] = []
    for _ in range(2):
        source = open_source(living(tmp_path))
        journal = Journal(tmp_path, source.origin)
        host = Host(source, journal, STARTING_BALANCES, Decimal(0))
        if not known:
            host.advance(777)
            host.keep()
            host.advance(20)
        known.append((host.position, [host.exchange.book(each, 5) for each in SYMBOLS]))
        journal.close()
    assert known[0] == known[1]


def test_a_tape_of_candles_can_have_others_and_one_of_quotes_has_its_own(tmp_path: Path) -> None:
    candles = recorded(tmp_path / "x_spot_BTCUSDT_1m.csv.gz", CANDLES)
    source = begun(ExchangeSettings(data=tmp_path, tape=candles, crowd=3))
    kinds = [type(each) for each in taken(source, 4)]
    assert kinds == [CandleClosed, DepthShown, CandleClosed, DepthShown]
    quotes = recorded(tmp_path / "x_spot_BTCUSDT_quotes.csv.gz", QUOTES)
    plain = begun(ExchangeSettings(data=tmp_path, tape=quotes))
    assert isinstance(plain.peek(), Quoted)
    with pytest.raises(InvalidValueError, match="--crowd was 3"):
        open_source(ExchangeSettings(data=tmp_path, tape=quotes, crowd=3))


@pytest.mark.parametrize(
    "changes,told",
    [
        ({"symbol": "ETHUSDT"}, "--symbols BTC/USDT"),
        ({"tape": Path("x.csv.gz")}, "--symbols BTC/USDT"),
        ({"symbols": ("BTC/USDT",), "feed": "binance"}, "--crowd was 5"),
        ({"funding": Decimal("0.0003"), "crowd": 0}, "--funding was 0.0003"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    written: dict[str, Any] = {"symbols": ("BTC/USDT",), "crowd": 5, **changes}
    with pytest.raises(InvalidValueError, match=told):
        ExchangeSettings(data=tmp_path, **written)


# ---- public trades


def printed(
    price: int, micro: int, *, lots: int = 2, maker_bought: bool | None = None
) -> TradePrinted:
    at = START + timedelta(microseconds=micro)
    return TradePrinted("X", Price(price), Quantity(lots), at, maker_bought)


def of(trades: Sequence[TradePrinted]) -> Prints:
    prints = Prints()
    for each in trades:
        prints.take(each)
    return prints


def test_trades_are_told_with_their_taker_oldest_first() -> None:
    prints = of([printed(5, 1, maker_bought=True), printed(6, 2, maker_bought=False, lots=7)])
    first, second = prints.newest("X", 10)
    assert (first.price, first.side) == (Price(5), Side.SELL)
    assert (second.price, second.side, second.quantity) == (Price(6), Side.BUY, Quantity(7))
    assert prints.newest("X", 1) == [second]
    assert prints.newest("Y", 10) == []


def test_where_a_tape_does_not_tell_who_came_the_price_does() -> None:
    prints = of([printed(5, 1), printed(6, 2), printed(6, 3), printed(4, 4), printed(4, 5)])
    sides = [each.side for each in prints.newest("X", 10)]
    assert sides == [Side.BUY, Side.BUY, Side.BUY, Side.SELL, Side.SELL]


def test_numbers_are_different_and_increase_also_within_one_instant() -> None:
    prints = of([printed(5, 1), printed(5, 1), printed(5, 1), printed(5, 2)])
    numbers = [each.number for each in prints.newest("X", 10)]
    assert len(set(numbers)) == 4
    assert numbers == sorted(numbers)
    assert [each.number for each in prints.newest("X", 2)] == numbers[2:]


def test_only_the_newest_trades_are_remembered() -> None:
    prints = of([printed(5, micro) for micro in range(REMEMBERED + 5)])
    assert len(prints.newest("X", 5000)) == REMEMBERED

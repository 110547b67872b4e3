"""The state of an exchange, kept and restored; the state machine covers that nothing is lost."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import InvalidValueError
from domain.money import Price
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from tests.domain.simulation.helpers import (
    BUY,
    PERPETUAL,
    RICH,
    SPOT,
    START,
    closed,
    exchange,
    limit,
    printed,
    quoted,
    totals,
)


def test_a_restored_exchange_has_the_same_queue_prices_and_candles() -> None:
    at = exchange()
    at.on(printed(100))
    at.on(printed(105, second=61))
    at.on(quoted(98, 102, ask_lots=3))
    at.place("ann", limit("a1", BUY, 97, 10))
    at.place("bob", limit("b1", BUY, 97, 10))
    at.on(quoted(96, 97, ask_lots=4))
    again = SimulatedExchange.restore(at.rules, json.loads(json.dumps(at.dump())))
    assert again.last_price(SPOT.symbol) == at.last_price(SPOT.symbol)
    minute = timedelta(minutes=1)
    assert again.candles(SPOT.symbol, minute, 9) == at.candles(SPOT.symbol, minute, 9)
    for each in (at, again):
        each.on(quoted(96, 97, ask_lots=4))  # gone already
        each.on(printed(97, 9))
        each.on(printed(90, second=90))
    assert again.dump() == at.dump()
    fills = again.fills_since("bob", SPOT.symbol, START)
    assert [fill.quantity.lots for fill in fills] == [3, 7]


def test_the_state_of_another_version_is_refused() -> None:
    at = exchange()
    with pytest.raises(InvalidValueError, match="must be 1, was 0"):
        SimulatedExchange.restore(at.rules, at.dump() | {"version": 0})


def test_a_state_with_more_than_the_rules_know_is_refused() -> None:
    at = exchange()
    without_bob = ExchangeRules((SPOT, PERPETUAL), {"ann": RICH})
    with pytest.raises(InvalidValueError, match="bob was not: add it"):
        SimulatedExchange.restore(without_bob, at.dump())
    without_spot = ExchangeRules((PERPETUAL,), at.rules.accounts)
    with pytest.raises(InvalidValueError, match="BTC/USDT was not"):
        SimulatedExchange.restore(without_spot, at.dump())


def test_a_new_account_starts_with_its_balances_beside_a_restored_one() -> None:
    at = exchange(accounts={"ann": RICH})
    at.place("ann", limit("a1", BUY, 100, 5))
    more = ExchangeRules((SPOT, PERPETUAL), {"ann": RICH, "eve": {"USDT": Decimal(7)}})
    again = SimulatedExchange.restore(more, at.dump())
    assert totals(again, "eve") == {"USDT": 7}
    assert len(again.open_orders("ann", SPOT.symbol)) == 1


# ---- candles


def test_candles_are_made_of_trades_and_only_the_last_may_be_open() -> None:
    at = exchange()
    for second, ticks in ((1, 100), (20, 104), (50, 98), (59, 101), (61, 103), (200, 90)):
        at.on(printed(ticks, 5, second=second))
    bars = at.candles(SPOT.symbol, timedelta(minutes=1), 10)
    assert [
        (bar.opened_at - START, bar.open.ticks, bar.high.ticks, bar.low.ticks, bar.close.ticks)
        for bar in bars
    ] == [
        (timedelta(minutes=0), 100, 104, 98, 101),
        (timedelta(minutes=1), 103, 103, 103, 103),
        (timedelta(minutes=3), 90, 90, 90, 90),  # no trade in the third minute: no bar
    ]
    assert [bar.closed for bar in bars] == [True, True, False]
    assert [bar.volume.lots for bar in bars] == [20, 5, 5]
    at.advance(START + timedelta(minutes=4))
    assert at.candles(SPOT.symbol, timedelta(minutes=1), 1)[0].closed


def test_candles_are_merged_into_longer_ones() -> None:
    at = exchange()
    for minute in range(7):
        at.on(closed(100 + minute, 110 + minute, 90 - minute, 100, volume=3, minute=minute))
    whole, part = at.candles(SPOT.symbol, timedelta(minutes=5), 3)
    assert (whole.open, whole.high, whole.low, whole.close, whole.volume.lots) == (
        Price(100),
        Price(114),
        Price(86),
        Price(100),
        15,
    )
    assert (whole.closed, part.closed, part.open) == (True, False, Price(105))
    assert len(at.candles(SPOT.symbol, timedelta(minutes=1), 3)) == 3


def test_there_are_no_candles_before_the_first_trade() -> None:
    assert exchange().candles(SPOT.symbol, timedelta(minutes=1), 3) == []


def test_candles_of_other_intervals_are_refused() -> None:
    at = exchange()
    at.on(printed(100))
    for interval in (timedelta(seconds=30), timedelta(seconds=90)):
        with pytest.raises(InvalidValueError, match="multiples of 0:01:00"):
            at.candles(SPOT.symbol, interval, 3)
    with pytest.raises(InvalidValueError, match="at least one"):
        at.candles(SPOT.symbol, timedelta(minutes=1), 0)
    hour = closed(100, 100, 100, 100)
    with pytest.raises(InvalidValueError, match="must all be of 0:01:00, one was of 1:00:00"):
        at.on(type(hour)(hour.candle, timedelta(hours=1)))

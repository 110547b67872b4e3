"""The average true range of closed candles, and what it makes of an interval."""

from datetime import timedelta
from decimal import Decimal

from domain.grid.volatility import average_true_range
from domain.grid.watch import watch
from domain.market import Candle
from domain.money import NOTHING, Price
from tests.domain.grid.harness import T0, Runner, configured


def candle(n: int, high: int, low: int, close: int, *, closed: bool = True) -> Candle:
    at = T0 + timedelta(minutes=n)
    return Candle("X/Y", at, Price(low), Price(high), Price(low), Price(close), NOTHING, closed)


CANDLES = [
    candle(0, 110, 90, 100),
    candle(1, 105, 95, 104),  # 10
    candle(2, 120, 110, 111),  # a gap up: 120 - 104 = 16
    candle(3, 100, 99, 99),  # a gap down: 111 - 99 = 12
]


def test_the_range_spans_the_gap_to_the_close_before() -> None:
    assert average_true_range(CANDLES, 2) == 14
    assert average_true_range(CANDLES, 1) == 12


def test_a_forming_candle_does_not_count_and_too_few_are_no_answer() -> None:
    forming = candle(4, 900, 1, 500, closed=False)
    assert average_true_range([*CANDLES, forming], 2) == 14
    assert average_true_range(CANDLES, 4) is None


def test_a_watch_knows_when_an_epoch_turns() -> None:
    run = Runner(configured(adaptive={}))
    assert watch(run.state).turns_epoch(Decimal(121))
    assert not watch(run.state).turns_epoch(Decimal(120))
    assert not watch(Runner(configured()).state).turns_epoch(Decimal(999))
    assert not watch(Runner(configured(adaptive={}), live=False).state).turns_epoch(Decimal(999))
    off = Runner(configured(adaptive={"enabled": False}))
    assert not watch(off.state).turns_epoch(Decimal(999))

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from domain.errors import InvalidValueError
from domain.market import Candle
from domain.money import Price, Quantity
from domain.risk.monitor import MonitorState, judge, observe, reset
from domain.risk.monitor_spec import MonitorSpec
from domain.written import read
from tests.domain.grid.harness import T0

MINUTE = timedelta(minutes=1)
WINDOW = 5
BTC, ETH, SOL = "BTC/USDT", "ETH/USDT", "SOL/USDT"
STATES = TypeAdapter(MonitorState)


def spec(*symbols: str, **fields: Any) -> MonitorSpec:
    return read(MonitorSpec, {"symbols": symbols or (BTC,), "window": WINDOW, **fields}, "monitor")


def candle(
    symbol: str = BTC, at: int = 0, price: int = 1000, volume: int = 10, closed: bool = True
) -> Candle:
    """Return a candle that opens *at* minutes after T0."""
    tick = Price(price)
    return Candle(symbol, T0 + at * MINUTE, tick, tick, tick, tick, Quantity(volume), closed)


def calm(*symbols: str, until: int = 6) -> list[Candle]:
    """Return closed candles before minute *until*, just above the average."""
    return [candle(s, at, 1000 + at) for at in range(until) for s in symbols or (BTC,)]


def watched(spec: MonitorSpec, candles: Iterable[Candle]) -> MonitorState:
    state = MonitorState(spec)
    for one in candles:
        state = observe(state, one)
    return state


def after(minutes: float) -> datetime:
    return T0 + minutes * MINUTE


# --- the dual trigger


@pytest.mark.parametrize(
    "price,volume,storm",
    [
        (900, 31, True),
        (900, 30, False),  # 3 x the average of 10, not more
        (1003, 31, False),  # the average of 1001 .. 1005 is 1003
        (1002, 31, True),
        (1100, 1000, False),
        (900, 10, False),
    ],
)
@pytest.mark.parametrize("closed", [True, False])
def test_a_storm_is_a_fall_below_the_average_on_much_volume(
    price: int, volume: int, storm: bool, closed: bool
) -> None:
    state = watched(spec(), [*calm(), candle(BTC, 6, price, volume, closed)])
    verdict = judge(state, after(6.5))
    assert (verdict.halted, verdict.storm) == (storm, storm)


def test_a_verdict_says_why_in_words_and_numbers() -> None:
    state = watched(spec(), [*calm(), candle(BTC, 6, 900, 41, closed=False)])
    verdict = judge(state, after(6.5))
    assert verdict.why == (
        "storm since 2024-08-08 00:06:00: BTC/USDT 10.27 % below its average price, volume 4.10 x "
        "its average; 0 of the 1 symbols needed are normal again"
    )
    closed, forming = verdict.readings
    assert (closed.closed, closed.normal, closed.anomalous) == (True, True, False)
    assert (forming.price, forming.average_price) == (900, Decimal(1003))
    assert (forming.volume, forming.average_volume) == (41, Decimal(10))
    quiet = judge(watched(spec(), calm()), after(6.5))
    assert (quiet.halted, quiet.why) == (False, "calm: 0 of 1 symbols anomalous")


def test_after_candles_without_volume_any_volume_is_much() -> None:
    silent = [candle(BTC, at, 1000, 0) for at in range(6)]
    state = watched(spec(), [*silent, candle(BTC, 6, 900, 1, closed=False)])
    verdict = judge(state, after(6.5))
    assert verdict.storm
    assert "volume 1 lots after none" in verdict.why


@pytest.mark.parametrize("mode,loud,storm", [("all", 1, 0), ("all", 2, 1), ("any", 1, 1)])
def test_all_or_any_symbols_make_a_storm(mode: str, loud: int, storm: bool) -> None:
    falls = [candle(s, 6, 900, 99, closed=False) for s in (BTC, ETH)[:loud]]
    state = watched(spec(BTC, ETH, mode=mode), [*calm(BTC, ETH), *falls])
    assert judge(state, after(6.5)).storm == storm


def test_symbols_whose_candles_close_one_after_another_make_one_storm() -> None:
    both = [*calm(BTC, ETH), candle(BTC, 6, 900, 99), candle(BTC, 7, 950, 1, closed=False)]
    state = watched(spec(BTC, ETH), [*both, candle(ETH, 6, 900, 99)])
    assert judge(state, after(7.1)).storm
    long_ago = [*both, *calm(ETH, until=9), candle(ETH, 9, 900, 99)]
    assert not watched(spec(BTC, ETH), long_ago).storm_since


# --- the way back


def test_the_storm_ends_by_closed_candles_that_are_normal_and_by_nothing_else() -> None:
    state = watched(spec(), [*calm(), candle(BTC, 6, 900, 99, closed=False)])
    for one in (
        candle(BTC, 6, 900, 99),
        candle(BTC, 7, 1500, 5, closed=False),  # forming: not counted
        candle(BTC, 7, 950, 5),  # quiet, but still below the average
        candle(BTC, 8, 1500, 5, closed=False),  # forming again: it may yet fall
    ):
        state = observe(state, one)
        assert judge(state, after(7.5)).storm, one
    state = observe(state, candle(BTC, 8, 1100, 12))
    assert not judge(state, after(9.1)).halted


def test_a_closed_candle_from_before_the_storm_proves_nothing() -> None:
    state = watched(spec(), [*calm(), candle(BTC, 6, 900, 99, closed=False)])
    verdict = judge(state, after(6.1))
    assert verdict.readings[0].normal  # the candle of minute 5
    assert verdict.storm
    again = observe(state, candle(BTC, 6, 901, 100, closed=False))
    assert judge(again, after(6.2)).storm


def test_as_many_symbols_as_asked_for_must_be_normal() -> None:
    three = spec(BTC, ETH, SOL, mode="any", recovery=2)
    falls = [candle(BTC, 6, 900, 99), candle(ETH, 6, 900, 9), candle(SOL, 6, 900, 9)]
    state = watched(three, [*calm(BTC, ETH, SOL), *falls])
    state = observe(state, candle(BTC, 7, 950, 9))  # over, not yet normal
    state = observe(state, candle(ETH, 7, 1100, 9))
    assert judge(state, after(8)).storm
    assert "1 of the 2 symbols needed" in judge(state, after(8)).why
    assert not judge(observe(state, candle(SOL, 7, 1100, 9)), after(8)).halted


def test_normal_symbols_do_not_end_a_storm_that_goes_on_in_another() -> None:
    three = spec(BTC, ETH, SOL, mode="any", recovery=2)
    state = watched(three, [*calm(BTC, ETH, SOL), candle(BTC, 6, 900, 99)])
    for one in (candle(ETH, 6, 1100, 9), candle(SOL, 6, 1100, 9)):
        state = observe(state, one)
        assert judge(state, after(7.1)).storm


# --- no data


def test_too_few_candles_halt_and_the_reason_says_what_is_missing() -> None:
    state = watched(spec(BTC, ETH), [*calm(BTC), *calm(ETH, until=4)])
    verdict = judge(state, after(6.1))
    assert (verdict.halted, verdict.storm) == (True, False)
    assert verdict.why == "no data is not calm: ETH/USDT has 4 of 6 closed candles"
    assert judge(MonitorState(spec()), T0).missing == ("BTC/USDT has 0 of 6 closed candles",)


@pytest.mark.parametrize("minutes,halted", [(7.5, False), (7.51, True)])
def test_k7_a_dead_feed_halts_whatever_it_said_last(minutes: float, halted: bool) -> None:
    state = watched(spec(stale_after=30), calm())  # the last one opened at 5, the next is due at 7
    for repeated in calm():  # a feed that repeats itself is as dead as a silent one
        state = observe(state, repeated)
    verdict = judge(state, after(minutes))
    assert verdict.halted == halted
    if halted:
        assert "is stale: its last closed candle opened at 2024-08-08 00:05:00" in verdict.why


def test_a_hole_in_the_window_halts_unless_gaps_are_allowed() -> None:
    holed = [one for one in calm(until=8) if one.opened_at != T0 + 4 * MINUTE]
    verdict = judge(watched(spec(), holed), after(8.1))
    assert verdict.why.endswith("BTC/USDT misses 1 of the 5 candles before 00:07:00")
    assert not judge(watched(spec(gaps=1), holed), after(8.1)).halted
    filled = observe(watched(spec(), holed), candle(BTC, 4, 1004))
    assert not judge(filled, after(8.1)).halted


@pytest.mark.parametrize("closed", [True, False])
def test_a_candle_from_the_future_halts(closed: bool) -> None:
    state = watched(spec(), [*calm(), candle(BTC, 60, 1000, 1, closed)])
    assert "from the future (2024-08-08 01:00:00)" in judge(state, after(6.1)).why


def test_a_storm_with_holes_says_both() -> None:
    state = watched(spec(), [*calm(), candle(BTC, 6, 900, 99)])
    verdict = judge(state, after(60))
    assert verdict.storm
    assert "storm since" in verdict.why
    assert "is stale" in verdict.why


# --- candles


def test_other_symbols_and_older_forms_of_a_candle_change_nothing() -> None:
    state = watched(spec(), [*calm(), candle(BTC, 6, 900, 20, closed=False)])
    for one in (
        candle(ETH, 6, 1, 999),
        candle(BTC, 6, 950, 19, closed=False),  # formed earlier: volume only grows
        candle(BTC, 5, 950, 99, closed=False),  # closed already
        candle(BTC, 5, 1, 99),  # final
        candle(BTC, -9, 1, 99),  # too old to matter
    ):
        assert observe(state, one) == state


@given(st.permutations([*calm(until=8), *calm(until=3), candle(BTC, 8, 1008, 1, closed=False)]))
def test_order_and_repetition_of_candles_do_not_matter(candles: list[Candle]) -> None:
    state = watched(spec(), candles)
    assert state == watched(spec(), [*calm(until=8), candle(BTC, 8, 1008, 1, closed=False)])


@given(
    st.lists(
        st.builds(
            candle,
            st.sampled_from([BTC, ETH, SOL]),
            st.integers(0, 12),
            st.integers(900, 1100),
            st.integers(0, 60),
            st.booleans(),
        ),
        max_size=60,
    ),
    st.sampled_from(["all", "any"]),
    st.integers(0, 20),
)
def test_no_data_is_never_calm_and_a_candle_told_twice_counts_once(
    candles: list[Candle], mode: str, now: int
) -> None:
    state = MonitorState(spec(BTC, ETH, mode=mode, gaps=2))
    for one in candles:
        state = observe(state, one)
        assert observe(state, one) == state
        assert all(len(known.closed) <= WINDOW + 1 for known in state.symbols.values())
    verdict = judge(state, after(now))
    assert verdict.halted == (verdict.storm or bool(verdict.missing))
    if not verdict.halted:
        assert {reading.symbol for reading in verdict.readings} == {BTC, ETH}
    assert STATES.validate_json(STATES.dump_json(state)) == state


# --- a person


def test_k6_a_reset_ends_the_storm_at_once_and_the_next_candle_may_begin_another() -> None:
    state = watched(spec(), [*calm(), candle(BTC, 6, 900, 99, closed=False)])
    state = reset(state)
    assert not judge(state, after(6.1)).halted
    state = observe(state, candle(BTC, 6, 890, 120))  # the same candle, judged by a person
    assert not judge(state, after(7.1)).halted
    assert judge(observe(state, candle(BTC, 7, 800, 500, closed=False)), after(7.2)).storm
    assert reset(MonitorState(spec())).pardoned is None


def test_a_monitor_that_is_switched_off_halts_nothing_and_says_so() -> None:
    verdict = judge(MonitorState(spec(enabled=False)), T0)
    assert (verdict.halted, verdict.why) == (False, "the risk monitor is switched off")


# --- the spec


def test_k7_nothing_is_unset_that_would_switch_it_off() -> None:
    told = MonitorSpec(symbols=("BTC/USDT", "ETH/USDT", "SOL/USDT"))
    assert (told.enabled, told.window, told.multiplier) == (True, 20, Decimal(3))
    assert (told.length, told.preload, told.quorum, told.mode) == (MINUTE, 21, 2, "all")
    assert spec(BTC, ETH, recovery=1, interval="5m").quorum == 1


@pytest.mark.parametrize(
    "fields,said",
    [
        ({"symbols": []}, "symbols"),
        ({"symbols": [f"A{n}/USDT" for n in range(11)]}, "symbols"),
        ({"symbols": [BTC, BTC]}, "symbols must differ, was BTC/USDT, BTC/USDT"),
        ({"interval": "15m"}, "interval"),
        ({"window": 4}, "window"),
        ({"window": 101}, "window"),
        ({"multiplier": 1}, "multiplier"),
        ({"recovery": 2}, r"recovery is at most the number of symbols \(1\), was 2"),
        ({"unheard_of": 2}, "unheard_of"),
    ],
)
def test_a_spec_that_cannot_work_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        spec(**{"symbols": [BTC], **fields})

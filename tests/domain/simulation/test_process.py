"""The seeded market: the same for ever, resumable anywhere, within its bounds."""

from dataclasses import replace
from datetime import timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from domain.errors import InvalidValueError
from domain.money import Price, Quantity
from domain.simulation.process import ProcessSpec, ProcessState, advance, beginning, mixed, tape
from tests.domain.simulation.helpers import SPOT, START

SPEC = ProcessSpec(SPOT.symbol, seed=7, start=Price(60_000), started_at=START)
#: Never to be changed: a change here is another market for everybody who kept a seed.
FIRST_PRICES = [60002, 59980, 59985, 59987, 59977]
LAST = (59565, 10, timedelta(seconds=245, microseconds=275529))


def test_the_generator_is_splitmix64() -> None:
    # the first numbers of seed 1234567 as its author's program gives them
    assert [mixed(1234567, index) for index in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_a_seed_gives_the_same_trades_for_ever() -> None:
    trades = [trade for _, trade in islice(tape(SPEC), 1000)]
    last = trades[-1]
    assert [trade.price.ticks for trade in trades[:5]] == FIRST_PRICES
    assert (last.price.ticks, last.quantity.lots, last.at - START) == LAST
    other = [trade for _, trade in islice(tape(replace(SPEC, seed=8)), 1000)]
    assert [trade.price for trade in other] != [trade.price for trade in trades]


@given(st.integers(0, 200))
def test_it_goes_on_from_any_state_that_was_kept_as_json(index: int) -> None:
    whole = list(islice(tape(SPEC), 210))
    state = whole[index - 1][0] if index else beginning(SPEC)
    kept = TypeAdapter(ProcessState)
    again = kept.validate_json(kept.dump_json(state))
    assert list(islice(tape(SPEC, again), 210 - index)) == whole[index:]
    assert state.index == index


@given(
    seed=st.integers(0, 2**64),
    start=st.integers(64, 10_000),
    pull=st.integers(0, 1_000_000),
)
def test_prices_stay_between_half_and_twice_the_start(seed: int, start: int, pull: int) -> None:
    spec = replace(SPEC, seed=seed, start=Price(start), volatility_ticks=start // 64, pull_ppm=pull)
    states = [state for state, _ in islice(tape(spec), 300)]
    assert all(2 * start <= state.quarters <= 8 * start for state in states)


def test_steps_gaps_and_sizes_are_what_the_settings_say() -> None:
    trades = [trade for _, trade in islice(tape(SPEC), 20_000)]
    steps = [after.price.ticks - before.price.ticks for before, after in pairwise(trades)]
    deviation = (sum(step * step for step in steps) / len(steps)) ** 0.5
    assert 9.5 < deviation < 10.5
    mean_gap = (trades[-1].at - START) / len(trades)
    assert timedelta(milliseconds=245) < mean_gap < timedelta(milliseconds=255)
    assert {trade.quantity.lots for trade in trades} == {10, 20, 30, 50}
    assert all(before.at <= after.at for before, after in pairwise(trades))


def test_a_pull_keeps_the_price_near_its_start() -> None:
    def farthest(spec: ProcessSpec) -> int:
        trades = (trade for _, trade in islice(tape(spec), 20_000))
        return max(abs(trade.price.ticks - spec.start.ticks) for trade in trades)

    assert farthest(replace(SPEC, pull_ppm=20_000)) < 300 < farthest(SPEC)


def test_the_price_is_reflected_at_both_bounds() -> None:
    low, high = 2 * SPEC.start.ticks, 8 * SPEC.start.ticks
    for seed in range(20):
        spec = replace(SPEC, seed=seed)
        assert advance(spec, ProcessState(0, low, 0))[0].quarters >= low
        assert advance(spec, ProcessState(0, high, 0))[0].quarters <= high


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"volatility_ticks": 0}, r"1 \.\. a 64th of the start price \(937\), was 0"),
        ({"volatility_ticks": 938}, "was 938"),
        ({"mean_gap": timedelta(0)}, "mean_gap"),
        ({"typical": Quantity(0)}, "typical"),
        ({"pull_ppm": 1_000_001}, "pull_ppm"),
    ],
)
def test_settings_out_of_bounds_are_refused(wrong: dict, words: str) -> None:
    with pytest.raises(InvalidValueError, match=words):
        replace(SPEC, **wrong)

"""A spec bound to its instrument: exact ticks, and refusals with the numbers in them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import InvalidValueError
from domain.grid.config import bind, check_profit, cycle_profit
from domain.grid.spec import parse_spec
from domain.money import Price
from domain.orders import Side
from tests.domain.grid.harness import PERPETUAL, SPOT, D, configured


def refusal(**fields: object) -> str:
    with pytest.raises(InvalidValueError) as caught:
        configured(SPOT, **fields)
    return str(caught.value)


def test_spot_cannot_be_sold_short() -> None:
    for direction in ("short", "neutral"):
        told = refusal(direction=direction)
        assert told.startswith("direction: BTC/USDT is spot and cannot be sold short, was ")
        assert "BTC/USDT:USDT" in told


def test_a_spec_is_bound_to_its_own_symbol() -> None:
    spec = parse_spec({"symbol": "ETH/USDT", "interval": "1", "amount": "10"})
    with pytest.raises(InvalidValueError, match="symbol: the venue knows BTC/USDT, was ETH/USDT"):
        bind(spec, SPOT)


@pytest.mark.parametrize(
    "fields,name",
    [
        ({"interval": "10.05"}, "interval"),
        ({"interval": "0.01"}, "interval"),
        ({"bounds": {"lower": "900.01"}}, "bounds.lower"),
        ({"bounds": {"upper": "900.01"}}, "bounds.upper"),
        ({"range": {"lower": "900.01", "upper": "950", "levels": 3}}, "range.lower"),
        ({"range": {"lower": "900", "upper": "950.01", "levels": 3}}, "range.upper"),
        ({"trigger_price": "900.01"}, "trigger_price"),
        ({"take_profit": {"price": "900.01"}}, "take_profit.price"),
        ({"stop_loss": {"price": "0.01"}}, "stop_loss.price"),
        ({"spacing": "geometric", "step_percent": "1", "anchor": "100.01"}, "anchor"),
    ],
)
def test_a_price_between_two_ticks_is_refused_by_name(fields: dict[str, object], name: str) -> None:
    told = refusal(**fields)
    assert told.startswith(f"{name} must be a positive multiple of the tick size 0.1 of BTC/USDT")


@pytest.mark.parametrize("spacing", ["arithmetic", "geometric"])
def test_more_levels_than_ticks_are_refused(spacing: str) -> None:
    told = refusal(spacing=spacing, range={"lower": "100", "upper": "101", "levels": 12})
    assert "range.levels: 12 levels from 100 to 101 lie less than a tick (0.1) apart" in told


def test_geometric_levels_that_round_to_the_same_tick_are_refused() -> None:
    # 1.0 x 1.0718^k: 1.0, 1.07 -> 1.1, 1.149 -> 1.1
    told = refusal(spacing="geometric", range={"lower": "1", "upper": "2", "levels": 11})
    assert "range.levels" in told


def test_a_grid_that_does_not_pay_its_fees_is_refused_with_the_numbers() -> None:
    config = configured(SPOT, interval="2")
    with pytest.raises(InvalidValueError) as caught:
        check_profit(config, Price(10_000))
    # 0.1 % of 1000 and of 1002 = 2.002 for a step of 2
    assert str(caught.value) == (
        "the step does not cover the fees: from 1000.0 to 1002.0 earns 2.0 per unit, two fees of "
        "0.100 % cost 2.0020; choose levels more than 2.0020 apart"
    )
    check_profit(configured(SPOT, interval="2.1"), Price(10_000))


def test_a_range_is_looked_at_where_it_pays_least() -> None:
    # steps of 1.5: fine at 700 (1.4), not at 800 (1.6)
    config = configured(SPOT, range={"lower": "701", "upper": "800", "levels": 67})
    with pytest.raises(InvalidValueError, match=r"from 798.5 to 800.0 earns 1.5"):
        check_profit(config, Price(7_010))


def test_a_price_below_the_first_level_is_checked_there() -> None:
    check_profit(configured(SPOT), Price(50))


def test_a_grid_that_may_take_is_planned_with_the_taker_fee() -> None:
    maker, taker = configured(), configured(post_only={"then": "taker"})
    low, high = Price(10_000), Price(10_100)
    # 10 - 0.0002 x 2010, 10 - 0.0005 x 2010
    assert cycle_profit(maker, low, high) == D("9.598")
    assert cycle_profit(taker, low, high) == D("8.995")
    assert cycle_profit(configured(post_only={"enabled": False}), low, high) == D("8.995")


@pytest.mark.parametrize(
    "direction,buys,sells", [("long", 3, 0), ("short", 0, 4), ("neutral", 3, 4)]
)
def test_a_direction_has_entries_on_its_sides(direction: str, buys: int, sells: int) -> None:
    config = configured(direction=direction, sell_window=4)
    assert (config.window(Side.BUY), config.window(Side.SELL)) == (buys, sells)


def test_an_epoch_turns_only_beyond_the_hysteresis() -> None:
    config = configured(adaptive={"scale": "2", "hysteresis": "0.2"})
    assert config.turns_epoch(100, D(60)) is None  # 120 is 20 % more: not beyond
    assert config.turns_epoch(100, D("60.6")) == 121
    assert config.turns_epoch(200, D(1)) == 100  # never under the spec's own
    assert configured().turns_epoch(100, D(900)) is None
    off = configured(adaptive={"enabled": False})
    assert off.turns_epoch(100, D(900)) is None
    assert off.candle_length is None
    assert config.candle_length == timedelta(minutes=1)
    assert configured(spacing="geometric", step_percent="1").turns_epoch(1, D(9)) is None


def test_a_geometric_grid_hangs_on_its_anchor_or_on_the_first_price() -> None:
    free = configured(spacing="geometric", step_percent="1")
    assert free.lattice(Price(9_876)).ticks(0) == 9_876
    fixed = configured(spacing="geometric", step_percent="1", anchor="1000")
    assert fixed.lattice(Price(9_876)).ticks(0) == 10_000
    assert fixed.ratio == Decimal("1.01")


def test_the_alarms_know_their_direction() -> None:
    fields: dict[str, Any] = {
        "take_profit": {"price": "1100"},
        "stop_loss": {"price": "900", "then": "keep"},
    }
    gain, loss = configured(**fields).alarms
    assert (gain.above, loss.above) == (True, False)
    assert gain.rings(Price(11_000))
    assert not gain.rings(Price(10_999))
    assert loss.rings(Price(9_000))
    assert not loss.rings(Price(9_001))
    fields = {"take_profit": {"price": "900"}, "stop_loss": {"price": "1100"}}
    gain, loss = configured(direction="short", **fields).alarms
    assert (gain.above, loss.above) == (False, True)


def test_fees_are_those_of_the_instrument() -> None:
    free = replace(PERPETUAL, maker_fee=D(0))
    check_profit(configured(free, interval="0.1"), Price(10_000))

"""What a person may write: each wrong field gives one clear message with its name and value."""

from decimal import Decimal
from typing import Any

import pytest

from domain.errors import InvalidValueError
from domain.grid.spec import Direction, GridSpec, StopMode, parse_spec

GOOD: dict[str, Any] = {"symbol": "BTC/USDT", "interval": "10", "amount": "100"}


def test_a_spec_needs_three_fields_and_fills_in_the_rest() -> None:
    spec = parse_spec(GOOD)
    assert spec.direction is Direction.LONG
    assert (spec.buy_window, spec.order_budget, spec.account) == (10, 100, "paper")
    assert spec.post_only.enabled


@pytest.mark.parametrize(
    "field,value,message",
    [
        ("symbol", "btcusdt", "symbol: string should match pattern"),
        ("symbol", "A" * 30 + "/" + "B" * 30, "symbol: string should have at most 40 characters"),
        ("account", "My Account", "account: string should match pattern"),
        ("direction", "up", "direction: input should be 'long', 'neutral' or 'short', was 'up'"),
        ("spacing", "x", "spacing: input should be 'arithmetic' or 'geometric', was 'x'"),
        ("interval", "0", "interval: input should be greater than 0, was '0'"),
        ("interval", "ten", "interval: input should be a valid decimal, was 'ten'"),
        ("interval", "NaN", "interval: input should be a finite number, was 'NaN'"),
        ("interval", float("inf"), "interval: input should be a finite number, was Infinity"),
        ("amount", "-5", "amount: input should be greater than 0, was '-5'"),
        ("amount", None, "amount: decimal input should be"),
        (
            "amount",
            True,
            "amount: decimal input should be an integer, float, string or Decimal object, was True",
        ),
        ("buy_window", 0, "buy_window: input should be greater than or equal to 1, was 0"),
        ("buy_window", 201, "buy_window: input should be less than or equal to 200, was 201"),
        ("sell_window", 2.5, "sell_window: input should be a valid integer"),
        ("bounds", {"lower": "9", "upper": "8"}, "bounds: lower must be below upper, was 9 and 8"),
        ("bounds", {"lower": "0"}, "bounds.lower: input should be greater than 0, was '0'"),
        ("trigger_price", "-1", "trigger_price: input should be greater than 0, was '-1'"),
        ("take_profit", {}, "take_profit.price: field required"),
        (
            "stop_loss",
            {"price": 1, "then": "hold"},
            "stop_loss.then: input should be 'close' or 'keep', was 'hold'",
        ),
        ("adaptive", {"scale": 0}, "adaptive.scale: input should be greater than 0, was 0"),
        ("adaptive", {"candle": "2m"}, "adaptive.candle: input should be '1m', '3m', '5m'"),
        ("adaptive", {"period": 1}, "adaptive.period: input should be greater than or equal to 2"),
        ("adaptive", {"hysteresis": 2}, "adaptive.hysteresis: input should be less than or equal"),
        ("skew", {"factor": 1.5}, "skew.factor: input should be less than or equal to 1, was 1.5"),
        ("skew", {"max_levels": -1}, "skew.max_levels: input should be greater than or equal to 0"),
        ("post_only", {"retries": 11}, "post_only.retries: input should be less than or equal"),
        ("post_only", {"then": "x"}, "post_only.then: input should be 'pause' or 'taker', was 'x'"),
        ("order_budget", 0, "order_budget: input should be greater than or equal to 1, was 0"),
        ("reconcile_every", 4, "reconcile_every: input should be greater than or equal to 5"),
        ("anchor", "100", "grid: anchor is for a trailing geometric grid only, was 100"),
        ("step_percent", "1", "takes interval or range, was interval and step_percent"),
        ("interval", None, "takes interval or range, was neither"),
        (
            "range",
            {"lower": "9", "upper": "9", "levels": 3},
            "range: lower must be below upper, was 9 and 9",
        ),
        (
            "range",
            {"lower": "9", "upper": "10", "levels": 1},
            "range.levels: input should be greater than or equal to 2, was 1",
        ),
        ("buy_windwo", 3, "buy_windwo: extra inputs are not permitted, was 3"),
    ],
)
def test_a_wrong_field_gives_one_message_that_names_it(
    field: str, value: Any, message: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_spec({**GOOD, field: value})
    told = str(caught.value)
    assert message in told
    assert told.count("\n") == 0


def test_several_wrong_fields_give_a_line_each() -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_spec({"symbol": "x", "interval": "0", "amount": "1"})
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["symbol", "interval"]


def test_what_is_no_mapping_is_no_grid() -> None:
    with pytest.raises(InvalidValueError, match="grid: input should be a valid dictionary"):
        parse_spec([])  # type: ignore[arg-type]


def test_a_number_is_read_as_it_was_typed() -> None:
    spec = parse_spec({**GOOD, "interval": 0.1, "amount": 30})
    assert spec.interval == Decimal("0.1")
    assert spec.amount == Decimal(30)
    assert GridSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    "direction,gain,loss,where",
    [
        ("long", "90", "110", "above"),
        ("neutral", "90", "90", "above"),
        ("short", "110", "90", "below"),
    ],
)
def test_the_exits_lie_on_the_right_sides(direction: str, gain: str, loss: str, where: str) -> None:
    fields = {"take_profit": {"price": gain}, "stop_loss": {"price": loss}}
    with pytest.raises(InvalidValueError, match=f"lies {where} stop_loss, was {gain} and {loss}"):
        parse_spec({**GOOD, "direction": direction, **fields})


def test_exits_on_the_right_sides_are_fine() -> None:
    fields = {"take_profit": {"price": "110"}, "stop_loss": {"price": "90", "then": "keep"}}
    assert parse_spec({**GOOD, **fields}).stop_loss is not None


def test_a_range_has_its_own_bounds() -> None:
    fields: dict[str, Any] = {
        "interval": None,
        "range": {"lower": "9", "upper": "10", "levels": 3},
        "bounds": {"lower": "8"},
    }
    with pytest.raises(InvalidValueError, match="bounds are for a trailing grid"):
        parse_spec({**GOOD, **fields})


def test_only_an_interval_adapts() -> None:
    fields: dict[str, Any] = {
        "spacing": "geometric",
        "interval": None,
        "step_percent": "1",
        "adaptive": {},
    }
    with pytest.raises(InvalidValueError, match="adaptive widens an interval"):
        parse_spec({**GOOD, **fields})


def test_the_ways_to_stop_are_three() -> None:
    assert [str(mode) for mode in StopMode] == ["keep", "cancel", "close"]

"""Ticks and lots are whole, products are exact, and every message names what was wrong."""

import json
from dataclasses import fields, replace
from decimal import ROUND_UP, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.errors import InvalidValueError
from domain.money import NOTHING, Instrument, Price, Quantity, Rounding, add, fixed, percent
from tests.domain.grid.harness import SPOT, D

PRICES: TypeAdapter[Price] = TypeAdapter(Price)
QUANTITIES: TypeAdapter[Quantity] = TypeAdapter(Quantity)


@pytest.mark.parametrize("ticks", [0, -1])
def test_a_price_is_at_least_one_tick(ticks: int) -> None:
    with pytest.raises(InvalidValueError, match=f"at least one tick, was {ticks}"):
        Price(ticks)


def test_a_quantity_is_not_negative() -> None:
    with pytest.raises(InvalidValueError, match="not negative, was -1 lots"):
        Quantity(2) - Quantity(3)


def test_prices_and_quantities_add_up() -> None:
    assert Price(10) + 5 - 3 == Price(12)
    assert Quantity(7) + Quantity(2) - Quantity(9) == NOTHING
    assert not NOTHING
    assert Quantity(1)


@pytest.mark.parametrize(
    "rounding,ticks",
    [(Rounding.DOWN, 10), (Rounding.UP, 11), (Rounding.NEAREST, 11)],
)
def test_a_price_between_two_ticks_is_rounded_as_asked(rounding: Rounding, ticks: int) -> None:
    assert SPOT.price(D("1.05"), rounding) == Price(ticks)


def test_a_quantity_is_rounded_down_to_the_lot() -> None:
    assert SPOT.quantity(D("0.0019999")) == Quantity(1)
    assert SPOT.quantity(D("0.0011"), Rounding.UP) == Quantity(2)


@pytest.mark.parametrize("value", ["0", "-1", "0.04", "0.05", "1.05", "1.00000001"])
def test_an_exact_price_names_the_field_the_tick_and_the_value(value: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        SPOT.exact_price(D(value), "interval")
    assert str(caught.value) == (
        f"interval must be a positive multiple of the tick size 0.1 of BTC/USDT, was {value}"
    )


def test_an_amount_buys_whole_lots_and_never_more_than_it_pays_for() -> None:
    # 30 / 1234.5 = 0.0243013...
    assert SPOT.affordable(D(30), Price(12_345)) == Quantity(24)


@given(ticks=st.integers(1, 10**9), amount=st.decimals("0.01", "1e9", places=2))
def test_the_affordable_quantity_is_the_largest(ticks: int, amount: Decimal) -> None:
    price = Price(ticks)
    lots = SPOT.affordable(amount, price)
    assert SPOT.notional(price, lots) <= amount < SPOT.notional(price, lots + Quantity(1))


@given(ticks=st.integers(1, 10**13), lots=st.integers(0, 10**13))
def test_a_notional_is_exact_in_any_context(ticks: int, lots: int) -> None:
    fine = replace(SPOT, tick_size=D("0.00000001"), lot_size=D("0.00000001"))
    with localcontext() as context:
        context.prec = 5
        notional = fine.notional(Price(ticks), Quantity(lots))
    assert notional == Decimal(ticks * lots).scaleb(-16, fine_context())


def fine_context() -> Any:
    with localcontext() as context:
        context.prec = 60
        return context


def test_sums_are_exact_in_any_context() -> None:
    with localcontext() as context:
        context.prec = 3
        assert add(D("1000000.01"), D("0.000001")) == D("1000000.010001")
    assert add() == 0


@pytest.mark.parametrize(
    "value, places, told",
    [("0.00625", 4, "0.0062"), ("0.00635", 4, "0.0064"), ("-1.005", 2, "-1.00"), ("7", 2, "7.00")],
)
def test_what_people_read_is_the_same_in_any_context(value: str, places: int, told: str) -> None:
    share = D(value).scaleb(-2)
    with localcontext() as context:
        context.prec, context.rounding = 3, ROUND_UP
        assert fixed(D(value), places) == told
        assert percent(share, places) == f"{told}%"


@pytest.mark.parametrize(
    "price,lots,taken",
    [
        (10_000, 5, True),  # 1000.0 x 0.005 = 5
        (9_999, 5, False),  # 4.9995 < 5
        (10_000, 0, False),
        (100_000_000, 0, False),
    ],
)
def test_a_venue_takes_nothing_under_its_minima(price: int, lots: int, taken: bool) -> None:
    assert SPOT.accepts(Price(price), Quantity(lots)) is taken


def test_a_venue_takes_nothing_under_its_least_quantity() -> None:
    coarse = replace(SPOT, min_quantity=Quantity(10), min_notional=D(0))
    assert not coarse.accepts(Price(10_000), Quantity(9))
    assert coarse.accepts(Price(10_000), Quantity(10))


@pytest.mark.parametrize("field", ["tick_size", "lot_size", "contract_size"])
def test_an_instrument_has_positive_steps(field: str) -> None:
    with pytest.raises(InvalidValueError, match=f"{field} of BTC/USDT must be positive, was 0"):
        Instrument(**{**{f.name: getattr(SPOT, f.name) for f in fields(SPOT)}, field: D(0)})


def test_prices_and_quantities_travel_as_bare_numbers() -> None:
    assert PRICES.dump_json(Price(7)) == b"7"
    assert json.loads(QUANTITIES.dump_json(Quantity(0))) == 0
    assert PRICES.validate_json("7") == Price(7)
    assert PRICES.validate_python(Price(7)) == Price(7)


@pytest.mark.parametrize("text", ["7.0", '"7"', "true", "null", "0"])
def test_anything_but_a_positive_whole_number_is_no_price(text: str) -> None:
    with pytest.raises(ValidationError):
        PRICES.validate_json(text)


def test_values_convert_back_to_the_venues_units() -> None:
    assert SPOT.price_of(Price(12_345)) == D("1234.5")
    assert SPOT.base_of(Quantity(24)) == D("0.024")

"""What a pair would do now is what the engine does, and why not is told in words."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.events import FundingTold
from domain.arbitrage.funding import Direction, spot
from domain.arbitrage.pair_events import QuoteSeen
from domain.arbitrage.preview import PairPreview, preview
from domain.arbitrage.spec import parse_spec
from domain.arbitrage.state import bind
from domain.money import Price
from tests.domain.arbitrage.market import PERPETUAL, SPOT, T0, D, perpetual

LEGS = {
    "first": {"account": "one", "symbol": "BTC/USDT"},
    "second": {"account": "two", "symbol": "BTC/USDT:USDT"},
}
#: 0.05 % in 8 h are 54.75 % a year.
GOOD = "0.0005"


def look(
    rate: str = GOOD, first: int = 50_000, second: int = 50_000, age: int = 0, **changes: Any
) -> PairPreview:
    """Return the preview of a market whose facts are *age* seconds old."""
    config = bind(parse_spec({**LEGS, "amount": 5000, **changes}), SPOT, PERPETUAL)
    quotes = [
        QuoteSeen(number, Price(dollars * 10 - 1), Price(dollars * 10 + 1), T0)
        for number, dollars in ((1, first), (2, second))
    ]
    fundings = [FundingTold(1, spot(T0)), FundingTold(2, perpetual(rate, at=T0))]
    return preview(config, [*quotes, *fundings], T0 + timedelta(seconds=age))


def test_a_pair_that_pays_enters_and_says_what_it_would_be() -> None:
    told = look(second=50_100)
    assert (told.enters, told.why_not, told.direction) == (True, (), Direction.POSITIVE)
    assert told.apr == D("0.5475")
    assert told.basis == D("0.002")
    first, second = told.legs
    assert (first.base, second.base) == (D("0.099"), D("-0.099"))
    assert first.interval_hours is None
    assert (second.interval_hours, second.rate) == (D("8"), D(GOOD))
    assert told.fees == 2 * (SPOT.taker_fee + PERPETUAL.taker_fee)
    assert told.spreads is not None
    assert told.cost is not None
    assert round(told.cost, 20) == round((told.fees + told.spreads) * 5000, 20)
    # The first whole hour whose carry is not less than the costs.
    assert told.break_even_hours is not None
    hourly = D("0.5475") / 8760
    assert hourly * told.break_even_hours >= told.fees + told.spreads
    assert hourly * (told.break_even_hours - 1) < told.fees + told.spreads


@pytest.mark.parametrize(
    "market,said",
    [
        ({"rate": "0.00005"}, "it would earn 5.48% a year, entry_apr is 10.00%"),
        ({"rate": "0"}, "both legs pay the same"),
        ({"rate": "-0.0005"}, "only the negative direction earns (54.75% a year)"),
        ({"hold_hours": 1}, "1 hours of it (hold_hours) bring 0.0062%, a round trip costs"),
        ({"second": 49_000, "toxic_basis": "-0.01"}, "the basis is -2.0000%, below toxic_basis"),
        ({"amount": 1}, "amount 1 is less than a venue takes an order for"),
        ({"age": 11}, "the best prices of BTC/USDT on one are not known"),
        ({"age": 601}, "the funding of BTC/USDT:USDT on two is not known (old)"),
    ],
)
def test_why_not_is_told_in_words(market: dict[str, Any], said: str) -> None:
    told = look(**market)
    assert not told.enters
    assert any(said in why for why in told.why_not), told.why_not


def test_what_a_venue_does_not_tell_is_not_known_and_not_zero() -> None:
    config = bind(parse_spec({**LEGS, "amount": 5000}), SPOT, PERPETUAL)
    told = preview(config, [FundingTold(1, spot(T0))], T0)
    assert (told.apr, told.basis, told.cost, told.break_even_hours) == (None, None, None, None)
    assert told.legs[1].rate is None
    assert len(told.why_not) == 3  # one rate and the prices of two markets


@given(
    rate=st.sampled_from(["-0.001", "-0.0001", "0", "0.00005", "0.0001", "0.001"]),
    second=st.integers(48_000, 52_000),
    age=st.sampled_from([0, 5, 11, 700, 3600 * 9]),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "amount": st.sampled_from([1, 60, 5000]),
            "hold_hours": st.sampled_from([1, 24, 500]),
            "both_ways": st.booleans(),
            "quiet": st.sampled_from([0, 3600, 8 * 3600]),
            "toxic_basis": st.just("-0.01"),
            "entry_apr": st.sampled_from(["0.02", "0.6"]),
            "quote_ttl": st.just(3600),
        },
    ),
)
def test_there_is_a_reason_exactly_when_it_does_not_enter(
    rate: str, second: int, age: int, changes: dict[str, Any]
) -> None:
    told = look(rate, second=second, age=age, **changes)
    assert told.enters is not bool(told.why_not)

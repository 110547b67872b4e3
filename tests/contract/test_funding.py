"""Funding at every venue: what is due next, what was settled, and all pages of the past."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from domain.conditions import FundingRate
from domain.errors import InvalidValueError
from domain.money import MarketKind, Price
from domain.simulation.tape import FundingAnnounced, FundingDue, MarketEvent
from tests.contract.bench import PERPETUAL, START, Bench, opened, trade
from tests.contract.conftest import NAMES
from tests.contract.test_venues import A, place, soon

#: More than any venue tells on one page.
SETTLED = 1050
SYMBOL = PERPETUAL.symbol
#: A page of a thousand rows takes a busy machine a while.
PATIENT = timedelta(seconds=20)
DUE_AT = START + timedelta(hours=5)


def rate(number: int) -> Decimal:
    """A rate that is like no other, of either sign."""
    return Decimal(number - 500).scaleb(-7)


def at(number: int) -> datetime:
    return START + timedelta(seconds=number)


def events() -> Sequence[MarketEvent]:
    """1: a price; 2: what is due next; 3-: settlements, every second."""
    return (
        trade(SYMBOL, 0, 1000),
        FundingAnnounced(SYMBOL, Decimal("-0.000321"), DUE_AT, START),
        *(FundingDue(SYMBOL, rate(number), at(number)) for number in range(1, SETTLED + 1)),
    )


@pytest.fixture(params=NAMES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    perpetual = MarketKind.PERPETUAL
    async with opened(request.param, perpetual, tmp_path, events(), PATIENT) as bench:
        yield bench


def plain(rates: Sequence[FundingRate]) -> list[tuple[Decimal, datetime]]:
    return [(each.rate, each.at) for each in rates]


async def test_the_rate_that_is_due_next_is_the_one_that_was_announced(bench: Bench) -> None:
    bench.advance(2)
    told = await bench.venue.funding_rate(SYMBOL)
    assert (told.symbol, told.rate, told.at) == (SYMBOL, Decimal("-0.000321"), DUE_AT)
    assert told.mark in (None, Decimal(1000))
    async with bench.venue.marks([SYMBOL]) as marks:
        mark = await soon(marks)
    assert (mark.mark, mark.funding_rate) == (Price(10_000), Decimal("-0.000321"))


async def test_without_an_announcement_the_usual_rate_is_due_at_the_next_eighth_hour(
    bench: Bench,
) -> None:
    bench.advance(1)
    told = await bench.venue.funding_rate(SYMBOL)
    eight = timedelta(hours=8)
    since_midnight = START - datetime(1970, 1, 1, tzinfo=UTC)
    assert told.rate == Decimal("0.0001")
    assert told.at == START + (eight - since_midnight % eight)


async def test_every_settled_rate_is_told_however_many_pages_that_takes(bench: Bench) -> None:
    bench.advance(2 + SETTLED)
    every = [(rate(number), at(number)) for number in range(1, SETTLED + 1)]
    assert plain(await bench.venue.funding_rates(SYMBOL, START)) == every
    last = at(SETTLED)
    assert plain(await bench.venue.funding_rates(SYMBOL, last)) == every[-1:]
    assert plain(await bench.venue.funding_rates(SYMBOL, at(1000))) == every[999:]


async def test_before_the_first_settlement_there_is_no_past(bench: Bench) -> None:
    bench.advance(2)
    assert await bench.venue.funding_rates(SYMBOL, START) == []
    with pytest.raises(InvalidValueError, match="DOGE"):
        await bench.venue.funding_rates("DOGE", START)


async def test_what_was_paid_is_the_rate_on_the_position_at_its_mark(bench: Bench) -> None:
    bench.advance(2)
    await place(bench, A, None)  # ten lots, at one tick above the price
    bench.advance(3)
    paid = await bench.venue.funding_since(SYMBOL, START)
    worth = PERPETUAL.base_of(PERPETUAL.quantity(Decimal("0.01"))) * 1000
    assert [(each.amount, each.at) for each in paid] == [
        (-rate(number) * worth, at(number)) for number in (1, 2, 3)
    ]

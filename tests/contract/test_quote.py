"""The best bid and ask of every venue and both kinds of market, asked for by the real client."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.clock import utc_now
from activities.venues.ccxt.rest import Call
from domain.conditions import QuoteVenue
from domain.errors import VenueError, VenueUnavailableError
from domain.market import Quote
from domain.money import MarketKind, Price, Quantity
from domain.simulation.tape import DepthShown
from tests.contract.bench import START, SYMBOLS, Bench, opened, trade
from tests.contract.conftest import BOTH
from tests.contract.test_venues import A, place

SECOND = timedelta(seconds=1)
#: Ticks that others bid and ask, of an empty side none.
BIDS, ASKS = (9_998, 9_995), (10_003, 10_004)


def shown(symbol: str, seconds: int, bids: tuple[int, ...], asks: tuple[int, ...]) -> DepthShown:
    sides = ([(Price(ticks), Quantity(5)) for ticks in side] for side in (bids, asks))
    bid, ask = map(tuple, sides)
    return DepthShown(symbol, bid, ask, START + timedelta(seconds=seconds))


@pytest.fixture(params=BOTH)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """1: a trade; 2: depth; 3: a trade of another market; 4: no asks; 5: no bids; 6: depth."""
    name, kind = request.param
    symbol = SYMBOLS[kind]
    (other,) = (each for each in SYMBOLS.values() if each != symbol)
    market = (
        trade(symbol, 1, 1000),
        shown(symbol, 2, BIDS, ASKS),
        trade(other, 3, 1000),
        shown(symbol, 4, BIDS, ()),
        shown(symbol, 5, (), ASKS),
        shown(symbol, 6, (10_001,), (10_002,)),
    )
    async with opened(name, kind, tmp_path, market) as bench:
        yield bench


def prices(quote: Quote) -> tuple[int, int]:
    return quote.bid.ticks, quote.ask.ticks


def best(bench: Bench) -> tuple[int, int]:
    """Return what the exchange's own book has."""
    bids, asks = bench.exchange.host.exchange.book(bench.symbol, 1)
    return bids[0][0], asks[0][0]


async def test_a_quote_is_the_top_of_the_book_and_follows_it(bench: Bench) -> None:
    assert isinstance(bench.venue, QuoteVenue)
    seen = []
    for steps in (1, 1, 4):
        bench.advance(steps)
        quote = await bench.venue.quote(bench.symbol)
        assert quote.bid < quote.ask
        assert prices(quote) == best(bench)
        seen.append(prices(quote))
    assert seen == [(9_999, 10_001), (BIDS[0], ASKS[0]), (10_001, 10_002)]


async def test_orders_of_accounts_are_part_of_the_book(bench: Bench) -> None:
    bench.advance(2)
    await place(bench, A, 1000)
    assert prices(await bench.venue.quote(bench.symbol)) == (10_000, ASKS[0]) == best(bench)


async def test_a_quote_is_as_of_when_it_was_read_however_long_its_prices_stand(
    bench: Bench,
) -> None:
    bench.advance(2)
    before = utc_now()
    first = await bench.venue.quote(bench.symbol)
    bench.advance(1)
    second = await bench.venue.quote(bench.symbol)
    assert prices(first) == prices(second)
    if (bench.venue.name, bench.kind) == ("binance", MarketKind.SPOT):  # which tells no time
        assert before - SECOND < first.at < second.at < utc_now() + SECOND
    else:
        assert (first.at, second.at) == (START + 2 * SECOND, START + 3 * SECOND)


async def test_an_empty_side_is_no_price_of_zero(bench: Bench) -> None:
    venue, symbol = bench.venue, bench.symbol
    with pytest.raises(VenueUnavailableError, match="no bids and no asks"):
        await venue.quote(symbol)
    bench.advance(4)
    with pytest.raises(VenueUnavailableError, match="no asks"):
        await venue.quote(symbol)
    bench.advance(1)
    with pytest.raises(VenueUnavailableError, match="no bids at"):
        await venue.quote(symbol)
    bench.advance(1)
    assert prices(await venue.quote(symbol)) == best(bench)


async def test_what_a_venue_would_not_read_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name it does not know, or a depth that is none."""
    bench.advance(2)
    await bench.venue.instrument(bench.symbol)
    rest = bench.venue._quirks.rest
    inner, wrong = rest.ask, ""

    async def with_wrong(call: Call) -> Any:
        return await inner(replace(call, params={**dict(call.params), wrong: "-7"}))

    monkeypatch.setattr(rest, "ask", with_wrong)
    for wrong in ("nonsense", "limit", "sz"):
        with pytest.raises(VenueError) as told:
            await bench.venue.quote(bench.symbol)
        assert not isinstance(told.value, VenueUnavailableError), wrong

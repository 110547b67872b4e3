"""What perpetuals pay, asked of both adapters over the same market, and of a made one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest

from activities.venues.remote import RemoteVenue
from domain.conditions import FundingRate, FundingVenue
from domain.errors import InvalidValueError, VenueUnavailableError
from domain.simulation.crowd import FUNDING_EVERY, settlement_after, settlement_at
from domain.simulation.tape import FundingAnnounced, FundingDue
from opensqt.market_maker.v1 import exchange_pb2
from tests.activities.venues.market import ADAPTERS, PERPETUAL, SPOT, START, Bench, opened, trade
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings

SYMBOL = PERPETUAL.symbol
EIGHT, SIXTEEN = START + timedelta(hours=8), START + timedelta(hours=16)
FIRST, SECOND = Decimal("0.0001"), Decimal("-0.000321")
#: 1: announced, 2: a first price, 3: settled; 4, 5, 6: the same again, at a higher price.
EVENTS = (
    FundingAnnounced(SYMBOL, FIRST, EIGHT, START),
    trade(1, 1000),
    FundingDue(SYMBOL, FIRST, EIGHT),
    FundingAnnounced(SYMBOL, SECOND, SIXTEEN, EIGHT),
    trade(8 * 3600 + 1, 1100),
    FundingDue(SYMBOL, SECOND, SIXTEEN),
)
SETTLED = [
    FundingRate(SYMBOL, FIRST, EIGHT, Decimal(1000)),
    FundingRate(SYMBOL, SECOND, SIXTEEN, Decimal(1100)),
]


@pytest.fixture(params=ADAPTERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(request.param, tmp_path, EVENTS) as bench:
        yield bench


async def test_what_is_due_next_is_what_was_announced(bench: Bench) -> None:
    bench.advance(1)
    assert await bench.venue.funding_rate(SYMBOL) == FundingRate(SYMBOL, FIRST, EIGHT)
    bench.advance(3)
    assert await bench.venue.funding_rate(SYMBOL) == FundingRate(SYMBOL, SECOND, SIXTEEN)


async def test_without_an_announcement_what_is_due_next_is_unknown(bench: Bench) -> None:
    with pytest.raises(VenueUnavailableError, match=f"{SYMBOL} has no funding announced"):
        await bench.venue.funding_rate(SYMBOL)
    bench.advance(3)  # what was announced is settled, and the next one not announced yet
    with pytest.raises(VenueUnavailableError, match=f"{SYMBOL} has no funding announced"):
        await bench.venue.funding_rate(SYMBOL)


async def test_settled_rates_are_told_oldest_first_with_their_marks(bench: Bench) -> None:
    bench.advance(2)
    assert await bench.venue.funding_rates(SYMBOL, START) == []
    bench.advance(4)
    assert await bench.venue.funding_rates(SYMBOL, START) == SETTLED


async def test_settled_rates_since_a_moment_are_those_at_or_after_it(bench: Bench) -> None:
    bench.advance(6)
    moment = timedelta(microseconds=1)
    assert await bench.venue.funding_rates(SYMBOL, EIGHT) == SETTLED
    assert await bench.venue.funding_rates(SYMBOL, EIGHT + moment) == SETTLED[1:]
    assert await bench.venue.funding_rates(SYMBOL, SIXTEEN + moment) == []


async def test_spot_has_no_funding_and_says_so(bench: Bench) -> None:
    bench.advance(6)
    with pytest.raises(InvalidValueError, match="ETHUSDT is spot"):
        await bench.venue.funding_rate(SPOT.symbol)
    with pytest.raises(InvalidValueError, match="ETHUSDT is spot"):
        await bench.venue.funding_rates(SPOT.symbol, START)


async def test_both_adapters_are_venues_that_tell_funding(bench: Bench) -> None:
    assert isinstance(bench.venue, FundingVenue)


# ---- over gRPC only


async def test_a_market_that_cannot_be_seen_tells_no_rates(
    exchange: Running, venue: RemoteVenue
) -> None:
    exchange.host.advance(4)
    assert len(await venue.funding_rates(SYMBOL, START)) == 1
    exchange.host.halt("the market cannot be seen")
    with pytest.raises(VenueUnavailableError, match="cannot be seen"):
        await venue.funding_rates(SYMBOL, START)
    with pytest.raises(VenueUnavailableError, match="cannot be seen"):
        await venue.funding_rate(SYMBOL)
    exchange.host.resume()
    assert len(await venue.funding_rates(SYMBOL, START)) == 1


async def test_anybody_may_ask_and_since_when_has_to_be_said(exchange: Running, stub: Any) -> None:
    exchange.host.advance(4)
    request = exchange_pb2.SinceRequest(symbol=SYMBOL)
    with pytest.raises(grpc.aio.AioRpcError, match=r"SinceRequest\.since") as raised:
        await stub.GetFundingRates(request)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert dict(raised.value.trailing_metadata())["not-executed"] == "true"
    request.since.FromDatetime(START)
    told = await stub.GetFundingRates(request)
    assert [each.rate.value for each in told.settled] == ["0.001"]
    assert not told.HasField("announced")


async def test_a_made_perpetual_with_others_in_it_settles_what_it_announced(tmp_path: Path) -> None:
    symbol = "BTC/USDT:USDT"
    # The one after the next: funding begins now, and may be settled before the market is reached.
    soon = settlement_at(settlement_after(datetime.now(UTC)) + 1)
    settings = ExchangeSettings(
        data=tmp_path,
        listen="127.0.0.1:0",
        symbols=(symbol,),
        crowd=5,
        start_at=soon - timedelta(seconds=10),
        speed=Decimal(0),
    )
    async with (
        running(settings) as exchange,
        RemoteVenue(exchange.address, "alice") as venue,
    ):
        exchange.host.advance(10)
        due = await venue.funding_rate(symbol)
        assert due.at == soon
        while exchange.host.market_time <= due.at:
            exchange.host.advance(10)
        (settled,) = await venue.funding_rates(symbol, due.at)
        assert (settled.rate, settled.at) == (due.rate, due.at)
        assert settled.mark is not None
        assert (await venue.funding_rate(symbol)).at == due.at + FUNDING_EVERY

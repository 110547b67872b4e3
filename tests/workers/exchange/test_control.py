"""The market's clock and lockstep, as a client controls them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest

from activities.venues.remote import RemoteVenue
from domain.orders import OrderRequest, Side
from opensqt.market_maker.v1 import paper_pb2, paper_pb2_grpc
from tests.eventually import eventually
from workers.exchange.server import running
from workers.exchange.settings import ExchangeSettings


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    settings = ExchangeSettings(
        data=tmp_path,
        listen="127.0.0.1:0",
        speed=Decimal(0),
        start_at=datetime(2026, 1, 1, tzinfo=UTC),
        volatility=Decimal("0.5"),
    )
    async with running(settings) as exchange:
        yield exchange.address


@pytest.fixture
async def control(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield paper_pb2_grpc.PaperControlServiceStub(channel)


async def status(control: Any) -> paper_pb2.PaperStatus:
    return await control.GetStatus(paper_pb2.GetStatusRequest())


def speed(value: str) -> paper_pb2.SetSpeedRequest:
    return paper_pb2.SetSpeedRequest(speed={"value": value})


async def test_a_market_without_speed_stands_until_it_is_advanced(control: Any) -> None:
    before = await status(control)
    assert (before.position, before.running, before.speed.value) == (0, False, "0")
    assert list(before.symbols) == ["BTCUSDT"]
    answer = await control.Advance(paper_pb2.AdvanceRequest(max_events=7))
    assert (answer.released, answer.reason) == (7, paper_pb2.STOP_REASON_COUNT)
    assert answer.status.position == 7
    assert (await status(control)).market_time == answer.status.market_time


async def test_a_market_with_speed_moves_until_it_is_paused(control: Any) -> None:
    assert (await control.SetSpeed(speed("1000"))).running

    async def moved() -> bool:
        return (await status(control)).position >= 100

    await eventually(moved, what="a market that moves")
    paused = await control.Pause(paper_pb2.PauseRequest())
    assert not paused.running
    await control.Advance(paper_pb2.AdvanceRequest(max_events=1))
    assert (await status(control)).position == paused.position + 1
    assert (await control.Resume(paper_pb2.ResumeRequest())).running


async def test_a_price_out_of_the_band_stops_an_advance(address: str, control: Any) -> None:
    await control.Advance(paper_pb2.AdvanceRequest(max_events=1))
    async with RemoteVenue(address, "alice") as venue:
        instrument = await venue.instrument("BTCUSDT")
        price = (await venue.last_price("BTCUSDT")).price
        low = instrument.price_of(price - 30_000)
        high = instrument.price_of(price + 30_000)
        request = paper_pb2.AdvanceRequest(
            max_events=100_000,
            until={"symbol": "BTCUSDT", "low": {"value": f"{low}"}, "high": {"value": f"{high}"}},
        )
        answer = await control.Advance(request)
        assert answer.reason == paper_pb2.STOP_REASON_PRICE
        after = (await venue.last_price("BTCUSDT")).price
        assert not price - 30_000 <= after <= price + 30_000


async def test_a_report_stops_an_advance_in_lockstep(address: str, control: Any) -> None:
    await control.Advance(paper_pb2.AdvanceRequest(max_events=1))
    until_report = paper_pb2.AdvanceRequest(max_events=100_000, until={"report": True})
    async with RemoteVenue(address, "alice") as venue, venue.reports() as reports:
        instrument = await venue.instrument("BTCUSDT")
        price = (await venue.last_price("BTCUSDT")).price
        lots = instrument.quantity(Decimal("0.1"))
        await venue.place(OrderRequest("a", "BTCUSDT", Side.BUY, lots, price - 10_000))
        assert (await anext(reports)).filled.lots == 0
        fills = 0
        while True:
            answer = await control.Advance(until_report)
            assert answer.reason == paper_pb2.STOP_REASON_REPORT
            report = await asyncio.wait_for(anext(reports), 60)
            fills += 1
            assert report.fill is not None
            at = answer.status.market_time.ToDatetime(tzinfo=UTC)
            assert report.at == at  # the market went no further than the fill
            if not report.status.working:
                break
        assert fills > 1


async def test_what_cannot_be_meant_is_refused(control: Any) -> None:
    for call, told in (
        (control.Advance(paper_pb2.AdvanceRequest()), "max_events"),
        (control.Advance(paper_pb2.AdvanceRequest(max_events=2_000_000)), "max_events"),
        (control.Advance(paper_pb2.AdvanceRequest(max_events=1, until={"symbol": "X"})), "X"),
        (control.SetSpeed(speed("-1")), "speed"),
        (control.SetSpeed(speed("fast")), "speed"),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match=told) as raised:
            await call
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT

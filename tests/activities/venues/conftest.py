"""The same market behind both adapters: in this process, and behind gRPC."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from activities.venues.remote import RemoteVenue
from opensqt.market_maker.v1 import exchange_pb2_grpc, paper_pb2_grpc
from tests.activities.venues.market import ADAPTERS, Bench, opened, served
from workers.exchange.server import Running


@pytest.fixture(params=ADAPTERS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(request.param, tmp_path) as bench:
        yield bench


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Running]:
    async with served(tmp_path) as exchange:
        yield exchange


@pytest.fixture
async def venue(exchange: Running) -> AsyncIterator[RemoteVenue]:
    async with RemoteVenue(exchange.address, "alice", timeout=timedelta(seconds=20)) as venue:
        await venue.instrument("BTCUSDT")
        yield venue


@pytest.fixture
async def channel(exchange: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(exchange.address) as channel:
        yield channel


@pytest.fixture
def control(channel: grpc.aio.Channel) -> Any:
    return paper_pb2_grpc.PaperControlServiceStub(channel)


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return exchange_pb2_grpc.ExchangeServiceStub(channel)

"""Messages a second of one core: read only, and through a real socket.

Read only: bytes become JSON, JSON becomes prices or order reports, and reports get their totals.
The messages are recorded ones of the real venues where there are any, and those of the local
exchange. Through a socket the local exchange, another process, says as much as it can over TLS.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import orjson

from activities.venues.ccxt.executions import Executions
from activities.venues.ccxt.quirks import Quirks
from bench.exchanges import FIRST, NAMES, Exchange, exchange, symbol
from bench.recorded import Talking, recorded
from bench.report import Row
from bench.tapped import Tap
from domain.errors import InvalidValueError
from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderRequest, Side

_WIDTH: Final = 100  # markets that are streamed together
_FILLS: Final = 100  # of one order
_BEST_OF: Final = 5
_KIND: Final = MarketKind.PERPETUAL

# ---- read only


def _speed(quirks: Quirks, talking: Talking, messages: Sequence[bytes]) -> float:
    """Return messages a second, of the fastest of some passes."""
    fastest = 0.0
    for _ in range(_BEST_OF):
        talk, executions = talking(quirks), Executions()
        began = time.process_time()
        for message in messages:
            for value in talk.read(orjson.loads(message)):
                if isinstance(value, OrderReport):
                    executions.complete(value)
        fastest = max(fastest, len(messages) / (time.process_time() - began))
    return fastest


# ---- through a socket


async def _prices(name: str, runs: Exchange, seconds: float) -> Sequence[Row]:
    names = [symbol(_KIND, number) for number in range(_WIDTH)]
    async with runs.venue(name, _KIND) as venue:
        await venue.instrument(names[0])
        async with venue.tapped_prices(names) as (prices, tap):
            cost, rate = await _flooded(runs, prices, tap, seconds)
        async with venue.tapped_prices(names, keep=True) as (prices, kept):
            await _flooded(runs, prices, kept, 1.0)
        markets = list(venue.quirks.markets.values())
        speed = _speed(venue.quirks, lambda quirks: quirks.price_talk(markets), kept.kept)
    return [_read_only(f"{name}: prices", speed), _through(f"{name}: prices", cost, rate)]


async def _flooded(
    runs: Exchange, prices: AsyncIterator[Any], tap: Tap[Any], seconds: float
) -> tuple[float, float]:
    """Return the CPU seconds of one message, and how many came in a second."""
    reading = asyncio.create_task(_drain(prices))
    runs.flood()
    try:
        heard, cpu, wall = tap.heard, time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        count, cpu = tap.heard - heard, time.process_time() - cpu
        return cpu / count, count / (time.perf_counter() - wall)
    finally:
        runs.pause()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _drain(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


async def _orders(name: str, orders: int) -> Sequence[Row]:
    """Let trades of a lot each fill orders of many lots, as fast as the exchange can."""
    with exchange((name,), perpetuals=1, spots=0, lots=_FILLS) as runs:
        async with runs.venue(name, _KIND) as venue, venue.tapped_news(keep=True) as (news, tap):
            placed = await venue.place_batch(_ladder(orders))
            if not all(isinstance(each, OrderReport) for each in placed):
                raise InvalidValueError(f"orders were refused: {placed}")
            heard, cpu, wall = tap.heard, time.process_time(), time.perf_counter()
            runs.flood()
            await _filled(news, orders * _FILLS)
            count, cpu = tap.heard - heard, time.process_time() - cpu
            rate = count / (time.perf_counter() - wall)
            runs.pause()
            speed = _speed(venue.quirks, lambda quirks: quirks.news_talk(), tap.kept)
    return [
        _read_only(f"{name}: order stream", speed),
        _through(f"{name}: order stream", cpu / count, rate),
    ]


def _ladder(orders: int) -> Sequence[OrderRequest]:
    return [
        OrderRequest(
            f"q12345678b000000{number:011d}",
            symbol(_KIND),
            Side.BUY,
            Quantity(_FILLS),
            Price(FIRST - number),
        )
        for number in range(orders)
    ]


async def _filled(news: AsyncIterator[Any], fills: int) -> None:
    seen = 0
    async for each in news:
        seen += isinstance(each, OrderReport) and each.fill is not None
        if seen == fills:
            return


def _read_only(what: str, speed: float, note: str = "messages of the local exchange") -> Row:
    return Row("streams", f"{what}, read only", speed, "messages/s", note=note)


def _through(what: str, cost: float, rate: float) -> Row:
    note = f"a second of CPU; {rate:,.0f}/s came"
    return Row("streams", f"{what}, through TLS", 1 / cost, "messages/s", note=note)


def run(*, quick: bool) -> list[Row]:
    rows = [
        _read_only(each.what, _speed(each.quirks, each.talking, each.messages), each.note)
        for each in recorded()
    ]
    with exchange(perpetuals=_WIDTH) as runs:
        for name in NAMES:
            rows += asyncio.run(_prices(name, runs, 1.0 if quick else 3.0))
    for name in NAMES:
        rows += asyncio.run(_orders(name, 10 if quick else 30))
    return rows

"""What five venues cost in memory, both kinds of market of each connected."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any, Final

from bench.exchanges import NAMES, Exchange, exchange, symbol
from bench.report import Row
from bench.server import resident
from domain.money import MarketKind

#: About as many as a venue lists; each process knows them all.
_PERPETUALS: Final = 500
_SPOTS: Final = 1000


async def _measure(runs: Exchange, seconds: float) -> list[Row]:
    import_module("ccxt.async_support")
    rows = [_row("gateway, ccxt and gRPC imported")]
    async with AsyncExitStack() as stack:
        reading = [
            asyncio.create_task(_drain(stream))
            for name in NAMES
            for kind in MarketKind
            for stream in await _connected(stack, runs, name, kind)
        ]
        rows.append(_row("and five venues connected, both kinds"))
        runs.flood()
        await asyncio.sleep(seconds)
        runs.pause()
        rows.append(_row(f"and after {seconds:g} s of prices"))
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return rows


async def _connected(
    stack: AsyncExitStack, runs: Exchange, name: str, kind: MarketKind
) -> list[AsyncIterator[Any]]:
    venue = await stack.enter_async_context(runs.venue(name, kind))
    await venue.instrument(symbol(kind))
    return [
        await stack.enter_async_context(venue.prices([symbol(kind)])),
        await stack.enter_async_context(venue.account_news()),
    ]


async def _drain(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


def _row(what: str) -> Row:
    note = f"RSS; {_PERPETUALS} perpetuals and {_SPOTS} spot markets at each"
    return Row("connected", what, resident(os.getpid()), "MiB", note=note)


def run(*, quick: bool) -> list[Row]:
    with exchange(perpetuals=_PERPETUALS, spots=_SPOTS) as runs:
        return asyncio.run(_measure(runs, 2.0 if quick else 10.0))

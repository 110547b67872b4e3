"""How long a scan of 200 coins takes, spot and perpetual, from new connections to the ranking."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from typing import Final

from activities.scanning import Scanner, marketplace
from bench.exchanges import Exchange, exchange
from bench.report import Row
from domain.arbitrage.listing import Scanned
from domain.arbitrage.universe import ScanFailed, UniverseSpec
from domain.errors import VenueUnavailableError
from domain.money import MarketKind

_COINS: Final = 200
_GOAL: Final = 5.0
#: Its limit lets the questions of one scan leave at once, so nothing but work takes time.
_UNHINDERED: Final = "binance"
#: Each lets so many questions leave in a second that a scan waits for them.
_HINDERED: Final = ("bybit", "bitget", "gate", "okx")


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of a first scan, with the lists of markets, and of the next one, without the past."""

    first: float
    again: float
    #: Of this process, for the first.
    cpu: float


async def _scans(name: str, runs: Exchange) -> Taken:
    async with AsyncExitStack() as stack:
        places = [
            marketplace(
                f"{name}-{kind}", kind, await stack.enter_async_context(runs.venue(name, kind))
            )
            for kind in MarketKind
        ]
        scanner = Scanner(places, UniverseSpec())
        began, cpu = time.perf_counter(), time.process_time()
        _require_all(await scanner.scan())
        first, cpu = time.perf_counter() - began, time.process_time() - cpu
        began = time.perf_counter()
        _require_all(await scanner.scan())
        return Taken(first, time.perf_counter() - began, cpu)


def _require_all(found: Scanned | ScanFailed) -> None:
    if isinstance(found, ScanFailed):
        raise VenueUnavailableError(f"{found.venue}: {found.why}")
    if len(found.ranking.ranked) != _COINS:
        raise AssertionError(f"{len(found.ranking.ranked)} of {_COINS} pairs were ranked")


def _row(what: str, seconds: Sequence[float], goal: float | None = None) -> Row:
    most = f"{len(seconds)} rounds, min {min(seconds):.2f}, max {max(seconds):.2f}"
    note = most if len(seconds) > 1 else "one round"
    return Row("scan", what, median(seconds), "s", goal, note)


def run(*, quick: bool) -> list[Row]:
    import_module("ccxt.async_support")
    taken: list[Taken] = []
    for _ in range(2 if quick else 5):  # each with a limit of its own, which nothing was taken of
        with exchange((_UNHINDERED,), coins=_COINS) as runs:
            taken.append(asyncio.run(_scans(_UNHINDERED, runs)))
    what = f"{_UNHINDERED}: {_COINS} coins"
    rows = [
        _row(what, [each.first for each in taken], _GOAL),
        _row(f"{what}, of it this process's CPU", [each.cpu for each in taken]),
        _row(f"{what}, again: the past is known", [each.again for each in taken]),
    ]
    for name in () if quick else _HINDERED:
        with exchange((name,), coins=_COINS) as runs:
            seconds = asyncio.run(_scans(name, runs))
        rows.append(_row(f"{name}: {_COINS} coins, its rate limit included", [seconds.first]))
    return rows

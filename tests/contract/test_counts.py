"""No message is missed at full speed: counted where it is said, and where it is read.

The venues share 100,000 market messages and 10,000 order events; `make counts` gives each of them
the whole number. Of prices the newest wins, of order reports each one counts, in order.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from activities.venues.ccxt.quirks import News
from domain.errors import VenueUnavailableError
from domain.market import PriceUpdate
from domain.money import MarketKind
from domain.orders import Fill, OrderReport, OrderStatus
from tests.contract.bench import START, Bench, opened
from tests.contract.conftest import BOTH, NAMES, PERPETUALS
from tests.contract.flood import WHOLE, Ears, Flood, Ladder, truth, wide
from tests.eventually import eventually

SHARE = 1 if WHOLE else len(NAMES)
MARKET_MESSAGES = 100_000 // SHARE
ORDER_EVENTS = 10_000 // SHARE
WIDTH = 50
FILLS = 100
#: An exchange that tells thousands of reports answers late.
PATIENT = timedelta(seconds=30)
VENUES = BOTH if WHOLE else PERPETUALS
_WITHIN = 300 if WHOLE else 60


class Reader:
    """A consumer that reads on while it may, and keeps all it was told."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()
        self.told: list[Any] = []

    async def read(self, stream: AsyncIterator[Any]) -> None:
        async for each in stream:
            self.told.append(each)
            await self.may.wait()


@pytest.mark.parametrize("which", VENUES)
async def test_every_price_that_was_said_is_read_and_the_last_one_wins(
    which: tuple[str, MarketKind], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, kind = which
    flood = Flood(wide(kind, WIDTH), MARKET_MESSAGES)
    symbols = list(flood.last())
    async with opened(name, kind, tmp_path, source=flood) as bench:
        ears, reader = Ears(bench, monkeypatch), Reader()
        async with bench.venue.prices(symbols) as prices, running(reader.read(prices)) as reading:
            answers = ears.said
            await trades(bench, ears, MARKET_MESSAGES // 2)
            await until(reading, lambda: ears.read == ears.said)
            reader.may.clear()  # from now on it is slow
            await trades(bench, ears, MARKET_MESSAGES // 2)
            await until(reading, lambda: ears.read == ears.said)
            before = len(reader.told)
            reader.may.set()
            await until(reading, lambda: newest(reader.told) == flood.last())
    assert ears.said == ears.read == answers + MARKET_MESSAGES
    assert len(reader.told) - before <= WIDTH + 1  # nothing stale waited for the slow reader
    for symbol in symbols:
        times = [each.at for each in reader.told if each.symbol == symbol]
        assert times == sorted(set(times))


async def trades(bench: Bench, ears: Ears, number: int) -> None:
    """Let all markets trade, again and again, each time once the last lap was said."""
    for _ in range(0, number, WIDTH):
        said = ears.said + WIDTH
        bench.advance(WIDTH)
        await eventually(partial(said_all, ears, said), every=0)


def said_all(ears: Ears, number: int) -> bool:
    return ears.said == number


def newest(updates: Iterable[PriceUpdate]) -> dict[str, Any]:
    return {update.symbol: update.price for update in updates}


@pytest.mark.parametrize("which", VENUES)
async def test_every_order_event_is_told_once_and_in_order(
    which: tuple[str, MarketKind], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, kind = which
    ladder = Ladder(kind, ORDER_EVENTS // FILLS, FILLS)
    async with opened(name, kind, tmp_path, ladder.trades(), PATIENT) as bench:
        bench.advance(1)
        ears, reader = Ears(bench, monkeypatch), Reader()
        async with bench.venue.account_news() as news, running(reader.read(news)) as reading:
            await placed(bench, ladder)
            bench.advance(ORDER_EVENTS // 2)
            await until(reading, lambda: len(fills(reports(reader.told))) == ORDER_EVENTS // 2)
            reader.may.clear()  # from now on it is slow
            before = ears.read
            bench.advance(ORDER_EVENTS)
            await bench.venue.cancel(bench.symbol, ladder.below.client_id)
            await until(reading, lambda: ears.read - before > ORDER_EVENTS // 2)
            reader.may.set()
            await until(reading, lambda: ended(reader.told) == len(ladder.requests))
            await until(reading, lambda: ears.read == ears.said)
        books = truth(bench)
    told = reports(reader.told)
    assert states(told) == states(books)
    assert totals(told) == totals(books)
    assert [matched(each) for each in fills(told)] == [matched(each) for each in fills(books)]
    assert len({each.fill_id for each in fills(told)}) == ORDER_EVENTS


@pytest.mark.parametrize("which", VENUES)
async def test_what_came_while_the_stream_was_lost_is_made_good_by_a_resync(
    which: tuple[str, MarketKind], tmp_path: Path
) -> None:
    """A burst cuts the stream, another one comes while it is away, a third during the resync."""
    name, kind = which
    ladder = Ladder(kind, 6, FILLS)
    async with opened(name, kind, tmp_path, ladder.trades(), PATIENT) as bench:
        bench.advance(1)
        await placed(bench, ladder)
        consumer = Consumer(bench)
        async with running(consumer.run()) as consuming:
            await until(consuming, consumer.live.is_set)
            bench.fail("stream.private", "drop_stream", every=FILLS, count=1)
            bench.advance(2 * FILLS)
            await until(consuming, lambda: consumer.lost == 1)
            bench.advance(2 * FILLS)
            consumer.may_return.set()
            await until(consuming, consumer.resyncing.is_set)
            bench.advance(2 * FILLS)
            await until(consuming, lambda: len(consumer.fills) == 6 * FILLS)
            await until(consuming, lambda: ended(consumer.orders.values()) == 6)
        books = truth(bench)
    assert sorted(map(matched, consumer.fills.values())) == sorted(map(matched, fills(books)))
    last = {each.client_id: each for each in books}
    assert totals(consumer.orders.values()) == totals(last.values())
    assert consumer.lost == 1


class Consumer:
    """Follows an account as every consumer has to: cumulative reports, and a resync at a start."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.live, self.resyncing, self.may_return = (asyncio.Event() for _ in range(3))
        self.lost = 0
        self.orders: dict[str, OrderReport] = {}
        self.fills: dict[str, Fill] = {}

    async def run(self) -> None:
        while True:
            with suppress(VenueUnavailableError):
                await self._follow()
            self.lost += 1
            await self.may_return.wait()

    async def _follow(self) -> None:
        venue, symbol = self._bench.venue, self._bench.symbol
        async with venue.reports() as news:
            if self.lost:
                self.resyncing.set()
                for fill in await venue.fills_since(symbol, START):
                    self._filled(fill)
                for report in await venue.orders_since(symbol, START):
                    self._reported(report)
            self.live.set()
            async for report in news:
                self._reported(report)

    def _reported(self, report: OrderReport) -> None:
        known = self.orders.get(report.client_id)
        if known is None or known.filled < report.filled:
            self.orders[report.client_id] = report
        if report.fill is not None:
            self._filled(report.fill)

    def _filled(self, fill: Fill) -> None:
        assert self.fills.setdefault(fill.fill_id, fill) == fill


async def until(reading: "asyncio.Task[None]", condition: Callable[[], bool]) -> None:
    """Wait for *condition*, or raise what ended the reader."""
    await eventually(lambda: reading.done() or condition(), every=0.02, within=_WITHIN)
    if reading.done():
        await reading


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def placed(bench: Bench, ladder: Ladder) -> None:
    outcomes = await bench.venue.place_batch(ladder.requests)
    assert all(isinstance(each, OrderReport) for each in outcomes), outcomes


def reports(news: Iterable[News]) -> list[OrderReport]:
    return [each for each in news if isinstance(each, OrderReport)]


def ended(news: Iterable[News]) -> int:
    return len({each.client_id for each in reports(news) if not each.status.working})


def states(told: Iterable[OrderReport]) -> Sequence[tuple[str, int, OrderStatus]]:
    """Return how orders stood, each state where it was first told."""
    return list(dict.fromkeys((each.client_id, each.filled.lots, each.status) for each in told))


def totals(told: Iterable[OrderReport]) -> dict[tuple[str, int], Any]:
    """Return value and fees of each order at each quantity filled."""
    return {(each.client_id, each.filled.lots): (each.value, dict(each.fees)) for each in told}


def fills(told: Iterable[OrderReport]) -> list[Fill]:
    return [each.fill for each in told if each.fill is not None]


def matched(fill: Fill) -> tuple[Any, ...]:
    """Return what both ends must agree on; ids and times are each venue's own."""
    return fill.client_id, fill.price, fill.quantity, fill.fee, fill.fee_asset

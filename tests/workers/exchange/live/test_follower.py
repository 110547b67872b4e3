"""What a follower makes of a venue: a market that this test holds in its hands."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from domain.conditions import FundingRate, MarkPrice
from domain.errors import InvalidValueError, VenueUnavailableError
from domain.market import PriceUpdate
from domain.money import Instrument, Price, Quantity
from domain.orders import OrderRequest, Side
from tests.contract.bench import BALANCES, PERPETUAL
from tests.eventually import eventually
from workers.exchange.host import Host
from workers.exchange.journal import Journal
from workers.exchange.live.follower import Follower
from workers.exchange.live.source import followed

SYMBOL = PERPETUAL.symbol
T = TypeVar("T")


@dataclass
class Venue:
    """A venue in memory: what is put into its queues is what its streams tell."""

    name: str = "binance"
    traded: Instrument = PERPETUAL
    last: PriceUpdate | None = None
    rates: list[FundingRate] = field(default_factory=list)
    #: The funding that comes next.
    due: FundingRate = field(default_factory=lambda: announced("0.0001", 5))
    streams: int = 0
    trades_told: asyncio.Queue[PriceUpdate] = field(default_factory=asyncio.Queue)
    marks_told: asyncio.Queue[MarkPrice] = field(default_factory=asyncio.Queue)

    async def instrument(self, symbol: str) -> Instrument:
        return self.traded

    async def last_price(self, symbol: str) -> PriceUpdate:
        if self.last is None:
            raise VenueUnavailableError("nobody is there")
        return self.last

    async def funding_rates(self, symbol: str, since: datetime) -> Sequence[FundingRate]:
        return [rate for rate in self.rates if rate.at >= since]

    async def funding_rate(self, symbol: str) -> FundingRate:
        return self.due

    @asynccontextmanager
    async def trades(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[PriceUpdate]]:
        self.streams += 1
        yield _all(self.trades_told)

    @asynccontextmanager
    async def marks(self, symbols: Sequence[str]) -> AsyncIterator[AsyncIterator[MarkPrice]]:
        yield _all(self.marks_told)


async def _all(queue: "asyncio.Queue[T]") -> AsyncIterator[T]:
    while True:
        yield await queue.get()


def at(price: int, seconds: float = 0) -> PriceUpdate:
    return PriceUpdate(SYMBOL, Price(price * 10), datetime.now(UTC) + timedelta(seconds=seconds))


def announced(rate: str, hours: float) -> FundingRate:
    """Return a rate so many hours from now, or ago."""
    return FundingRate(SYMBOL, Decimal(rate), datetime.now(UTC) + timedelta(hours=hours))


@asynccontextmanager
async def following(
    venue: Venue,
    data: Path,
    look_after: timedelta = timedelta(seconds=30),
    funding_every: timedelta = timedelta(minutes=1),
) -> AsyncIterator[Host]:
    journal = Journal(data, {"symbols": [SYMBOL]})
    try:
        source = await followed(journal, {"symbols": [SYMBOL]}, venue)
        host = Host(source, journal, BALANCES, Decimal(1), live=True)
        follower = Follower(host, venue, look_after=look_after, funding_every=funding_every)
        task = asyncio.create_task(follower.run())
        try:
            yield host
        finally:
            task.cancel()
            ended = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError), ended
    finally:
        journal.close()


async def price(host: Host, wanted: int) -> None:
    def seen() -> bool:
        host.require_market()
        last = host.exchange.last_price(SYMBOL)
        return last is not None and last.price == Price(wanted * 10)

    await eventually(seen, ignoring=(VenueUnavailableError,))


def buy(host: Host, wanted: int, lots: int = 10) -> None:
    name = host.account("alice")
    quantity = Quantity(lots)
    host.place(name, OrderRequest(f"id{wanted}", SYMBOL, Side.BUY, quantity, Price(wanted * 10)))


def position(host: Host) -> int:
    return sum(each.lots for each in host.exchange.positions("alice", SYMBOL))


async def test_a_trade_that_is_older_than_what_is_known_is_no_news(tmp_path: Path) -> None:
    venue = Venue(last=at(1000))
    async with following(venue, tmp_path) as host:
        await price(host, 1000)
        buy(host, 990)
        venue.trades_told.put_nowait(at(980, seconds=-60))  # some venues repeat at first
        venue.trades_told.put_nowait(at(991, seconds=1))
        await price(host, 991)
        assert position(host) == 0


async def test_funding_is_paid_at_the_settled_rate_and_once_also_for_a_gap(tmp_path: Path) -> None:
    venue = Venue(last=at(1000))
    async with following(venue, tmp_path) as host:
        await price(host, 1000)
        buy(host, 1001, lots=100)  # takes
        assert position(host) == 100
        host.keep()
    settled = datetime.now(UTC)
    venue.rates = [FundingRate(SYMBOL, Decimal("0.001"), settled)]
    venue.last = at(1000, seconds=1)
    for _ in range(2):  # each a process of its own
        async with following(venue, tmp_path) as host:
            await price(host, 1000)
            (paid,) = host.exchange.funding_since("alice", SYMBOL, host.started_at)
            assert paid.amount == Decimal("-0.1")  # 0.001 of 100 USDT
            assert host.funded == {SYMBOL: settled}


async def test_the_funding_that_comes_next_is_told_and_the_settlements_of_the_last_day(
    tmp_path: Path,
) -> None:
    """A pair has to know the rate, when it is due, and the interval: from the first minute on."""
    day = [announced("0.0004", -11), announced("0.0002", -3)]
    venue = Venue(last=at(1000), rates=[announced("0.0009", -30), *day])
    async with following(venue, tmp_path, funding_every=timedelta(seconds=0.01)) as host:
        await price(host, 1000)
        assert host.exchange.next_funding(SYMBOL) == venue.due
        assert list(host.exchange.funding_rates(SYMBOL)) == day
        venue.due = replace(venue.due, rate=Decimal("0.0003"))  # as it is foreseen now
        await eventually(lambda: host.exchange.next_funding(SYMBOL) == venue.due)
        last, venue.due = venue.due, announced("0.0005", 13)
        venue.rates.append(replace(last, at=datetime.now(UTC)))
        await eventually(lambda: len(host.exchange.funding_rates(SYMBOL)) == 3)
        await eventually(lambda: host.exchange.next_funding(SYMBOL) == venue.due)
    journal = Journal(tmp_path, {"symbols": [SYMBOL]})
    source = await followed(journal, {"symbols": [SYMBOL]}, venue)
    again = Host(source, journal, BALANCES, Decimal(1), live=True)
    assert again.exchange.next_funding(SYMBOL) == venue.due
    assert len(again.exchange.funding_rates(SYMBOL)) == 3
    journal.close()


async def test_nobody_is_paid_for_what_was_settled_before_the_start(tmp_path: Path) -> None:
    venue = Venue(last=at(1000))
    async with following(venue, tmp_path) as host:
        await price(host, 1000)
        buy(host, 1001, lots=100)  # takes
    venue.rates = [announced("0.001", -2)]  # which the venue told of only now
    async with following(venue, tmp_path) as host:
        await price(host, 1000)
        assert position(host) == 100
        assert list(host.exchange.funding_rates(SYMBOL)) == venue.rates
        assert host.exchange.funding_since("alice", SYMBOL, venue.rates[0].at) == []


async def test_marks_value_positions(tmp_path: Path) -> None:
    venue = Venue(last=at(1000))
    async with following(venue, tmp_path) as host:
        await price(host, 1000)
        buy(host, 1001)
        venue.marks_told.put_nowait(MarkPrice(SYMBOL, Price(10_055), datetime.now(UTC)))

        def marked() -> bool:
            (held,) = host.exchange.positions("alice", SYMBOL)
            return held.mark == Price(10_055)

        await eventually(marked)


async def test_a_stream_that_is_silent_while_the_market_trades_is_opened_anew(
    tmp_path: Path,
) -> None:
    venue = Venue(last=at(1000))
    async with following(venue, tmp_path, look_after=timedelta(seconds=0.2)) as host:
        await price(host, 1000)
        venue.last = at(1010, seconds=5)  # and the stream says nothing
        await price(host, 1010)
        assert venue.streams == 2


async def test_steps_that_changed_are_never_mixed_up(tmp_path: Path) -> None:
    venue = Venue(last=at(1000))
    async with following(venue, tmp_path) as host:
        await price(host, 1000)
    finer = replace(venue, traded=replace(PERPETUAL, tick_size=Decimal("0.01")))
    journal = Journal(tmp_path, {"symbols": [SYMBOL]})
    source = await followed(journal, {"symbols": [SYMBOL]}, finer)
    assert source.instruments == (PERPETUAL,)  # what the books are counted in
    host = Host(source, journal, BALANCES, Decimal(1), live=True)
    with pytest.raises(InvalidValueError, match=r"changed the steps .* another --data"):
        await Follower(host, finer).run()
    journal.close()

"""Every venue's limits: as many requests arrive as the rate allows, and none while it says wait."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import pytest

from activities.venues.ccxt.binance.base import WEIGHT
from activities.venues.ccxt.meanings import DEFAULT_PAUSE, Reply
from activities.venues.ccxt.pacing import Pacer
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from domain.errors import RateLimitedError
from domain.limiter import Rate
from domain.money import MarketKind
from domain.orders import OrderReport
from domain.sharing import LEASE
from tests.contract.bench import Bench, credentials
from tests.contract.conftest import BOTH
from tests.contract.test_faults import ready
from tests.contract.test_venues import A, B, buy, place
from workers.exchange.faults import Operation
from workers.exchange.fronts.arrivals import Arrival

T = TypeVar("T")
SECOND: Final = timedelta(seconds=1)
MINUTES: Final = timedelta(minutes=5)
#: Those that tell how long to wait, and for how long a ban of five minutes is heeded.
BANNED: Final = {"binance": MINUTES, "gate": MINUTES, "bybit": timedelta(minutes=10)}


def arrivals(bench: Bench) -> list[Arrival]:
    assert bench.exchange.fronts is not None
    return bench.exchange.fronts.arrivals.all()


def most_in_a_second(times: Sequence[float]) -> int:
    return max(sum(last - 1 < at <= last for at in times) for last in times)


def questions(bench: Bench) -> Sequence[Callable[[], Coroutine[Any, Any, Any]]]:
    venue, symbol = bench.venue, bench.symbol
    return (
        lambda: place(bench, B, 980),
        lambda: venue.cancel(symbol, A),
        lambda: venue.look_up(symbol, A),
        venue.balances,
        lambda: venue.last_price(symbol),
        lambda: venue.quote(symbol),
        venue.clock,
    )


async def test_a_ban_stops_everything_until_it_ends_and_says_until_when(bench: Bench) -> None:
    await ready(bench)
    bench.fail("rest.place", "banned", count=1, delay=MINUTES)
    with pytest.raises(RateLimitedError, match=r"nothing is sent before \d{4}-.* UTC") as told:
        await place(bench, A, 990)
    lasts = BANNED.get(bench.venue.name, DEFAULT_PAUSE)
    assert lasts - 3 * SECOND < told.value.retry_after < lasts + 3 * SECOND
    if lasts == DEFAULT_PAUSE:  # it does not tell, so it is asked again soon
        return
    before = len(arrivals(bench))
    for ask in questions(bench):
        with pytest.raises(RateLimitedError, match="nothing is sent before"):
            await ask()
    assert len(arrivals(bench)) == before


async def test_a_pause_lasts_as_long_as_the_venue_tells(perpetual: Bench) -> None:
    await ready(perpetual)
    perpetual.fail("rest.place", "rate_limit", count=1, delay=20 * SECOND)
    with pytest.raises(RateLimitedError) as told:
        await place(perpetual, A, 990)
    lasts = 20 * SECOND if perpetual.venue.name in BANNED else DEFAULT_PAUSE
    assert lasts - 3 * SECOND < told.value.retry_after < lasts + 3 * SECOND
    paused = perpetual.venue.rate_limits().paused
    assert told.value.retry_after - 3 * SECOND < paused <= told.value.retry_after


async def test_no_more_arrives_than_the_rate_and_cancels_overtake(bench: Bench) -> None:
    await ready(bench)
    await place(bench, A, 990)
    async with limited(bench, 10) as venue:
        before = len(arrivals(bench))

        async def send(number: int) -> None:
            client_id = f"q12345678b00000000300{number:04d}zz"
            outcome = await patiently(lambda: venue.place(buy(bench, client_id, 900 + number)))
            assert isinstance(outcome, OrderReport)

        sending = [asyncio.create_task(send(number)) for number in range(18)]
        await asyncio.sleep(0)  # they wait for their turns
        await asyncio.gather(patiently(lambda: venue.cancel(bench.symbol, A)), *sending)
    orders = [each for each in arrivals(bench)[before:] if each.of_orders]
    assert len(orders) == 19
    assert most_in_a_second([each.at for each in orders]) <= 10
    # Ten left before it was asked for; some may leave with it and come first on another connection.
    assert [each.operation for each in orders].index(Operation.CANCEL) < 14


async def test_a_batch_is_no_larger_than_what_may_leave_at_once(perpetual: Bench) -> None:
    await ready(perpetual)
    ids = [f"q12345678b00000000300{number:04d}zz" for number in range(5)]
    async with limited(perpetual, 3) as venue:
        assert venue.place_batch_of in (0, 3)
        before = len(arrivals(perpetual))
        outcomes = await venue.place_batch([buy(perpetual, each, 900) for each in ids])
    assert [each.client_id for each in outcomes] == ids
    assert all(isinstance(each, OrderReport) for each in outcomes)
    orders = [each for each in arrivals(perpetual)[before:] if each.of_orders]
    assert orders[-1].at - orders[0].at > 0.9


@pytest.mark.parametrize("where", BOTH)
async def test_what_a_newcomer_must_wait_for_is_over_before_rows_are_forgotten(
    where: tuple[str, MarketKind],
) -> None:
    """Windows that the venue does not report itself are short, or a restart would take long."""
    rates = quirks_of(*where).rates(Rate(10, SECOND)).values()
    assert all(rate.reported or rate.per <= 2 * SECOND for rate in rates)
    assert all(rate.per < LEASE for rate in rates if not rate.reported)


def test_what_binance_says_was_used_leaves_no_more_than_the_rest() -> None:
    quirks = quirks_of("binance", MarketKind.PERPETUAL)
    used = quirks.used(Reply(200, {"x-mbx-used-weight-1m": "2390"}, "{}", {}))
    assert used == {WEIGHT: 2390}
    pacer = Pacer(quirks.rates(Rate(10, SECOND)))
    pacer.told(WEIGHT, used[WEIGHT])
    usage = {each.bucket: each.used for each in pacer.usage()}
    assert usage == {"orders": 0, WEIGHT: 2390}


async def patiently(ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Ask until the rate lets it leave: on a busy machine that may take longer than one call."""
    while True:
        try:
            return await ask()
        except RateLimitedError as error:
            await asyncio.sleep(error.retry_after.total_seconds())


@asynccontextmanager
async def limited(bench: Bench, per_second: int) -> AsyncIterator[CcxtVenue]:
    """Yield a second client of the same account, which may send so much."""
    venue = CcxtVenue(
        quirks_of(bench.venue.name, bench.kind),
        credentials("alice"),
        local=bench.local,
        orders=Rate(per_second, SECOND),
    )
    async with venue:
        await venue.instrument(bench.symbol)
        yield venue

"""The dead-man's switch of every venue that has one: what it cancels, and what keeps it from it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from activities.dead_man import check_switch
from domain.conditions import Reach
from domain.errors import InvalidValueError, VenueUnavailableError
from domain.grid.spec import parse_spec
from domain.money import MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import OrderRequest, Side
from tests.contract.bench import SYMBOLS, Bench, opened
from tests.eventually import eventually

PERPETUAL, SPOT = MarketKind.PERPETUAL, MarketKind.SPOT
#: The least each venue takes, and what it cancels.
OFFERED: Final = {
    ("binance", PERPETUAL): (timedelta(seconds=1), Reach.SYMBOL),
    ("bybit", PERPETUAL): (timedelta(seconds=3), Reach.ACCOUNT),
    ("bybit", SPOT): (timedelta(seconds=3), Reach.ACCOUNT),
    ("gate", PERPETUAL): (timedelta(seconds=5), Reach.SYMBOL),
    ("gate", SPOT): (timedelta(seconds=5), Reach.SYMBOL),
    ("okx", PERPETUAL): (timedelta(seconds=10), Reach.ACCOUNT),
    ("okx", SPOT): (timedelta(seconds=10), Reach.ACCOUNT),
}
ABSENT: Final = [("binance", SPOT), ("bitget", PERPETUAL), ("bitget", SPOT)]
LONG: Final = timedelta(seconds=120)
WHERE: Final = [pytest.param(where, id="-".join(where)) for where in OFFERED]


@asynccontextmanager
async def resting(where: tuple[str, MarketKind], directory: Path) -> AsyncIterator[Bench]:
    """Yield a venue where an order of ours rests."""
    async with opened(*where, directory) as bench:
        bench.advance(1)
        key = OrderKey(run_tag("switched"), Purpose.ENTRY_BUY, 9_000, 1)
        request = OrderRequest(
            encode(key), bench.symbol, Side.BUY, Quantity(50), Price(9_000), post_only=True
        )
        await bench.venue.place(request)
        assert working(bench) == 1
        yield bench


def working(bench: Bench) -> int:
    return len(bench.exchange.host.exchange.open_orders("alice", bench.symbol))


def counting(bench: Bench) -> int:
    """Return how many countdowns run at the exchange."""
    assert bench.exchange.fronts is not None
    return len(bench.exchange.fronts.desk.dead_men._counting)


@pytest.mark.parametrize("where", WHERE)
async def test_it_cancels_when_it_is_not_heard_of(
    where: tuple[str, MarketKind], tmp_path: Path
) -> None:
    within, reach = OFFERED[where]
    async with resting(where, tmp_path) as bench:
        assert bench.venue.dead_man is reach
        async with bench.venue.reports():
            await bench.venue.arm(bench.symbol, LONG)
            await bench.venue.arm(bench.symbol, within)
        await eventually(lambda: working(bench) == 0, within=60, what="the orders to be canceled")


@pytest.mark.parametrize("where", WHERE)
async def test_it_is_renewed_disarmed_and_armed_again(
    where: tuple[str, MarketKind], tmp_path: Path
) -> None:
    async with resting(where, tmp_path) as bench:
        async with bench.venue.reports():
            for _ in range(3):
                await bench.venue.arm(bench.symbol, LONG)
            if where[0] != "bybit":  # which counts when the connection is lost
                assert counting(bench) == 1
            await bench.venue.disarm(bench.symbol)
            await eventually(lambda: counting(bench) == 0, what="an end of the countdown")
        await eventually(lambda: counting(bench) == 0, what="no countdown")
        assert working(bench) == 1
        async with bench.venue.reports():
            await bench.venue.arm(bench.symbol, LONG)
        await eventually(lambda: counting(bench) == 1, what="a countdown")


async def test_bybit_needs_a_private_stream_for_it(tmp_path: Path) -> None:
    async with opened("bybit", PERPETUAL, tmp_path) as bench:
        with pytest.raises(VenueUnavailableError, match="needs a live private stream"):
            await bench.venue.arm(bench.symbol, LONG)


@pytest.mark.parametrize("where", [pytest.param(where, id="-".join(where)) for where in ABSENT])
async def test_where_there_is_none_a_run_that_asks_for_it_is_refused(
    where: tuple[str, MarketKind], tmp_path: Path
) -> None:
    grid = {"symbol": SYMBOLS[where[1]], "interval": "10", "amount": "50"}
    async with opened(*where, tmp_path) as bench:
        assert bench.venue.dead_man is None
        check_switch(parse_spec(grid), bench.venue)
        said = f"dead_man_seconds: {where[0]} offers no dead-man's switch"
        with pytest.raises(InvalidValueError, match=said):
            check_switch(parse_spec({**grid, "dead_man_seconds": 30}), bench.venue)

"""A paper exchange that follows a real venue: a local exchange of the test's own prices."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.venues.ccxt.registry import VENUES
from activities.venues.remote import RemoteVenue
from domain.errors import InvalidValueError, VenueError, VenueUnavailableError
from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderRequest, OrderStatus, Refusal, Side
from tests.contract.bench import START
from tests.workers.exchange.live.market import blind, following, real_market, sees
from workers.exchange.server import running
from workers.exchange.settings import ExchangeSettings

A, B = "q12345678b000000001000001zz", "q12345678b000000001000002zz"
WHERE = [
    *((name, MarketKind.PERPETUAL) for name in VENUES),
    ("binance", MarketKind.SPOT),
    ("okx", MarketKind.SPOT),
]


async def drained(stream: AsyncIterator[object]) -> None:
    async for _ in stream:
        pass


async def place(venue: RemoteVenue, symbol: str, client_id: str, price: int) -> OrderReport:
    placed = await venue.place(order(symbol, client_id, price))
    assert isinstance(placed, OrderReport), placed
    return placed


def order(symbol: str, client_id: str, price: int, side: Side = Side.BUY) -> OrderRequest:
    return OrderRequest(
        client_id=client_id,
        symbol=symbol,
        side=side,
        quantity=Quantity(10),
        price=Price(price * 10),
        post_only=True,
    )


@pytest.mark.parametrize("where", WHERE, ids=lambda where: f"{where[0]}-{where[1]}")
async def test_an_order_fills_whole_at_its_own_price_once_the_market_has_gone_through_it(
    where: tuple[str, MarketKind], tmp_path: Path
) -> None:
    name, kind = where
    async with (
        real_market(tmp_path / "real", (1000, 990, 988), name=name, kind=kind) as market,
        following(market.feed(tmp_path / "paper")) as (paper, venue),
    ):
        real = market.exchange.host.instrument(market.symbol)
        ours = await venue.instrument(market.symbol)
        assert (ours.tick_size, ours.lot_size) == (real.tick_size, real.lot_size)
        assert (await place(venue, market.symbol, A, 990)).status is OrderStatus.OPEN
        market.trade()
        await sees(paper, market.symbol, 990)
        touched = await venue.look_up(market.symbol, A)
        assert touched is not None
        assert not touched.filled  # somebody may have been before us in the queue
        market.trade()
        await sees(paper, market.symbol, 988)
        (fill,) = await venue.fills_since(market.symbol, START - timedelta(days=1))
        assert (fill.price, fill.quantity, fill.maker) == (Price(9900), Quantity(10), True)


async def test_an_order_that_would_trade_at_once_is_judged_by_the_real_price(
    tmp_path: Path,
) -> None:
    async with (
        real_market(tmp_path / "real", (1000,)) as market,
        following(market.feed(tmp_path / "paper")) as (_, venue),
    ):
        refused = await venue.place(order(market.symbol, A, 1001))
        assert isinstance(refused, Refusal)
        taken = await venue.place(
            replace(
                order(market.symbol, B, 1001),
                post_only=False,
                side=Side.SELL,
                price=Price(9000),
            )
        )
        assert isinstance(taken, OrderReport)
        assert (taken.status, taken.value) == (OrderStatus.FILLED, 10 * 9999)


async def test_what_cannot_be_seen_is_not_traded_and_what_was_gone_through_fills_afterwards(
    tmp_path: Path,
) -> None:
    # 985 and back are within the gap: nobody saw them. It ends at 978, below the second order.
    async with (
        real_market(tmp_path / "real", (1000, 985, 1000, 978, 977)) as market,
        following(market.feed(tmp_path / "paper")) as (paper, venue),
    ):
        await place(venue, market.symbol, A, 990)
        async with venue.prices([market.symbol]) as prices, venue.reports() as reports:
            await anext(prices)
            market.cut()
            market.trade()
            await blind(paper)
            with pytest.raises(VenueError, match="cannot be seen"):
                await drained(prices)
            with pytest.raises(VenueError, match="cannot be seen"):
                await drained(reports)
        with pytest.raises(VenueUnavailableError, match="market of binance cannot be seen"):
            await venue.place(order(market.symbol, B, 980))
        with pytest.raises(VenueUnavailableError, match="cannot be seen"):
            await venue.cancel(market.symbol, A)
        with pytest.raises(VenueUnavailableError, match="cannot be seen"):
            await venue.last_price(market.symbol)
        (resting,) = await venue.open_orders(market.symbol)  # the books can be read
        assert resting.client_id == A
        market.trade()  # back at 1000
        market.heal()
        await sees(paper, market.symbol, 1000)
        assert await venue.fills_since(market.symbol, START - timedelta(days=1)) == []
        market.cut()
        market.trade()  # 978, and the stream breaks off before it is told
        await blind(paper)
        market.heal()
        await sees(paper, market.symbol, 978)
        (fill,) = await venue.fills_since(market.symbol, START - timedelta(days=1))
        assert (fill.client_id, fill.price) == (A, Price(9900))


async def test_a_killed_exchange_goes_on_with_its_books_and_the_market_as_it_then_is(
    tmp_path: Path,
) -> None:
    async with (
        real_market(tmp_path / "real", (1000, 989, 1002, 979)) as market,
        following(market.feed(tmp_path / "paper")) as (paper, venue),
    ):
        await place(venue, market.symbol, A, 990)
        await place(venue, market.symbol, B, 980)
        market.trade()
        await sees(paper, market.symbol, 989)
        before = await venue.fills_since(market.symbol, START - timedelta(days=1))
        owned = {each.asset: each.total for each in await venue.balances()}
        # The files as a kill at this moment would leave them.
        shutil.copytree(tmp_path / "paper", tmp_path / "killed")
        market.trade()
        async with following(market.feed(tmp_path / "killed")) as (again, books):
            await sees(again, market.symbol, 1002)
            assert await books.fills_since(market.symbol, START - timedelta(days=1)) == before
            assert {each.asset: each.total for each in await books.balances()} == owned
            (resting,) = await books.open_orders(market.symbol)
            assert resting.client_id == B
            market.trade()
            await sees(again, market.symbol, 979)
            _, second = await books.fills_since(market.symbol, START - timedelta(days=1))
            assert (second.client_id, second.price) == (B, Price(9800))
            assert second.fill_id != before[0].fill_id


async def test_books_can_be_opened_while_the_venue_is_away_and_a_first_start_cannot(
    tmp_path: Path,
) -> None:
    async with real_market(tmp_path / "real", (1000,)) as market:
        settings = market.feed(tmp_path / "paper")
        async with following(settings) as (_, venue):
            await place(venue, market.symbol, A, 990)
    async with running(settings) as paper, RemoteVenue(paper.address, "alice") as venue:
        (resting,) = await venue.open_orders(settings.symbols[0])
        assert resting.client_id == A
        with pytest.raises(VenueUnavailableError, match="market of binance"):
            await venue.place(order(settings.symbols[0], B, 980))
    with pytest.raises(
        VenueUnavailableError, match=r"cannot reach binance .*internet.*made market"
    ):
        async with running(replace(settings, data=tmp_path / "new")):
            pytest.fail("it started without a market")


async def test_a_market_that_is_followed_has_the_time_of_everybody(tmp_path: Path) -> None:
    async with (
        real_market(tmp_path / "real", (1000,)) as market,
        following(market.feed(tmp_path / "paper")) as (paper, venue),
    ):
        placed = await place(venue, market.symbol, A, 990)
        assert placed.at is not None
        assert abs(placed.at - datetime.now(placed.at.tzinfo)) < timedelta(minutes=1)
        assert paper.host.live


async def test_the_books_are_of_one_feed(tmp_path: Path) -> None:
    async with real_market(tmp_path / "real", (1000,)) as market:
        settings = market.feed(tmp_path / "paper")
        async with following(settings):
            pass
        with pytest.raises(InvalidValueError, match="belongs to another market"):
            async with running(replace(settings, symbols=("ETH/USDT:USDT",))):
                pytest.fail("it opened other books")


@pytest.mark.parametrize(
    "changes,told",
    [
        ({"symbols": ()}, "--feed needs --symbols"),
        ({"symbols": ("BTC/USDT", "BTC/USDT:USDT")}, "all spot or all perpetual"),
        ({"speed": 2}, "a live market has speed 1"),
        ({"feed": None}, "belong to --feed"),
        ({"tape": Path("x.csv.gz")}, "--feed and --tape"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any], told: str) -> None:
    settings = ExchangeSettings(data=Path("x"), feed="binance", symbols=("BTC/USDT:USDT",))
    with pytest.raises(InvalidValueError, match=told):
        replace(settings, **changes)

"""What every venue must do, asked of both adapters over the same market."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from domain.errors import InvalidValueError, VenueUnavailableError
from domain.market import Balance, Quote
from domain.money import MarketKind, Price, Quantity
from domain.orders import (
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    Refusal,
    RefusalReason,
    Side,
)
from tests.activities.venues.market import EVENTS, START, Bench

T = TypeVar("T")
MINUTE = timedelta(minutes=1)


def buy(client_id: str, price: int | None, lots: int = 10, **more: Any) -> OrderRequest:
    return OrderRequest(
        client_id,
        more.pop("symbol", "BTCUSDT"),
        more.pop("side", Side.BUY),
        Quantity(lots),
        Price(price * 10) if price else None,
        OrderType.LIMIT if price else OrderType.MARKET,
        **more,
    )


async def place(bench: Bench, *request: Any, **more: Any) -> OrderReport:
    outcome = await bench.venue.place(buy(*request, **more))
    assert isinstance(outcome, OrderReport), outcome
    return outcome


async def soon(stream: AsyncIterator[T]) -> T:
    return await asyncio.wait_for(anext(stream), 60)


async def test_an_instrument_comes_with_steps_minima_and_fees(bench: Bench) -> None:
    instrument = await bench.venue.instrument("BTCUSDT")
    assert instrument.kind is MarketKind.PERPETUAL
    assert (instrument.base, instrument.quote) == ("BTC", "USDT")
    assert instrument.tick_size == Decimal("0.1")
    assert instrument.lot_size == Decimal("0.001")
    assert instrument.min_quantity == Quantity(1)
    assert instrument.min_notional == 5
    assert (instrument.maker_fee, instrument.taker_fee) == (Decimal("0.0002"), Decimal("0.0005"))


async def test_an_unknown_symbol_is_an_error_wherever_it_is_named(bench: Bench) -> None:
    venue = bench.venue
    for call in (
        lambda: venue.instrument("DOGE"),
        lambda: venue.place(buy("a", 990, symbol="DOGE")),
        lambda: venue.cancel("DOGE", "a"),
        lambda: venue.look_up("DOGE", "a"),
        lambda: venue.open_orders("DOGE"),
        lambda: venue.orders_since("DOGE", START),
        lambda: venue.fills_since("DOGE", START),
        lambda: venue.positions("DOGE"),
        lambda: venue.funding_since("DOGE", START),
        lambda: venue.account_view("DOGE", START),
        lambda: venue.last_price("DOGE"),
        lambda: venue.quote("DOGE"),
        lambda: venue.candles("DOGE", MINUTE, 1),
        lambda: venue.funding_rate("DOGE"),
        lambda: venue.funding_rates("DOGE", START),
    ):
        with pytest.raises(InvalidValueError, match="DOGE"):
            await call()


async def test_a_resting_order_is_found_wherever_orders_are_looked_for(bench: Bench) -> None:
    bench.advance(1)
    placed = await place(bench, "a", 990)
    assert placed.status is OrderStatus.OPEN
    assert (placed.price, placed.quantity, placed.filled) == (
        Price(9900),
        Quantity(10),
        Quantity(0),
    )
    assert placed.order_id
    assert await bench.venue.look_up("BTCUSDT", "a") == placed
    assert await bench.venue.open_orders("BTCUSDT") == [placed]
    assert await bench.venue.orders_since("BTCUSDT", START) == [placed]
    assert await bench.venue.open_orders("ETHUSDT") == []


async def test_a_duplicate_client_id_answers_with_the_existing_order(bench: Bench) -> None:
    bench.advance(1)
    first = await place(bench, "a", 990)
    assert await place(bench, "a", 980, lots=5) == first
    assert len(await bench.venue.open_orders("BTCUSDT")) == 1


async def test_a_post_only_order_that_would_cross_is_refused_with_a_better_price(
    bench: Bench,
) -> None:
    bench.advance(1)
    refused = await bench.venue.place(buy("a", 1010, post_only=True))
    assert isinstance(refused, Refusal)
    assert (refused.client_id, refused.reason) == ("a", RefusalReason.WOULD_CROSS)
    assert refused.best == Price(10_000)  # a tick below the ask, itself a tick above 1000
    assert await bench.venue.look_up("BTCUSDT", "a") is None


async def test_an_order_beyond_the_funds_is_refused(bench: Bench) -> None:
    bench.advance(1)
    refused = await bench.venue.place(buy("a", 990, lots=10_000_000))
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.INSUFFICIENT_FUNDS
    assert refused.message


async def test_an_order_under_the_minimum_is_refused_as_invalid(bench: Bench) -> None:
    bench.advance(1)
    refused = await bench.venue.place(buy("a", 990, lots=1))  # 0.99 USDT
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.INVALID


async def test_reports_tell_the_whole_story_in_order(bench: Bench) -> None:
    bench.advance(1)
    async with bench.venue.reports() as reports:
        await place(bench, "a", 990)
        bench.advance(2)
        told = [await soon(reports) for _ in range(3)]
    assert [each.status for each in told] == [
        OrderStatus.OPEN,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.FILLED,
    ]
    assert [each.filled.lots for each in told] == [0, 4, 10]
    assert [each.value for each in told] == [0, 4 * 9900, 10 * 9900]
    assert told[0].fill is None
    assert [each.fill.quantity.lots for each in told[1:] if each.fill] == [4, 6]
    assert told[2].fee_in("USDT") == Decimal("0.00198")  # 0.0002 of 9.9 USDT
    assert await bench.venue.fills_since("BTCUSDT", START) == [each.fill for each in told[1:]]
    found = await bench.venue.look_up("BTCUSDT", "a")
    assert found is not None
    assert found.filled == Quantity(10)


async def test_fills_since_a_moment_are_those_at_or_after_it(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, "a", 990)
    bench.advance(2)
    first, second = await bench.venue.fills_since("BTCUSDT", START)
    assert first.at < second.at
    assert await bench.venue.fills_since("BTCUSDT", second.at) == [second]
    later = second.at + timedelta(microseconds=1)
    assert await bench.venue.fills_since("BTCUSDT", later) == []
    assert await bench.venue.orders_since("BTCUSDT", later) == []


async def test_a_stream_tells_nothing_from_before_it_was_entered(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, "a", 990)
    async with bench.venue.reports() as reports:
        await place(bench, "b", 980)
        assert (await soon(reports)).client_id == "b"


async def test_a_cancel_returns_the_order_as_it_then_stands(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, "a", 990)
    bench.advance(1)
    canceled = await bench.venue.cancel("BTCUSDT", "a")
    assert canceled is not None
    assert (canceled.status, canceled.filled) == (OrderStatus.CANCELED, Quantity(4))
    assert await bench.venue.cancel("BTCUSDT", "a") == canceled
    assert await bench.venue.look_up("BTCUSDT", "a") == canceled


async def test_no_such_order_is_none(bench: Bench) -> None:
    assert await bench.venue.cancel("BTCUSDT", "a") is None
    assert await bench.venue.look_up("BTCUSDT", "a") is None


async def test_a_position_and_its_funding_are_shown_until_it_is_flat(bench: Bench) -> None:
    bench.advance(1)
    assert await bench.venue.positions("BTCUSDT") == []
    await place(bench, "a", 990)
    bench.advance(3)
    (held,) = await bench.venue.positions("BTCUSDT")
    assert (held.lots, held.cost, held.mark) == (10, 10 * 9900, Price(9900))
    (paid,) = await bench.venue.funding_since("BTCUSDT", START)
    assert paid.amount == Decimal("-0.0099")  # a long pays 0.001 of 9.9 USDT
    assert paid.at == START + timedelta(seconds=4)
    assert await bench.venue.funding_since("BTCUSDT", paid.at + MINUTE) == []
    await place(bench, "b", None, side=Side.SELL, reduce_only=True)
    assert await bench.venue.positions("BTCUSDT") == []


async def test_balances_show_what_is_locked(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, "a", 1000, lots=100, symbol="ETHUSDT", post_only=True)
    balances = {each.asset: each for each in await bench.venue.balances()}
    assert balances["USDT"] == Balance("USDT", Decimal(100_000), Decimal(100))
    assert balances["BTC"].total == 1


async def test_a_view_is_everything_of_one_moment(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, "a", 990)
    await place(bench, "b", 900)
    bench.advance(3)
    view = await bench.venue.account_view("BTCUSDT", START)
    assert list(view.orders) == await _sorted_orders(bench.venue)
    assert list(view.fills) == list(await bench.venue.fills_since("BTCUSDT", START))
    assert list(view.positions) == await bench.venue.positions("BTCUSDT")
    assert list(view.balances) == list(await bench.venue.balances())
    assert list(view.funding) == await bench.venue.funding_since("BTCUSDT", START)
    assert view.at == START + timedelta(seconds=4)
    later = await bench.venue.account_view("BTCUSDT", view.at + MINUTE)
    assert [order.client_id for order in later.orders] == ["b"]  # open, though nothing changed


async def _sorted_orders(venue: Any) -> list[OrderReport]:
    orders = await venue.orders_since("BTCUSDT", START)
    return sorted(orders, key=lambda order: order.client_id)


async def test_no_price_yet_is_no_price(bench: Bench) -> None:
    with pytest.raises(VenueUnavailableError, match="BTCUSDT"):
        await bench.venue.last_price("BTCUSDT")
    bench.advance(1)
    update = await bench.venue.last_price("BTCUSDT")
    assert (update.price, update.at) == (Price(10_000), START + timedelta(seconds=1))


async def test_a_quote_is_the_markets_best_prices_as_of_its_time(bench: Bench) -> None:
    with pytest.raises(VenueUnavailableError, match="BTCUSDT"):
        await bench.venue.quote("BTCUSDT")
    bench.advance(3)
    quote = await bench.venue.quote("BTCUSDT")
    assert quote == Quote(Price(9_899), Price(9_901), START + timedelta(seconds=3))
    bench.advance(1)  # nothing but time and a funding payment
    assert await bench.venue.quote("BTCUSDT") == replace(quote, at=START + timedelta(seconds=4))
    bench.advance(1)
    quote = await bench.venue.quote("BTCUSDT")
    assert (quote.bid, quote.ask) == (Price(10_009), Price(10_011))


async def test_a_side_that_is_empty_is_no_price_of_zero(bench: Bench) -> None:
    bench.advance(len(EVENTS))
    with pytest.raises(VenueUnavailableError, match="ETHUSDT has no bids at"):
        await bench.venue.quote("ETHUSDT")


async def test_a_slow_reader_of_prices_skips_to_the_latest(bench: Bench) -> None:
    async with bench.venue.prices(["BTCUSDT"]) as prices:
        bench.advance(204)
        read = [await soon(prices)]
        while read[-1].price != Price(12_000):
            read.append(await soon(prices))
    assert len(read) < 10
    assert read[-1] == await bench.venue.last_price("BTCUSDT")


async def test_candles_are_closed_but_for_the_last(bench: Bench) -> None:
    bench.advance(204)  # 10 s apart: 200 trades are 33 minutes and 20 seconds
    candles = await bench.venue.candles("BTCUSDT", MINUTE, 3)
    assert [each.closed for each in candles] == [True, True, False]
    assert candles[0].opened_at + MINUTE == candles[1].opened_at
    assert candles[-1].close == Price(12_000)
    assert len(await bench.venue.candles("BTCUSDT", 5 * MINUTE, 100)) == 7


async def test_a_candle_stream_tells_every_bar_that_closes(bench: Bench) -> None:
    bench.advance(5)
    async with bench.venue.candle_stream("BTCUSDT", MINUTE) as stream:
        bench.advance(199)
        told = [await soon(stream)]
        while told[-1].close != Price(12_000):
            told.append(await soon(stream))
    closed = [each for each in told if each.closed]
    assert closed == list(await bench.venue.candles("BTCUSDT", MINUTE, 100))[:-1]


async def test_streams_of_what_is_not_traded_are_refused(bench: Bench) -> None:
    with pytest.raises(InvalidValueError, match="DOGE"):
        async with bench.venue.prices(["DOGE"]):
            pass
    with pytest.raises(InvalidValueError, match="DOGE"):
        async with bench.venue.candle_stream("DOGE", MINUTE):
            pass
    with pytest.raises(InvalidValueError, match="multiples"):
        async with bench.venue.candle_stream("BTCUSDT", timedelta(seconds=7)):
            pass


async def test_an_order_takes_at_most_a_moment_to_arrive(bench: Bench) -> None:
    assert timedelta() <= bench.venue.arrival_limit <= timedelta(seconds=2)
    assert bench.venue.name == "paper"

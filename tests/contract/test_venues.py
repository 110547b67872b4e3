"""What every venue must do, asked of each through the unmodified client, over real sockets.

The same assertions as those of the paper adapters, wherever a real venue can be as exact.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from domain.errors import InvalidValueError, VenueUnavailableError
from domain.market import Balance, Position
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
from tests.contract.bench import START, Bench

T = TypeVar("T")
MINUTE = timedelta(minutes=1)
#: Ids as the project makes them: 27 digits and lower-case letters.
A, B, C, D = (f"q12345678b0000000010000{n:02d}zz" for n in range(4))


def buy(
    bench: Bench, client_id: str, price: int | None, lots: int = 10, **more: Any
) -> OrderRequest:
    return OrderRequest(
        client_id,
        more.pop("symbol", bench.symbol),
        more.pop("side", Side.BUY),
        Quantity(lots),
        Price(price * 10) if price else None,
        OrderType.LIMIT if price else OrderType.MARKET,
        **more,
    )


async def place(bench: Bench, *request: Any, **more: Any) -> OrderReport:
    outcome = await bench.venue.place(buy(bench, *request, **more))
    assert isinstance(outcome, OrderReport), outcome
    return outcome


async def soon(stream: AsyncIterator[T]) -> T:
    return await asyncio.wait_for(anext(stream), 60)


# ---- instruments


async def test_an_instrument_comes_with_steps_minima_and_this_accounts_fees(bench: Bench) -> None:
    instrument = await bench.venue.instrument(bench.symbol)
    assert instrument.kind is bench.kind
    assert (instrument.symbol, instrument.base, instrument.quote) == (bench.symbol, "BTC", "USDT")
    assert instrument.tick_size == Decimal("0.1")
    assert instrument.lot_size == Decimal("0.001")
    assert instrument.min_quantity == Quantity(1)
    assert (instrument.maker_fee, instrument.taker_fee) == (Decimal("0.0002"), Decimal("0.0005"))


async def test_an_unknown_symbol_is_an_error_wherever_it_is_named(bench: Bench) -> None:
    venue = bench.venue
    for call in (
        lambda: venue.instrument("DOGE"),
        lambda: venue.place(buy(bench, A, 990, symbol="DOGE")),
        lambda: venue.cancel("DOGE", A),
        lambda: venue.look_up("DOGE", A),
        lambda: venue.open_orders("DOGE"),
        lambda: venue.orders_since("DOGE", START),
        lambda: venue.fills_since("DOGE", START),
        lambda: venue.positions("DOGE"),
        lambda: venue.funding_since("DOGE", START),
        lambda: venue.account_view("DOGE", START),
        lambda: venue.last_price("DOGE"),
        lambda: venue.quote("DOGE"),
        lambda: venue.candles("DOGE", MINUTE, 1),
    ):
        with pytest.raises(InvalidValueError, match="DOGE"):
            await call()


# ---- orders


async def test_a_resting_order_is_found_wherever_orders_are_looked_for(bench: Bench) -> None:
    bench.advance(1)
    placed = await place(bench, A, 990)
    assert placed.status is OrderStatus.OPEN
    assert (placed.price, placed.quantity, placed.filled) == (
        Price(9900),
        Quantity(10),
        Quantity(0),
    )
    assert (placed.client_id, placed.symbol, placed.side) == (A, bench.symbol, Side.BUY)
    assert placed.order_id
    found = await bench.venue.look_up(bench.symbol, A)
    assert found is not None
    assert (found.order_id, found.client_id, found.price) == (placed.order_id, A, placed.price)
    assert await bench.venue.open_orders(bench.symbol) == [found]
    assert await bench.venue.orders_since(bench.symbol, START) == [found]


async def test_a_duplicate_client_id_answers_with_the_existing_order(bench: Bench) -> None:
    bench.advance(1)
    first = await place(bench, A, 990)
    again = await place(bench, A, 980, lots=6)
    assert (again.order_id, again.price, again.quantity) == (
        first.order_id,
        first.price,
        first.quantity,
    )
    assert len(await bench.venue.open_orders(bench.symbol)) == 1


async def test_a_post_only_order_that_would_cross_never_trades(bench: Bench) -> None:
    """It is refused, or accepted and then canceled with the reason: both say would cross."""
    bench.advance(1)
    async with bench.venue.reports() as reports:
        outcome = await bench.venue.place(buy(bench, A, 1010, post_only=True))
        if isinstance(outcome, OrderReport):
            while outcome.status.working:
                outcome = await soon(reports)
            assert outcome.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
        assert (outcome.client_id, outcome.reason) == (A, RefusalReason.WOULD_CROSS)
    assert await bench.venue.fills_since(bench.symbol, START) == []
    assert await bench.venue.open_orders(bench.symbol) == []


async def test_an_order_beyond_the_funds_is_refused(bench: Bench) -> None:
    bench.advance(1)
    refused = await bench.venue.place(buy(bench, A, 990, lots=10_000_000))
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.INSUFFICIENT_FUNDS
    assert refused.message
    assert await bench.venue.look_up(bench.symbol, A) is None


async def test_an_order_under_the_minimum_is_refused_as_invalid_if_there_is_one(
    bench: Bench,
) -> None:
    bench.advance(1)
    answer = await bench.venue.place(buy(bench, A, 990, lots=1))  # 0.99 USDT
    if bench.venue.name == "okx":  # it has none: a least quantity is all
        assert isinstance(answer, OrderReport)
        return
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.INVALID


async def test_a_reduce_only_order_without_a_position_is_refused(perpetual: Bench) -> None:
    perpetual.advance(1)
    refused = await perpetual.venue.place(buy(perpetual, A, 1010, side=Side.SELL, reduce_only=True))
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.REDUCE_ONLY


async def test_a_market_order_trades_at_once_and_comes_back_whole(bench: Bench) -> None:
    bench.advance(1)
    done = await place(bench, A, None)
    if done.status.working:  # a venue that answers with an id only
        found = await bench.venue.look_up(bench.symbol, A)
        assert found is not None
        done = found
    assert (done.status, done.filled, done.price) == (OrderStatus.FILLED, Quantity(10), None)
    assert done.value == 10 * 10_001  # one tick above the last price
    asset = "USDT" if bench.kind is MarketKind.PERPETUAL else "BTC"
    assert done.fee_in(asset) > 0


async def test_a_cancel_returns_the_order_as_it_then_stands(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, A, 990)
    bench.advance(1)
    canceled = await bench.venue.cancel(bench.symbol, A)
    assert canceled is not None
    assert (canceled.client_id, canceled.status) == (A, OrderStatus.CANCELED)
    assert (canceled.filled, canceled.value) == (Quantity(4), 4 * 9900)
    again = await bench.venue.cancel(bench.symbol, A)
    assert again is not None
    assert (again.status, again.filled) == (OrderStatus.CANCELED, Quantity(4))


async def test_a_cancel_of_a_filled_order_tells_that_it_is_filled(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, A, 990)
    bench.advance(2)
    found = await bench.venue.cancel(bench.symbol, A)
    assert found is not None
    assert (found.status, found.value) == (OrderStatus.FILLED, 10 * 9900)


async def test_no_such_order_is_none(bench: Bench) -> None:
    assert await bench.venue.cancel(bench.symbol, A) is None
    assert await bench.venue.look_up(bench.symbol, A) is None


async def test_a_batch_has_one_outcome_for_each_order_in_their_order(bench: Bench) -> None:
    bench.advance(1)
    asked = [
        buy(bench, A, 990),
        buy(bench, B, 990, lots=10_000_000),
        buy(bench, C, 980),
        buy(bench, D, 990, lots=1),
    ]
    outcomes = await bench.venue.place_batch(asked)
    assert [outcome.client_id for outcome in outcomes] == [A, B, C, D]
    # OKX has no least notional: a least quantity is all.
    tiny = OrderReport if bench.venue.name == "okx" else Refusal
    assert [type(outcome) for outcome in outcomes] == [OrderReport, Refusal, OrderReport, tiny]
    many = [buy(bench, f"q12345678b00000000200{n:04d}zz", 900 + n) for n in range(23)]
    more = await bench.venue.place_batch(many)
    assert [outcome.client_id for outcome in more] == [request.client_id for request in many]
    assert all(isinstance(outcome, OrderReport) for outcome in more)
    taken = sum(isinstance(outcome, OrderReport) for outcome in (*outcomes, *more))
    assert len(await bench.venue.open_orders(bench.symbol)) == taken


async def test_a_batch_of_cancels_tells_how_each_order_stands(bench: Bench) -> None:
    bench.advance(1)
    await bench.venue.place_batch([buy(bench, A, 990), buy(bench, B, 980)])
    bench.advance(2)
    first, second, third = await bench.venue.cancel_batch(bench.symbol, [A, B, C])
    assert first is not None
    assert (first.client_id, first.status) == (A, OrderStatus.FILLED)
    assert second is not None
    assert (second.client_id, second.status) == (B, OrderStatus.CANCELED)
    assert third is None


# ---- history


async def test_fills_since_a_moment_are_those_at_or_after_it(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, A, 990)
    bench.advance(2)
    first, second = await bench.venue.fills_since(bench.symbol, START)
    assert [each.client_id for each in (first, second)] == [A, A]
    assert [each.quantity.lots for each in (first, second)] == [4, 6]
    assert all(each.maker and each.side is Side.BUY for each in (first, second))
    assert first.at < second.at
    assert await bench.venue.fills_since(bench.symbol, second.at) == [second]
    later = second.at + timedelta(milliseconds=1)
    assert await bench.venue.fills_since(bench.symbol, later) == []
    assert await bench.venue.orders_since(bench.symbol, later) == []


async def test_an_old_order_that_was_filled_just_now_is_among_the_orders_since(
    bench: Bench,
) -> None:
    bench.advance(1)
    await place(bench, A, 990)
    bench.advance(2)
    since = START + timedelta(seconds=3)
    (order,) = await bench.venue.orders_since(bench.symbol, since)
    assert (order.client_id, order.status, order.value) == (A, OrderStatus.FILLED, 10 * 9900)


# ---- account


async def test_a_position_and_its_funding_are_shown_until_it_is_flat(perpetual: Bench) -> None:
    bench = perpetual
    bench.advance(1)
    assert await bench.venue.positions(bench.symbol) == []
    await place(bench, A, 990)
    bench.advance(3)
    (held,) = await bench.venue.positions(bench.symbol)
    assert (held.lots, held.cost, held.mark) == (10, 10 * 9900, Price(9900))
    (paid,) = await bench.venue.funding_since(bench.symbol, START)
    assert paid.amount == Decimal("-0.0099")  # a long pays 0.001 of 9.9 USDT
    assert paid.at == START + timedelta(seconds=4)
    assert await bench.venue.funding_since(bench.symbol, paid.at + MINUTE) == []
    await place(bench, B, None, side=Side.SELL, reduce_only=True)
    assert await bench.venue.positions(bench.symbol) == []


async def test_balances_show_what_is_locked(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, A, 990, lots=100, post_only=True)
    balances = {each.asset: each for each in await bench.venue.balances()}
    share = 1 if bench.kind is MarketKind.SPOT else 10  # a perpetual has leverage 10
    assert balances["USDT"] == Balance("USDT", Decimal(100_000), Decimal(99) / share)
    assert balances["BTC"].total == 1


async def test_a_view_is_everything_of_one_moment(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, A, 990)
    await place(bench, B, 900)
    bench.advance(3)
    view = await bench.venue.account_view(bench.symbol, START)
    assert sorted(order.client_id for order in view.orders) == [A, B]
    assert list(view.fills) == list(await bench.venue.fills_since(bench.symbol, START))
    assert list(view.positions) == list(await bench.venue.positions(bench.symbol))
    assert list(view.balances) == list(await bench.venue.balances())
    assert list(view.funding) == list(await bench.venue.funding_since(bench.symbol, START))
    assert START + timedelta(seconds=3) <= view.at <= START + timedelta(seconds=4)
    later = await bench.venue.account_view(bench.symbol, view.at + MINUTE)
    assert [order.client_id for order in later.orders] == [B]  # open, though nothing changed


async def test_leverage_and_position_mode_can_be_set_twice(perpetual: Bench) -> None:
    venue, symbol = perpetual.venue, perpetual.symbol
    for leverage in (5, 5, 7):
        await venue.set_leverage(symbol, leverage)
        assert (await venue.terms(symbol)).leverage == leverage
    await venue.set_one_way()
    assert (await venue.terms(symbol)).one_way


# ---- market


async def test_no_price_yet_is_no_price(bench: Bench) -> None:
    with pytest.raises(VenueUnavailableError, match="no price yet"):
        await bench.venue.last_price(bench.symbol)
    bench.advance(1)
    update = await bench.venue.last_price(bench.symbol)
    assert (update.price, update.at) == (Price(10_000), START + timedelta(seconds=1))


async def test_candles_are_closed_but_for_the_last(bench: Bench) -> None:
    bench.advance(204)  # 10 s apart: 200 trades are 33 minutes and 20 seconds
    candles = await bench.venue.candles(bench.symbol, MINUTE, 3)
    assert [each.closed for each in candles] == [True, True, False]
    assert candles[0].opened_at + MINUTE == candles[1].opened_at
    assert candles[-1].close == Price(12_000)
    assert candles[0].volume == Quantity(6000)
    assert len(await bench.venue.candles(bench.symbol, 5 * MINUTE, 100)) == 7


async def test_statistics_of_a_day_come_for_all_markets(bench: Bench) -> None:
    bench.advance(204)
    (day,) = await bench.venue.day_statistics()
    assert (day.symbol, day.last) == (bench.symbol, Decimal(1200))
    assert day.change == Decimal("0.2")
    assert day.quote_volume > 0


async def test_the_funding_that_is_due_next_is_told(perpetual: Bench) -> None:
    perpetual.advance(1)
    due = await perpetual.venue.funding_rate(perpetual.symbol)
    assert due.symbol == perpetual.symbol
    assert due.rate == Decimal("0.0001")
    assert due.at > START
    assert await perpetual.venue.funding_rates(perpetual.symbol, START) == []


# ---- streams


async def test_reports_tell_the_whole_story_in_order(bench: Bench) -> None:
    bench.advance(1)
    async with bench.venue.reports() as reports:
        await place(bench, A, 990)
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
    if bench.kind is MarketKind.PERPETUAL:
        assert told[2].fee_in("USDT") == Decimal("0.00198")  # 0.0002 of 9.9 USDT
    else:
        assert told[2].fee_in("BTC") == Decimal("0.000002")  # 0.0002 of 0.01 BTC
    assert await bench.venue.fills_since(bench.symbol, START) == [each.fill for each in told[1:]]


async def test_a_stream_tells_nothing_from_before_it_was_entered(bench: Bench) -> None:
    bench.advance(1)
    await place(bench, A, 990)
    async with bench.venue.reports() as reports:
        await place(bench, B, 980)
        assert (await soon(reports)).client_id == B


async def test_a_report_of_fills_that_were_missed_has_their_sums_all_the_same(
    bench: Bench,
) -> None:
    bench.advance(1)
    await place(bench, A, 990)
    bench.advance(1)  # 4 lots, while nobody listens
    async with bench.venue.reports() as reports:
        bench.advance(1)
        report = await soon(reports)
    assert (report.filled, report.value) == (Quantity(10), 10 * 9900)


async def test_a_canceled_order_is_reported_under_its_own_id(bench: Bench) -> None:
    bench.advance(1)
    async with bench.venue.reports() as reports:
        await place(bench, A, 990)
        await bench.venue.cancel(bench.symbol, A)
        told = [await soon(reports) for _ in range(2)]
    assert [each.client_id for each in told] == [A, A]
    assert told[-1].status is OrderStatus.CANCELED


async def test_the_account_stream_tells_balances_and_positions_too(bench: Bench) -> None:
    bench.advance(1)
    async with bench.venue.account_news() as news:
        await place(bench, A, 990)
        bench.advance(2)
        wanted: set[type] = {Balance, OrderReport}
        if bench.kind is MarketKind.PERPETUAL:
            wanted.add(Position)
        seen: dict[type, Any] = {}
        while wanted - seen.keys() or seen[OrderReport].status is not OrderStatus.FILLED:
            each = await soon(news)
            seen[type(each)] = each
    if bench.kind is MarketKind.PERPETUAL:
        assert seen[Position].lots == 10


async def test_a_slow_reader_of_prices_skips_to_the_latest(bench: Bench) -> None:
    async with bench.venue.prices([bench.symbol]) as prices:
        bench.advance(204)
        read = [await soon(prices)]
        while read[-1].price != Price(12_000):
            read.append(await soon(prices))
    assert len(read) < 10
    assert read[-1] == await bench.venue.last_price(bench.symbol)


async def test_a_candle_stream_tells_every_bar_that_closes(bench: Bench) -> None:
    bench.advance(5)
    async with bench.venue.candle_stream(bench.symbol, MINUTE) as stream:
        bench.advance(199)
        told = [await soon(stream)]
        while told[-1].close != Price(12_000):
            told.append(await soon(stream))
    closed = {each.opened_at: each for each in told if each.closed}
    history = list(await bench.venue.candles(bench.symbol, MINUTE, 100))[:-1]
    assert list(closed.values()) == history


async def test_marks_come_with_their_funding_rate(perpetual: Bench) -> None:
    async with perpetual.venue.marks([perpetual.symbol]) as marks:
        perpetual.advance(1)
        mark = await soon(marks)
    assert (mark.symbol, mark.mark) == (perpetual.symbol, Price(10_000))
    assert mark.funding_rate == Decimal("0.0001")


async def test_streams_of_what_is_not_traded_are_refused(bench: Bench) -> None:
    with pytest.raises(InvalidValueError, match="DOGE"):
        async with bench.venue.prices(["DOGE"]):
            pass
    with pytest.raises(InvalidValueError, match="DOGE"):
        async with bench.venue.candle_stream("DOGE", MINUTE):
            pass
    with pytest.raises(InvalidValueError, match="multiples"):
        async with bench.venue.candle_stream(bench.symbol, timedelta(seconds=7)):
            pass


async def test_an_order_can_arrive_for_as_long_as_its_window_and_its_waits_allow(
    bench: Bench,
) -> None:
    assert timedelta(seconds=2) <= bench.venue.arrival_limit <= timedelta(seconds=120)

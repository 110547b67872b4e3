"""A route: what is news to one run, and silence about the rest."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.routes import Route
from domain.grid.config import GridConfig, bind
from domain.grid.engine import step
from domain.grid.events import (
    FeedChanged,
    GridEvent,
    PriceMoved,
    Reported,
    Resynced,
    VolatilityMeasured,
)
from domain.grid.spec import parse_spec
from domain.grid.state import GridState, begin
from domain.grid.watch import watch
from domain.market import Candle, PriceUpdate
from domain.money import Price, Quantity
from domain.orders import OrderReport, OrderStatus, RefusalReason
from tests.activities.wire import INSTRUMENT, START, SYMBOL, TAG, order


def config(**changes: object) -> GridConfig:
    spec = {"symbol": SYMBOL, "interval": "100", "amount": "125", "buy_window": 3, **changes}
    return bind(parse_spec(spec), INSTRUMENT)


def running(**changes: object) -> GridState:
    """Return a live run around 60000."""
    state = begin(config(**changes), TAG)
    for event in (
        FeedChanged(live=True, at=START),
        Resynced((), START),
        PriceMoved(Price(60_000), START),
    ):
        state = step(state, event).state
    return state


def routed(state: GridState) -> Route:
    """Return a route that has told its run the price of 60000."""
    route = Route("r", TAG, "r", watch(state))
    route.live(START)
    route.price(at(60_000))
    assert words(route.take()) == ["live", 60_000]
    return route


def at(price: int, seconds: int = 0) -> PriceUpdate:
    return PriceUpdate(SYMBOL, Price(price), START + timedelta(seconds=seconds))


def words(events: tuple[GridEvent, ...]) -> list[object]:
    said: list[object] = []
    for event in events:
        match event:
            case FeedChanged(live):
                said.append("live" if live else "stale")
            case PriceMoved(price):
                said.append(price.ticks)
            case Reported(report):
                said.append(str(report.status))
            case _:
                said.append(event.kind)
    return said


def report(status: OrderStatus, filled: int = 0, price: int = 59_900) -> OrderReport:
    request = order(1, price=price)
    return OrderReport(
        request.client_id,
        "v1",
        SYMBOL,
        request.side,
        status,
        request.quantity,
        Quantity(filled),
        filled * price,
        request.price,
        at=START,
    )


def test_an_empty_acknowledgment_is_no_news() -> None:
    route = routed(running())
    route.report(report(OrderStatus.OPEN))
    assert not route.pending
    route.report(report(OrderStatus.PARTIALLY_FILLED, 1))
    assert route.urgent
    assert words(route.take())[0] == "partially_filled"
    assert not route.pending


@pytest.mark.parametrize(
    "status", [OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED]
)
def test_every_end_of_an_order_is_news(status: OrderStatus) -> None:
    route = routed(running())
    route.report(replace(report(status), reason=RefusalReason.OTHER))
    assert words(route.take()) == [str(status)]


def test_reports_come_before_volatility_and_prices() -> None:
    state = running(adaptive={"candle": "1m", "period": 2, "scale": "3"})
    route = routed(state)
    route.price(at(59_700))
    for minute in range(4):
        route.candle(candle(minute, span=400))
    route.report(report(OrderStatus.FILLED, 2))
    assert words(route.take()) == ["filled", *["volatility_measured"] * 2, 59_700]


def candle(minute: int, span: int, *, closed: bool = True) -> Candle:
    low, high = Price(60_000), Price(60_000 + span)
    opened = START + timedelta(minutes=minute)
    return Candle(SYMBOL, opened, low, high, low, high, Quantity(1), closed)


def test_volatility_is_news_only_when_the_interval_would_change() -> None:
    state = running(adaptive={"candle": "1m", "period": 2, "scale": "3"})
    route = routed(state)
    for minute in range(4):
        route.candle(candle(minute, span=20))  # 3 x 20 is less than the interval of 100
    assert not route.pending
    route.candle(candle(4, span=900, closed=False))
    assert not route.pending  # a candle that still forms tells nothing
    route.candle(candle(4, span=900))
    (event,) = route.take()
    assert isinstance(event, VolatilityMeasured)
    assert event.atr_ticks > Decimal(100)


def test_candles_before_the_stream_count() -> None:
    state = running(adaptive={"candle": "1m", "period": 2, "scale": "3"})
    route = routed(state)
    route.preload([candle(minute, span=400) for minute in range(3)])
    assert not route.pending
    route.candle(candle(3, span=400))
    assert words(route.take()) == ["volatility_measured"]


def test_a_candle_that_was_preloaded_counts_once() -> None:
    state = running(adaptive={"candle": "1m", "period": 2, "scale": "3"})
    route = routed(state)
    route.preload([candle(0, span=400), candle(1, span=400)])
    route.candle(candle(1, span=400))
    assert not route.pending  # two candles are too few for an average of two ranges
    route.candle(candle(2, span=400))
    assert route.pending


def test_other_candles_are_loaded_anew() -> None:
    state = running(adaptive={"candle": "1m", "period": 2, "scale": "3"})
    route = routed(state)
    route.preload([candle(minute, span=400) for minute in range(3)])
    changed = running(adaptive={"candle": "5m", "period": 2, "scale": "3"})
    route.rewatch(watch(changed))
    assert not route.preloaded


def test_a_run_that_is_stopping_hears_no_prices() -> None:
    route = routed(running())
    route.rewatch(replace(route.watch, idle=True))
    for price in (50_000, 60_000, 70_000):
        route.price(at(price))
    assert not route.pending


@given(st.lists(st.integers(59_300, 60_700), min_size=1, max_size=60))
def test_what_a_route_leaves_out_would_have_decided_nothing(prices: list[int]) -> None:
    """The same run, told of every price and told of the news only, ends in the same state."""
    told = every = running()
    route = routed(told)
    for number, price in enumerate(prices):
        every = step(every, PriceMoved(Price(price), at(price, number).at)).state
        route.price(at(price, number))
        for event in route.take():
            told = step(told, event).state
    assert (told.center, told.slots) == (every.center, every.slots)

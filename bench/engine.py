"""What one event costs in the engine, and what a quiet tick costs on the way to it."""

import gc
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from activities.routes import Route
from bench import markets
from bench.naive import Naive
from bench.report import Row
from domain.grid.engine import step
from domain.grid.events import GridEvent, PriceMoved, Reported
from domain.grid.state import GridState
from domain.grid.watch import watch
from domain.market import PriceUpdate
from domain.money import Price

Moment = tuple[GridState, GridEvent]
#: Steps as long as a sixth of the interval: many fills in few ticks, and the same states.
_LONG_STEP: Final = 80.0


def run(*, quick: bool) -> list[Row]:
    """Time `step` on moments of a real run, and the quiet tick."""
    moments, last = _moments(3_000 if quick else 20_000)
    kinds: dict[str, list[Moment]] = {
        "fill reported": [m for m in moments if isinstance(m[1], Reported) and m[1].report.filled],
        "order acknowledged": [
            m for m in moments if isinstance(m[1], Reported) and not m[1].report.filled
        ],
        "price moved": [m for m in moments if isinstance(m[1], PriceMoved)],
    }
    rounds = 5 if quick else 15
    slots = median(len(state.slots) for state, _ in moments)
    rows = []
    every = _seconds_each(moments, rounds)
    note = f"{len(moments)} events, median {slots:g} slots"
    rows.append(Row("engine", "events a second", 1 / every, "events/s", note=note))
    rows += [
        Row(
            "engine",
            f"step: {name}",
            _seconds_each(chosen, rounds) * 1e6,
            "us",
            note=f"{len(chosen)}",
        )
        for name, chosen in kinds.items()
    ]
    return rows + _quiet(last, rounds)


def _moments(ticks: int) -> tuple[list[Moment], GridState]:
    """Return what came to the engine of a grid, quiet prices left out, and its last state."""
    naive = Naive(markets.exchange(), markets.ACCOUNT, markets.grid(), seen=[])
    naive.run(markets.trades(markets.walk(ticks, step=_LONG_STEP)))
    seen = naive.seen or []
    news = [
        (state, event)
        for state, event in seen
        if 20 <= len(state.slots) <= 40
        and not (isinstance(event, PriceMoved) and watch(state).quiet(event.price))
    ]
    return news, naive.state


def _seconds_each(moments: Sequence[Moment], rounds: int) -> float:
    def once() -> None:
        for state, event in moments:
            step(state, event)

    return _fastest_half(once, rounds) / len(moments)


def _quiet(state: GridState, rounds: int) -> list[Row]:
    """Time a tick that is no news: for the route of a live feed, and for the engine itself."""
    if state.price is None:
        raise ValueError("the grid was to have a price")
    many = 20_000
    price = state.config.lattice(state.price).price(state.center)
    route = Route("run", markets.TAG, "run", watch(state))
    update = PriceUpdate(markets.SYMBOL, price, markets.BEGAN)
    route.price(update)  # the first one is news, and so may be the next
    route.take()
    route.price(update)
    route.take()
    if route.quiet is None or not route.quiet[0] <= price.ticks <= route.quiet[1]:
        raise ValueError(f"{price} was to be quiet in {route.quiet}")
    moved = PriceMoved(price, markets.BEGAN)

    def through_route() -> None:
        for _ in range(many):
            route.price(update)

    def through_watch() -> None:
        for _ in range(many):
            watch(state).quiet(price)

    def through_step() -> None:
        for _ in range(many):
            step(state, moved)

    def parsed() -> None:
        for _ in range(many):
            Price(500_000)

    tried = {
        "quiet tick: route of a live feed": through_route,
        "quiet tick: watch of the state": through_watch,
        "quiet tick: step": through_step,
        "for scale: making a Price": parsed,
    }
    return [
        Row("engine", name, _fastest_half(work, rounds) / many * 1e9, "ns")
        for name, work in tried.items()
    ]


def _fastest_half(work: Callable[[], None], rounds: int) -> float:
    """Return the median of the faster half of *rounds*, in seconds: the machine has other work."""
    times = []
    gc.disable()
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
        gc.collect()
    gc.enable()
    return median(sorted(times)[: (rounds + 1) // 2])

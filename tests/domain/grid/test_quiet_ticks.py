"""Nothing depends on a quiet tick: who sees them all and who skips them decide the same (D17)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.grid.config import GridConfig
from domain.grid.events import (
    GridAction,
    PauseAsked,
    PriceMoved,
    Reported,
    ResumeAsked,
    RiskChanged,
    TimePassed,
    VolatilityMeasured,
)
from domain.grid.state import GridState
from domain.grid.watch import Watch, watch
from domain.money import Price
from domain.orders import OrderReport
from tests.domain.grid.harness import PERPETUAL, SPOT, T0, Runner, configured

START = 10_000


@dataclass(frozen=True)
class Tick:
    """A price; whether its fills are told first, whether they are whole; what else comes."""

    price: int
    fills_first: bool = True
    whole: bool = True
    also: int = 0


class EveryTick:
    """A runner that tells the engine every tick there is."""

    def __init__(self, config: GridConfig) -> None:
        self.run = Runner(config, START)
        self.told = 0

    def sees(self, tick: Tick) -> None:
        run = self.run
        run.venue.price = tick.price
        reached = run.venue.reached()
        if not tick.fills_first:
            self.price(Price(tick.price))
        for order in reached:
            if order.status.working:
                lots = order.leaves if tick.whole else max(order.leaves // 2, 1)
                self.report(run.venue.fill(order, lots))
        if tick.fills_first:
            self.price(Price(tick.price))
        for event in OTHER_EVENTS.get(tick.also, ()):
            run.tell(event)

    def price(self, price: Price) -> None:
        self.told += 1
        self.run.tell(PriceMoved(price, T0))

    def report(self, report: OrderReport) -> None:
        self.run.tell(Reported(report))


class BandExits(EveryTick):
    """A runner that asks the watch of the state first."""

    def price(self, price: Price) -> None:
        if not watch(self.run.state).quiet(price):
            super().price(price)


class OwnWatch(EveryTick):
    """A runner far from the state: it takes the watch once and moves it by what it hears itself."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__(config)
        self.watch = watch(self.run.state)

    def price(self, price: Price) -> None:
        self.renew()
        if not self.watch.quiet(price):
            self.watch = self.watch.moved(price)
            super().price(price)
            self.renew()
        self.agrees()

    def report(self, report: OrderReport) -> None:
        self.renew()
        self.watch = self.watch.filled(report)
        super().report(report)
        self.renew()
        self.agrees()

    def renew(self) -> None:
        new = watch(self.run.state)
        if shape(new) != shape(self.watch):
            self.watch = new

    def agrees(self) -> None:
        assert self.watch == watch(self.run.state)


def shape(taken: Watch) -> Watch:
    return replace(taken, center=0)


OTHER_EVENTS: dict[int, tuple[Any, ...]] = {
    1: (VolatilityMeasured(Decimal(170), T0),),
    2: (VolatilityMeasured(Decimal(40), T0),),
    3: (TimePassed(T0),),
    4: (PauseAsked(T0),),
    5: (ResumeAsked(T0),),
    6: (RiskChanged(halted=True, at=T0),),
    7: (RiskChanged(halted=False, at=T0),),
}


def ran(
    kind: Callable[[GridConfig], EveryTick], config: GridConfig, ticks: list[Tick]
) -> EveryTick:
    runner = kind(config)
    for tick in ticks:
        runner.sees(tick)
    return runner


def outcome(runner: EveryTick) -> tuple[list[GridAction], GridState]:
    return runner.run.actions, runner.run.state


SHAPES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"interval": st.sampled_from(["10", "9.9", "0.7", "3.3", "0.1"])}),
    st.just({"interval": "10", "adaptive": {"scale": "1"}}),
    st.sampled_from(
        [
            {"spacing": "geometric", "step_percent": "1"},
            {"spacing": "geometric", "step_percent": "0.37", "anchor": "987.6"},
            {"range": {"lower": "950", "upper": "1050", "levels": 8}},
            {"spacing": "geometric", "range": {"lower": "950", "upper": "1050", "levels": 15}},
            {"interval": "10", "stop_loss": {"price": "965"}},
            {"interval": "10", "trigger_price": "1007.5"},
            {"interval": "10", "bounds": {"lower": "970", "upper": "1015"}},
        ]
    ),
)
CONFIGS = st.builds(
    lambda shape, direction, buys, sells, skew, spot: configured(
        SPOT if spot and direction == "long" else PERPETUAL,
        **shape,
        direction=direction,
        buy_window=buys,
        sell_window=sells,
        skew=skew,
    ),
    SHAPES,
    st.sampled_from(["long", "neutral", "short"]),
    st.integers(1, 8),
    st.integers(1, 8),
    st.sampled_from([None, {"factor": "0.5", "max_levels": 3}]),
    st.booleans(),
)


@st.composite
def walks(draw: st.DrawFn) -> list[Tick]:
    """Draw a walk of small steps with a jump now and then."""
    price, ticks = START, []
    moves = st.one_of(st.integers(-40, 40), st.sampled_from([-100, 100, 0]), st.integers(-400, 400))
    for by in draw(st.lists(moves, min_size=5, max_size=60)):
        price = max(price + by, 5_000)
        also = draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]))
        ticks.append(Tick(price, draw(st.booleans()), draw(st.booleans()), also))
    return ticks


@settings(max_examples=150)
@given(CONFIGS, walks())
@example(
    configured(interval="10"), [Tick(9_900), Tick(9_950), Tick(10_000), Tick(9_901), Tick(9_899)]
)
def test_who_skips_quiet_ticks_decides_the_same(config: GridConfig, ticks: list[Tick]) -> None:
    every = ran(EveryTick, config, ticks)
    bands = ran(BandExits, config, ticks)
    own = ran(OwnWatch, config, ticks)
    assert outcome(bands) == outcome(every)
    assert outcome(own) == outcome(every)
    assert bands.told <= every.told
    every.run.books_agree()


@given(CONFIGS, walks())
def test_a_quiet_tick_leaves_the_very_same_state(config: GridConfig, ticks: list[Tick]) -> None:
    run = ran(EveryTick, config, ticks).run
    band = watch(run.state).band()
    if band is None:
        return
    for quiet in {band[0], (band[0] + min(band[1], 10**6)) // 2, min(band[1], 10**6)}:
        if band[0] <= quiet <= band[1] and quiet > 0:
            before = run.state
            assert run.decide(PriceMoved(Price(quiet), T0)) == ()
            assert run.state is before


def test_most_ticks_of_a_calm_market_are_quiet() -> None:
    ticks = [Tick(START + 30 * ((n % 7) - 3)) for n in range(700)]
    assert ran(BandExits, configured(interval="10"), ticks).told == 0

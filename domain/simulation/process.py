"""A market made of numbers: endless trades that are a function of a seed.

Only integers are used, and no generator of the library, so the same seed gives the same market on
every machine and in every version of Python.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.errors import InvalidValueError
from domain.money import Price, Quantity
from domain.simulation.tape import TradePrinted

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15
#: Most trades are small.
_SIZES: Final = (1, 1, 1, 1, 2, 2, 3, 5)
#: The number of ones among 64 coin flips has a standard deviation of 4, so steps are in quarters.
_FLIPS: Final = 64
_QUARTERS: Final = 4
_TYPICAL: Final = Quantity(10)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A random walk between half of `start` and twice `start`.

    `volatility_ticks` is the standard deviation of one step; of the distance to `start`,
    `pull_ppm` millionths are taken back per trade (0: a plain walk). `typical` is the commonest
    quantity and `mean_gap` the mean time between two trades, which varies from none to twice that.
    Raises InvalidValueError for what is out of bounds.
    """

    symbol: str
    seed: int
    start: Price
    started_at: datetime
    volatility_ticks: int = 10
    mean_gap: timedelta = timedelta(milliseconds=250)
    typical: Quantity = _TYPICAL
    pull_ppm: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.volatility_ticks <= self.start.ticks // _FLIPS:
            raise InvalidValueError(
                "volatility_ticks must be in 1 .. a 64th of the start price "
                f"({self.start.ticks // _FLIPS}), was {self.volatility_ticks}"
            )
        if self.mean_gap < timedelta(microseconds=1):
            raise InvalidValueError(f"mean_gap must be a microsecond or more, was {self.mean_gap}")
        if not self.typical:
            raise InvalidValueError("typical must be at least one lot, was 0")
        if not 0 <= self.pull_ppm <= 1_000_000:
            raise InvalidValueError(f"pull_ppm must be in 0 .. 1000000, was {self.pull_ppm}")


@dataclass(frozen=True, slots=True)
class ProcessState:
    """Where a process stands, after `index` trades; `quarters` is the price in quarter ticks."""

    index: int
    quarters: int
    elapsed_us: int


def beginning(spec: ProcessSpec) -> ProcessState:
    """Return the state before the first trade."""
    return ProcessState(0, spec.start.ticks * _QUARTERS, 0)


def advance(spec: ProcessSpec, state: ProcessState) -> tuple[ProcessState, TradePrinted]:
    """Return the state after the next trade, and the trade."""
    flips = mixed(spec.seed, 2 * state.index)
    bits = mixed(spec.seed, 2 * state.index + 1)
    step = (flips.bit_count() - _FLIPS // 2) * spec.volatility_ticks
    quarters = _reflected(spec, state.quarters + step - _pull(spec, state.quarters))
    gap = bits % (2 * (spec.mean_gap // timedelta(microseconds=1)) + 1)
    after = ProcessState(state.index + 1, quarters, state.elapsed_us + gap)
    trade = TradePrinted(
        spec.symbol,
        Price(quarters // _QUARTERS),
        Quantity(spec.typical.lots * _SIZES[bits >> 61]),
        spec.started_at + timedelta(microseconds=after.elapsed_us),
        buyer_is_maker=quarters < state.quarters,
    )
    return after, trade


def tape(
    spec: ProcessSpec, state: ProcessState | None = None
) -> Iterator[tuple[ProcessState, TradePrinted]]:
    """Yield the trades after *state* (all, if None), each with the state to go on from."""
    current = beginning(spec) if state is None else state
    while True:
        current, trade = advance(spec, current)
        yield current, trade


def _pull(spec: ProcessSpec, quarters: int) -> int:
    away = quarters - spec.start.ticks * _QUARTERS
    pull = abs(away) * spec.pull_ppm // 1_000_000
    return pull if away > 0 else -pull


def _reflected(spec: ProcessSpec, quarters: int) -> int:
    low, high = spec.start.ticks * _QUARTERS // 2, spec.start.ticks * _QUARTERS * 2
    if quarters < low:
        return 2 * low - quarters
    return 2 * high - quarters if quarters > high else quarters


def mixed(seed: int, index: int) -> int:
    """Return number *index* of the splitmix64 sequence of *seed*."""
    z = (seed + (index + 1) * _GAMMA) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)

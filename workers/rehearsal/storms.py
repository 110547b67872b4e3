"""When the market monitor halts and clears over recorded candles."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from domain.errors import InvalidValueError
from domain.market import Candle
from domain.risk.monitor import MonitorState, judge, observe
from domain.risk.monitor_spec import MonitorSpec


@dataclass(frozen=True, slots=True)
class Storm:
    """A time in which nothing is opened. Times are the closings of the candles that decided it."""

    began_at: datetime
    #: What was anomalous when it began, with the numbers.
    why: str
    #: None: it was still on after the last candle.
    ended_at: datetime | None = None

    def lasted(self, until: datetime) -> timedelta:
        """Return how long it was on; one without an end, until *until*."""
        return (self.ended_at or until) - self.began_at


def storms(spec: MonitorSpec, candles: Mapping[str, Sequence[Candle]]) -> tuple[Storm, ...]:
    """Return the storms that a monitor of *spec* sees in closed *candles* by symbol, in order.

    The candles of one opening are taken together, as they close at the same moment. Halts for want
    of data are none: they end with the gap. Raises InvalidValueError if a symbol has no candles.
    """
    absent = [symbol for symbol in spec.symbols if not candles.get(symbol)]
    if absent:
        raise InvalidValueError(
            f"the monitor watches {', '.join(absent)}: there are candles of "
            f"{', '.join(sorted(candles)) or 'nothing'} only"
        )
    state, found = MonitorState(spec), list[Storm]()
    watched = (candle for symbol in spec.symbols for candle in candles[symbol])
    for opened_at, together in groupby(sorted(watched, key=_opening), key=_opening):
        before, state = state, _observed(state, together)
        closed_at = opened_at + spec.length
        if before.storm_since is None and state.storm_since is not None:
            found.append(Storm(closed_at, judge(state, closed_at).why))
        elif before.storm_since is not None and state.storm_since is None:
            found[-1] = Storm(found[-1].began_at, found[-1].why, closed_at)
    return tuple(found)


def _opening(candle: Candle) -> datetime:
    return candle.opened_at


def _observed(state: MonitorState, candles: Iterable[Candle]) -> MonitorState:
    for candle in candles:
        state = observe(state, candle)
    return state

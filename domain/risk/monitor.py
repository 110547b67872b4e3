"""The market monitor: whether there is a storm, in which nothing should be opened.

A storm begins when all symbols (or any) are anomalous on their latest closed or forming candle, and
ends when that no longer holds and at least `recovery` symbols are normal on closed candles that
opened no earlier than the one it began with: a candle from before it proves nothing about its end.

Missing data is neither calm nor storm: openings are halted, and the reason says what is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.market import Candle
from domain.risk.monitor_spec import Mode, MonitorSpec
from domain.risk.readings import Reading, SymbolCandles, missing, readings, take

_NONE = SymbolCandles()


@dataclass(frozen=True, slots=True)
class MonitorState:
    """What the monitor remembers: candles, and whether a storm is on."""

    spec: MonitorSpec
    symbols: Mapping[str, SymbolCandles] = field(default_factory=dict)
    #: The opening of the newest candle when the storm began; None: there is no storm.
    storm_since: datetime | None = None
    #: Candles up to this opening were judged by a person and begin no storm.
    pardoned: datetime | None = None

    def readings(self) -> tuple[Reading, ...]:
        """Return what can be read of every symbol, in the order of the spec."""
        return tuple(
            reading
            for symbol in self.spec.symbols
            for reading in readings(self.spec, self.symbols.get(symbol, _NONE))
        )

    @property
    def newest(self) -> datetime | None:
        """The opening of the newest candle of any symbol."""
        openings = [known.newest for known in self.symbols.values() if known.newest]
        return max(openings, default=None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether openings are halted, why in words, and the numbers behind it."""

    halted: bool
    why: str
    at: datetime
    #: A storm is on, as opposed to missing data.
    storm: bool = False
    readings: tuple[Reading, ...] = ()
    #: One sentence for each symbol that nothing can be said of.
    missing: tuple[str, ...] = ()
    #: The opening of the newest candle when the storm began; None: there is no storm.
    storm_since: datetime | None = None
    #: The opening of the newest candle it was judged by; None: there was none.
    newest: datetime | None = None


def observe(state: MonitorState, candle: Candle) -> MonitorState:
    """Return *state* after *candle*, closed or forming; a late or repeated one is harmless."""
    if candle.symbol not in state.spec.symbols:
        return state
    known = state.symbols.get(candle.symbol, _NONE)
    taken = take(known, candle, state.spec.preload)
    if taken == known:
        return state
    return _latched(replace(state, symbols={**state.symbols, candle.symbol: taken}))


def judge(state: MonitorState, now: datetime, lost: Sequence[str] = ()) -> Verdict:
    """Return whether openings are halted at *now*, and why.

    *lost* has a sentence for each symbol whose candles cannot be had, however fresh the last are.
    """
    spec = state.spec
    if not spec.enabled:
        return Verdict(halted=False, why="the risk monitor is switched off", at=now)
    sentences = (missing(spec, name, state.symbols.get(name, _NONE), now) for name in spec.symbols)
    holes = (*lost, *(sentence for sentence in sentences if sentence))
    said, storm = state.readings(), state.storm_since is not None
    reasons = [_storm_words(state, said)] if storm else []
    reasons += [f"no data is not calm: {'; '.join(holes)}"] if holes else []
    calm = f"calm: {len(_symbols(said))} of {len(spec.symbols)} symbols anomalous"
    why = ". ".join(reasons) or calm
    return Verdict(bool(reasons), why, now, storm, said, holes, state.storm_since, state.newest)


def reset(state: MonitorState) -> MonitorState:
    """Return *state* without its storm: a person has judged the candles up to now.

    A later candle begins a storm again.
    """
    upto = state.newest or state.storm_since
    return state if upto is None else pardon(state, upto)


def pardon(state: MonitorState, upto: datetime) -> MonitorState:
    """Return *state* after a person has judged the candles that opened up to *upto*.

    A storm that began with one of them is over; safe to repeat.
    """
    if state.pardoned is not None and upto <= state.pardoned:
        return state
    over = state.storm_since is not None and state.storm_since <= upto
    return replace(state, storm_since=None if over else state.storm_since, pardoned=upto)


def resumed(spec: MonitorSpec, said: Verdict | None, pardoned: datetime | None) -> MonitorState:
    """Return what to go on with after a restart: the storm of the last verdict, if it is still on.

    The candles have to be fetched again; they end the storm by the rule, and nothing else does.
    """
    state = MonitorState(spec, storm_since=said.storm_since if said else None)
    return state if pardoned is None else pardon(state, pardoned)


def _latched(state: MonitorState) -> MonitorState:
    """Begin or end the storm, by the candles alone."""
    newest, spec = state.newest, state.spec
    assert newest is not None  # noqa: S101 - a candle was just taken
    # The candles of a minute arrive one after another, so one behind the newest still counts.
    said = [reading for reading in state.readings() if reading.opened_at >= newest - spec.length]
    alarming = [one for one in said if state.pardoned is None or one.opened_at > state.pardoned]
    needed = len(spec.symbols) if spec.mode is Mode.ALL else 1
    if len(_symbols(alarming)) >= needed:
        return state if state.storm_since else replace(state, storm_since=newest)
    if state.storm_since is None or len(_recovered(said, state.storm_since)) < spec.quorum:
        return state
    return replace(state, storm_since=None)


def _symbols(said: tuple[Reading, ...] | list[Reading]) -> set[str]:
    return {reading.symbol for reading in said if reading.anomalous}


def _recovered(said: tuple[Reading, ...] | list[Reading], since: datetime) -> list[str]:
    return [one.symbol for one in said if one.closed and one.normal and one.opened_at >= since]


def _storm_words(state: MonitorState, said: tuple[Reading, ...]) -> str:
    assert state.storm_since is not None  # noqa: S101 - asked of a storm only
    loud = "; ".join(str(reading) for reading in said if reading.anomalous)
    normal = len(_recovered(said, state.storm_since))
    return (
        f"storm since {state.storm_since:%F %T}: {loud or 'no symbol is anomalous any more'}; "
        f"{normal} of the {state.spec.quorum} symbols needed are normal again"
    )

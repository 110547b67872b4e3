"""What happens to a grid in one example of the fuzz, as plain values that print, store and shrink.

A script names a grid and what befalls it, one thing after another. Prices are ticks above or below
where the market began; everything else that could differ between two runs of it is in here too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import Field, TypeAdapter

from domain.grid.config import GridConfig
from domain.money import Instrument
from tests.domain.grid.harness import PERPETUAL, SPOT, configured

#: Ticks that the market begins at.
MIDDLE: Final = 10_000


def _grid(instrument: Instrument = PERPETUAL, **fields: Any) -> GridConfig:
    return configured(instrument, reconcile_every=3600, **fields)


#: The grids that scripts are about, all around 1000.0 with ten ticks of 0.1 to a unit.
GRIDS: Final[Mapping[str, GridConfig]] = {
    "spot": _grid(SPOT),
    "long": _grid(skew={"factor": "0.5", "max_levels": 2}),
    "short": _grid(direction="short"),
    "neutral": _grid(direction="neutral", order_budget=5),
    "taker": _grid(direction="neutral", post_only={"then": "taker", "retries": 1}),
    "geometric": _grid(spacing="geometric", step_percent="1", buy_window=5),
    "adaptive": _grid(SPOT, adaptive={"scale": "1"}),
    "alarmed": _grid(stop_loss={"price": "975"}),
    "triggered": _grid(trigger_price="1005"),
}
#: What somebody may change of a live grid.
CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "narrower": {"buy_window": 2, "sell_window": 2},
    "larger": {"amount": "150"},
    "wider": {"interval": "20", "spacing": "arithmetic", "step_percent": None},
}

Call = Literal["place", "cancel", "look_up", "look"]
#: How a call fails. What a call does not know is `unavailable` to it.
Kind = Literal[
    "lost",  # never arrived, and nobody knows
    "unanswered",  # arrived, and the answer was lost
    "late",  # nobody knows, and it arrives some time later
    "unsent",  # certainly did not leave
    "limited",  # asked to come back in a moment
    "banned",  # asked to come back in a minute
    "unavailable",
    "poor",  # refused for want of funds
    "crossing",  # refused because it would take
]


@dataclass(frozen=True, slots=True)
class Fault:
    """The next call of its kind fails."""

    call: Call
    kind: Kind


@dataclass(frozen=True, slots=True)
class Trades:
    """The market trades at *ticks*, one after another; the run hears of its fills, and the price.

    *heard* picks, by their number, which reports are told in which order, perhaps twice; None: all,
    in order. The others are late, or are never told. *apart*: each in a batch of its own.
    """

    ticks: tuple[int, ...]
    lots: int = 1000
    heard: tuple[int, ...] | None = None
    apart: bool = False
    kind: Literal["trades"] = field(default="trades", kw_only=True)


@dataclass(frozen=True, slots=True)
class Late:
    """Reports of before are told, again or at last."""

    which: tuple[int, ...]
    kind: Literal["late"] = field(default="late", kw_only=True)


@dataclass(frozen=True, slots=True)
class Lost:
    """The streams of the account are lost: nothing is heard until they are back."""

    kind: Literal["lost"] = field(default="lost", kw_only=True)


@dataclass(frozen=True, slots=True)
class Back:
    """The streams are live, and the run compares itself with the venue."""

    kind: Literal["back"] = field(default="back", kw_only=True)


@dataclass(frozen=True, slots=True)
class Tripped:
    """A breaker is opened by a person, or reset. *heard*: the run is told, not only the gate."""

    open: bool
    scope: Literal["run", "account"] = "run"
    heard: bool = True
    kind: Literal["tripped"] = field(default="tripped", kw_only=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody asks for a pause, to go on, for an end, or for one of the `CHANGES`."""

    command: Literal["pause", "resume", "keep", "cancel", "close", "narrower", "larger", "wider"]
    kind: Literal["asked"] = field(default="asked", kw_only=True)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Calls of the venue fail, each the next one of its kind."""

    faults: tuple[Fault, ...]
    kind: Literal["trouble"] = field(default="trouble", kw_only=True)


@dataclass(frozen=True, slots=True)
class Waited:
    """Time passes, and orders in doubt are looked up."""

    seconds: int
    kind: Literal["waited"] = field(default="waited", kw_only=True)


@dataclass(frozen=True, slots=True)
class Measured:
    """A candle closed, with an average true range of so many ticks."""

    atr: int
    kind: Literal["measured"] = field(default="measured", kw_only=True)


@dataclass(frozen=True, slots=True)
class Restarted:
    """The process that works on the run is killed between two events, and started anew."""

    kind: Literal["restarted"] = field(default="restarted", kw_only=True)


@dataclass(frozen=True, slots=True)
class Crashing:
    """The process is killed at the next orders it sends: before they are sent, or after (*sent*).

    A durable run has the orders sent again, by another worker; a simple one is started again.
    """

    sent: bool
    kind: Literal["crashing"] = field(default="crashing", kw_only=True)


Op = Annotated[
    Trades
    | Late
    | Lost
    | Back
    | Tripped
    | Asked
    | Trouble
    | Waited
    | Measured
    | Restarted
    | Crashing,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class Script:
    """A grid and what happens to it, until it is ended as *end* says.

    *echoes*: every batch of a feed comes twice, and the one before it in between.
    """

    grid: str
    ops: tuple[Op, ...]
    end: Literal["keep", "cancel", "close"] = "close"
    echoes: bool = False

    @property
    def config(self) -> GridConfig:
        return GRIDS[self.grid]


SCRIPTS: Final = TypeAdapter(Script)


# --- what hypothesis makes of it -------------------------------------------------------------

_TICKS: Final = st.integers(-30, 30).map(lambda tens: 10 * tens)
_PICKS: Final = st.lists(st.integers(0, 7), max_size=5).map(tuple)
_FAULTS: Final[Mapping[Call, tuple[Kind, ...]]] = {
    "place": (
        *("lost", "unanswered", "late", "unsent", "limited", "banned", "unavailable"),
        *("poor", "crossing"),
    ),
    "cancel": ("lost", "unanswered", "unavailable"),
    "look_up": ("unavailable", "limited"),
    "look": ("unavailable", "limited"),
}
_FAULT: Final = st.sampled_from(
    [Fault(call, kind) for call, kinds in _FAULTS.items() for kind in kinds]
)
_TRADES: Final = st.builds(
    Trades,
    st.lists(_TICKS, min_size=1, max_size=4).map(tuple),
    st.sampled_from([1000, 1000, 40, 7]),
    st.none() | _PICKS,
    st.booleans(),
)
_ASKED: Final = st.builds(
    Asked,
    st.sampled_from(
        [
            *("pause", "resume", "pause", "resume", "keep", "cancel", "close"),
            *("narrower", "larger", "wider"),
        ]
    ),
)
_TROUBLE: Final = st.builds(Trouble, st.lists(_FAULT, min_size=1, max_size=3).map(tuple))
_TRIPPED: Final = st.builds(
    Tripped, st.booleans(), st.sampled_from(["run", "account"]), st.booleans()
)
#: The market moves most; what comes first here is what a failing example is shrunk to.
_OPS: Final[Sequence[SearchStrategy[Op]]] = (
    *[_TRADES] * 5,
    _TROUBLE,
    _TROUBLE,
    _ASKED,
    _ASKED,
    st.sampled_from([Restarted(), Crashing(False), Crashing(True)]),
    st.sampled_from([Restarted(), Crashing(False), Crashing(True)]),
    st.sampled_from([3, 10, 60, 1000]).map(Waited),
    st.sampled_from([Lost(), Back()]),
    _TRIPPED,
    _PICKS.map(Late),
    st.sampled_from([50, 150, 400]).map(Measured),
)
_OP: Final[SearchStrategy[Op]] = st.integers(0, len(_OPS) - 1).flatmap(_OPS.__getitem__)


def scripts(most: int = 10) -> SearchStrategy[Script]:
    """Return the scripts with at most so many things that happen."""
    return st.builds(
        Script,
        st.sampled_from(sorted(GRIDS)),
        st.lists(_OP, min_size=1, max_size=most).map(tuple),
        st.sampled_from(["keep", "cancel", "close"]),
        st.booleans(),
    )

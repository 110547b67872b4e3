"""What workflows and activities say to each other: one type per message, light to import."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.grid.events import Alert, BookAction, GridAction, GridEvent
from domain.grid.spec import GridSpec
from domain.grid.watch import Watch
from domain.money import Instrument, Price
from domain.risk.leaving import Leaving
from domain.risk.leaving_events import LeavingAction
from domain.risk.way_out import WayOut


@dataclass(frozen=True, slots=True)
class RunKey:
    """Which run asks."""

    run_id: str
    tag: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person takes of a preflight as it was found, by name; who, and why."""

    names: tuple[str, ...] = ()
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class PrepareInput:
    """A run that begins."""

    run_id: str
    tag: str
    spec: GridSpec
    accepted: Accepted = Accepted()


@dataclass(frozen=True, slots=True)
class ClearInput:
    """A run that wants to open anything again, and what its orders will need, by asset."""

    run_id: str
    spec: GridSpec
    #: None: as much as from scratch.
    needs: dict[str, Decimal] | None = None
    accepted: Accepted = Accepted()


@dataclass(frozen=True, slots=True)
class RenewInput:
    """A run that wants other settings: what it holds, and how many orders wait to give it back."""

    run_id: str
    spec: GridSpec
    lots: int
    exits: int
    #: The last it saw; None: none yet.
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run starts with: the instrument as the venue tells it, and the last price."""

    instrument: Instrument
    price: Price
    venue: str


@dataclass(frozen=True, slots=True)
class SubmitInput:
    """What a run wants done, in order; and what it wants watched from now on, if that changed.

    `alerts` are what people should hear of it.
    """

    run: RunKey
    actions: tuple[GridAction, ...]
    watch: Watch | None = None
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True)
class SettleInput:
    """What came of comparing a run's position, to be put into its books, in order."""

    run: RunKey
    actions: tuple[BookAction, ...]


@dataclass(frozen=True, slots=True)
class RestoreInput:
    """A run that lives and is in no ledger; *watch* is for its feed, if that reads the ledger."""

    run_id: str
    tag: str
    symbol: str
    spec: GridSpec
    instrument: Instrument
    kind: str = "grid"
    watch: Watch | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """The money of a run as the ledger has it, checked against the venue. Amounts in quote."""

    grid_profit: Decimal
    floating: Decimal
    funding: Decimal
    fees: Decimal
    transfers: Decimal
    #: None while another run trades the same account: then only their sum is comparable.
    residual: Decimal | None


@dataclass(frozen=True, slots=True)
class NoteInput:
    """A command to a run, for the audit log."""

    run_id: str
    command: str
    who: str
    why: str
    after: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RiskCommand:
    """Open or close a breaker, or end the storm of the market monitor; for the audit log, too.

    `scope` is `overall`, `account NAME`, `run NAME` or, to reset only, `monitor`.
    """

    scope: str
    why: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """One signal of the feed to a run. Sent until it is taken, so it may come twice; never swapped.

    `session` names one life of the feed; within it `number` counts the batches to this run from 1.
    """

    session: str
    number: int
    events: tuple[GridEvent, ...]


@dataclass(frozen=True, slots=True)
class LeavingBegun:
    """The first step of a way out: what is open, and what to do about it."""

    state: Leaving
    actions: tuple[LeavingAction, ...]


@dataclass(frozen=True, slots=True)
class LeavingInput:
    """What a way out wants done, in order, in the state that intends it."""

    way: WayOut
    state: Leaving
    actions: tuple[LeavingAction, ...] = ()

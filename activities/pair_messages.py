"""What runs of pairs and activities say to each other about one leg."""

from dataclasses import dataclass, field
from decimal import Decimal

from activities.messages import Accepted
from domain.arbitrage.pair_events import OrderAction
from domain.arbitrage.spec import ArbSpec
from domain.grid.events import Alert
from domain.money import Instrument

#: What the books of a leg are of, in the ledger.
PAIR_LEG = "pair leg"


def leg_run_ids(pair: str) -> tuple[str, str]:
    """Return the names of the books of both legs of *pair*."""
    return f"{pair}.1", f"{pair}.2"


def pair_of(run_id: str) -> str:
    """Return the pair whose leg has the books *run_id*."""
    return run_id.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class LegKey:
    """Which leg of which pair is meant. Each leg has books, and a tag for its orders, of its own.

    `run_id` is that of the books, `pair` that of the run they are of.
    """

    pair: str
    number: int
    account: str
    symbol: str
    tag: str

    @property
    def run_id(self) -> str:
        """Return the name of the books of this leg."""
        return leg_run_ids(self.pair)[self.number - 1]


@dataclass(frozen=True, slots=True)
class OpenLegInput:
    """A leg of a pair that begins."""

    leg: LegKey
    spec: ArbSpec
    accepted: Accepted = field(default_factory=Accepted)
    #: Only see whether it could begin: both legs are looked at before either has begun.
    dry: bool = False


@dataclass(frozen=True, slots=True)
class LegOpened:
    """What a leg starts with: the instrument as its venue tells it."""

    instrument: Instrument
    venue: str


@dataclass(frozen=True, slots=True)
class LegLookInput:
    """A leg to be looked at. While no trade of its pair is in flight no order of it may rest."""

    leg: LegKey
    #: The workflow of the trade in flight; None: there is none.
    trade: str | None = None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class LegTurnInput:
    """What a trade wants done at the venue of a leg, in order; and its order that may be live."""

    leg: LegKey
    actions: tuple[OrderAction, ...] = ()
    live: str | None = None


@dataclass(frozen=True, slots=True)
class PairToldInput:
    """What people should hear of a pair, and what it did, for the audit log."""

    leg: LegKey
    alerts: tuple[Alert, ...] = ()
    did: str = ""
    why: str = ""
    who: str = ""
    after: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class LegBooks:
    """The money of a leg as the ledger has it. Amounts in quote, `base` signed."""

    base: Decimal
    #: What its trades brought or cost, before fees.
    cash: Decimal
    fees: Decimal
    funding: Decimal
    #: What the venue has and the fills do not explain; None: it is not comparable.
    residual: Decimal | None

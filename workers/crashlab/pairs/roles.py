"""What the processes of a pair's system are told when they are forked."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from domain.arbitrage.spec import ArbSpec, parse_spec
from domain.money import MarketKind
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.spec import RiskSpec
from workers.crashlab.role import SYMBOLS
from workers.crashlab.steps import Runner

PAPER: Final = "paper"
#: Quote that one leg is worth, at prices around 1000.
AMOUNT: Final = 300
#: A ladder of a second a rung: a debt is worked off, or goes on, while the lab looks.
_HEDGE: Final = {"passive_for": 1, "cross_for": 1, "wide_for": 2, "alert_after": 5}
#: What an account's health is below while it holds the pair, however well it stands.
_ALWAYS_POOR: Final = "0.99999"


#: No breaker opens for what the lab does on purpose, and one that opens closes soon.
RISK: Final = RiskSpec(
    breaker=BreakerSpec(
        consecutive_losses=None,
        drawdown_percent=None,
        latency_p99=None,
        stale_feed_after=None,
        refusals=None,
        cooldown=2,
        half_open=False,
    )
)


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of the lab's pair: an account of its own at an exchange of its own."""

    number: int
    venue: str
    kind: MarketKind

    @property
    def account(self) -> str:
        """The account has the name of its venue."""
        return f"{self.venue}-{self.number}"

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.kind]

    @property
    def perpetual(self) -> bool:
        """Whether it trades a perpetual; else spot."""
        return self.kind is MarketKind.PERPETUAL


Legs = tuple[Leg, Leg]


def spec_of(legs: Legs, lead: int, *, relief: bool = False) -> ArbSpec:
    """Return a pair that looks every second; with *relief* it gives back half of what it holds."""
    wanted = {
        "first": {"account": legs[0].account, "symbol": legs[0].symbol},
        "second": {"account": legs[1].account, "symbol": legs[1].symbol},
        "amount": AMOUNT,
        "both_ways": legs[0].perpetual,
        "look_every": 1,
        "lead": "first" if lead == 1 else "second",
        "lead_for": 4,
        "cool_off": 1,
        "quote_ttl": 60,
        "hedge": _HEDGE,
    }
    return parse_spec({**wanted, "reduce_below": _ALWAYS_POOR} if relief else wanted)


@dataclass(frozen=True, slots=True)
class Seat:
    """A leg, and how its exchange is reached: by gRPC for paper, by the venue's dialect else."""

    leg: Leg
    address: tuple[str, int]
    authority: Path


@dataclass(frozen=True, slots=True)
class PairRole:
    """A process that works the pair: the worker of both accounts, or the simple runner."""

    runner: Runner
    pair: str
    seats: tuple[Seat, Seat]
    spec: ArbSpec
    directory: Path
    ledger_url: str
    temporal: str = ""
    look_up: bool = True
    #: Off: a trade whose lead is done is over, whatever is naked. For a lab that fails.
    compensates: bool = True
    job: Literal["pair"] = field(default="pair", kw_only=True)

    @property
    def trap(self) -> Path:
        """Where the trap's files are."""
        return self.directory / "trap"

    @property
    def checkpoints(self) -> Path:
        """The database of the simple runner's state."""
        return self.directory / "simple.db"

    @property
    def wishes(self) -> Path:
        """What the lab asks of the simple runner, which nobody else could reach."""
        return self.directory / "wishes.json"

    @property
    def result(self) -> Path:
        """How the pair ended, of the simple runner."""
        return self.directory / f"{self.pair}.json"

    @property
    def log(self) -> Path:
        return self.directory / "worker.log"


@dataclass(frozen=True, slots=True)
class ExchangeRole:
    """A process that is the exchange of one leg."""

    leg: Leg
    directory: Path
    price: Decimal
    job: Literal["exchange"] = field(default="exchange", kw_only=True)

    @property
    def where(self) -> Path:
        """Tells where it listens, anew after every start."""
        return self.directory / f"exchange-{self.leg.number}.json"

    @property
    def data(self) -> Path:
        """Its books."""
        return self.directory / f"exchange-{self.leg.number}"

    @property
    def script(self) -> Path:
        """All that its market ever did."""
        return self.directory / f"exchange-{self.leg.number}.script"

    @property
    def log(self) -> Path:
        return self.directory / f"exchange-{self.leg.number}.log"

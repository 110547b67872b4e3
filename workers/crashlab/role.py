"""What a process of the lab is told when it is forked: whose grids it runs, and where."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from domain.grid.spec import GridSpec, StopMode, parse_spec
from domain.money import MarketKind
from domain.risk.monitor_spec import MonitorSpec
from domain.risk.spec import RiskSpec
from workers.crashlab.steps import Runner

SYMBOLS: Final = {MarketKind.PERPETUAL: "BTC/USDT:USDT", MarketKind.SPOT: "BTC/USDT"}
#: How old a request may be when the lab's exchange takes it. Real venues take older ones, so a lost
#: order would be proved absent much later, and the lab would mostly wait.
WINDOW: Final = timedelta(seconds=2)
#: Never a storm, for the market has none; but openings are halted soon after the guard is silent.
MONITOR: Final = MonitorSpec(
    symbols=tuple(SYMBOLS.values()), window=5, multiplier=Decimal(100), stale_after=5
)
#: Levels so far apart that a round trip earns its fees on spot too.
_INTERVAL: Final = Decimal(150)
#: So much per level that one trade of the market fills a part of an order only.
_AMOUNT: Final = Decimal(3000)


@dataclass(frozen=True, slots=True)
class Grid:
    """One grid of the lab: alone on its account at one venue, for one kind of market."""

    name: str
    venue: str
    kind: MarketKind

    @property
    def account(self) -> str:
        """The account has the name of its only run."""
        return self.name

    @property
    def perpetual(self) -> bool:
        """Whether it trades a perpetual; else spot."""
        return self.kind is MarketKind.PERPETUAL

    @property
    def symbol(self) -> str:
        return SYMBOLS[self.kind]

    @property
    def spec(self) -> GridSpec:
        """A grid that places and fills something every other second."""
        return parse_spec(
            {
                "symbol": self.symbol,
                "account": self.account,
                "interval": _INTERVAL,
                "amount": _AMOUNT,
                "buy_window": 4,
                "reconcile_every": 10,
                # While the market stands still an exit behind the price would be refused for ever.
                "post_only": {"retries": 1, "then": "taker"},
            }
        )


@dataclass(frozen=True, slots=True)
class Role:
    """The grids of one process, and where it finds everything."""

    runner: Runner
    grids: tuple[Grid, ...]
    #: Its own: checkpoints, results, the files of the trap, its log.
    directory: Path
    ledger_url: str
    #: Host and port of the exchange's fronts, and who signed their certificate.
    exchange: tuple[str, int]
    authority: Path
    temporal: str = ""
    #: Where the guard of the market sees candles; empty: there is no guard, and none is waited for.
    market: str = ""
    #: It works the queue of services, and no grids.
    services: bool = False
    #: How the simple runner ends its grids; None: they go on.
    stop: StopMode | None = None
    #: Off: an order that was perhaps sent is sent again without a question. For a lab that fails.
    look_up: bool = True
    job: Literal["grids"] = field(default="grids", kw_only=True)

    @property
    def risk(self) -> RiskSpec:
        """What halts openings in its system."""
        return RiskSpec(monitor=MONITOR if self.market else None)

    @property
    def trap(self) -> Path:
        """Where the trap's files are."""
        return self.directory / "trap"

    @property
    def checkpoints(self) -> Path:
        """The database of the simple runner's states."""
        return self.directory / "simple.db"

    @property
    def log(self) -> Path:
        return self.directory / ("services.log" if self.services else "worker.log")

"""What the lab has seen: kills and violations by cell, and the figures around them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from workers.crashlab.steps import Cell, Doing, Victim


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and the kills since the books were last right."""

    cell: Cell
    scenario: str
    grid: str
    what: str
    kills: int


@dataclass(slots=True)
class Findings:
    """Sums over scenarios; each has its own, and they are added up."""

    kills: Counter[Cell] = field(default_factory=Counter)
    #: Kills by venue and kind: one process may run several grids.
    by_grid: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    checks: int = 0
    orders: int = 0
    fills: int = 0
    #: Processes that ended without being killed, and were started again.
    deaths_of_their_own: int = 0
    #: From a kill to the next step that was reached, in seconds.
    recoveries: list[float] = field(default_factory=list)
    #: Kills of pairs by what the trade was about.
    by_doing: Counter[Doing] = field(default_factory=Counter)
    #: Of pairs: how long something was not hedged, by who was killed around then.
    debts: list[tuple[Victim, float]] = field(default_factory=list)
    seconds: float = 0.0
    #: Somebody ended the lab: systems that were at work then are not in here.
    interrupted: bool = False

    @property
    def total(self) -> int:
        """All kills."""
        return self.kills.total()

    def violations_in(self, cell: Cell) -> int:
        """Return how many violations were found after kills in *cell*."""
        return sum(1 for each in self.violations if each.cell == cell)

    def add(self, others: Sequence["Findings"]) -> None:
        """Take in what *others* have seen."""
        for other in others:
            self.kills += other.kills
            self.by_grid += other.by_grid
            self.violations += other.violations
            self.checks += other.checks
            self.orders += other.orders
            self.fills += other.fills
            self.deaths_of_their_own += other.deaths_of_their_own
            self.recoveries += other.recoveries
            self.by_doing += other.by_doing
            self.debts += other.debts

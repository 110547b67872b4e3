"""What a benchmark found: rows that print as a table and are written as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `goal` is the highest value that is good enough, None where there is no goal."""

    bench: str
    what: str
    value: float
    unit: str
    goal: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.value <= self.goal else "MISSED"


def percentile(values: Sequence[float], share: int) -> float:
    """Return the *share*-th percentile of at least two *values*; their median for 50."""
    return median(values) if share == 50 else quantiles(values, n=100)[share - 1]


def table(rows: Iterable[Row]) -> str:
    """Return *rows* as a table in Markdown, so that the docs can take it as it is."""
    lines = ["| bench | what | value | unit | goal | note |", "|---|---|---:|---|---|---|"]
    for row in rows:
        goal = "" if row.goal is None else f"<= {row.goal:g}: {row.verdict}"
        lines.append(
            f"| {row.bench} | {row.what} | {_shown(row.value)} | {row.unit} | {goal} | {row.note} |"
        )
    return "\n".join(lines)


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write *rows* as a JSON list."""
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


def read(path: Path) -> list[Row]:
    """Return what `write` wrote."""
    return [Row(**row) for row in json.loads(path.read_text())]


def _shown(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"

"""Remake docs/crash-days.md's tables and pictures: `.venv/bin/python docs/images/crash_days.py`.

It needs the recorded candles in ../shared/data/ohlcv beside the project, and takes some minutes.
"""

# A script for people, no part of the program: it prints.
# ruff: noqa: INP001, T201

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from domain.grid.spec import GridSpec, Spacing  # noqa: E402
from domain.risk.monitor_spec import Mode, MonitorSpec  # noqa: E402
from workers.rehearsal.picture import picture  # noqa: E402
from workers.rehearsal.recorded import Recorded, closed, read_candles  # noqa: E402
from workers.rehearsal.rehearse import Course, Rehearsal, rehearse  # noqa: E402
from workers.rehearsal.storms import storms  # noqa: E402

CANDLES: Final = ROOT.parent / "shared" / "data" / "ohlcv"
SPOT: Final = ("BTC/USDT", "ETH/USDT", "XRP/USDT", "DOGE/USDT", "ADA/USDT")
PERPETUAL: Final = "BTC/USDT:USDT"
PERPETUAL_FILE: Final = "binance_usdm_BTCUSDT_5m_20240715_20240831.csv.gz"
DAY: Final = timedelta(days=1)
#: The monitor is given some hours before the day, to have its averages from the first minute on.
BEFORE: Final = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Case:
    """One day with one monitor."""

    day: datetime
    grid: str
    monitor: MonitorSpec

    @property
    def name(self) -> str:
        count = len(self.monitor.symbols)
        return "1 symbol" if count == 1 else f"{self.monitor.mode} of {count} symbols"


def cases() -> list[Case]:
    """Return every row of the first table."""
    monitors = [
        MonitorSpec(symbols=symbols, mode=mode) for symbols in (SPOT[:2], SPOT) for mode in Mode
    ]
    days = [datetime(2021, 5, day, tzinfo=UTC) for day in (12, 19)]
    found = [Case(day, SPOT[0], monitor) for day in days for monitor in monitors]
    last = MonitorSpec(symbols=(PERPETUAL,), interval="5m")
    return [*found, Case(datetime(2024, 8, 5, tzinfo=UTC), PERPETUAL, last)]


def grid(symbol: str) -> GridSpec:
    """Return the grid: 20 levels of 200 USDT below the price, half a percent apart."""
    return GridSpec(
        symbol=symbol,
        spacing=Spacing.GEOMETRIC,
        step_percent=Decimal("0.5"),
        amount=Decimal(200),
        buy_window=20,
        sell_window=20,
    )


@cache
def candles(symbol: str) -> Recorded:
    """Return what was recorded of *symbol*."""
    name = f"binance_spot_{symbol.replace('/', '')}_1m_20210420_20210520.csv.gz"
    return read_candles(symbol, CANDLES / (PERPETUAL_FILE if symbol == PERPETUAL else name))


def rehearsed(case: Case) -> Rehearsal:
    """Return what comes of a case."""
    recorded: Mapping[str, Recorded] = {name: candles(name) for name in case.monitor.symbols}
    window = {
        name: Recorded(known.instrument, known.between(case.day - BEFORE, case.day + DAY))
        for name, known in recorded.items()
    }
    mine = candles(case.grid)
    day = mine.between(case.day, case.day + DAY)
    return rehearse(grid(case.grid), mine.instrument, day, storms(case.monitor, closed(window)))


def row(case: Case, found: Rehearsal) -> str:
    """Return the line of a case in the first table."""
    halted = sum((one.lasted(case.day + DAY) for one in found.storms), timedelta())
    canceled = sum(one.orders for one in found.canceled)
    cells = [
        f"{case.day:%Y-%m-%d}",
        case.name,
        str(len(found.storms)),
        f"{int(halted.total_seconds()) // 60} min",
        str(canceled),
        *(_course(found.alone)),
        *(_course(found.guarded)),
    ]
    return f"| {' | '.join(cells)} |"


def _course(course: Course) -> Iterator[str]:
    yield f"{course.result:+.0f}"
    yield f"{course.drawdown:.0f}"
    yield str(course.fills)


def lines(case: Case, found: Rehearsal) -> Iterator[str]:
    """Yield the lines of a case in the second table, a storm each."""
    for storm, canceled in zip(found.storms, found.canceled, strict=True):
        cleared = f"{storm.ended_at:%H:%M}" if storm.ended_at else "after midnight"
        said = storm.why.partition("; 0 of")[0].partition(": ")[2]
        notional = f"{canceled.notional:.0f}"
        yield (
            f"| {case.day:%Y-%m-%d} | {storm.began_at:%H:%M} | {cleared} | {canceled.orders} | "
            f"{notional} | {said} |"
        )


def main() -> None:
    """Print both tables, and write a picture for each day beside this file."""
    told: list[str] = []
    for case in cases():
        found = rehearsed(case)
        print(row(case, found), flush=True)
        if case.monitor.symbols in (SPOT[:2], (PERPETUAL,)) and case.monitor.mode is Mode.ALL:
            told += lines(case, found)
            title = f"{case.grid} on {case.day:%Y-%m-%d}, monitor: {case.name}"
            path = Path(__file__).parent / f"crash-day-{case.day:%Y-%m-%d}.svg"
            path.write_text(picture(title, found))
    print("\n".join(["", *told]))


if __name__ == "__main__":
    main()

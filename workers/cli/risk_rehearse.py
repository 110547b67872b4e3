"""`opensqt risk rehearse`: what the market monitor would have done on recorded candles."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.text import Text

from domain.errors import InvalidValueError
from domain.risk.monitor_spec import MonitorSpec
from domain.written import read
from workers.cli.failures import BadInputError
from workers.cli.options import with_settings
from workers.cli.output import console, money, put_json
from workers.cli.specs import read_spec
from workers.cli.tables import plain_table
from workers.rehearsal.picture import picture
from workers.rehearsal.recorded import Recorded, check_length, closed, read_candles
from workers.rehearsal.rehearse import Course, Rehearsal, rehearse
from workers.rehearsal.storms import storms
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class StormLine:
    """One storm, and what was canceled when it began; `ended_at` None: at the end it was on."""

    began_at: datetime
    ended_at: datetime | None
    minutes: Decimal
    canceled_orders: int
    canceled_notional: Decimal
    why: str


@dataclass(frozen=True, slots=True)
class CourseLine:
    """How one grid fared, in quote; the position in base."""

    result: Decimal
    drawdown: Decimal
    fills: int
    position: Decimal


@dataclass(frozen=True, slots=True)
class RehearsalAnswer:
    """The answer of `opensqt risk rehearse`."""

    symbol: str
    monitor: MonitorSpec
    storms: tuple[StormLine, ...]
    with_monitor: CourseLine
    without: CourseLine


@click.command(
    epilog="Example: opensqt risk rehearse grid.yaml --candles BTC/USDT=btc_1m.csv.gz "
    "--from 2021-05-19 --to 2021-05-20"
)
@click.argument("spec", metavar="SPEC.yaml")
@click.option(
    "--candles",
    "files",
    multiple=True,
    required=True,
    metavar="SYMBOL=FILE",
    help="Recorded candles of a symbol, as a gzipped CSV; once for each symbol.",
)
@click.option("--from", "begin", metavar="TIME", help="First opening, in UTC [default: all].")
@click.option("--to", "end", metavar="TIME", help="End of the last candle [default: all].")
@click.option("--mode", type=click.Choice(["all", "any"]), help="Symbols that make a storm.")
@click.option("--multiplier", metavar="N", help="Volumes of the average that are too much.")
@click.option("--picture", "drawn", type=click.Path(path_type=Path), help="Write an SVG there.")
@with_settings
async def rehearse_(  # noqa: PLR0913 - an option each
    spec: str,
    *,
    files: tuple[str, ...],
    begin: str | None,
    end: str | None,
    mode: str | None,
    multiplier: str | None,
    drawn: Path | None,
    settings: Settings,
    as_json: bool,
) -> None:
    """Play the grid of SPEC over recorded candles, with the market monitor and without it.

    The monitor is that of the settings, or one over the symbols of the candles.
    """
    grid = read_spec(spec)
    recorded = dict(_read(file) for file in files)
    if grid.symbol not in recorded:
        raise BadInputError(f"--candles: none are of {grid.symbol}, which {spec} trades")
    monitor = _monitor(settings, recorded, mode, multiplier)
    check_length(monitor, recorded)
    mine = recorded[grid.symbol]
    candles = mine.between(_time("--from", begin), _time("--to", end))
    found = rehearse(grid, mine.instrument, candles, storms(monitor, closed(recorded)))
    if drawn is not None:
        _draw(drawn, grid.symbol, found)
    answer = _answer(grid.symbol, monitor, found)
    if as_json:
        put_json(answer)
    else:
        console().print(_table(answer, mine.instrument.quote))


def _read(told: str) -> tuple[str, Recorded]:
    symbol, _, path = told.partition("=")
    if not path:
        raise BadInputError(f"--candles must be SYMBOL=FILE, as BTC/USDT=btc.csv.gz, was {told}")
    return symbol, read_candles(symbol, Path(path))


def _monitor(
    settings: Settings, recorded: dict[str, Recorded], mode: str | None, multiplier: str | None
) -> MonitorSpec:
    known = settings.risk.monitor
    data: dict[str, Any] = (
        known.model_dump(mode="json")
        if known is not None
        else {"symbols": sorted(recorded), "interval": _interval(recorded.values())}
    )
    data |= {"mode": mode} if mode else {}
    data |= {"multiplier": multiplier} if multiplier else {}
    return read(MonitorSpec, data, "monitor")


def _interval(recorded: Iterable[Recorded]) -> str:
    minutes = {known.candles[0].interval // timedelta(minutes=1) for known in recorded}
    return f"{min(minutes)}m"


def _time(option: str, told: str | None) -> datetime | None:
    if told is None:
        return None
    try:
        return datetime.fromisoformat(told).replace(tzinfo=UTC)
    except ValueError:
        raise InvalidValueError(
            f"{option} must be a time such as 2021-05-19 or 2021-05-19T13:00, was {told}"
        ) from None


def _draw(path: Path, symbol: str, found: Rehearsal) -> None:
    try:
        path.write_text(picture(f"{symbol} with the market monitor and without", found))
    except OSError as error:
        raise BadInputError(
            f"--picture: {path} cannot be written ({error.strerror}); name another file"
        ) from error


def _answer(symbol: str, monitor: MonitorSpec, found: Rehearsal) -> RehearsalAnswer:
    last = found.guarded.points[-1].at
    lines = tuple(
        StormLine(
            storm.began_at,
            storm.ended_at,
            Decimal(int(storm.lasted(last).total_seconds())) / 60,
            canceled.orders,
            canceled.notional,
            storm.why,
        )
        for storm, canceled in zip(found.storms, found.canceled, strict=True)
    )
    return RehearsalAnswer(symbol, monitor, lines, _course(found.guarded), _course(found.alone))


def _course(course: Course) -> CourseLine:
    return CourseLine(course.result, course.drawdown, course.fills, course.position)


def _table(answer: RehearsalAnswer, quote: str) -> RenderableType:
    right = ("canceled", quote, "result", "drawdown", "fills", "position")
    seen = plain_table("halted (UTC)", "cleared", "canceled", quote, right=right)
    for storm in answer.storms:
        cleared = f"{storm.ended_at:%m-%d %H:%M}" if storm.ended_at else "still on"
        began = f"{storm.began_at:%Y-%m-%d %H:%M}"
        seen.add_row(began, cleared, str(storm.canceled_orders), money(storm.canceled_notional))
    fared = plain_table("grid", "result", "drawdown", "fills", "position", right=right)
    for name, line in (("with the monitor", answer.with_monitor), ("without", answer.without)):
        numbers = (money(line.result, sign=True), money(line.drawdown), str(line.fills))
        fared.add_row(name, *numbers, str(line.position))
    return Group(seen if answer.storms else Text("the monitor never halted"), Text(""), fared)

"""`opensqt up`: the whole stack in one terminal, and a grid in it if asked."""

import asyncio
import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import click

from activities.venues.ccxt.registry import VENUES
from domain.errors import InvalidValueError
from domain.grid.spec import GridSpec
from workers.cli.demo import demo_run, grid_run
from workers.cli.failures import BadInputError, CommandError, Exit
from workers.cli.options import data_option, json_option
from workers.cli.output import put_json
from workers.cli.specs import read_spec
from workers.cli.watch import follow
from workers.local.directory import owned
from workers.local.market import live_market_of, market_of
from workers.local.ports import USUAL, choose
from workers.local.stack import Stack
from workers.settings import Settings, load_settings, read_stack

#: A made market at this many times the speed of the clock fills a close grid every few seconds.
DEMO_SPEED: Final = Decimal(10)
_EXAMPLES_ARE_FOR: Final = "BTC/USDT:USDT"


class _Decimal(click.ParamType[Decimal]):
    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number <= 0:
            self.fail(f"a number above 0 was expected, was {value}", param, ctx)
        return number


@dataclass(frozen=True, slots=True)
class _Asked:
    """What to do once the stack runs."""

    demo: bool
    grid: GridSpec | None
    grid_name: str
    watch: bool
    as_json: bool


def _port_options(command: Any) -> Any:
    for name, usual in USUAL.items():
        command = click.option(
            f"--{name}-port",
            type=click.IntRange(1, 65535),
            help=f"[default: {usual}, or a free one if that is taken]",
        )(command)
    return command


@click.command(epilog="Example: opensqt up --demo")
@data_option
@click.option("--demo", is_flag=True, help="Start a grid that trades at once, or go on with it.")
@click.option("--grid", "grid_file", metavar="SPEC.yaml", help="Start this grid, or go on with it.")
@click.option(
    "--tape",
    type=click.Path(path_type=Path),
    help="Recorded trades, quotes or candles (csv.gz), over and over, instead of a made market.",
)
@click.option("--seed", type=int, help="What the made market is made of [default: 1].")
@click.option(
    "--speed", type=_Decimal(), help=f"Market seconds a second [default: {DEMO_SPEED} with --demo]."
)
@click.option(
    "--feed",
    type=click.Choice(sorted(VENUES)),
    help="Follow this venue's real market, live and without keys; orders fill on paper.",
)
@click.option(
    "--symbol",
    "symbols",
    multiple=True,
    help="With --feed: what is followed, once for each [default: BTC/USDT:USDT].",
)
@click.option("--no-watch", is_flag=True, help="No live view: a line of status now and then.")
@_port_options
@json_option
def up(  # noqa: PLR0913 - an option each
    *,
    data_dir: Path | None,
    demo: bool,
    grid_file: str | None,
    tape: Path | None,
    seed: int | None,
    speed: Decimal | None,
    feed: str | None,
    symbols: tuple[str, ...],
    no_watch: bool,
    as_json: bool,
    **ports: int | None,
) -> None:
    """Start Temporal, the paper exchange and a worker; Ctrl-C ends them, a second one kills them.

    All state is in the data directory: the next `up` goes on with the same runs and orders. A
    process that dies is started again. With --json, one document is printed when all is ready.
    """
    if demo and grid_file:
        raise BadInputError("--demo and --grid were both given: one grid at a time")
    if tape and seed is not None:
        raise BadInputError("--tape and --seed were both given: a market is recorded or made")
    paced = bool(tape) or seed is not None or speed is not None
    if feed and paced:
        raise BadInputError("--feed follows a real market: it has no --tape, --seed or --speed")
    settings = load_settings(data_dir)
    spec = read_spec(grid_file) if grid_file else None
    name = Path(grid_file).stem if grid_file else ""
    terminal = sys.stdout.isatty() and not no_watch and not as_json
    asked = _Asked(demo, spec, name, terminal, as_json)
    with owned(settings.data_dir):
        before = _before(settings.data_dir)
        usual = DEMO_SPEED if demo else Decimal(1)
        known = before.get("market")
        live = None if paced else live_market_of(known, feed, symbols, _feed_of(settings))
        market = live or market_of(known, tape, seed, speed, usual)
        wanted = {key.removesuffix("_port"): port for key, port in ports.items()}
        chosen = choose(wanted, before.get("ports", {}))
        code = asyncio.run(_Up(Stack(settings, chosen, market, _say(as_json)), asked).run())
    raise click.exceptions.Exit(code)


def _feed_of(settings: Settings) -> str | None:
    """Return the venue whose market the accounts' settings want; one exchange follows one."""
    feeds = sorted({each.feed for each in settings.accounts.values() if each.feed})
    if len(feeds) > 1:
        raise BadInputError(
            f"the accounts want the feeds of {' and '.join(feeds)}: a stack has one exchange, so "
            "choose one with --feed, or run `opensqt exchange --feed` for each"
        )
    return feeds[0] if feeds else None


def _before(directory: Path) -> Mapping[str, Any]:
    """Return what the last `up` said; a damaged file of it is of no use, and will be replaced."""
    with contextlib.suppress(InvalidValueError):
        return read_stack(directory)
    return {}


def _say(as_json: bool) -> Any:  # noqa: FBT001
    """Return what shows a line: on stderr if stdout is kept for one document."""
    return lambda line: click.echo(line, err=as_json)


class _Up:
    """One `up`, from its first line to its last."""

    def __init__(self, stack: Stack, asked: _Asked) -> None:
        self._stack = stack
        self._asked = asked
        self._say = _say(asked.as_json)
        self._end = asyncio.Event()
        self._impatient = False

    async def run(self) -> Exit:
        """Run until Ctrl-C or a failure; nothing is left running afterwards."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_end)
        try:
            await self._until_end(self._work())
        finally:
            self._say("ending: worker, exchange, Temporal")
            await self._stack.end()
            if self._end.is_set() and not self._impatient:
                self._say("ended; the next `opensqt up` goes on where this one was")
        return Exit.INTERRUPTED if self._impatient else Exit.OK

    def _asked_to_end(self) -> None:
        if self._end.is_set():
            self._impatient = True
            self._stack.kill()
        self._end.set()

    async def _until_end(self, work: Any) -> None:
        """Do *work* until it ends or we are told to; its error is ours."""
        working = asyncio.create_task(work)
        told = asyncio.create_task(self._end.wait())
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not working.done():
            working.cancel()
        try:
            await working
        except asyncio.CancelledError:
            return
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _work(self) -> None:
        began = time.monotonic()
        settings = self._stack.settings
        self._say(f"starting the stack in {settings.data_dir}")
        await self._stack.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stack.keep_alive())
            running = load_settings(settings.data_dir)
            name = await self._run(running)
            self._ready(name, time.monotonic() - began)
            group.create_task(self._show(running, name))

    async def _run(self, settings: Settings) -> str | None:
        if self._asked.demo:
            return await demo_run(settings, self._say)
        if self._asked.grid is not None:
            return await grid_run(settings, self._asked.grid_name, self._asked.grid, self._say)
        return None

    def _ready(self, name: str | None, seconds: float) -> None:
        settings, stack = self._stack.settings, self._stack
        if self._asked.as_json:
            told = read_stack(settings.data_dir)
            put_json(
                {**told, "data_dir": settings.data_dir, "run": name, "ready_in": f"{seconds:.1f}"}
            )
            return
        data = "" if settings.data_dir == Path(".opensqt") else f" --data {settings.data_dir}"
        self._say(f"ready in {seconds:.1f} s; Ctrl-C ends it, and all runs go on next time")
        where = f"/namespaces/default/workflows/{name}" if name else ""
        self._say(f"  Temporal UI   {stack.ui}{where}")
        self._say(f"  data, logs    {settings.data_dir}, {stack.logs}")
        typed = _typed()
        if name:
            self._say(f"  elsewhere     {typed} grid watch {name}{data}")
            self._say(f"                {typed} pnl{data}")
        else:
            usual = stack.market.symbol == _EXAMPLES_ARE_FOR
            spec = "examples/first-grid.yaml" if usual else "SPEC.yaml"
            hint = "" if usual else f"   with symbol: {stack.market.symbol}, see examples/"
            self._say(f"  now           {typed} grid start {spec}{data}{hint}")

    async def _show(self, settings: Settings, name: str | None) -> None:
        if name is not None and not self._asked.as_json:
            await follow(settings, name, live=self._asked.watch, say=self._say)


def _typed() -> str:
    """Return what to type for this program: `make run` starts it where no shell finds it."""
    called = Path(sys.argv[0])
    hidden = called.name == "opensqt" and shutil.which("opensqt") is None
    return str(called) if hidden else "opensqt"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that a person should read: the first that is none of a cancellation."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
        return error
    return CommandError("the stack ended for no reason that is known")

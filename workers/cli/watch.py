"""Watching a run: the live view of `grid watch` and `up`, or lines where nothing can be redrawn."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.live import Live

from activities.store.ledger import Ledger
from activities.store.records import Run
from domain.errors import TradingError
from workers.cli import book, reach
from workers.cli.failures import CommandError, NotFoundError, UnreachableError
from workers.cli.ladder import View, at_price, line, render
from workers.cli.output import console, put_json
from workers.cli.runs import Runs
from workers.settings import Settings

_REDRAW: Final = 0.25
#: The run itself is asked less often than the picture is drawn: between fills only the price moves.
_ASK: Final = 0.5
_LINE_EVERY: Final = 5.0
_FILLS: Final = 12
#: What `up` printed last, such as the address of the UI, stays above the live view if it can.
_LINES_ABOVE: Final = 7
_LEAST_LINES: Final = 18


class Watcher:
    """What is known of one run, kept up to date as cheaply as possible."""

    def __init__(self, settings: Settings, name: str, runs: Runs, ledger: Ledger) -> None:
        self._settings = settings
        self._name = name
        self._runs = runs
        self._ledger = ledger
        self._run: Run | None = None
        self._view: View | None = None
        self._price: Decimal | None = None
        self._pricing: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, name: str) -> AsyncIterator[Self]:
        """Yield a watcher of the run *name*; raises UnreachableError without Temporal."""
        runs = await Runs.connect(settings)
        async with reach.ledger(settings) as ledger:
            watcher = cls(settings, name, runs, ledger)
            try:
                yield watcher
            finally:
                if watcher._pricing is not None:
                    watcher._pricing.cancel()
                    await asyncio.gather(watcher._pricing, return_exceptions=True)

    async def look(self) -> View:
        """Ask the run, and return what is known now; raises what `Runs` raises."""
        status = await self._runs.status(self._name)
        slots = await self._runs.slots(self._name)
        before = self._view
        fills = before.fills if before else ()
        if before is None or status.fills != before.status.fills or not fills:
            fills = await self._fills()
        self._view = View(self._name, status, slots, fills)
        return self.view

    @property
    def view(self) -> View:
        """What was last known, at the price of this moment."""
        assert self._view is not None  # noqa: S101 - `look` comes first
        if self._price is None or self._view.status.phase == "finished":
            return self._view
        status = at_price(self._view.status, self._price)
        return View(self._name, status, self._view.slots, self._view.fills, self._view.note)

    def follow_price(self) -> None:
        """Keep the price of the venue's stream from now on, as long as there is one."""
        if self._pricing is None and self._run is not None:
            self._pricing = asyncio.create_task(self._prices(self._run))

    async def _prices(self, run: Run) -> None:
        while True:
            # Without the stream the picture has the price that the run last decided about.
            with contextlib.suppress(TradingError, CommandError):
                async with (
                    reach.venue(self._settings, run.account) as venue,
                    venue.prices([run.symbol]) as prices,
                ):
                    async for update in prices:
                        self._price = run.instrument.price_of(update.price)
            self._price = None
            await asyncio.sleep(1)

    async def _fills(self) -> tuple[book.FillLine, ...]:
        self._run = self._run or await self._ledger.run(self._name)
        if self._run is None:
            return ()
        fills = await self._ledger.recent_fills(self._name, _FILLS)
        return tuple(book.fill_line(self._run, fill) for fill in fills)


async def watch_run(settings: Settings, name: str, *, once: bool, as_json: bool) -> None:
    """Watch the run *name* until q, Ctrl-C or its end; one picture with *once* or without a tty."""
    async with Watcher.open(settings, name) as watcher:
        await watcher.look()
        screen = console()
        if as_json:
            put_json(watcher.view)
        elif once or not screen.is_terminal:
            screen.print(_picture(screen, watcher.view))
        elif screen.is_dumb_terminal:
            await _lines(watcher, print)
        else:
            with _keys() as left:
                await _live(watcher, screen, left)


async def follow(settings: Settings, name: str, *, live: bool, say: Callable[[str], None]) -> None:
    """Show the run *name* until it ends: live, or a line now and then."""
    async with Watcher.open(settings, name) as watcher:
        screen = console()
        if live and screen.is_terminal and not screen.is_dumb_terminal:
            with _keys():
                await _live(watcher, screen, asyncio.Event(), spared=_LINES_ABOVE)
        else:
            await _lines(watcher, lambda told: say(f"{datetime.now(UTC):%H:%M:%S}  {told}"))
    say(f"run {name} has ended: opensqt pnl {name}")


async def _lines(watcher: Watcher, say: Callable[[str], None]) -> None:
    while True:
        try:
            view = await watcher.look()
        except UnreachableError as error:
            say(str(error))
        else:
            watcher.follow_price()
            say(line(view))
            if view.status.phase == "finished":
                return
        await asyncio.sleep(_LINE_EVERY)


async def _live(watcher: Watcher, screen: Console, left: asyncio.Event, spared: int = 0) -> None:
    """Redraw until the run ends or *left* is set; what cannot be asked keeps its last picture."""
    asked_at = 0.0
    note = ""
    known = False
    with Live(console=screen, auto_refresh=False) as live:
        while not left.is_set():
            if time.monotonic() - asked_at >= _ASK:
                try:
                    view = await watcher.look()
                    note, known = "", True
                    watcher.follow_price()
                    if view.status.phase == "finished":
                        live.update(_picture(screen, view, spared), refresh=True)
                        return
                except NotFoundError:
                    raise
                except CommandError as error:
                    note = str(error)
                asked_at = time.monotonic()
            if known:
                shown = watcher.view
                view = View(shown.name, shown.status, shown.slots, shown.fills, note)
                live.update(_picture(screen, view, spared), refresh=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REDRAW):
                    await left.wait()


def _picture(screen: Console, view: View, spared: int = 0) -> RenderableType:
    plain = not screen.encoding.lower().startswith("utf")
    height = max(screen.height - spared, min(screen.height, _LEAST_LINES))
    return render(view, screen.width, height, plain=plain)


@contextmanager
def _keys() -> Iterator[asyncio.Event]:
    """Yield an event that q sets; keys are not shown meanwhile."""
    left = asyncio.Event()
    if not sys.stdin.isatty():
        yield left
        return
    import termios  # noqa: PLC0415  not on every system that can run the rest
    import tty  # noqa: PLC0415

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    loop = asyncio.get_running_loop()

    def read() -> None:
        if sys.stdin.read(1) in ("q", "Q", ""):
            left.set()

    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield left
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)

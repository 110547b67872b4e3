"""`opensqt doctor`: what works and what does not, each with its fix."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from activities.store.database import place
from activities.store.migrations import require_current
from domain.errors import TradingError
from workers.cli import reach
from workers.cli.doctor_account import examine
from workers.cli.failures import BadInputError, CommandError, Exit
from workers.cli.options import with_settings
from workers.cli.output import put_json
from workers.local import temporal
from workers.local.ports import USUAL, is_free
from workers.settings import STACK_FILE, Settings, read_stack
from workflows.names import account_queue

_OLDEST: Final = (3, 11)
_LEAST_FREE_MB: Final = 256
_MOST_SKEW: Final = timedelta(seconds=5)
#: The program is not older than this.
_YEAR: Final = 2025


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that works or not; `told` is what was found, with the fix if it does not."""

    name: str
    works: bool
    told: str


@click.command(epilog="Example: opensqt doctor --account main")
@click.option(
    "--account",
    metavar="NAME",
    help="Check what this account can do at its venue instead; no order is sent.",
)
@click.option("--symbol", help="With --account: the market to look at  [default: BTC/USDT...].")
@with_settings
async def doctor(
    *, account: str | None, symbol: str | None, settings: Settings, as_json: bool
) -> None:
    """Check what a stack needs and what of it runs; fails if anything does not work.

    With --account: whether that account can trade, from its keys to its streams.
    """
    if account is None:
        if symbol is not None:
            raise BadInputError("--symbol needs --account NAME: it is checked at its venue")
        works = await _examine_stack(settings, as_json=as_json)
    else:
        works = await examine(settings, account, symbol, as_json=as_json)
    if not works:
        raise click.exceptions.Exit(Exit.FAILED)


async def _examine_stack(settings: Settings, *, as_json: bool) -> bool:
    checks = [await _checked(name, check, settings) for name, check in _CHECKS.items()]
    works = all(check.works for check in checks)
    if as_json:
        put_json({"works": works, "checks": checks})
    else:
        for check in checks:
            mark = click.style("ok  ", fg="green") if check.works else click.style("FAIL", fg="red")
            click.echo(f"{mark}  {check.name:<9} {check.told}")
    return works


async def _checked(
    name: str, check: Callable[[Settings], Awaitable[str]], settings: Settings
) -> Check:
    try:
        return Check(name, told=await check(settings), works=True)
    except (TradingError, CommandError, OSError) as error:
        return Check(name, told=str(error), works=False)


async def _python(settings: Settings) -> str:  # noqa: ARG001 - all checks take settings
    if sys.version_info < _OLDEST:
        raise CommandError(f"Python 3.11 or newer is needed, was {sys.version.split()[0]}")
    return sys.version.split()[0]


async def _program(settings: Settings) -> str:  # noqa: ARG001 - all checks take settings
    path = temporal.program()
    done = await asyncio.create_subprocess_exec(
        path, "--version", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    answer, _ = await done.communicate()
    if done.returncode != 0:
        raise CommandError(f"{path} does not run: install the project's requirements again")
    return f"{answer.decode().strip()} at {path}"


async def _data(settings: Settings) -> str:
    directory = settings.data_dir
    parent = next(path for path in (directory, *directory.absolute().parents) if path.is_dir())
    try:
        with tempfile.TemporaryFile(dir=parent) as probe:
            probe.write(b"0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise CommandError(
            f"{directory} cannot be written ({error.strerror}): check its rights and free space, "
            "or choose another --data DIR"
        ) from None
    free = shutil.disk_usage(parent).free // 1024**2
    if free < _LEAST_FREE_MB:
        raise CommandError(f"the disk of {directory} has {free} MB left: make room")
    return f"{directory} can be written, {free} MB free"


async def _ledger(settings: Settings) -> str:
    require_current(settings.ledger_url)
    async with reach.ledger(settings) as ledger:
        return f"{place(settings.ledger_url)}, {len(await ledger.runs())} runs"


async def _temporal(settings: Settings) -> str:
    began = time.monotonic()
    await reach.temporal(settings)
    return f"answers at {settings.temporal} in {(time.monotonic() - began) * 1000:.0f} ms"


async def _worker(settings: Settings) -> str:
    from workers.local.stack import pollers  # noqa: PLC0415  needs much of Temporal's API

    client = await reach.temporal(settings)
    idle = [name for name in settings.accounts if not await pollers(client, name)]
    if idle:
        raise CommandError(
            f"no worker takes runs of {', '.join(idle)}: start the stack with `opensqt up`, or "
            "`opensqt worker`"
        )
    return f"takes runs from {', '.join(map(account_queue, sorted(settings.accounts)))}"


async def _exchange(settings: Settings) -> str:
    told = []
    for account in sorted(settings.accounts):
        async with reach.venue(settings, account) as venue:
            owned = ", ".join(f"{b.total:f} {b.asset}" for b in await venue.balances())
            told.append(f"{account} at {settings.address_of(account)} owns {owned or 'nothing'}")
    return "; ".join(told)


async def _feed(settings: Settings) -> str:
    market = read_stack(settings.data_dir).get("market", {})
    symbol = str(market.get("symbol", "BTC/USDT:USDT"))
    account = min(settings.accounts)
    async with (
        reach.venue(settings, account) as venue,
        venue.prices([symbol]) as prices,
    ):
        instrument = await venue.instrument(symbol)
        try:
            async with asyncio.timeout(5):
                update = await anext(aiter(prices))
        except TimeoutError:
            raise CommandError(
                f"no price of {symbol} came within 5 s: the tape may be at its end, or its speed 0"
            ) from None
    return f"{symbol} at {instrument.price_of(update.price):f}"


async def _clock(settings: Settings) -> str:
    """Compare with what was written last: a clock that went back would reorder orders."""
    now = datetime.now(UTC)
    stack = settings.data_dir / STACK_FILE
    written = datetime.fromtimestamp(stack.stat().st_mtime if stack.exists() else 0, UTC)
    if now.year < _YEAR or written > now + _MOST_SKEW:
        raise CommandError(
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, {stack} was written at "
            f"{written:%Y-%m-%d %H:%M:%S}: let NTP set the clock, orders carry its time"
        )
    return f"{now:%Y-%m-%d %H:%M:%S} UTC"


async def _ports(settings: Settings) -> str:
    ports = read_stack(settings.data_dir).get("ports", {})
    if ports:
        return ", ".join(f"{name} {port}" for name, port in ports.items())
    taken = [f"{name} {port}" for name, port in USUAL.items() if not is_free(port)]
    if taken:
        return f"taken: {', '.join(taken)}; `opensqt up` finds free ones instead"
    return f"free: {', '.join(f'{name} {port}' for name, port in USUAL.items())}"


_CHECKS: Final = {
    "python": _python,
    "program": _program,
    "data": _data,
    "ports": _ports,
    "clock": _clock,
    "ledger": _ledger,
    "temporal": _temporal,
    "worker": _worker,
    "exchange": _exchange,
    "feed": _feed,
}

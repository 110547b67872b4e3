"""`opensqt arb scan`: the pairs that accounts could hold right now, the best first."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

import click

from activities.scanning import Marketplace, Progress, Scanner, marketplace
from domain.arbitrage.listing import Scanned
from domain.arbitrage.universe import ScanFailed, UniverseSpec
from workers.cli.arb_scan_answer import answer_of, table_of
from workers.cli.failures import BadInputError, CommandError, UnreachableError, tell
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.settings import PAPER, Settings
from workers.venues import open_venue

#: Seconds between two words on how far a scan is.
_TELL_EVERY: Final = 2.0
_USUAL: Final = UniverseSpec()


@click.command(
    epilog="Example: opensqt arb scan --accounts binance,binance_spot,bybit --min-volume 20000000"
)
@click.option(
    "--accounts", "named", metavar="NAMES", help="Only these, with commas [default: all but paper]."
)
@click.option(
    "--min-volume",
    default=str(_USUAL.min_quote_volume),
    show_default=True,
    metavar="QUOTE",
    help="Least traded in 24 hours, on each leg.",
)
@click.option(
    "--min-apr",
    default=str(_USUAL.least_apr),
    show_default=True,
    metavar="SHARE",
    help="Least yield in a year (0.1: 10 %), the mean of 7 days.",
)
@click.option(
    "--top", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many."
)
@click.option("--both-ways", is_flag=True, help="Also pairs whose spot leg is borrowed and sold.")
@click.option(
    "--every",
    type=click.IntRange(1, 1440),
    metavar="MINUTES",
    help="Scan again and again, until Ctrl-C.",
)
@with_settings
async def scan(
    *,
    named: str | None,
    min_volume: str,
    min_apr: str,
    top: int,
    both_ways: bool,
    every: int | None,
    settings: Settings,
    as_json: bool,
) -> None:
    """Rank the pairs that the configured accounts could hold right now.

    Every venue is asked for all its markets, and for the funding of those that trade enough. If one
    of them does not answer, nothing is shown: part of an answer looks like a worse market.
    """
    spec = UniverseSpec(
        min_quote_volume=_number("--min-volume", min_volume),
        least_apr=_number("--min-apr", min_apr),
    )
    async with _places(settings, named) as places:
        scanner = Scanner(places, spec, both_ways=both_ways, top=top, tell=_Telling())
        accounts = tuple(place.account for place in places)
        if every is None:
            _show(await scanner.scan(), accounts, as_json=as_json)
            return
        while True:
            await _repeat(scanner, accounts, as_json=as_json)
            await asyncio.sleep(timedelta(minutes=every).total_seconds())


async def _repeat(scanner: Scanner, accounts: tuple[str, ...], *, as_json: bool) -> None:
    """Show a scan; one that failed is told, and the next one may not."""
    try:
        _show(await scanner.scan(), accounts, as_json=as_json)
    except UnreachableError as error:
        tell(error, as_json=as_json)


def _number(option: str, told: str) -> Decimal:
    try:
        number = Decimal(told)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise BadInputError(f"{option} must be a number, 0 or more, was {told}")
    return number


# ---- accounts


@asynccontextmanager
async def _places(settings: Settings, named: str | None) -> AsyncIterator[Sequence[Marketplace]]:
    """Yield the accounts that were *named*, or all that can be scanned, with their venues."""
    async with AsyncExitStack() as stack:
        places = []
        for account in _accounts(settings, named):
            venue = await stack.enter_async_context(open_venue(settings, account))
            places.append(marketplace(account, settings.account(account).market, venue))
        yield places


def _accounts(settings: Settings, named: str | None) -> list[str]:
    if named is not None:
        accounts = list(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
        for account in accounts:
            settings.account(account)  # an unknown one is told before any venue is opened
    else:
        known = settings.accounts.items()
        accounts = [name for name, account in known if account.venue != PAPER]
    if not accounts:
        raise BadInputError(
            "--accounts: there is no account at an exchange, and paper has no list of all markets; "
            "set one up, as docs/configuration.md tells (OPENSQT_ACCOUNTS__NAME__VENUE=binance)"
        )
    return accounts


class _Telling:
    """Tells people how far a scan is, if it takes long."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY:
            self._told = now
            click.echo(f"funding of {progress.done} of {progress.of} perpetuals", err=True)


# ---- the answer


def _show(found: Scanned | ScanFailed, accounts: tuple[str, ...], *, as_json: bool) -> None:
    if isinstance(found, ScanFailed):
        raise _failure(found)
    answer = answer_of(found, accounts)
    if as_json:
        put_json(answer)
    else:
        console().print(table_of(answer))


def _failure(failed: ScanFailed) -> CommandError:
    told = f"{failed.venue} did not answer, so nothing is shown: {failed.why}"
    if failed.lasting:
        return CommandError(f"{told}; `opensqt doctor` with its --account tells what is wrong")
    return UnreachableError(f"{told}; try again, or leave it out by --accounts")

"""`opensqt arb scan`: the pairs that accounts could hold right now, the best first."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

import click
from rich.console import Group, RenderableType
from rich.text import Text

from activities.scanning import Marketplace, Progress, Scanner, marketplace
from domain.arbitrage.funding import HOUR, Direction, LegFunding
from domain.arbitrage.listing import Listed, Opportunity, Scanned
from domain.arbitrage.universe import Exclusion, ScanFailed, UniverseSpec
from domain.money import EXACT, MarketKind
from workers.cli.failures import BadInputError, CommandError, UnreachableError, tell
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.tables import plain_table
from workers.settings import PAPER, Settings
from workers.venues import open_venue

#: Seconds between two words on how far a scan is.
_TELL_EVERY: Final = 2.0
_USUAL: Final = UniverseSpec()
_MILLION: Final = Decimal(1_000_000)
_WORDS: Final[Mapping[Exclusion, str]] = {
    Exclusion.ILLIQUID: "trade too little",
    Exclusion.UNLIKE: "have prices too far apart to be one coin",
    Exclusion.LOW_APR: "earn too little",
    Exclusion.WORTHLESS: "have a score of 0",
    Exclusion.SCORE_UNKNOWN: "have less than 30 days of funding, or none that is due",
    Exclusion.VOLUME_UNKNOWN: "have a volume that is not told",
}


@dataclass(frozen=True, slots=True)
class LegLine:
    """One leg. Spot has neither rate nor settlements."""

    account: str
    venue: str
    market: MarketKind
    symbol: str
    volume: Decimal
    rate: Decimal | None
    interval_hours: Decimal | None
    settles_at: datetime | None


@dataclass(frozen=True, slots=True)
class PairLine:
    """One pair worth holding; yields are shares of a leg's notional in a year (0.1: 10 %)."""

    rank: int
    pair: str
    direction: Direction
    long: LegLine
    short: LegLine
    #: The mean of 7 days, and what is due next.
    apr: Decimal
    spread: Decimal
    next_settlement: datetime
    stability: Decimal | None
    basis: Decimal | None
    volume: Decimal
    score: Decimal
    #: None: never, or not known (spot that is borrowed).
    break_even_hours: int | None


@dataclass(frozen=True, slots=True)
class ScanAnswer:
    """The answer of `opensqt arb scan`; all pairs that are not worth holding, with the reason."""

    at: datetime
    accounts: tuple[str, ...]
    ranked: int
    pairs: tuple[PairLine, ...]
    left_out: Mapping[str, Exclusion]


@click.command(
    epilog="Example: opensqt arb scan --accounts binance,binance-spot,bybit --min-volume 20000000"
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
    answer = _answer(found, accounts)
    if as_json:
        put_json(answer)
    else:
        console().print(_table(answer))


def _failure(failed: ScanFailed) -> CommandError:
    told = f"{failed.venue} did not answer, so nothing is shown: {failed.why}"
    if failed.lasting:
        return CommandError(f"{told}; `opensqt doctor` with its --account tells what is wrong")
    return UnreachableError(f"{told}; try again, or leave it out by --accounts")


def _answer(found: Scanned, accounts: tuple[str, ...]) -> ScanAnswer:
    return ScanAnswer(
        at=found.at,
        accounts=accounts,
        ranked=len(found.ranking.ranked),
        pairs=tuple(_line(number, each) for number, each in enumerate(found.best, 1)),
        left_out=found.ranking.left_out,
    )


def _line(number: int, each: Opportunity) -> PairLine:
    found = each.appraised
    long, short = found.funding
    return PairLine(
        rank=number,
        pair=each.ranked.pair,
        direction=found.direction,
        long=_leg(found.long, long),
        short=_leg(found.short, short),
        apr=each.ranked.apr,
        spread=found.spread,
        next_settlement=found.settles_at,
        stability=found.history.stability,
        basis=found.basis,
        volume=found.volume,
        score=each.ranked.score,
        break_even_hours=each.break_even_hours,
    )


def _leg(leg: Listed, funding: LegFunding) -> LegLine:
    interval = funding.interval
    return LegLine(
        account=leg.account,
        venue=leg.venue,
        market=leg.kind,
        symbol=leg.symbol,
        volume=leg.day.quote_volume,
        rate=None if interval is None else funding.rate,
        interval_hours=None if interval is None else _hours(interval),
        settles_at=funding.settles_at,
    )


def _hours(span: timedelta) -> Decimal:
    return EXACT.divide(
        Decimal(span // timedelta(seconds=1)), Decimal(HOUR // timedelta(seconds=1))
    )


# ---- for people


def _table(answer: ScanAnswer) -> RenderableType:
    right = ("#", "APR %", "next %", "hours", "stability", "volume M", "score", "pays after")
    table = plain_table(
        *("#", "long", "short", "APR %", "next %", "hours", "settles (UTC)"),
        *("stability", "volume M", "score", "pays after"),
        right=right,
    )
    for line in answer.pairs:
        table.add_row(*_row(line))
    parts: list[RenderableType] = [table] if answer.pairs else [Text("no pair is worth holding")]
    left_out = Counter(answer.left_out.values())
    if left_out or answer.ranked > len(answer.pairs):
        parts.append(Text(""))
    if answer.ranked > len(answer.pairs):
        parts.append(Text(f"{answer.ranked - len(answer.pairs)} more are worth less (--top)"))
    parts += [Text(f"{left_out[why]} {told}") for why, told in _WORDS.items() if left_out[why]]
    return Group(*parts)


def _row(line: PairLine) -> tuple[str, ...]:
    return (
        str(line.rank),
        f"{line.long.account} {line.long.symbol}",
        f"{line.short.account} {line.short.symbol}",
        _percent(line.apr),
        _percent(line.spread),
        _intervals(line),
        f"{line.next_settlement:%m-%d %H:%M}",
        "–" if line.stability is None else f"{line.stability:.1f}",
        f"{line.volume / _MILLION:,.1f}",
        f"{line.score * 10_000:.2f}",
        "–" if line.break_even_hours is None else f"{line.break_even_hours} h",
    )


def _percent(share: Decimal) -> str:
    return f"{share * 100:.2f}"


def _intervals(line: PairLine) -> str:
    """Return how often the legs settle, in hours: of the long one and the short one."""
    hours = (line.long.interval_hours, line.short.interval_hours)
    return "/".join(f"{each.normalize():f}" for each in hours if each is not None)

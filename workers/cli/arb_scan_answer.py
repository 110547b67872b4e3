"""What `opensqt arb scan` answers: a line for each pair, and the table of them for people."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from domain.arbitrage.funding import HOUR, Direction, LegFunding
from domain.arbitrage.listing import Listed, Opportunity, Scanned
from domain.arbitrage.universe import Exclusion
from domain.money import EXACT, MarketKind, fixed
from workers.cli.tables import plain_table

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


def answer_of(found: Scanned, accounts: tuple[str, ...]) -> ScanAnswer:
    """Return what a scan of *accounts* found."""
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


def table_of(answer: ScanAnswer) -> RenderableType:
    """Return the pairs, and below them how many were left out and why."""
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
        "–" if line.stability is None else fixed(line.stability, 1),
        f"{line.volume / _MILLION:,.1f}",
        fixed(line.score * 10_000, 2),
        "–" if line.break_even_hours is None else f"{line.break_even_hours} h",
    )


def _percent(share: Decimal) -> str:
    return fixed(share * 100, 2)


def _intervals(line: PairLine) -> str:
    """Return how often the legs settle, in hours: of the long one and the short one."""
    hours = (line.long.interval_hours, line.short.interval_hours)
    return "/".join(f"{each.normalize():f}" for each in hours if each is not None)

"""What commands show to people of pairs."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from domain.arbitrage.preview import LegPreview, PairPreview
from domain.arbitrage.view import LegStatus, PairStatus
from domain.money import fixed
from workers.cli.output import money, number
from workers.cli.pair_book import LegLine, PairLine
from workers.cli.tables import facts_table, plain_table
from workflows.pair_messages import PairTradeStatus


def share(value: Decimal | None, places: int = 2) -> str:
    """Return a share as percent; a dash if it is not known."""
    return "–" if value is None else f"{value * 100:.{places}f} %"


def preview_table(found: PairPreview) -> RenderableType:
    """Return what a pair would be now, and why it would not be entered."""
    numbers = ("bid", "ask", "rate", "taker fee", "would hold")
    legs = plain_table("account", "symbol", "settles (UTC)", *numbers, right=numbers)
    for leg in found.legs:
        legs.add_row(leg.account, leg.symbol, _settles(leg.settles_at), *_market(leg))
    pays = "never at this rate"
    if found.break_even_hours is not None:
        pays = f"after {found.break_even_hours} hours"
    known = found.apr is not None and found.cost is not None
    rows = [
        ("direction", found.direction or "–"),
        ("yield", "–" if found.apr is None else f"{share(found.apr)} a year, before costs"),
        ("basis", share(found.basis, 4)),
        ("round trip", _costs(found)),
        ("pays", pays if known else "–"),
    ]
    parts: list[RenderableType] = [legs, Text(""), facts_table(rows), Text("")]
    if found.enters:
        parts.append(Text("It would be entered now.", style="green"))
    else:
        parts.append(Text("It would not be entered now:"))
        parts += [Text(f"! {why}", style="yellow") for why in found.why_not]
    return Group(*parts)


def _market(leg: LegPreview) -> tuple[str, ...]:
    rate = _rate(leg.rate, leg.interval_hours)
    held = number(leg.base, sign=True)
    return number(leg.bid), number(leg.ask), rate, share(leg.taker_fee, 4), held


def _costs(found: PairPreview) -> str:
    if found.cost is None:
        return f"{share(found.fees, 4)} fees, and spreads that are not known"
    told = f"{share(found.fees, 4)} fees and {share(found.spreads, 4)} spreads"
    return f"{money(found.cost)} {found.quote} of {number(found.amount)}: {told}"


def _rate(rate: Decimal | None, hours: Decimal | None) -> str:
    if rate is None:
        return "–"
    if hours is None:
        return share(rate, 4)
    return f"{share(rate, 4)} / {number(Decimal(fixed(hours, 2)))} h"


def _settles(at: datetime | None) -> str:
    return f"{at:%m-%d %H:%M}" if at else ""


# --- one pair ------------------------------------------------------------------------------------


def status_table(
    name: str, status: PairStatus, trade: PairTradeStatus | None = None
) -> RenderableType:
    """Return what a pair is doing: its legs, and what of it is not hedged."""
    rows = [
        ("pair", name),
        ("phase", f"{status.phase}, {status.direction or 'nothing is held'}"),
        ("yield", "–" if status.apr is None else f"{share(status.apr)} a year"),
        ("not hedged", _debt(status, trade)),
        ("trades", str(status.trades)),
    ]
    if status.trade:
        rows.append(("in flight", in_flight(status, trade)))
    if status.halted:
        rows.append(("halted", status.halted))
    numbers = ("base", "rate", "funding", "slippage")
    legs = plain_table("account", "symbol", "settles (UTC)", *numbers, right=numbers)
    for leg in status.legs:
        legs.add_row(*_leg_row(leg))
    return Group(facts_table(rows), Text(""), legs)


def _leg_row(leg: LegStatus) -> tuple[str, ...]:
    return (
        leg.account,
        leg.symbol,
        _settles(leg.settles_at),
        number(leg.base, sign=True),
        _rate(leg.rate, leg.interval_hours),
        money(leg.funding, sign=True),
        money(leg.slippage, sign=True) if leg.slippage is not None else "–",
    )


def _debt(status: PairStatus, trade: PairTradeStatus | None) -> str:
    """Return what is not hedged: of the trade in flight with its age, else of what is held."""
    if trade is None:
        return number(status.debt, sign=True)
    age = f", for {trade.debt_seconds:.0f} s" if trade.debt else ""
    return f"{number(trade.debt, sign=True)}{age}"


def in_flight(status: PairStatus, trade: PairTradeStatus | None) -> str:
    """Return what is said of the trade in flight."""
    if trade is None:
        return status.trade
    gave_up = f"; gave up: {trade.gave_up}" if trade.gave_up else ""
    return f"{status.trade} ({trade.kind}, {trade.stage}, {trade.orders} orders){gave_up}"


def line(status: PairStatus, trade: PairTradeStatus | None) -> str:
    """Return what a pair is doing in one line; the same line as long as nothing changes."""
    held = ", ".join(f"{number(leg.base, sign=True)} {leg.symbol}" for leg in status.legs)
    parts = [
        f"{status.phase}, {status.direction or 'nothing held'}",
        "yield not known" if status.apr is None else f"{share(status.apr)} a year",
        held,
        f"funding {money(sum((leg.funding for leg in status.legs), Decimal(0)), sign=True)}",
    ]
    if status.trade:
        parts.append(in_flight(status, trade))
    debt = trade.debt if trade is not None else status.debt
    if debt:
        parts.append(f"not hedged {number(debt, sign=True)}")
    if status.halted:
        parts.append(f"halted: {status.halted}")
    return "  ".join(parts)


# --- from the ledger -----------------------------------------------------------------------------


def pairs_table(pairs: Sequence[PairLine]) -> RenderableType:
    """Return pairs as a list."""
    if not pairs:
        return Text(
            "no pairs; start one with `opensqt arb start SPEC.yaml`, --all shows ended ones"
        )
    numbers = ("holds", "funding", "fees")
    table = plain_table("name", "status", "legs", "started", *numbers, right=numbers)
    for pair in pairs:
        table.add_row(
            pair.name,
            pair.status,
            " / ".join(leg.symbol for leg in pair.legs),
            f"{pair.started_at:%y-%m-%d %H:%M}",
            " / ".join(number(leg.base, sign=True) for leg in pair.legs),
            money(pair.funding, sign=True),
            money(-pair.fees, sign=True),
        )
    return table


def book_table(pair: PairLine) -> RenderableType:
    """Return what the ledger alone knows of a pair."""
    rows = [
        ("pair", pair.name),
        ("status", pair.status),
        ("started", f"{pair.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("ended", f"{pair.ended_at:%Y-%m-%d %H:%M:%S} UTC" if pair.ended_at else "–"),
        ("funding", money(pair.funding, sign=True)),
        ("fees", money(-pair.fees, sign=True)),
    ]
    numbers = ("base", "funding", "fills")
    legs = plain_table("account", "symbol", *numbers, right=numbers)
    for leg in pair.legs:
        legs.add_row(leg.account, leg.symbol, *_booked(leg))
    return Group(facts_table(rows), Text(""), legs)


def _booked(leg: LegLine) -> tuple[str, ...]:
    return number(leg.base, sign=True), money(leg.funding, sign=True), str(leg.fills)

"""Whether the account can trade: what it owns, what a symbol demands, and on which terms."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from activities.store.database import place
from activities.store.ledger import Ledger
from activities.store.migrations import require_current
from activities.venues.ccxt.markets import plain
from domain.market import Balance
from domain.money import MarketKind
from workers.checks.findings import Found, SkippedError, bad, good, warning
from workers.checks.patient import Patient

_SHOWN: Final = 5
#: From here on a move of 5 % against a position takes its whole margin.
_HIGH_LEVERAGE: Final = 20
_BAR: Final = timedelta(minutes=1)


async def balances(patient: Patient) -> Found:
    """See what there is to trade with."""
    owned = [each for each in await patient.account.balances() if each.total > 0]
    quote = patient.symbol.partition("/")[2].partition(":")[0]
    fix = f"transfer {quote} into the {patient.kind} wallet of this account"
    if not owned:
        return bad("owns nothing: no order can be paid for", fix)
    told = _owned(owned)
    if not any(each.asset == quote and each.free > 0 for each in owned):
        return warning(f"{told}; no free {quote}, so nothing can be bought", fix)
    return good(told)


def _owned(owned: Sequence[Balance]) -> str:
    shown = ", ".join(
        f"{plain(each.free)} of {plain(each.total)} {each.asset} free" for each in owned[:_SHOWN]
    )
    return shown + (f" and {len(owned) - _SHOWN} more assets" if len(owned) > _SHOWN else "")


async def instrument(patient: Patient) -> Found:
    """See what the venue demands of an order."""
    known = await patient.market.instrument(patient.symbol)
    least = f"{plain(known.base_of(known.min_quantity))} {known.base}"
    steps = f"tick {plain(known.tick_size)}, lot {plain(known.lot_size)} {known.base}"
    return good(
        f"{known.symbol}: {steps}, at least {least} and {plain(known.min_notional)} {known.quote} "
        "an order"
    )


async def fees(patient: Patient) -> Found:
    """See what the account pays for a trade."""
    known = await patient.account.instrument(patient.symbol)
    return good(
        f"{plain(known.maker_fee * 100)} % as maker, {plain(known.taker_fee * 100)} % as taker"
    )


async def leverage(patient: Patient) -> Found:
    """See how much a position may exceed its margin."""
    _only_perpetual(patient)
    set_to = (await patient.account_facts.terms(patient.symbol)).leverage
    if set_to > _HIGH_LEVERAGE:
        return warning(
            f"{plain(set_to)}x: a move of {100 / set_to:.1f} % against a position liquidates it",
            f"set it to {_HIGH_LEVERAGE}x or less at {patient.known.venue}",
        )
    return good(f"{plain(set_to)}x")


async def position_mode(patient: Patient) -> Found:
    """See that a symbol has one position: grids count on it."""
    _only_perpetual(patient)
    if (await patient.account_facts.terms(patient.symbol)).one_way:
        return good("one-way: a symbol has one position")
    return bad(
        "hedge mode: a symbol has a long and a short position, and orders of grids are refused",
        f"set one-way mode at {patient.known.venue}, while there is no position and no order",
    )


async def candles(patient: Patient) -> Found:
    """Ask for the newest candles."""
    bars = await patient.market.candles(patient.symbol, _BAR, 3)
    if not bars:
        return warning(
            f"{patient.symbol} has no candles yet", "adaptive grids wait for them; others need none"
        )
    return good(f"the newest minute opened at {bars[-1].opened_at:%H:%M} UTC")


async def ledger(patient: Patient) -> Found:
    """Open the ledger that fills are recorded in."""
    require_current(patient.ledger_url)
    async with Ledger.open(patient.ledger_url) as opened:
        return good(f"{place(patient.ledger_url)}, {len(await opened.runs())} runs")


def _only_perpetual(patient: Patient) -> None:
    if patient.kind is MarketKind.SPOT:
        raise SkippedError("spot has none")

"""Runs as the ledger knows them: what lists, PnL and status without a worker are read from."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from activities.pair_messages import pair_of
from activities.store.ledger import Ledger
from activities.store.records import Run, RunStatus
from domain.accounting import RunAccount, VenueView, residual
from domain.errors import VenueError
from domain.money import EXACT, ZERO, Price, add, add_known
from domain.orders import Fill
from domain.ports import Venue
from workers.cli import reach
from workers.cli.failures import UnreachableError
from workers.cli.pair_book import is_leg, slippage_of
from workers.settings import Settings

#: Asks a venue for what is there now, without the orders and fills that led there.
_NO_HISTORY: Final = datetime(9000, 1, 1, tzinfo=UTC)
#: A fill may be at the venue and not yet in the ledger; a moment later it is.
_LOOKS: Final = 8
_BETWEEN: Final = 0.25


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in a list."""

    name: str
    status: str
    symbol: str
    account: str
    direction: str
    started_at: datetime
    ended_at: datetime | None
    cycles: int
    fills: int
    grid_profit: Decimal
    fees: Decimal


@dataclass(frozen=True, slots=True)
class FillLine:
    """One execution in the venue's units; the fee is in `fee_asset`."""

    at: datetime
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool


@dataclass(frozen=True, slots=True)
class RunMoney:
    """What one run earned, in quote. What depends on a price nobody could tell is None."""

    name: str
    status: str
    symbol: str
    quote: str
    grid_profit: Decimal
    floating: Decimal | None
    fees: Decimal
    funding: Decimal
    transfers: Decimal | None
    total: Decimal | None
    position: Decimal
    volume: Decimal
    cycles: int
    fills: int
    price: Decimal | None
    #: The pair that it is a leg of; empty: a run of its own.
    pair: str = ""
    #: What a leg's orders cost more than at the prices they were decided at, before fees; None: a
    #: run of its own, or one of those prices is not known.
    slippage: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PairMoney:
    """What both legs of a pair earned together, in quote.

    `basis` is what their prices did to each other; None while a price nobody could tell is needed.
    `slippage` is what their orders cost more than at the prices they were decided at; None where
    one of those is not known, and then it is within the basis. The total is funding + basis -
    slippage - fees.
    """

    name: str
    quote: str
    funding: Decimal
    basis: Decimal | None
    slippage: Decimal | None
    fees: Decimal
    total: Decimal | None


@dataclass(frozen=True, slots=True)
class AccountMoney:
    """What an account's venue has that its runs do not explain; None if it could not be asked."""

    account: str
    symbol: str
    residual: Decimal | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Money:
    """The answer of `opensqt pnl`. The legs of pairs are among the runs."""

    runs: tuple[RunMoney, ...]
    accounts: tuple[AccountMoney, ...]
    pairs: tuple[PairMoney, ...] = ()


async def lines(ledger: Ledger, *, ended: bool) -> list[RunLine]:
    """Return the runs, oldest first, without legs of pairs; those that ended only if asked."""
    statuses = () if ended else (RunStatus.RUNNING, RunStatus.PAUSED)
    return [
        line_of(run, await ledger.account_of_run(run.run_id))
        for run in await ledger.runs(statuses=statuses)
        if not is_leg(run)
    ]


def line_of(run: Run, account: RunAccount) -> RunLine:
    """Return *run* as one line of a list."""
    return RunLine(
        run.run_id,
        run.status.value,
        run.symbol,
        run.account,
        str(run.spec.get("direction", "")),
        run.opened_at,
        run.closed_at,
        account.cycles,
        account.fills,
        account.grid_profit,
        account.fees,
    )


def fill_line(run: Run, fill: Fill) -> FillLine:
    """Return *fill* in the venue's units."""
    return FillLine(
        fill.at,
        fill.side.value,
        run.instrument.price_of(fill.price),
        run.instrument.base_of(fill.quantity),
        fill.fee,
        fill.fee_asset,
        fill.maker,
    )


async def money(settings: Settings, ledger: Ledger, chosen: Sequence[Run]) -> Money:
    """Return what *chosen* runs earned, and the residual of each market they trade on."""
    everyone = await ledger.runs()
    markets = sorted({(run.account, run.symbol) for run in chosen})
    found: list[RunMoney] = []
    accounts: list[AccountMoney] = []
    for account, symbol in markets:
        peers = [run for run in everyone if (run.account, run.symbol) == (account, symbol)]
        seen, alone = await _market(settings, ledger, peers, everyone)
        accounts.append(alone)
        ours = [run for run in chosen if (run.account, run.symbol) == (account, symbol)]
        found += [await _money_of(ledger, run, seen) for run in ours]
    return Money(tuple(found), tuple(accounts), _pairs(found))


async def _market(
    settings: Settings, ledger: Ledger, peers: Sequence[Run], everyone: Sequence[Run]
) -> tuple[Price | None, AccountMoney]:
    """Return the price of a market now, and what of its money the runs on it do not explain."""
    account, symbol = peers[0].account, peers[0].symbol
    others = {r.symbol for r in everyone if r.account == account and _shares(r, peers[0])} - {
        symbol
    }
    try:
        async with reach.venue(settings, account) as venue:
            price = (await venue.last_price(symbol)).price
            if others:
                note = f"shares its quote with {', '.join(sorted(others))}: not told apart"
                return price, AccountMoney(account, symbol, None, note)
            if peers[0].opening is None:
                note = "what the account held at the start is not recorded"
                return price, AccountMoney(account, symbol, None, note)
            return price, await _residual(ledger, peers, price, venue, peers[0].opening)
    except (UnreachableError, VenueError) as error:
        return None, AccountMoney(account, symbol, None, str(error))


def _shares(run: Run, other: Run) -> bool:
    return run.instrument.quote == other.instrument.quote


async def _residual(
    ledger: Ledger, peers: Sequence[Run], mark: Price, venue: Venue, opening: VenueView
) -> AccountMoney:
    account, symbol, instrument = peers[0].account, peers[0].symbol, peers[0].instrument
    left = ZERO
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(_BETWEEN)
        view = await venue.account_view(symbol, _NO_HISTORY)
        accounts = [await ledger.account_of_run(run.run_id) for run in peers]
        now = VenueView.of(instrument, view.balances, view.positions)
        left = residual(accounts, opening, now, mark)
        if left == 0:
            return AccountMoney(account, symbol, left)
    note = "not zero in any of several looks: an order of somebody else, or a fill not yet recorded"
    return AccountMoney(account, symbol, left, note)


async def _money_of(ledger: Ledger, run: Run, mark: Price | None) -> RunMoney:
    account = await ledger.account_of_run(run.run_id)
    held = account.base != 0
    floating = account.floating(mark) if mark else (None if held else ZERO)
    moved = account.transferred(mark) if mark else (None if account.transfers else ZERO)
    total = None
    if floating is not None and moved is not None:
        gained = add(account.grid_profit, floating, account.funding)
        total = EXACT.subtract(gained, add(account.fees, moved))
    return RunMoney(
        run.run_id,
        run.status.value,
        run.symbol,
        run.instrument.quote,
        account.grid_profit,
        floating,
        account.fees,
        account.funding,
        moved,
        total,
        account.base,
        account.volume,
        account.cycles,
        account.fills,
        run.instrument.price_of(mark) if mark else None,
        pair_of(run.run_id) if is_leg(run) else "",
        await slippage_of(ledger, run) if is_leg(run) else None,
    )


def _pairs(found: Sequence[RunMoney]) -> tuple[PairMoney, ...]:
    """Return what pairs earned, of what their legs did."""
    legs: dict[str, list[RunMoney]] = {}
    for run in found:
        if run.pair:
            legs.setdefault(run.pair, []).append(run)
    return tuple(_pair(name, legs[name]) for name in sorted(legs))


def _pair(name: str, legs: Sequence[RunMoney]) -> PairMoney:
    moved = add_known(*(part for leg in legs for part in (leg.grid_profit, leg.floating)))
    slipped = add_known(*(leg.slippage for leg in legs))
    return PairMoney(
        name,
        legs[0].quote,
        add(*(leg.funding for leg in legs)),
        moved if moved is None or slipped is None else add(moved, slipped),
        slipped,
        add(*(leg.fees for leg in legs)),
        add_known(*(leg.total for leg in legs)),
    )

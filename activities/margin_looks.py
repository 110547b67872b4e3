"""Looking at an account for a portfolio: what it is worth, and how much margin it needs.

    equity       the quote it has + what its positions have gained; spot that is held is no margin
    worth        equity + spot that our runs hold, at its last price
    maintenance  (1 - health) * equity where the venue tells the health, else reckoned by the rate
    notional     what its perpetuals are worth, whoever of ours trades them

Positions are those on the symbols of our open runs.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from temporalio import activity

from activities.clock import utc_now
from activities.executing import as_failures, beating
from activities.portfolio_messages import AccountLookInput
from activities.store.ledger import Ledger
from activities.store.records import OPEN, Run
from domain.accounting import VenueView
from domain.arbitrage.margin import MarginAccount
from domain.arbitrage.portfolio_state import AccountLook
from domain.conditions import HealthVenue
from domain.money import EXACT, ZERO, MarketKind, add
from domain.ports import Venue


class MarginDesk:
    """Looks at one account."""

    def __init__(
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._clock = clock

    async def look(self, asked: AccountLookInput) -> AccountLook:
        """Return the account as it is now. Raises a VenueError or a StoreError."""
        at = self._clock()
        runs = await self._runs(asked.quote)
        balances = await self._venue.balances()
        cash = add(*(each.total for each in balances if each.asset == asked.quote))
        gained = spot = notional = ZERO
        prices: dict[str, Decimal] = {}
        for run in runs:
            view, price = await self._held(run)
            worth = EXACT.multiply(view.base, price)
            if run.instrument.kind is MarketKind.SPOT:
                spot = add(spot, worth)
                continue
            gained = add(gained, EXACT.subtract(worth, view.cost))
            notional = add(notional, EXACT.abs(worth))
            prices[run.symbol] = price
        equity = add(cash, gained)
        health = await self._health()
        needed = EXACT.multiply(notional, asked.maintenance_rate)
        if health is not None:
            needed = EXACT.multiply(EXACT.subtract(Decimal(1), health), max(equity, ZERO))
        margin = MarginAccount(equity, needed, at)
        return AccountLook(self._account, margin, add(equity, spot), health, notional, prices)

    async def _runs(self, quote: str) -> Sequence[Run]:
        """Return a run of each symbol that is in the books."""
        runs = await self._ledger.runs(self._account, OPEN)
        alike = {run.symbol: run for run in runs if run.instrument.quote == quote}
        return list(alike.values())

    async def _held(self, run: Run) -> tuple[VenueView, Decimal]:
        """Return what the account has of a run's symbol, and its price; of spot, what runs hold."""
        instrument, symbol = run.instrument, run.symbol
        price = instrument.price_of((await self._venue.last_price(symbol)).price)
        if instrument.kind is MarketKind.PERPETUAL:
            positions = await self._venue.positions(symbol)
            return VenueView.of(instrument, (), positions), price
        runs = await self._ledger.runs(self._account, OPEN)
        ours = [each.run_id for each in runs if each.symbol == symbol]
        bases = [(await self._ledger.account_of_run(run_id)).base for run_id in ours]
        return VenueView(ZERO, add(*bases)), price

    async def _health(self) -> Decimal | None:
        return await self._venue.health() if isinstance(self._venue, HealthVenue) else None


class MarginActivities:
    """What portfolios may ask of one account."""

    def __init__(self, desk: MarginDesk) -> None:
        self._desk = desk

    @activity.defn(name="look_at_account")
    async def look(self, asked: AccountLookInput) -> AccountLook:
        """Return the account as it is now."""
        async with as_failures(for_good=False):
            return await beating(self._desk.look(asked))

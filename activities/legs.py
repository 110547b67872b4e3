"""The leg desk: what a pair asks of one account, for both runners.

A leg is a run of its own in the ledger: its orders carry its tag, its fills, fees and funding are
its books, its breaker and its reservation are like those of a grid. What the venue answers, or does
not, becomes an event: a pair is asked for its next step either way, or a venue that is down would
keep the other leg from being undone.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from activities.account import AccountDesk, untold, used_before
from activities.clock import utc_now
from activities.leg_facts import LegFacts
from activities.messages import Books
from activities.orders import OrderDesk
from activities.pair_messages import (
    PAIR_LEG,
    LegBooks,
    LegKey,
    LegLookInput,
    LegOpened,
    LegTurnInput,
    OpenLegInput,
    PairToldInput,
)
from activities.preflight import Planned
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import AuditEntry, Run
from domain.accounting import RunAccount, VenueView
from domain.arbitrage.events import (
    ArbEvent,
    BooksTold,
    FundingPaid,
    HealthTold,
    PositionTold,
)
from domain.arbitrage.pair_events import LegHalted, LegTold, OrderAction, PairEvent
from domain.arbitrage.state import require_lender
from domain.conditions import HealthVenue
from domain.errors import InvalidValueError, StoreError, VenueError
from domain.grid.events import (
    Cancel,
    LookUp,
    OutcomeUnknown,
    Place,
    Refused,
    Reported,
)
from domain.money import EXACT, ZERO, Instrument, Price, add
from domain.orders import Refusal, RefusalReason, Side
from domain.ports import Venue
from domain.risk.limits import Asker, worst

_log: Final = logging.getLogger(__name__)
_LOGGED_EVERY: Final = timedelta(minutes=10)


class LegDesk:
    """The legs of pairs that are held on one account."""

    def __init__(  # noqa: PLR0917 - all that it works with
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        orders: OrderDesk,
        books: AccountDesk,
        risk: RiskDesk,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._orders = orders
        self._books = books
        self._risk = risk
        self._clock = clock
        self._instruments: dict[str, Instrument] = {}
        #: When the log had what a venue does not tell.
        self._logged: dict[str, datetime] = {}
        self._facts = LegFacts(account, venue, clock)

    # --- begin and end -----------------------------------------------------------------------

    async def open(self, asked: OpenLegInput) -> LegOpened:
        """Open the books of a leg; safe to repeat, the first time counts.

        Raises InvalidValueError if the venue does not know the symbol or cannot tell what a pair
        needs, spot would have to be borrowed, the name was used before, or there is no room within
        the limits; PreflightError if what the leg needs is not in order.
        """
        leg = asked.leg
        known = await self._ledger.run(leg.run_id)
        if known is not None and known.tag == leg.tag and known.closed_at is None:
            return LegOpened(known.instrument, known.venue)
        if known is not None:
            raise used_before(leg.pair, known)
        instrument = await self._venue.instrument(leg.symbol)
        self._facts.require_word_of(instrument)
        require_lender(asked.spec, instrument)
        accounts = [each.account for each in asked.spec.legs]
        planned = self._planned(asked, instrument)
        found = await self._books.look_before(planned, asked.accepted, accounts)
        if asked.dry:
            return LegOpened(instrument, self._venue.name)
        opening = VenueView.of(instrument, found.seen.balances, found.seen.positions)
        worst_case = worst(
            Asker(leg.run_id, leg.account, leg.symbol, instrument.quote, found.leverage),
            [(Side.BUY, asked.spec.amount)],
            held=ZERO,
            exits=1,
        )
        full = await self._risk.admit(worst_case)
        if full is not None:
            raise InvalidValueError(full)
        await self._ledger.open_run(
            Run(
                leg.run_id,
                leg.tag,
                PAIR_LEG,
                leg.account,
                self._venue.name,
                leg.symbol,
                asked.spec.model_dump(mode="json"),
                instrument,
                self._clock(),
                opening,
            )
        )
        await self._books.note_overrides(leg.run_id, found, asked.accepted)
        return LegOpened(instrument, self._venue.name)

    def _planned(self, asked: OpenLegInput, instrument: Instrument) -> Planned:
        """Return what the preflight is of: the amount in quote; a spot leg may have to be sold."""
        needs = {instrument.quote: asked.spec.amount}
        return Planned(asked.leg.run_id, instrument, lambda _: needs)

    async def close(self, leg: LegKey) -> LegBooks | None:
        """Close the books of a leg, checked one last time; None if they were never opened.

        Safe to repeat. Raises a VenueError or a StoreError; it is to be repeated then.
        """
        books = await self._books.finish(leg.run_id, leg.symbol)
        return await self._of(leg, books)

    async def _of(self, leg: LegKey, books: Books | None) -> LegBooks | None:
        if await self._ledger.run(leg.run_id) is None:
            return None
        account = await self._ledger.account_of_run(leg.run_id)
        residual = books.residual if books else None
        return LegBooks(account.base, _cash(account), account.fees, account.funding, residual)

    async def instrument(self, leg: LegKey) -> Instrument:
        """Return the instrument of a leg as it was at its start."""
        known = self._instruments.get(leg.tag)
        if known is None:
            known = await self._books.instrument(leg.run_id, leg.symbol)
            self._instruments[leg.tag] = known
        return known

    # --- while a pair is watched -------------------------------------------------------------

    async def look(self, asked: LegLookInput) -> list[ArbEvent]:
        """Return what is known of a leg now. What the venue does not tell is left out.

        Raises a StoreError if the ledger cannot be asked.
        """
        leg, at = asked.leg, self._clock()
        events: list[ArbEvent] = [await self._standing(leg, at)]
        instrument = await self.instrument(leg)
        async with self._left_out(leg):
            events += await self._books_of(asked, at)
        async with self._left_out(leg):
            events += await self._health(leg, at)
        async with self._left_out(leg):
            events.append(await self._facts.funding(leg.number, instrument, at))
        async with self._left_out(leg):
            events.append(await self._facts.quote(leg.number, leg.symbol))
        return events

    async def _standing(self, leg: LegKey, at: datetime) -> LegHalted:
        """Return whether risk lets a pair open anything; what is not known halts (decision D9)."""
        try:
            stands = (await self._risk.standings(leg.account, [leg.run_id]))[leg.run_id]
        except StoreError as error:
            return LegHalted(leg.number, True, at, f"the state of risk is not known: {error}")  # noqa: FBT003
        return LegHalted(leg.number, stands.halted, at, stands.why)

    async def _books_of(self, asked: LegLookInput, at: datetime) -> Sequence[ArbEvent]:
        """Take in what the venue tells; what rests and nobody waits for is canceled."""
        leg = asked.leg
        seen = await self._books.resync(leg.run_id, leg.symbol, leg.tag)
        working = [order for order in seen.orders if order.status.working]
        if working and asked.trade is None:
            strays = [Cancel(leg.symbol, each.client_id, each.order_id) for each in working]
            _log.warning("%s: %d orders rest and no trade is in flight", leg.run_id, len(strays))
            await self._orders.submit(await self.instrument(leg), strays)
        account = await self._ledger.account_of_run(leg.run_id)
        events: list[ArbEvent] = [FundingPaid(leg.number, account.funding, at)]
        if not working and await self._is_complete(leg):
            events.append(BooksTold(leg.number, account.base, _cash(account), at))
        return events

    async def _is_complete(self, leg: LegKey) -> bool:
        """Return whether all orders are over and all their fills recorded."""
        orders = await self._ledger.orders_of_run(leg.run_id)
        if not all(order.settled for order in orders):
            return False
        fills = await self._ledger.fills_of_run(leg.run_id)
        return not any(untold(orders, fills).values())

    async def _health(self, leg: LegKey, at: datetime) -> Sequence[ArbEvent]:
        events: list[ArbEvent] = [
            PositionTold(leg.number, position, at)
            for position in await self._venue.positions(leg.symbol)
            if position.symbol == leg.symbol
        ]
        if isinstance(self._venue, HealthVenue):
            health = await self._venue.health()
            if health is not None:
                events.append(HealthTold(leg.number, health, at))
        return events

    # --- while a trade is in flight ----------------------------------------------------------

    async def turn(self, asked: LegTurnInput) -> list[PairEvent]:
        """Carry out what a trade wants of a leg, and return what came of it, and its prices.

        Safe to repeat: orders have their ids by now, and are looked up before they are sent again.
        """
        leg = asked.leg
        actions = asked.actions or _look_at(leg, asked.live)
        events: list[PairEvent] = [LegTold(leg.number, e) for e in await self._do(leg, actions)]
        events.append(await self._standing(leg, self._clock()))
        async with self._left_out(leg):
            events.append(await self._facts.quote(leg.number, leg.symbol))
        return events

    async def _do(
        self, leg: LegKey, actions: Sequence[OrderAction]
    ) -> list[Reported | Refused | OutcomeUnknown]:
        if not actions:
            return []
        try:
            done = await self._orders.submit(await self.instrument(leg), actions)
        except (VenueError, StoreError) as error:  # nothing was placed
            _log.warning("%s: %s", leg.run_id, error)
            return [
                Refused(Refusal(each.request.client_id, RefusalReason.OTHER, str(error)))
                for each in actions
                if isinstance(each, Place)
            ]
        return [each for each in done if isinstance(each, Reported | Refused | OutcomeUnknown)]

    @asynccontextmanager
    async def _left_out(self, leg: LegKey) -> AsyncIterator[None]:
        """Go on without what a venue does not tell: it is not known then, and never nothing.

        A look every few seconds hears the same for hours; the log has it every now and then.
        """
        try:
            yield
        except (VenueError, InvalidValueError) as error:
            told, now = f"{leg.run_id}: {error}", self._clock()
            logged = {each: at for each, at in self._logged.items() if now - at < _LOGGED_EVERY}
            if told not in logged:
                _log.warning(told)
            self._logged = {told: now} | logged

    # --- what people hear --------------------------------------------------------------------

    async def tell(self, asked: PairToldInput) -> None:
        """Tell people, and put what the pair did into the audit log. Raises a StoreError."""
        await self._risk.alerts.of_engine(asked.leg.pair, asked.alerts)
        if asked.did:
            entry = AuditEntry(
                self._clock(),
                asked.who or "engine",
                "run",
                asked.did,
                asked.leg.pair,
                None,
                asked.after,
                asked.why,
            )
            await self._ledger.audit(entry)


def _look_at(leg: LegKey, live: str | None) -> Sequence[OrderAction]:
    return () if live is None else (LookUp(leg.symbol, live),)


def _cash(account: RunAccount) -> Decimal:
    """Return the signed quote that the trades brought, before fees.

    What was realized and what is open at any price, less what is held at that price: it is the same
    at each, so one tick will do.
    """
    tick = Price(1)
    worth = EXACT.multiply(account.base, account.instrument.price_of(tick))
    return EXACT.subtract(add(account.grid_profit, account.floating(tick)), worth)

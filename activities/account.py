"""The account desk: what a run needs of its account besides orders.

It opens and closes the books of a run, back-fills the ledger from the venue, and checks that the
money adds up.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter

from activities.clock import utc_now
from activities.dead_man import check_switch
from activities.looks import OVERLAP, Look, SharedLooks
from activities.messages import Accepted, Books, ClearInput, Prepared, RenewInput, RestoreInput
from activities.noticing import Notices
from activities.pair_messages import PAIR_LEG
from activities.preflight import Planned, Preflight, Report, planned_grid
from activities.reconciling import RECONCILER, Reconciler
from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from activities.store.records import AuditEntry, EquityRecord, Run, RunStatus, StoredOrder
from activities.store.records import Watch as StoredWatch
from activities.strangers import Strangers
from domain.accounting import VenueView, residual
from domain.errors import InvalidValueError, StoreUnavailableError
from domain.grid.config import GridConfig, bind, check_profit
from domain.grid.events import BookAction, GridEvent, Resynced
from domain.grid.preview import worst_case
from domain.grid.spec import GridSpec
from domain.grid.watch import Watch
from domain.money import EXACT, Instrument, Price
from domain.order_ids import decode
from domain.orders import Fill
from domain.ports import Venue
from domain.risk.limits import reserve
from domain.risk.preflight import overridden, refuse_unknown_names
from domain.risk.scope import Scope, ScopeKind

#: A ledger that was lost gets back what the venue tells of so long.
LOOK_BACK: Final = timedelta(days=7)
_NOTHING: Final = Accepted()
_WATCH: Final = TypeAdapter(Watch)


class AccountDesk:
    """The books of one account: start, resync, end."""

    def __init__(
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        clock: Callable[[], datetime] = utc_now,
        risk: RiskDesk | None = None,
        *,
        exclusive: bool = False,
    ) -> None:
        """On an *exclusive* account orders that no run has sent are canceled."""
        self._account = account
        self._risk = risk or RiskDesk(ledger, clock=clock)
        self._reconciler = Reconciler(account, ledger, self._risk, clock)
        self._strangers = Strangers(account, venue, ledger, clock, exclusive=exclusive)
        self._notices = Notices(account, self._risk, clock)
        self._venue = venue
        self._ledger = ledger
        self._clock = clock
        self._looks = SharedLooks(self._look)
        self._preflight = Preflight(account, venue, ledger, self._risk.spec.preflight, clock)

    async def prepare(
        self,
        run_id: str,
        tag: str,
        spec: GridSpec,
        kind: str = "grid",
        accepted: Accepted = _NOTHING,
    ) -> Prepared:
        """Open the books of a run; safe to repeat, the first time counts.

        Raises InvalidValueError if the venue does not know the symbol, the spec does not fit the
        instrument or does not earn its fees, the venue has no dead-man's switch and the spec asks
        for one, the name was used before, or there is no room for the run within the limits;
        PreflightError if what the run needs is not in order.
        """
        instrument = await self._venue.instrument(spec.symbol)
        price = (await self._venue.last_price(spec.symbol)).price
        known = await self._ledger.run(run_id)
        if known is not None and known.tag == tag:
            return Prepared(known.instrument, price, known.venue)
        if known is not None:
            raise used_before(run_id, known)
        check_switch(spec, self._venue)
        config = bind(spec, instrument)
        check_profit(config, price)
        found = await self.preflight(run_id, config, accepted=accepted)
        opening = VenueView.of(instrument, found.seen.balances, found.seen.positions)
        run = Run(
            run_id,
            tag,
            kind,
            self._account,
            self._venue.name,
            spec.symbol,
            spec.model_dump(mode="json"),
            instrument,
            self._clock(),
            opening,
        )
        worst = worst_case(config, price)
        asked = reserve(run_id, self._account, worst, leverage=found.leverage)
        full = await self._risk.admit(asked)
        if full is not None:
            raise InvalidValueError(full)
        await self._reconciler.opened(run, found.seen, found.since)
        await self._ledger.open_run(run)
        await self.note_overrides(run_id, found, accepted)
        return Prepared(instrument, price, self._venue.name)

    async def clear(self, asked: ClearInput) -> None:
        """Return if a run of ours may open anything again, for instance after a pause.

        What it holds, and what rests of it, is its own. Raises PreflightError if what it needs is
        not in order, and a VenueError if that cannot be found out now; nothing was changed then.
        """
        run = await self._ledger.run(asked.run_id)
        instrument = run.instrument if run else await self._venue.instrument(asked.spec.symbol)
        config = bind(asked.spec, instrument)
        found = await self.preflight(asked.run_id, config, asked.needs, asked.accepted)
        await self.note_overrides(asked.run_id, found, asked.accepted)

    async def renew(self, asked: RenewInput) -> None:
        """Reserve what a run may need with other settings, and what it has at risk already.

        Raises InvalidValueError if there is no room for that; what it had reserved stands then.
        """
        run = await self._ledger.run(asked.run_id)
        if run is None:
            raise InvalidValueError(
                f"run {asked.run_id} is not in the ledger, so it reserves nothing"
            )
        price = asked.price or (await self._venue.last_price(run.symbol)).price
        planned = worst_case(bind(asked.spec, run.instrument), price)
        had = await self._risk.reserved(asked.run_id)
        held = run.instrument.notional_of(price.ticks * asked.lots)
        leverage = had.leverage if had else Decimal(1)
        wanted = reserve(
            run.run_id, self._account, planned, held=held, exits=asked.exits, leverage=leverage
        )
        full = await self._risk.admit(wanted.covering(await self._risk.now(run)))
        if full is not None:
            raise InvalidValueError(full)

    async def preflight(
        self,
        run_id: str,
        config: GridConfig,
        needs: Mapping[str, Decimal] | None = None,
        accepted: Accepted = _NOTHING,
    ) -> Report:
        """Return the report of a preflight that passed; raises as `clear`."""
        return await self.look_before(planned_grid(run_id, config, needs), accepted)

    async def look_before(
        self, planned: Planned, accepted: Accepted, accounts: Sequence[str] = ()
    ) -> Report:
        """Return the report of a preflight that passed, of what is *planned* for *accounts*."""
        refuse_unknown_names(accepted.names, accounts or [self._account])
        found = await self._preflight.report(planned)
        found.require(accepted.names)
        return found

    async def note_overrides(self, run_id: str, found: Report, accepted: Accepted) -> None:
        """Put into the audit log what a person has taken as it was found."""
        for check in overridden(found.checks, accepted.names):
            entry = AuditEntry(
                self._clock(),
                accepted.by or "unknown",
                "preflight",
                f"accept {check.name}",
                run_id,
                {"found": check.found, "wanted": check.wanted},
                None,
                accepted.why,
            )
            await self._ledger.audit(entry)

    async def instrument(self, run_id: str, symbol: str) -> Instrument:
        """Return the instrument of a run, as it was at its start; else as the venue tells it now.

        Raises a VenueError if neither the ledger nor the venue can be asked.
        """
        try:
            run = await self._ledger.run(run_id)
        except StoreUnavailableError:
            run = None  # exits leave without a ledger too
        return run.instrument if run else await self._venue.instrument(symbol)

    async def held(self, run_id: str, symbol: str) -> tuple[int, Price]:
        """Return the signed lots that a run holds by its fills, all of them, and the last price.

        A venue's list of fills may lag behind what it says of an order: both are counted, none
        twice. Raises a VenueError or a StoreError; then nothing is known.
        """
        look = await self._looks.at(symbol)
        account = await self._ledger.account_of_run(run_id)
        orders = await self._ledger.orders_of_run(run_id)
        missing = untold(orders, await self._ledger.fills_of_run(run_id))
        lots = EXACT.divide(account.base, account.instrument.lot_size)
        return int(lots) + missing.total(), look.mark  # less than a lot cannot be sold

    async def resync(self, run_id: str, symbol: str, tag: str) -> Resynced:
        """Ask the venue for everything since the watermark and put it into the ledger.

        Returns the orders that carry *tag*. Runs that ask at the same time share one answer. Raises
        a VenueError or a StoreError; then nothing is known, and nothing was moved.
        """
        look = await self._looks.at(symbol)
        run = await self._ledger.run(run_id)
        shown = await self._reconciler.shown(run, look) if run else None
        await self._check_books(run_id, look, noticed=True)
        orders = tuple(r for r in look.view.orders if _carries(r.client_id, tag))
        # Venues tell the time of the last trade before the look: a fill may be later.
        at = max((look.view.at, *(fill.at for fill in look.view.fills)))
        return Resynced(orders, at, shown, look.mark, recorded=run is not None)

    async def settle(
        self, run_id: str, symbol: str, actions: Sequence[BookAction]
    ) -> list[GridEvent]:
        """Carry out what came of a comparison of positions; see `Reconciler.settle`."""
        return await self._reconciler.settle(run_id, symbol, actions)

    async def _look(self, symbol: str) -> Look:
        mark = await self._ledger.watermark(self._account, symbol)
        price = await self._venue.last_price(symbol)
        look = await self._look_since(symbol, (mark or price.at) - OVERLAP, price.price)
        await self._strangers.look(look.view.orders)
        return look

    async def _look_since(self, symbol: str, since: datetime, mark: Price) -> Look:
        view = await self._venue.account_view(symbol, since)
        await self._ledger.record_view(self._account, symbol, view)
        return Look(view, mark, since)

    async def restore(self, asked: RestoreInput) -> None:
        """Tell a ledger that was lost of a run that lives, and of what the venue still tells.

        What halted the run before went with the ledger: its breaker opens, until a person resets
        it. What the account held at the run's start is gone for good, and so is what the run's
        money is compared with. Safe to repeat.
        """
        price = await self._venue.last_price(asked.symbol)
        why = "the ledger did not know the run: whatever halted it before is not known"
        scope = Scope(ScopeKind.RUN, asked.run_id)
        await self._risk.trip(scope, RECONCILER, why)
        planned = worst_case(bind(asked.spec, asked.instrument), price.price)
        await self._risk.admit(reserve(asked.run_id, self._account, planned))  # halted either way
        run = Run(
            asked.run_id,
            asked.tag,
            asked.kind,
            self._account,
            self._venue.name,
            asked.symbol,
            asked.spec.model_dump(mode="json"),
            asked.instrument,
            self._clock(),
        )
        await self._ledger.open_run(run)
        await self._look_since(asked.symbol, price.at - LOOK_BACK, price.price)
        entry = AuditEntry(
            self._clock(), RECONCILER, "reconcile", "restore", asked.run_id, None, None, why
        )
        await self._ledger.audit(entry)

    async def watch(self, run_id: str, workflow_id: str, tag: str, watch: Watch) -> None:
        """Let the account's feed watch for a run, from the next look of the feed on."""
        what: dict[str, Any] = {"tag": tag, "watch": _WATCH.dump_python(watch, mode="json")}
        stored = StoredWatch(run_id, self._account, watch.symbol, workflow_id, what)
        await self._ledger.watch(stored)

    async def finish(self, run_id: str, symbol: str) -> Books | None:
        """Close the books of a run, checked one last time. Safe to repeat."""
        run = await self._ledger.run(run_id)
        if run is None:
            await self._risk.release(run_id)
            return None
        mark = await self._ledger.watermark(self._account, symbol) or run.opened_at
        view = await self._venue.account_view(symbol, mark - OVERLAP)
        await self._ledger.record_fills(self._account, view.fills)
        await self._ledger.record_funding(self._account, view.funding)
        price = await self._venue.last_price(symbol)
        books = await self._check_books(run_id, Look(view, price.price, mark - OVERLAP))
        await self._ledger.close_run(run_id, self._clock(), RunStatus.STOPPED)
        await self._notices.ended(run)
        return books

    async def note(
        self, run_id: str, command: str, who: str, why: str, after: Mapping[str, Any] | None
    ) -> None:
        """Put a command into the audit log, and its effect on the run's record."""
        entry = AuditEntry(
            self._clock(), who or "unknown", "run", command, run_id, None, after, why
        )
        await self._ledger.audit(entry)
        if command in ("pause", "resume"):
            status = RunStatus.PAUSED if command == "pause" else RunStatus.RUNNING
            await self._ledger.set_run_status(run_id, status)
        if command == "reconfigure" and after is not None:
            await self._ledger.set_run_spec(run_id, after)

    async def _check_books(self, run_id: str, look: Look, *, noticed: bool = False) -> Books | None:
        """Compare the ledger with what the venue says, and keep the result.

        Breakers hear of it if it is to be *noticed*: what a run sells at its end is no trade.
        """
        run = await self._ledger.run(run_id)
        if run is None or run.opening is None:
            return None
        account, mark = await self._ledger.account_of_run(run_id), look.mark
        now = VenueView.of(run.instrument, look.view.balances, look.view.positions)
        # While others move the account's money too, only the sum of all runs is comparable.
        alone = await self._ledger.alone(run)
        left = residual([account], run.opening, now, mark) if alone else None
        books = Books(
            account.grid_profit,
            account.floating(mark),
            account.funding,
            account.fees,
            account.transferred(mark),
            left,
        )
        await self._ledger.record_equity(
            EquityRecord(
                run_id,
                look.view.at,
                mark,
                books.grid_profit,
                books.floating,
                books.funding,
                books.fees,
                books.transfers,
                now.equity(run.instrument, mark),
                books.residual,
            )
        )
        if noticed and run.kind != PAIR_LEG:  # what one leg loses the other one earns
            await self._notices.books(run, account, mark)
        return books


def used_before(name: str, run: Run) -> InvalidValueError:
    """Return the error of a name that an earlier *run* has used up."""
    return InvalidValueError(
        f"the name {name!r} was used by a run that began {run.opened_at:%F %T} UTC; "
        "choose another name"
    )


def untold(orders: Iterable[StoredOrder], fills: Iterable[Fill]) -> Counter[str]:
    """Return, by order, the signed lots that no fill tells of: a venue's list of fills may lag."""
    lots = Counter[str]()
    for order in orders:
        lots[order.client_id] += order.side.sign * order.filled.lots
    for fill in fills:
        lots[fill.client_id] -= fill.side.sign * fill.quantity.lots
    return lots


def _carries(client_id: str, tag: str) -> bool:
    if tag not in client_id:  # nearly all of an account with many runs
        return False
    key = decode(client_id)
    return key is not None and key.run_tag == tag

"""The ledger as the program uses it: a call is one transaction, committed when it returns.

SQLite is called on the event loop itself: a local commit costs less than an asynchronous driver's
hops between threads. PostgreSQL is called in a thread. Every call may raise StoreUnavailableError
(worth a retry) or SchemaOutdatedError; a call that raised changed nothing, or may be repeated
without harm.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection, Engine

from activities.store import alerts, cash, corrections, markers, orders, risk, runs, shares
from activities.store.at_risk import AtRisk, at_risk
from activities.store.database import open_engine, place, read_only, store_errors
from activities.store.instruments import Instruments
from activities.store.migrations import require_current
from activities.store.recorded import Recorded
from activities.store.records import (
    AuditEntry,
    EquityRecord,
    Marked,
    NewAlert,
    RiskEvent,
    Run,
    RunStatus,
    StoredAlert,
    StoredOrder,
    Watch,
)
from activities.store.transactions import Transactions
from domain.accounting import RunAccount, Transfer
from domain.correction import Correction
from domain.errors import InvalidValueError
from domain.market import AccountView, Balance, FundingPayment
from domain.money import Instrument
from domain.orders import Fill, OrderReport, OrderRequest, Refusal

_T = TypeVar("_T")
#: As near as two moments can be.
_INSTANT: Final = timedelta(microseconds=1)


class Ledger:
    """Runs, orders, fills and money of all accounts, in one database."""

    def __init__(self, engine: Engine, where: str, relaxed: Engine | None = None) -> None:
        """Write through *engine*, and what a venue can tell again through *relaxed*, if given."""
        self._where = where
        self._inline = engine.dialect.name == "sqlite"
        self._engines = (engine, relaxed or engine)
        self._writer, self._relaxed = (Transactions(e, keep=self._inline) for e in self._engines)
        self._reader = Transactions(read_only(engine), keep=self._inline)
        self._instruments = Instruments()
        #: Only a file of our own is trusted to keep what was written: a PostgreSQL server may come
        #: back from a failover with less.
        self._recorded = Recorded() if self._inline else None

    @classmethod
    def open(
        cls,
        url: str,
        *,
        synchronous: str = "FULL",
        busy_timeout: timedelta = timedelta(seconds=5),
    ) -> Self:
        """Return the ledger at *url*, at the revision of this program.

        Raises StoreUnavailableError, SchemaOutdatedError, or InvalidValueError for a bad *url*.
        `synchronous` is SQLite's: FULL survives power loss, NORMAL any kill of the process.
        """
        require_current(url)
        engine = open_engine(url, synchronous=synchronous, busy_timeout=busy_timeout)
        relaxed = None
        if engine.dialect.name == "sqlite":
            relaxed = open_engine(url, synchronous="NORMAL", busy_timeout=busy_timeout)
        return cls(engine, place(url), relaxed)

    def close(self) -> None:
        """Let go of all connections."""
        for transactions in (self._reader, self._relaxed, self._writer):
            transactions.let_go()
        for engine in self._engines:
            engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ---- instruments

    async def save_instrument(self, account: str, instrument: Instrument, at: datetime) -> None:
        """Keep what the venue says of an instrument; decimals in later rows follow from it."""
        await self._write(lambda c: self._instruments.save(c, account, instrument, at))

    async def instrument(self, account: str, symbol: str) -> Instrument | None:
        """Return the instrument as it was saved last, or None."""
        return await self._read(lambda c: self._instruments.get(c, account, symbol))

    # ---- runs

    async def open_run(self, run: Run) -> Run:
        """Record the start of a run and its instrument; repeated, return what was recorded first.

        It begins after all payments that are there: a venue's clock may be ahead of ours, and a
        paper market's far ahead. Raises InvalidValueError if the id or the tag belongs to another
        run.
        """

        def work(connection: Connection) -> Run:
            self._instruments.save(connection, run.account, run.instrument, run.opened_at)
            newest = cash.newest_funding(connection, run.account, run.symbol)
            begins = run.opened_at if newest is None else max(run.opened_at, newest + _INSTANT)
            return runs.open_run(connection, replace(run, opened_at=begins))

        return await self._write(work)

    async def set_run_status(self, run_id: str, status: RunStatus) -> None:
        """Note that an open run is running or paused."""
        await self._write(lambda c: runs.set_status(c, run_id, status, None))

    async def set_run_spec(self, run_id: str, spec: Any) -> None:
        """Note the settings (JSON values) that a run was reconfigured to."""
        await self._write(lambda c: runs.set_spec(c, run_id, spec))

    async def close_run(
        self, run_id: str, at: datetime, status: RunStatus = RunStatus.STOPPED
    ) -> None:
        """Record the end of a run, stopped or failed; nothing is watched or reserved for it.

        It ends after all payments that are there, see `open_run`: they were for what it held.
        """

        def work(connection: Connection) -> None:
            of = _known(connection, run_id)
            newest = cash.newest_funding(connection, of.account, of.symbol)
            ends = at if newest is None else max(at, newest)
            runs.set_status(connection, run_id, status, ends)
            runs.unwatch(connection, run_id)
            risk.release(connection, run_id)

        await self._write(work)

    async def run(self, run_id: str) -> Run | None:
        """Return the run, or None if there is none of that id."""
        return await self._read(lambda c: runs.run(c, run_id))

    async def runs(
        self, account: str | None = None, statuses: Sequence[RunStatus] = ()
    ) -> list[Run]:
        """Return runs, oldest first; only those of *account*, only those in one of *statuses*."""
        return await self._read(lambda c: runs.list_runs(c, account, statuses))

    async def alone(self, run: Run) -> bool:
        """Return whether no other run has been open on the account of *run* since that began."""
        return await self._read(lambda c: runs.alone(c, run))

    async def runs_by_tag(self, tags: Iterable[str]) -> dict[str, Run]:
        """Return the runs that the given run tags belong to; unknown tags are absent."""
        wanted = list(tags)
        return await self._read(lambda c: runs.runs_by_tag(c, wanted))

    # ---- orders and fills

    async def mark_sending(
        self, account: str, requests: Sequence[OrderRequest], at: datetime
    ) -> set[str]:
        """Commit a send marker for each request, all or none, before any of them may leave.

        Returns the client ids that already had a marker or a report: perhaps sent, so look them up.
        """
        return await self._write(
            lambda c: markers.mark_sending(c, account, requests, at, self._instruments)
        )

    async def mark_decided(
        self,
        account: str,
        requests: Sequence[OrderRequest],
        at: datetime,
        *,
        decided: Sequence[OrderRequest],
    ) -> Marked:
        """Commit send markers as `mark_sending` does, unless `unremembered` finds orders first.

        *decided* are all orders of the decision that *requests* are of.
        """
        return await self._write(
            lambda c: markers.mark_decided(
                c, account, requests, at, self._instruments, decided=decided
            )
        )

    async def unremembered(self, decided: Sequence[OrderRequest]) -> list[StoredOrder]:
        """Return the orders that were sent instead of *decided*, or after them.

        The decision that sent them got lost: its generations are used again in *decided*, which are
        all orders of one decision of one run.
        """
        return await self._read(lambda c: markers.unremembered(c, decided))

    async def record_reports(self, account: str, reports: Iterable[OrderReport]) -> int:
        """Merge order reports and the fills they carry; return how many fills were new.

        Duplicates, stale and reordered reports change nothing. Orders of others are not kept.
        In SQLite a kill of the process loses none of them. Power loss may lose the last ones, but
        only ones newer than the watermark (one log, written in order, is flushed before the
        watermark is), and those the next resync asks for again. So a fill waits for no disk.
        """
        told = list(reports)
        if self._recorded:
            told = self._recorded.new_reports(account, told)
        if not told:
            return 0
        added = await self._run(
            self._relaxed, lambda c: orders.record_reports(c, account, told, self._instruments)
        )
        if self._recorded:
            self._recorded.add(account, told, ())
        return added

    async def record_refusals(
        self, account: str, refusals: Iterable[Refusal], at: datetime
    ) -> None:
        """Note that orders definitely do not exist; a report always outranks a refusal."""
        told = list(refusals)
        await self._write(lambda c: orders.record_refusals(c, account, told, at))

    async def record_fills(self, account: str, fills: Iterable[Fill]) -> int:
        """Add fills, also those of others; return how many were new."""
        told = list(fills)
        return await self._write(lambda c: orders.record_fills(c, account, told, self._instruments))

    async def record_view(self, account: str, symbol: str, view: AccountView) -> None:
        """Record all that *view* shows, and that everything on *symbol* is recorded up to it."""
        told, traded = view.orders, view.fills
        if self._recorded:
            told = tuple(self._recorded.new_reports(account, told))
            traded = tuple(self._recorded.new_fills(account, traded))

        def work(connection: Connection) -> None:
            orders.record_reports(connection, account, told, self._instruments)
            orders.record_fills(connection, account, traded, self._instruments)
            cash.record_funding(connection, account, view.funding)
            cash.record_balances(connection, account, view.balances, view.at)
            cash.advance_watermark(connection, account, symbol, view.at)

        await self._write(work)
        if self._recorded:
            self._recorded.add(account, told, traded)

    async def order(self, client_id: str) -> StoredOrder | None:
        """Return the order of that id, or None if there is not even a send marker."""
        return await self._read(lambda c: orders.order(c, client_id))

    async def orders(self, client_ids: Sequence[str]) -> dict[str, StoredOrder]:
        """Return the orders of those ids that the ledger knows."""
        return await self._read(lambda c: orders.orders_by_id(c, client_ids))

    async def orders_of_run(self, run_id: str, *, unsettled: bool = False) -> list[StoredOrder]:
        """Return a run's orders by id; with *unsettled* only those that are not over."""

        def work(connection: Connection) -> list[StoredOrder]:
            tag = _known(connection, run_id).tag
            return orders.orders_of_tag(connection, tag, unsettled=unsettled)

        return await self._read(work)

    async def fills_of_run(self, run_id: str) -> list[Fill]:
        """Return all fills of a run, oldest first."""
        return await self._read(lambda c: orders.fills_of_tag(c, _known(c, run_id).tag))

    async def recent_fills(self, run_id: str, limit: int) -> list[Fill]:
        """Return the newest *limit* fills of a run, newest first."""
        return await self._read(lambda c: orders.fills_of_tag(c, _known(c, run_id).tag, limit))

    async def fills_of_account(
        self, account: str, symbol: str, since: datetime, *, foreign: bool = False
    ) -> list[Fill]:
        """Return fills of an account from *since* on, oldest first; *foreign*: only others'."""
        return await self._read(
            lambda c: orders.fills_of_account(c, account, symbol, since, foreign=foreign)
        )

    async def moved_by_others(
        self, account: str, symbol: str, since: datetime, tag: str
    ) -> tuple[int, list[tuple[str, Decimal]]]:
        """Return what everybody but the run of *tag* traded: signed lots, and each fee's asset."""
        return await self._read(lambda c: orders.moved_by_others(c, account, symbol, since, tag))

    # ---- money

    async def correct(
        self, run: Run, correction: Correction, entry: AuditEntry, event: RiskEvent
    ) -> bool:
        """Record a correction with what is told of it; False if it was recorded before."""
        return await self._write(lambda c: corrections.correct(c, run, correction, entry, event))

    async def corrections_of_run(self, run_id: str) -> list[Correction]:
        """Return what was corrected of a run, oldest first."""
        return await self._read(lambda c: corrections.corrections_of_run(c, run_id))

    async def account_of_run(self, run_id: str) -> RunAccount:
        """Return the money of a run, folded from its fills, funding payments and transfers."""
        return await self._read(lambda c: cash.account_of_run(c, _known(c, run_id)))

    async def record_funding(self, account: str, payments: Iterable[FundingPayment]) -> int:
        """Add funding payments; return how many were new."""
        told = list(payments)
        return await self._write(lambda c: cash.record_funding(c, account, told))

    async def record_transfers(self, account: str, transfers: Iterable[Transfer]) -> int:
        """Add transfers; return how many were new."""
        told = list(transfers)
        return await self._write(lambda c: cash.record_transfers(c, account, told))

    async def record_balances(
        self, account: str, balances: Sequence[Balance], at: datetime
    ) -> None:
        """Add a snapshot of what the account owns."""
        await self._write(lambda c: cash.record_balances(c, account, balances, at))

    async def latest_balances(self, account: str) -> tuple[datetime, list[Balance]] | None:
        """Return the newest snapshot with its time, or None if there is none."""
        return await self._read(lambda c: cash.latest_balances(c, account))

    async def record_equity(self, record: EquityRecord) -> None:
        """Add a point to a run's equity curve."""
        await self._write(lambda c: runs.record_equity(c, record))

    async def equity_of_run(self, run_id: str, since: datetime | None = None) -> list[EquityRecord]:
        """Return a run's equity curve, oldest first."""
        return await self._read(lambda c: runs.equity_of_run(c, run_id, since))

    # ---- how far we have looked, and for whom

    async def watermark(self, account: str, symbol: str) -> datetime | None:
        """Return up to when everything is recorded, or None if nothing is known to be."""
        return await self._read(lambda c: cash.watermark(c, account, symbol))

    async def advance_watermark(self, account: str, symbol: str, to: datetime) -> None:
        """Move the watermark forward to *to*; a time before it changes nothing."""
        await self._write(lambda c: cash.advance_watermark(c, account, symbol, to))

    async def watch(self, watch: Watch) -> None:
        """Set what the account's feed watches for a run; replaces what was set before."""
        await self._write(lambda c: runs.watch(c, watch))

    async def unwatch(self, run_id: str) -> None:
        """Watch nothing for a run any more."""
        await self._write(lambda c: runs.unwatch(c, run_id))

    async def watches(self, account: str) -> list[Watch]:
        """Return what the account's feed has to watch, by run id."""
        return await self._read(lambda c: runs.list_watches(c, account))

    # ---- who did what

    async def audit(self, entry: AuditEntry) -> None:
        """Append to the audit log."""
        await self._write(lambda c: runs.audit(c, entry))

    async def audit_trail(self, run_id: str | None = None, limit: int = 100) -> list[AuditEntry]:
        """Return the newest audit entries, newest first."""
        return await self._read(lambda c: runs.audit_trail(c, run_id, limit))

    async def record_risk_event(self, risk_event: RiskEvent) -> None:
        """Append a risk event."""
        await self._write(lambda c: runs.record_risk(c, risk_event))

    async def risk_events(self, account: str, limit: int = 100) -> list[RiskEvent]:
        """Return the newest risk events of an account, newest first."""
        return await self._read(lambda c: runs.list_risk(c, account, limit))

    # ---- risk: see `risk`

    async def look_at_risk(
        self, scopes: Sequence[str], known: int | None = None
    ) -> tuple[int, risk.States | None]:
        """Return the version of all that risk knows, and what is stored of *scopes*.

        Nothing is read but the version if that is *known*.
        """
        return await self._read(lambda c: risk.look(c, scopes, known))

    async def change_risk(
        self,
        scopes: Sequence[str],
        work: Callable[[risk.States], risk.RiskChange],
        now: datetime,
    ) -> None:
        """Store what *work* makes of what is stored of *scopes*; nobody changes it meanwhile."""
        await self._write(lambda c: risk.change(c, scopes, work, now))

    async def reserved(self) -> risk.States:
        """Return what every run has reserved of the limits, by run id."""
        return await self._read(risk.reserved)

    async def reserve(
        self,
        run_id: str,
        account: str,
        asked: Any,
        refused: Callable[[risk.States], str | None],
        now: datetime,
    ) -> str | None:
        """Reserve *asked* for a run; return why, if what all have reserved makes it *refused*."""
        return await self._write(lambda c: risk.reserve(c, run_id, account, asked, refused, now))

    async def at_risk(self, tag: str) -> AtRisk:
        """Return what the run of *tag* holds, and which of its orders still work."""
        return await self._read(lambda c: at_risk(c, tag))

    async def release(self, run_id: str) -> None:
        """Give free what a run had reserved."""
        await self._write(lambda c: risk.release(c, run_id))

    # ---- alerts: see `alerts`

    async def add_alert(self, new: NewAlert) -> bool:
        """Log *new* and put it into the outbox; False if it was only counted there."""
        return await self._write(lambda c: alerts.add(c, new))

    async def undelivered_alerts(self, now: datetime, limit: int = 1000) -> list[StoredAlert]:
        """Return the oldest alerts that not every channel has yet, oldest first."""
        return await self._read(lambda c: alerts.undelivered(c, now, limit))

    async def claim_alert(self, alert: StoredAlert) -> bool:
        """Count an attempt that is about to be made; False if somebody else makes it."""
        return await self._write(lambda c: alerts.claim(c, alert))

    async def settle_alert(self, alert_id: int, errors: Mapping[str, str], now: datetime) -> None:
        """Note what came of an attempt: delivered, or the *errors* of channels."""
        await self._write(lambda c: alerts.settle(c, alert_id, errors, now))

    async def alerts(self, limit: int = 100, after: int = 0) -> list[StoredAlert]:
        """Return the newest *limit* alerts with an id above *after*, oldest first."""
        return await self._read(lambda c: alerts.newest(c, limit, after))

    # ---- who shares the rates of an account: see `shares`. Power loss ends them all anyway.

    async def join_rates(
        self, scopes: Sequence[str], process: str, now: datetime
    ) -> tuple[Mapping[str, int], shares.Others]:
        """Add *process* to those who share what is counted in *scopes*."""
        return await self._run(self._relaxed, lambda c: shares.come(c, scopes, process, now))

    async def renew_rates(
        self, seats: Mapping[str, shares.Seat], now: datetime, paused_until: datetime | None
    ) -> shares.Others | None:
        """Renew leases and return the rows of others; None if one of ours is gone."""
        return await self._run(self._relaxed, lambda c: shares.renew(c, seats, now, paused_until))

    async def leave_rates(
        self, numbers: Mapping[str, int], now: datetime, paused_until: datetime | None
    ) -> None:
        """Give the parts of a process free."""
        await self._run(self._relaxed, lambda c: shares.end(c, numbers, now, paused_until))

    # ---- transactions

    async def _write(self, work: Callable[[Connection], _T]) -> _T:
        return await self._run(self._writer, work)

    async def _read(self, work: Callable[[Connection], _T]) -> _T:
        return await self._run(self._reader, work)

    async def _run(self, where: Transactions, work: Callable[[Connection], _T]) -> _T:
        if self._inline:
            return self._transact(where, work)
        return await asyncio.to_thread(self._transact, where, work)

    def _transact(self, where: Transactions, work: Callable[[Connection], _T]) -> _T:
        with store_errors(self._where):
            return where.run(work)


def _known(connection: Connection, run_id: str) -> Run:
    found = runs.run(connection, run_id)
    if found is None:
        raise InvalidValueError(f"run_id must be a run in the ledger, was {run_id!r}")
    return found

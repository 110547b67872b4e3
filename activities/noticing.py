"""What the desks and the feed of an account notice, told to the breakers that measure it.

| noticed | by | breakers of |
|---|---|---|
| a trade was closed | the account desk, comparing with the venue | run, account, everything |
| what all is worth, and how much of it moves with the market | the same | run, account |
| an order was refused for want of funds | the order desk | run, account |
| how long the venue took | the order desk | account |
| the streams are silent | the feed | account |

To notice must never hinder trading: what cannot be told is logged. Calls are told some at a time.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter

from activities.clock import utc_now
from activities.risk import RiskDesk
from activities.store.records import Run
from activities.store.risk import States
from domain.accounting import RunAccount
from domain.errors import StoreError
from domain.money import Price, add
from domain.orders import Outcome, Refusal, RefusalReason
from domain.risk.books import AccountBooks, RunBooks, brought, exposure
from domain.risk.breaker_events import (
    BreakerEvent,
    CallTimed,
    EquityMeasured,
    ExposureMeasured,
    FeedStale,
    RefusedForFunds,
    TradeClosed,
)
from domain.risk.scope import Scope, ScopeKind, scopes

_CALLS_AT_ONCE: Final = 20
_MOST_CALLS: Final = 1000
_RUN_BOOKS: Final = TypeAdapter(RunBooks)
_ACCOUNT_BOOKS: Final = TypeAdapter(AccountBooks)
_log: Final = logging.getLogger(__name__)


class Notices:
    """What one account's part of this process notices."""

    def __init__(
        self, account: str, risk: RiskDesk, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._scope = Scope(ScopeKind.ACCOUNT, account)
        self._account = account
        self._risk = risk
        self._clock = clock
        self._calls: deque[CallTimed] = deque(maxlen=_MOST_CALLS)

    # --- orders ------------------------------------------------------------------------------

    def call(self, milliseconds: int) -> None:
        """Note that a call of the venue was answered, or given up, after so long."""
        self._calls.append(CallTimed(milliseconds, self._clock()))

    async def outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """Note what came of orders of one run."""
        poor = [
            each
            for each in outcomes
            if isinstance(each, Refusal) and each.reason is RefusalReason.INSUFFICIENT_FUNDS
        ]
        try:
            if poor:
                run_id = await self._risk.run_of(poor[0].client_id)
                told = [RefusedForFunds(self._clock(), each.message) for each in poor]
                await self._risk.tell(self._scopes(run_id), *told)
            if len(self._calls) >= _CALLS_AT_ONCE:
                calls = tuple(self._calls)
                await self._risk.tell([self._scope], *calls)
                for _ in calls:  # others may have come meanwhile
                    self._calls.popleft()
        except StoreError as error:
            _log.warning("breakers were not told of orders: %s", error)

    def _scopes(self, run_id: str | None) -> list[Scope]:
        return [self._scope, *([Scope(ScopeKind.RUN, run_id)] if run_id else [])]

    # --- streams -----------------------------------------------------------------------------

    async def streams(self, silent_since: datetime | None, why: str = "") -> None:
        """Note since when the streams are lost, and why; None: they are live."""
        await self._risk.alerts.streams(self._account, silent_since, why)
        await self._silent(f"the feed of account {self._account}", silent_since)

    async def positions(self, unknown_since: datetime | None) -> None:
        """Note since when nobody knows what danger the account is in; None: it is known."""
        await self._silent(f"the positions of account {self._account}", unknown_since)

    async def _silent(self, what: str, since: datetime | None) -> None:
        try:
            known = (await self._risk.known([self._scope])).breakers[self._scope]
            if known.measures.stale.get(what) != since:
                await self._risk.tell([self._scope], FeedStale(what, since, self._clock()))
        except StoreError as error:
            _log.warning("the breaker of %s was not told of %s: %s", self._scope, what, error)

    # --- money -------------------------------------------------------------------------------

    async def books(self, run: Run, account: RunAccount, mark: Price) -> None:
        """Note what a run has closed since the last look, and what it and its account are worth.

        Each trade is told once: how far they were told is stored with what they did.
        """
        names = _of_run(run.run_id), _of_account(run.account)
        at = self._clock()

        def work(stored: States) -> tuple[dict[Scope, list[BreakerEvent]], dict[str, Any]]:
            known = self._run_books(run, account, mark, stored)
            own, profits = known.told(account)
            amount = brought(account, mark)
            events: dict[Scope, list[BreakerEvent]] = {
                scope: [TradeClosed(profit, at) for profit in profits]
                for scope in scopes(run.run_id, run.account)
            }
            exposed = exposure(account, mark)
            events[Scope(ScopeKind.RUN, run.run_id)].append(ExposureMeasured(exposed, at))
            equity = add(own.base, amount)
            if own.base > 0:  # else there is nothing to take a share of
                events[Scope(ScopeKind.RUN, run.run_id)].append(EquityMeasured(equity, at))
            states = {names[0]: _RUN_BOOKS.dump_python(own, mode="json")}
            whole = self._account_books(run, own.base, stored, at)
            if whole.quote == run.instrument.quote:
                whole = whole.after(run.run_id, amount, at, exposed)
                events[self._scope].append(ExposureMeasured(whole.exposure, at))
                if whole.base > 0:
                    events[self._scope].append(EquityMeasured(whole.equity, at))
                states[names[1]] = _ACCOUNT_BOOKS.dump_python(whole, mode="json")
            return events, states

        try:
            await self._risk.measure(scopes(run.run_id, run.account), names, work)
        except StoreError as error:
            _log.warning("breakers were not told of the books of %s: %s", run.run_id, error)

    async def fallen(self) -> Decimal | None:
        """Return how far the account's equity is below its peak, in percent; None: not known.

        Raises a StoreError.
        """
        stored = await self._risk.stored(_of_account(self._account))
        return None if stored is None else _ACCOUNT_BOOKS.validate_python(stored).fallen

    def _run_books(self, run: Run, account: RunAccount, mark: Price, stored: States) -> RunBooks:
        """Return what was told of a run; at the first look nothing that it did before is news."""
        known = stored.get(_of_run(run.run_id))
        if known is not None:
            return _RUN_BOOKS.validate_python(known)
        assert run.opening is not None  # noqa: S101 - only such runs have books
        return RunBooks(run.opening.equity(run.instrument, mark)).told(account)[0]

    def _account_books(
        self, run: Run, base: Decimal, stored: States, now: datetime
    ) -> AccountBooks:
        """Return what was told of the account of a run, which may be all over and begins anew."""
        known = stored.get(_of_account(run.account))
        books = None if known is None else _ACCOUNT_BOOKS.validate_python(known)
        if books is None or books.over(now, self._risk.spec.breaker.window):
            return AccountBooks(run.instrument.quote, base, now)
        return books

    async def ended(self, run: Run) -> None:
        """Note that a run has ended."""
        name = _of_account(run.account)

        def work(stored: States) -> tuple[dict[Scope, list[BreakerEvent]], dict[str, Any]]:
            if name not in stored:
                return {}, {}
            books = _ACCOUNT_BOOKS.validate_python(stored[name]).without(run.run_id)
            return {}, {name: _ACCOUNT_BOOKS.dump_python(books, mode="json")}

        try:
            await self._risk.measure((), (name,), work)
        except StoreError as error:
            _log.warning("account %s still counts %s: %s", run.account, run.run_id, error)


def _of_run(run_id: str) -> str:
    return f"books of run {run_id}"


def _of_account(account: str) -> str:
    return f"books of account {account}"

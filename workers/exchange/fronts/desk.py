"""What dialects share of the host: orders by the venue's rules of ids, news, money, times.

Inside, the simulated exchange takes each client id once per account for ever. A venue that lets an
id be used again gets `id~2`, `id~3`: two orders under one name are then two in the books, as they
would be there. A venue that accepts a crossing post-only order and cancels it at once gets a
*ghost*: reported, listed and canceled, and never in the book. Ghosts live as long as the process.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.market import Balance, FundingPayment, Position
from domain.money import Instrument, MarketKind
from domain.orders import Fill, OrderReport, OrderRequest, OrderStatus, Refusal, RefusalReason
from domain.simulation.exchange import SimulatedExchange
from workers.exchange.faults import FaultPlan
from workers.exchange.fronts.dead_men import DeadMen
from workers.exchange.fronts.rows import ms
from workers.exchange.host import Host

_AGAIN: Final = "~"
#: Ids of ghosts are far above those of orders.
_GHOSTS_FROM: Final = 9_000_000_000


class Scope(StrEnum):
    """How long a client id is taken."""

    OPEN = "open"  # while an order of that id works
    EVER = "ever"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The client id is taken, by this order."""

    report: OrderReport


@dataclass(slots=True)
class _Ghosts:
    reports: list[OrderReport] = field(default_factory=list)
    last: dict[str, OrderReport] = field(default_factory=dict)


@dataclass(slots=True)
class Cursor:
    """How far a stream has told an account's news."""

    account: str
    sequence: int
    ghost: int


class Desk:
    """The orders, the books and the clock of all fronts of one host."""

    def __init__(self, host: Host, plan: FaultPlan) -> None:
        self.host = host
        self.plan = plan
        #: By how much the clock of all venues is wrong; requests and streams are judged by it.
        self.ahead = timedelta()
        self.dead_men = DeadMen()
        self._ghosts: dict[str, _Ghosts] = {}
        self._named = 0
        self._listeners: set[asyncio.Event] = set()

    def now(self) -> datetime:
        """Return wall time, by which requests are judged; events carry the market's time.

        It is ahead by `ahead`, and by what a scripted fault says for the request in hand.
        """
        return datetime.now(UTC) + self.ahead

    @contextmanager
    def skewed(self, ahead: timedelta) -> Iterator[None]:
        """Have the clock *ahead* inside the context, in which nothing may be awaited."""
        before, self.ahead = self.ahead, self.ahead + ahead
        try:
            yield
        finally:
            self.ahead = before

    def instruments(self, kind: MarketKind) -> Sequence[Instrument]:
        """Return what is traded of *kind*."""
        known = (self.host.instrument(symbol) for symbol in self.host.symbols)
        return [each for each in known if each.kind is kind]

    # ---- orders

    def new_name(self) -> str:
        """Return a client id for an order whose client gave none, as venues do."""
        self._named += 1
        return f"local{ms(datetime.now(UTC))}n{self._named}"

    def place(
        self, account: str, request: OrderRequest, *, scope: Scope, crossing_is_taken: bool = False
    ) -> OrderReport | Refusal | Duplicate:
        """Place by the venue's rules of ids, and of post-only orders that would cross."""
        known = self.order(account, request.symbol, request.client_id)
        if known is not None and (scope is Scope.EVER or known.status.working):
            return Duplicate(known)
        inner = self._next_id(account, request.symbol, request.client_id)
        outcome = self.host.place(self.host.account(account), replace(request, client_id=inner))
        if isinstance(outcome, OrderReport):
            return _outside(outcome)
        if crossing_is_taken and outcome.reason is RefusalReason.WOULD_CROSS:
            return self._ghost(account, request)
        return replace(outcome, client_id=request.client_id)

    def cancel(self, account: str, symbol: str, client_id: str) -> OrderReport | None:
        """Cancel a working order and return it; None if there is none that works."""
        known = self.order(account, symbol, client_id)
        if known is None or not known.status.working:
            return None
        inner = self._inner(account, symbol, client_id)
        report = self.host.cancel(self.host.account(account), symbol, inner)
        return None if report is None else _outside(report)

    def cancel_all(self, account: str, instruments: Sequence[Instrument]) -> None:
        """Cancel every working order of an account on these instruments."""
        for instrument in instruments:
            for report in self.open_orders(account, instrument.symbol):
                self.cancel(account, instrument.symbol, report.client_id)

    def order(self, account: str, symbol: str, client_id: str) -> OrderReport | None:
        """Return the newest order of a client id."""
        ghost = self._of(account).last.get(client_id)
        if ghost is not None and ghost.symbol == symbol:
            return ghost
        inner = self._inner(account, symbol, client_id)
        report = self._books(account).look_up(account, symbol, inner)
        return None if report is None else _outside(report)

    def by_order_id(self, account: str, symbol: str, order_id: str) -> OrderReport | None:
        """Return an order by the host's id (`O12`), or a ghost by its own."""
        every = self.orders(account, symbol, datetime(1970, 1, 1, tzinfo=UTC))
        return next((each for each in every if each.order_id == order_id), None)

    def open_orders(self, account: str, symbol: str) -> Sequence[OrderReport]:
        """Return the working orders, oldest first."""
        reports = self._books(account).open_orders(account, symbol)
        return [_outside(report) for report in reports]

    def orders(self, account: str, symbol: str, since: datetime) -> Sequence[OrderReport]:
        """Return the orders that changed at or after *since*, ghosts too, oldest change first."""
        reports = self._books(account).orders_since(account, symbol, since)
        ghosts = [
            each
            for each in self._of(account).last.values()
            if each.symbol == symbol and each.at is not None and each.at >= since
        ]
        return [*(_outside(report) for report in reports), *ghosts]

    def created_at(self, account: str, report: OrderReport) -> datetime:
        """Return when an order was placed."""
        inner = self._inner(account, report.symbol, report.client_id)
        at = self._books(account).placed_at(account, report.symbol, inner)
        return at or report.at or self.host.exchange.now

    def fills(self, account: str, symbol: str, since: datetime) -> Sequence[Fill]:
        """Return the executions at or after *since*, oldest first."""
        fills = self._books(account).fills_since(account, symbol, since)
        return [replace(fill, client_id=_name(fill.client_id)) for fill in fills]

    # ---- account

    def balances(self, account: str) -> Sequence[Balance]:
        """Return every asset the account ever had."""
        return self._books(account).balances(account)

    def positions(self, account: str, symbol: str) -> Sequence[Position]:
        """Return the position unless it is flat."""
        return self._books(account).positions(account, symbol)

    def funding(self, account: str, symbol: str, since: datetime) -> Sequence[FundingPayment]:
        """Return the funding payments at or after *since*."""
        return self._books(account).funding_since(account, symbol, since)

    # ---- news

    def cursor(self, account: str) -> Cursor:
        """Return where the news of an account begin for who comes now."""
        name = self.host.account(account)
        return Cursor(name, self.host.last_sequence(name), len(self._of(account).reports))

    def news(self, cursor: Cursor) -> Sequence[OrderReport]:
        """Return the reports behind *cursor* and move it."""
        told = self.host.exchange.reports_after(cursor.account, cursor.sequence)
        ghosts = self._of(cursor.account).reports[cursor.ghost :]
        cursor.sequence += len(told)
        cursor.ghost += len(ghosts)
        return [*(_outside(report) for _, report in told), *ghosts]

    @contextmanager
    def changes(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set after every change."""
        with self.host.changes() as changed:
            self._listeners.add(changed)
            try:
                yield changed
            finally:
                self._listeners.discard(changed)

    # ---- how

    def _books(self, account: str) -> SimulatedExchange:
        # Opening an account moves the exchange into another one: first that, then look.
        self.host.account(account)
        return self.host.exchange

    def _of(self, account: str) -> _Ghosts:
        return self._ghosts.setdefault(account, _Ghosts())

    def _ghost(self, account: str, request: OrderRequest) -> OrderReport:
        ghosts = self._of(account)
        number = _GHOSTS_FROM + len(ghosts.reports)
        taken = OrderReport(
            request.client_id,
            f"O{number}",
            request.symbol,
            request.side,
            OrderStatus.OPEN,
            request.quantity,
            price=request.price,
            reduce_only=request.reduce_only,
            at=self.host.exchange.now,
        )
        canceled = replace(taken, status=OrderStatus.CANCELED, reason=RefusalReason.WOULD_CROSS)
        ghosts.reports += [taken, canceled]
        ghosts.last[request.client_id] = canceled
        for listener in self._listeners:
            listener.set()
        return taken

    def _inner(self, account: str, symbol: str, client_id: str) -> str:
        """Return the inside name of the newest order of *client_id*."""
        name, number = client_id, 1
        while self._exists(account, symbol, f"{client_id}{_AGAIN}{number + 1}"):
            number += 1
            name = f"{client_id}{_AGAIN}{number}"
        return name

    def _next_id(self, account: str, symbol: str, client_id: str) -> str:
        newest = self._inner(account, symbol, client_id)
        if not self._exists(account, symbol, newest):
            return newest
        _, _, number = newest.partition(_AGAIN)
        return f"{client_id}{_AGAIN}{int(number or 1) + 1}"

    def _exists(self, account: str, symbol: str, inner: str) -> bool:
        return self._books(account).look_up(account, symbol, inner) is not None


def _name(inner: str) -> str:
    return inner.partition(_AGAIN)[0]


def _outside(report: OrderReport) -> OrderReport:
    name = _name(report.client_id)
    fill = None if report.fill is None else replace(report.fill, client_id=name)
    return replace(report, client_id=name, fill=fill)


def fresh(now: datetime, sent_at: datetime, window: timedelta, ahead: timedelta) -> bool:
    """Return whether a request's timestamp is within the window, and at most *ahead* of ours."""
    return now - window <= sent_at < now + ahead

"""The exchange's one writer: it feeds the market, takes commands, and commits before it answers.

Everything runs in one thread and without an await, so an answer and a report always belong to the
same, committed state. When a commit fails nothing that was not committed may be seen: the host is
then broken, says so to everybody and the process ends.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from time import monotonic
from typing import Any, Final, TypeVar, assert_never

from domain.conditions import FundingRate
from domain.errors import InvalidValueError, StoreError, TradingError, VenueUnavailableError
from domain.money import ZERO, Instrument, Price
from domain.orders import OrderReport, OrderRequest, Refusal
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules, Liquidity
from domain.simulation.tape import FundingDue
from workers.exchange.clock import MarketClock
from workers.exchange.journal import (
    Announced,
    Canceled,
    Funded,
    Happened,
    Input,
    Journal,
    MarkSet,
    Moved,
    Opened,
    Placed,
    Traded,
)
from workers.exchange.prints import Prints
from workers.exchange.sources import Source

#: Inputs, and market events, between two snapshots: what a start has to play again.
SNAPSHOT_INPUTS: Final = 10_000
SNAPSHOT_EVENTS: Final = 500_000
#: Everybody waits while a snapshot is made, and it grows with the books: once it took longer than
#: this (seconds) the next ones wait for the end or the next start. Playing inputs again is as fast.
_LONGEST_STALL: Final = 0.5
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


Command = TypeVar("Command", Opened, Placed, Canceled)
T = TypeVar("T")


class Stopped(StrEnum):
    """Why an advance ended."""

    COUNT = "count"
    REPORT = "report"
    PRICE = "price"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Band:
    """Prices of a symbol from `low` to `high`, both included; None is no end."""

    symbol: str
    low: Price | None
    high: Price | None

    def left_by(self, price: Price) -> bool:
        """Return whether *price* lies outside."""
        return bool((self.low and price < self.low) or (self.high and price > self.high))


class Host:
    """A simulated exchange on disk: read through `exchange`, changed by the methods only."""

    def __init__(
        self,
        source: Source,
        journal: Journal,
        balances: Mapping[str, Decimal],
        speed: Decimal,
        *,
        live: bool = False,
        notional_minima: bool = True,
    ) -> None:
        """Take up the books. *live*: the market is told by `happen`, in the time of everybody.

        Without *notional_minima* an order may be worth as little as it likes.
        """
        self.live = live
        self._halted: VenueUnavailableError | None = None
        #: Of a live market: until when each symbol's funding is booked.
        self.funded: dict[str, datetime] = {}
        self.position = 0
        #: The public trades since this process started.
        self.prints = Prints()
        self._events_kept = 0
        self._stalled = 0.0
        self.broken = asyncio.Event()
        self.failure: TradingError | None = None
        self._source = source
        self._journal = journal
        self._balances = balances
        self._accounts: dict[str, dict[str, Decimal]] = {}
        self._sequences: dict[str, int] = {}
        self._listeners: set[asyncio.Event] = set()
        traded = source.instruments
        if not notional_minima:
            traded = [replace(each, min_notional=ZERO) for each in traded]
        self._instruments = {each.symbol: each for each in traded}
        started_at = journal.remember("started_at", datetime.now(UTC).isoformat())
        self.started_at = datetime.fromisoformat(started_at)
        self._load(self.started_at)
        self._keep_if_due()
        began_at = max(self._exchange.now, datetime.now(UTC)) if live else self._exchange.now
        self.clock = MarketClock(began_at, speed, monotonic)

    # ---- reading

    @property
    def exchange(self) -> SimulatedExchange:
        """The committed state, for reading. Raises what broke or closed the host."""
        if self.failure is not None:
            raise self.failure
        return self._exchange

    @property
    def symbols(self) -> Sequence[str]:
        """What is traded."""
        return list(self._instruments)

    @property
    def next_at(self) -> datetime | None:
        """When the next market event is due; None if there is none."""
        event = self._source.peek()
        return None if event is None else event.at

    @property
    def market_time(self) -> datetime:
        """What the market's events are dated by; where it is made, as far as it was made."""
        return self.clock.now() if self.live else self.exchange.now

    def require_market(self) -> None:
        """Raise VenueUnavailableError while the market that is followed cannot be seen."""
        if self._halted is not None:
            raise self._halted

    def instrument(self, symbol: str) -> Instrument:
        """Return *symbol*, or raise InvalidValueError if it is not traded."""
        try:
            return self._instruments[symbol]
        except KeyError:
            known = ", ".join(self._instruments)
            raise InvalidValueError(f'symbol must be one of {known}, was "{symbol}"') from None

    def last_sequence(self, account: str) -> int:
        """Return the number of the account's last report."""
        known = self._sequences.get(account, 0)
        self._sequences[account] = known + len(self.exchange.reports_after(account, known))
        return self._sequences[account]

    @contextmanager
    def changes(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set after every commit."""
        changed = asyncio.Event()
        self._listeners.add(changed)
        try:
            yield changed
        finally:
            self._listeners.discard(changed)

    # ---- changing

    def account(self, name: str) -> str:
        """Return *name*, opened with the starting balances if it was never used."""
        if name not in self._accounts:
            if not _ACCOUNT.fullmatch(name):
                raise InvalidValueError(
                    f"an account has 1-64 letters, digits, dots and dashes, was {name[:80]!r}"
                )
            balances = {asset: str(amount) for asset, amount in self._balances.items()}
            self._run(Opened(name, balances), self._open)
        return name

    def place(self, account: str, request: OrderRequest) -> OrderReport | Refusal:
        """Take or refuse an order, and commit that."""
        self.require_market()
        return self._run(
            Placed(account, request, self._time()),
            lambda each: self._exchange.place(each.account, each.request, each.at),
        )

    def cancel(self, account: str, symbol: str, client_id: str) -> OrderReport | None:
        """Cancel an order, and commit that; None if there never was one."""
        self.require_market()
        return self._run(
            Canceled(account, symbol, client_id, self._time()),
            lambda each: self._exchange.cancel(each.account, each.symbol, each.client_id, each.at),
        )

    def move(self, limit: int, until: datetime) -> int:
        """Release up to *limit* events due at *until*, commit that, and return how many."""
        before = self.position
        while self.position - before < limit and (at := self.next_at) and at <= until:
            self._feed()
        self._moved(before)
        return self.position - before

    def advance(
        self, limit: int, *, until_report: bool = False, band: Band | None = None
    ) -> tuple[int, Stopped]:
        """Release up to *limit* events, due or not; return how many, and why no more."""
        before = self.position
        reason = Stopped.COUNT
        for account in self._accounts:
            self.last_sequence(account)  # what was reported up to here does not count
        while self.position - before < limit:
            if self._source.peek() is None:
                reason = Stopped.EXHAUSTED
                break
            self._feed()
            if until_report and self._reported():
                reason = Stopped.REPORT
                break
            if band is not None and self._left(band):
                reason = Stopped.PRICE
                break
        self._moved(before)
        return self.position - before, reason

    def happen(self, events: Sequence[Happened]) -> None:
        """Let what a live market told happen, and commit that."""
        if self.failure is not None:
            raise self.failure
        for each in events:
            self._follow(each)
        self._guarded(lambda: self._journal.append(*events))
        self._tell()
        if self._stalled < _LONGEST_STALL:
            self._keep_if_due()

    def settle(self, symbol: str, rate: Decimal) -> FundingRate:
        """Settle the funding of a perpetual at once, commit that, and return what was settled."""
        self.instrument(symbol)
        self.happen([Funded(FundingDue(symbol, rate, self._time()))])
        return self.exchange.funding_rates(symbol)[-1]

    def halt(self, why: str) -> None:
        """Take no orders and end all streams: nobody knows what the market does meanwhile."""
        self._halted = VenueUnavailableError(why)
        self._tell()

    def resume(self) -> None:
        """Go on after a halt."""
        self._halted = None
        self._tell()

    def keep(self) -> None:
        """Commit a snapshot, so that the next start has little to play again."""
        began = monotonic()
        state: dict[str, Any] = {
            "position": self.position,
            "source": self._source.mark(),
            "accounts": {
                name: {asset: str(amount) for asset, amount in balances.items()}
                for name, balances in self._accounts.items()
            },
            "exchange": self.exchange.dump(),
        }
        if self.live:
            state["funded"] = {symbol: at.isoformat() for symbol, at in self.funded.items()}
        self._guarded(lambda: self._journal.replace(state))
        self._events_kept = self.position
        self._stalled = monotonic() - began

    def fail(self, error: Exception) -> None:
        """Answer nobody any more because of *error*; the process is to end."""
        if self.failure is None:
            self.failure = (
                error
                if isinstance(error, TradingError)
                else VenueUnavailableError(f"the exchange is broken: {error!r}")
            )
            self.broken.set()
        self._tell()

    def close(self) -> None:
        """Answer nobody any more: streams end, calls are told that the exchange is stopping."""
        if self.failure is None:
            self.failure = VenueUnavailableError("the exchange is stopping")
        self._tell()

    # ---- how

    def _load(self, started_at: datetime) -> None:
        state, inputs = self._journal.load()
        began_at = self._source.begin(started_at)
        if state is None:
            self._exchange = SimulatedExchange(self._rules(), began_at)
        else:
            self._accounts = {
                name: {asset: Decimal(amount) for asset, amount in balances.items()}
                for name, balances in state["accounts"].items()
            }
            self._exchange = SimulatedExchange.restore(self._rules(), state["exchange"])
            self.position = self._events_kept = state["position"]
            self._source.seek(state["source"])
            funded = state.get("funded", {})
            self.funded = {symbol: datetime.fromisoformat(at) for symbol, at in funded.items()}
        for each in inputs:
            self._replay(each)
        for account in self._accounts:
            self.last_sequence(account)

    def _rules(self) -> ExchangeRules:
        instruments = tuple(self._instruments.values())
        if not self.live:
            return ExchangeRules(instruments, self._accounts)
        # Nobody knows how long the queue before an order is, so it waits until the market has
        # traded through its price: then the whole queue was filled.
        return ExchangeRules(
            instruments, self._accounts, liquidity=Liquidity.UNLIMITED, touch=False
        )

    def _run(self, each: Command, act: Callable[[Command], T]) -> T:
        """Act on one input, commit it, tell the listeners, and return what came of it."""
        if self.failure is not None:
            raise self.failure
        outcome = act(each)
        self._guarded(lambda: self._journal.append(each))
        self._tell()
        return outcome

    def _moved(self, before: int) -> None:
        if self.position == before:
            return
        self._guarded(lambda: self._journal.append(Moved(self.position)))
        self.clock.jump(self._exchange.now)
        self._tell()
        if self._stalled < _LONGEST_STALL:
            self._keep_if_due()

    def _keep_if_due(self) -> None:
        events = self.position - self._events_kept
        if self._journal.since_snapshot > SNAPSHOT_INPUTS or events > SNAPSHOT_EVENTS:
            self.keep()

    def _replay(self, each: Input) -> None:
        match each:
            case Opened():
                self._open(each)
            case Placed():
                self._exchange.place(each.account, each.request, each.at)
            case Canceled():
                self._exchange.cancel(each.account, each.symbol, each.client_id, each.at)
            case Moved():
                while self.position < each.position:
                    self._feed()
            case Traded() | MarkSet() | Funded() | Announced():
                self._follow(each)
            case _:
                assert_never(each)

    def _follow(self, happened: Happened) -> None:
        if not isinstance(happened, Funded):
            self._exchange.on(happened.event)
            return
        due = happened.event
        self.funded[due.symbol] = due.at
        if self.live and due.at < self.started_at:
            self._exchange.recall(due)
        else:
            self._exchange.on(due)

    def _open(self, opened: Opened) -> None:
        # An exchange knows its accounts from its rules: it moves into one that knows one more.
        self._accounts[opened.account] = {
            asset: Decimal(amount) for asset, amount in opened.balances.items()
        }
        self._exchange = SimulatedExchange.restore(self._rules(), self._exchange.dump())

    def _feed(self) -> None:
        event = self._source.peek()
        if event is None:
            raise InvalidValueError(f"the market has no event number {self.position}")
        self._exchange.on(event)
        self.prints.take(event)
        self._source.take()
        self.position += 1

    def _time(self) -> datetime:
        """Return when a command comes in: by the clock, but before the event that comes next."""
        now, upcoming = self.clock.now(), self.next_at
        return now if upcoming is None else min(now, upcoming)

    def _reported(self) -> bool:
        return any(
            self._exchange.reports_after(account, known)
            for account, known in self._sequences.items()
        )

    def _left(self, band: Band) -> bool:
        update = self._exchange.last_price(band.symbol)
        return update is not None and band.left_by(update.price)

    def _guarded(self, commit: Callable[[], None]) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            commit()
        except StoreError as error:
            self.fail(error)
            raise

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.set()

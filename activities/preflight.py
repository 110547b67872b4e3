"""The preflight of an account: what its venue and the ledger say, before anything is begun.

The rules are `domain.risk.checks`; here the facts are found. What a venue does not tell, or not in
time, stays unknown and is never taken for nothing. A run that does not pass has reserved, recorded
and sent nothing.

Streams are proved by opening them once, from the process that would trade: the feed of an account
may only begin with its first run, so that run cannot wait for it. Besides, no engine opens anything
before the feed has told it that the streams are live and the venue has shown its orders.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, TypeVar

from activities import hearing
from activities.clock import utc_now
from activities.looks import OVERLAP
from activities.store.ledger import Ledger
from activities.store.records import OPEN, Run
from domain.errors import PreflightError, VenueError, VenueUnavailableError
from domain.grid.config import GridConfig, least_profit
from domain.grid.preview import worst_case
from domain.market import AccountView, ClockReading, PriceUpdate, Terms
from domain.money import Instrument, MarketKind, Price
from domain.order_ids import decode
from domain.ports import Venue
from domain.risk.checks import Check, Outcome
from domain.risk.facts import AccountFacts, PreflightSpec
from domain.risk.preflight import blocking, explained, preflight

#: Questions to the venue at a time.
_AT_ONCE: Final = 3
#: A fact that takes longer is not known.
_WITHIN: Final = timedelta(seconds=8)
#: How long a price is waited for before the venue is asked whether there was any.
_PRICE_WITHIN: Final = timedelta(seconds=3)
#: A fill between two looks makes them differ; that it does so each time is no coincidence.
_LOOKS: Final = 3
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Planned:
    """What is about to be begun: a run, and what its orders will need by asset at a price."""

    run_id: str
    instrument: Instrument
    needs: Callable[[Price], Mapping[str, Decimal]]
    #: What its least profitable round trip earns at a price; None: it is judged later.
    profit: Callable[[Price], Decimal] | None = None
    #: It shares its symbol with other runs knowingly.
    shared: bool = False


def planned_grid(
    run_id: str, config: GridConfig, needs: Mapping[str, Decimal] | None = None
) -> Planned:
    """Return a grid as it is planned; without *needs* all that it would place from scratch."""

    def wanted(price: Price) -> Mapping[str, Decimal]:
        return _needs(config, price) if needs is None else needs

    def profit(price: Price) -> Decimal:
        return least_profit(config, price)

    return Planned(run_id, config.instrument, wanted, profit, config.spec.shared)


@dataclass(frozen=True, slots=True)
class Report:
    """What a preflight came to, and of what was found what a run that begins needs too."""

    checks: tuple[Check, ...]
    leverage: Decimal
    #: The account with its orders and fills `since` then; None: the venue did not show it.
    view: AccountView | None
    since: datetime
    #: What the venue did not tell, by the question.
    failures: Mapping[str, VenueError] = field(default_factory=dict)

    @property
    def seen(self) -> AccountView:
        """The account as it was found; there is none only in a report that does not pass."""
        if self.view is None:
            raise AssertionError("a preflight passed without a look at the account")
        return self.view

    def require(self, accepted: Sequence[str] = ()) -> None:
        """Return if the run may begin, given what a person has *accepted*.

        Raises PreflightError if something is not in order. Where nothing is, but some things are
        not known that may be in a moment, raises VenueUnavailableError.
        """
        blocked = blocking(self.checks, accepted)
        if not blocked:
            return
        told = "\n" + explained(self.checks, accepted)
        lasting = any(error.permanent for error in self.failures.values())
        if lasting or any(check.outcome is Outcome.FAILED for check in blocked):
            raise PreflightError(f"the preflight did not pass, nothing was begun or changed{told}")
        raise VenueUnavailableError(f"the preflight cannot be made yet{told}")


class Preflight:
    """Finds out about one account."""

    def __init__(
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        spec: PreflightSpec,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._spec = spec
        self._clock = clock

    async def report(self, planned: Planned) -> Report:
        """Return every check of what is *planned*.

        Raises a StoreError if the ledger cannot be read, and a VenueError if the venue has no
        price: then nothing can be reckoned.
        """
        symbol = planned.instrument.symbol
        price = await self._venue.last_price(symbol)
        known_to = await self._ledger.watermark(self._account, symbol) or price.at
        since = known_to - OVERLAP
        found = await self._ask(symbol, since)
        facts = await self._facts(planned, price, found)
        leverage = found.terms.leverage if found.terms else Decimal(1)
        checks = preflight(self._spec, [facts])
        if planned.profit is None:
            checks = tuple(check for check in checks if check.name != "profit")
        return Report(checks, leverage, found.view, since, dict(found.failures))

    # --- the venue ---------------------------------------------------------------------------

    async def _ask(self, symbol: str, since: datetime) -> "_Found":
        found, turns = _Found(), asyncio.Semaphore(_AT_ONCE)

        async def ask(name: str, question: Callable[[], Awaitable[T]]) -> T | None:
            try:
                async with turns, asyncio.timeout(_WITHIN.total_seconds()):
                    return await question()
            except VenueError as error:
                found.failures[name] = error
            except TimeoutError:
                seconds = _WITHIN.total_seconds()
                found.failures[name] = VenueUnavailableError(f"no answer within {seconds:g} s")
            return None

        (
            found.view,
            found.terms,
            found.clock,
            found.heard,
            found.orders_live,
        ) = await asyncio.gather(
            ask("account", lambda: self._venue.account_view(symbol, since)),
            ask("terms", lambda: self._venue.terms(symbol)),
            ask("clock", self._venue.clock),
            ask("price_stream", lambda: hearing.prices(self._venue, symbol, _PRICE_WITHIN)),
            ask("orders_stream", lambda: _true(hearing.orders(self._venue))),
        )
        return found

    # --- what it comes to --------------------------------------------------------------------

    async def _facts(self, planned: Planned, price: PriceUpdate, found: "_Found") -> AccountFacts:
        instrument = planned.instrument
        runs = await self._runs(instrument.symbol)
        mine = {run.tag for run in runs}
        view, terms, heard = found.view, found.terms, found.heard
        return AccountFacts(
            self._account,
            instrument,
            needs=planned.needs(price.price),
            balances=view.balances if view else None,
            leverage=terms.leverage if terms else None,
            one_way=terms.one_way if terms else None,
            maker_fee=instrument.maker_fee,
            taker_fee=instrument.taker_fee,
            streams={"price": heard.live if heard else None, "orders": found.orders_live},
            clock_skew=_skew(found.clock),
            price_age=self._age(price, found),
            foreign_orders=_foreign(view, mine) if view else None,
            foreign_lots=await self._foreign_lots(instrument, runs, view),
            rivals=_rivals(planned, runs),
            cycle_profit=planned.profit(price.price) if planned.profit else None,
            shared=planned.shared,
            obstacles=found.obstacles(),
        )

    async def _runs(self, symbol: str) -> list[Run]:
        """Return the runs of ours that go on; asked after the view, so that none is missing."""
        return [run for run in await self._ledger.runs(self._account, OPEN) if run.symbol == symbol]

    def _age(self, price: PriceUpdate, found: "_Found") -> timedelta | None:
        if found.clock is None:
            return None
        if found.clock.market_time is None and not found.clock.dates_prices:
            return timedelta()  # of a market that is played nothing is older than its last price
        now = found.clock.market_time or self._clock() + found.clock.offset
        told = found.heard.update if found.heard else None
        newest = max(price.at, told.at) if told else price.at
        return max(now - newest, timedelta())

    async def _foreign_lots(
        self, instrument: Instrument, runs: Sequence[Run], view: AccountView | None
    ) -> int | None:
        """Return what of the position no run manages; looked at anew where a fill came between."""
        if instrument.kind is not MarketKind.PERPETUAL:
            return 0
        left: int | None = None
        for _ in range(_LOOKS):
            if view is None:
                return None
            left = _lots(view, instrument.symbol) - await self._managed(runs, view)
            if not left:
                break
            view = await self._view_again(instrument.symbol, view)
        return left

    async def _managed(self, runs: Sequence[Run], view: AccountView) -> int:
        """Return the lots that *runs* hold by the ledger, which is told of the *view* first."""
        if not runs:
            return 0
        await self._ledger.record_fills(self._account, view.fills)
        accounts = [await self._ledger.account_of_run(run.run_id) for run in runs]
        return sum(slot.holding.lots for each in accounts for slot in each.slots.values())

    async def _view_again(self, symbol: str, view: AccountView) -> AccountView | None:
        try:
            return await self._venue.account_view(symbol, view.at - OVERLAP)
        except VenueError:
            return None


@dataclass
class _Found:
    """What the venue told; None is what it did not."""

    view: AccountView | None = None
    terms: Terms | None = None
    clock: ClockReading | None = None
    heard: hearing.Heard | None = None
    orders_live: bool | None = None
    failures: dict[str, VenueError] = field(default_factory=dict)

    def obstacles(self) -> dict[str, str]:
        """Return why checks have nothing to look at, by their names."""
        return {
            check: str(error)
            for question, error in self.failures.items()
            for check in _CHECKS_OF[question]
        }


#: Which checks look at the answer to a question.
_CHECKS_OF: Final[Mapping[str, Sequence[str]]] = {
    "account": ("balance", "foreign_orders", "foreign_position"),
    "terms": ("balance", "leverage", "position_mode"),
    "clock": ("clock", "price"),
    "price_stream": ("price_stream",),
    "orders_stream": ("orders_stream",),
}


async def _true(work: Awaitable[None]) -> bool:
    await work
    return True


def _needs(config: GridConfig, price: Price) -> Mapping[str, Decimal]:
    """Return what the orders need by asset, at their full notional: entries are paid in quote."""
    capital = worst_case(config, price).capital
    return {config.instrument.quote: capital} if capital else {}


def _skew(clock: ClockReading | None) -> timedelta | None:
    """Return how far the clocks are apart at least: the reading is exact to half its round trip."""
    if clock is None:
        return None
    return max(abs(clock.offset) - clock.round_trip / 2, timedelta())


def _foreign(view: AccountView, mine: Collection[str]) -> int:
    """Return how many orders work that are not of the runs whose tags are *mine*."""
    keys = [decode(each.client_id) for each in view.orders if each.status.working]
    return sum(key is None or key.run_tag not in mine for key in keys)


def _rivals(planned: Planned, runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the runs that may not be on a perpetual beside the one that is planned."""
    if planned.instrument.kind is not MarketKind.PERPETUAL:
        return ()
    shared = planned.shared
    return tuple(
        run.run_id
        for run in runs
        if run.run_id != planned.run_id and not (shared and run.spec.get("shared", False))
    )


def _lots(view: AccountView, symbol: str) -> int:
    return sum(held.lots for held in view.positions if held.symbol == symbol)

"""What the books of runs say to breakers: trades that were closed, and what an account is worth.

    trade   realized - fees of a slot from one time it held nothing to the next
    run     what the account was worth when the run was first measured + what the run brought since
    account the same over all its runs that count in one quote asset

Money that somebody moves is neither won nor lost, so it is in none of them. Amounts are in quote.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from domain.accounting import RunAccount
from domain.money import EXACT, ZERO, Price, add


@dataclass(frozen=True, slots=True)
class SlotTold:
    """Of one slot: the cycles that were told, and what it had brought by the last of them."""

    cycles: int = 0
    brought: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class RunBooks:
    """What breakers were told of one run."""

    #: What the account was worth when the run was first measured.
    base: Decimal
    slots: Mapping[int, SlotTold] = field(default_factory=dict)

    def told(self, account: RunAccount) -> tuple["RunBooks", tuple[Decimal, ...]]:
        """Return the books with all that *account* has closed, and the profits that are new.

        Several cycles of one slot since the last look are one profit.
        """
        slots, profits = dict(self.slots), []
        for key, slot in account.slots.items():
            before = self.slots.get(key, SlotTold())
            if slot.cycles > before.cycles:
                profits.append(EXACT.subtract(slot.brought, before.brought))
                slots[key] = SlotTold(slot.cycles, slot.brought)
        return replace(self, slots=slots), tuple(profits)


@dataclass(frozen=True, slots=True)
class AccountBooks:
    """What the runs of one account brought, as far as breakers were told."""

    quote: str
    #: What the account was worth when the first of the runs was first measured.
    base: Decimal
    measured_at: datetime
    ended: Decimal = ZERO
    open: Mapping[str, Decimal] = field(default_factory=dict)
    #: The most they were ever worth; None: the base.
    peak: Decimal | None = None
    #: What of each run moves with the market: its size, whichever side it is on.
    exposed: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def exposure(self) -> Decimal:
        """What moves with the market, sizes added up: what is long somewhere hedges nothing."""
        return add(*self.exposed.values())

    @property
    def equity(self) -> Decimal:
        return add(self.base, self.ended, *self.open.values())

    @property
    def fallen(self) -> Decimal | None:
        """How far the equity is below its peak, in percent; None if there was nothing."""
        peak = self.base if self.peak is None else self.peak
        if peak <= 0:
            return None
        lost = max(EXACT.subtract(peak, self.equity), ZERO)
        return EXACT.divide(EXACT.multiply(lost, Decimal(100)), peak)

    def over(self, now: datetime, window: timedelta) -> bool:
        """Return whether nothing in them bears on now: what comes may begin with other money."""
        return not self.open and now - self.measured_at > window

    def after(
        self, run_id: str, brought: Decimal, at: datetime, exposed: Decimal = ZERO
    ) -> "AccountBooks":
        """Return the books now that a run has *brought* so much, and has so much *exposed*."""
        books = replace(
            self,
            open={**self.open, run_id: brought},
            exposed={**self.exposed, run_id: exposed},
            measured_at=at,
        )
        before = self.base if self.peak is None else self.peak
        return replace(books, peak=max(before, books.equity))

    def without(self, run_id: str) -> "AccountBooks":
        """Return the books without a run that has ended; what it brought stays."""
        others = {name: amount for name, amount in self.open.items() if name != run_id}
        exposed = {name: amount for name, amount in self.exposed.items() if name != run_id}
        ended = add(self.ended, self.open.get(run_id, ZERO))
        return replace(self, open=others, exposed=exposed, ended=ended)


def exposure(account: RunAccount, mark: Price) -> Decimal:
    """Return what of a run moves with the market, at *mark*: never negative."""
    return abs(EXACT.multiply(account.base, account.instrument.price_of(mark)))


def brought(account: RunAccount, mark: Price) -> Decimal:
    """Return what a run brought, at *mark*; what was moved from or to the account is left out."""
    return add(account.result(mark), account.transferred(mark))

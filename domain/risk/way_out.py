"""A way out of one run, as it is asked for, stored and shown: by whom, why, and how far it is."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.money import EXACT
from domain.risk.leaving import Leaving, Phase


@dataclass(frozen=True, slots=True)
class Debt:
    """What is still to be closed, in base and worth in quote (signed; None: no price is known)."""

    phase: Phase
    base: Decimal
    notional: Decimal | None
    #: Orders that were sent to close it.
    orders: int


@dataclass(frozen=True, slots=True)
class WayOut:
    """An emergency exit that was asked for; `number` counts those of its run from 1."""

    run_id: str
    tag: str
    account: str
    symbol: str
    number: int
    who: str
    why: str
    asked_at: datetime
    #: What the venue has on the symbol of a perpetual is this run's alone.
    alone: bool
    #: Orders that the way out is cut into.
    steps: int
    #: None: nobody has begun yet.
    debt: Debt | None = None
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.ended_at is not None


def debt_of(state: Leaving) -> Debt:
    """Return what *state* shows people."""
    instrument, mark = state.instrument, state.mark
    notional = None if mark is None else state.debt_at(mark)
    base = EXACT.multiply(Decimal(state.debt), instrument.lot_size)
    return Debt(state.phase, base, notional, state.generation)

"""When a breaker opens and how it closes, as a person writes it."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from domain.written import Exact, Positive, Written

Seconds = Annotated[int, Field(ge=1, le=7 * 24 * 3600)]


class BreakerSpec(Written):
    """Limits of a breaker. One that is None is switched off, and only by being written so."""

    consecutive_losses: Annotated[int, Field(ge=1, le=1000)] | None = 5
    """Closed trades in a row that lost money."""
    drawdown_amount: Positive | None = None
    """Quote below the peak of the equity within the window."""
    drawdown_percent: Annotated[Exact, Field(gt=0, le=100)] | None = Decimal(10)
    """The same as a share of that peak."""
    drawdown_window: Seconds = 3600
    latency_p99: Annotated[int, Field(ge=1, le=600_000)] | None = 5000
    """Milliseconds that 99 of 100 calls of the venue must stay within."""
    latency_calls: Annotated[int, Field(ge=10, le=1000)] = 100
    """Calls that the percentile is taken of; before that many nothing is said."""
    divergence_percent: Annotated[Exact, Field(gt=0, le=100)] = Decimal(5)
    """The position at the venue against the one we believe in; never switched off."""
    stale_feed_after: Seconds | None = 300
    """Seconds that a feed may be silent."""
    refusals: Annotated[int, Field(ge=1, le=1000)] | None = 3
    """Refusals for insufficient funds within the time below: the safety lock (row EX-03)."""
    refusals_within: Seconds = 60
    exposure: Positive | None = None
    """Quote at risk."""
    cooldown: Seconds | None = 900
    """Seconds without the cause, after which it half-opens; None: a person must reset it."""
    half_open: bool = True
    """After the cooldown let one opening through as a trial; if false, close at once."""

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=self.drawdown_window)

    def has_cooled(self, passed: timedelta) -> bool:
        """Return whether *passed* is strictly longer than the cooldown."""
        return self.cooldown is not None and passed > timedelta(seconds=self.cooldown)

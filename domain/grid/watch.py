"""The quiet band: between which prices nothing at all would be decided.

A runner that looks at every tick and one that sleeps until the band is left are the same by
construction: inside the band the engine changes nothing, and the band is a function of state that
only events change (decision D17). Feeds, backtests and the engine use this one piece.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from domain.grid.lattice import Lattice
from domain.grid.spec import Adaptive
from domain.grid.state import GridState, Phase
from domain.grid.volatility import new_interval
from domain.money import Price
from domain.orders import OrderReport, Side


@dataclass(frozen=True, slots=True)
class Watch:
    """What to watch a symbol's price for. `low` and `high` ring at or beyond those ticks."""

    symbol: str
    idle: bool = False
    lattice: Lattice | None = None
    center: int = 0
    low: int | None = None
    high: int | None = None
    #: Set where the interval follows the volatility; `least` is its floor in ticks.
    adaptive: Adaptive | None = None
    least: int = 0
    #: Seconds after which the venue cancels the orders if it does not hear of the run.
    dead_man: int | None = None

    def band(self) -> tuple[int, int] | None:
        """Return the lowest and highest quiet tick; None when any price matters."""
        if self.idle:
            return (0, ENDLESS)
        falls = self.lattice.falls_at(self.center) if self.lattice else None
        rises = self.lattice.rises_at(self.center) if self.lattice else None
        if self.lattice is None and self.low is None and self.high is None:
            return None
        lows = [edge for edge in (falls, self.low) if edge is not None]
        highs = [edge for edge in (rises, self.high) if edge is not None]
        return (max(lows, default=-1) + 1, min(highs, default=ENDLESS) - 1)

    def quiet(self, price: Price) -> bool:
        """Return whether *price* is no news."""
        band = self.band()
        return band is not None and band[0] <= price.ticks <= band[1]

    def moved(self, price: Price) -> "Watch":
        """Return the watch with its center at *price*: what the engine will make of it too."""
        if self.lattice is None:
            return self
        return replace(self, center=self.lattice.nearest(price))

    def turns_epoch(self, atr_ticks: Decimal) -> bool:
        """Return whether this volatility is news: the interval would change with it."""
        if self.idle or self.lattice is None or self.least == 0:
            return False
        return new_interval(self.adaptive, self.least, self.lattice.rise, atr_ticks) is not None

    def filled(self, report: OrderReport) -> "Watch":
        """Return the watch after a live fill: a resting buy was reached, so the price is no higher.

        Only a whole step counts, and only away from the center; a late fill of a level the price
        has long left behind moves nothing.
        """
        if self.lattice is None or report.price is None or not report.filled:
            return self
        level, price = self.lattice.at_or_below(report.price), report.price.ticks
        edge = self.lattice.falls_at if report.side is Side.BUY else self.lattice.rises_at
        at = edge(self.center)
        if at is None or self.lattice.ticks(level) != price:
            return self
        reached = price <= at if report.side is Side.BUY else price >= at
        return replace(self, center=level) if reached else self


#: Above any price: the band has no upper end.
ENDLESS: Final = 2**62


def watch(state: GridState) -> Watch:
    """Return what *state* waits for."""
    watched = _watched(state)
    return replace(watched, dead_man=state.config.spec.dead_man_seconds)


def _watched(state: GridState) -> Watch:
    symbol = state.config.symbol
    if state.phase in (Phase.STOPPING, Phase.FINISHED):
        return Watch(symbol, idle=True)
    if not state.triggered:
        trigger = state.config.trigger
        if trigger is None or state.trigger_above is None:
            return Watch(symbol)
        at = trigger.ticks
        return Watch(symbol, high=at) if state.trigger_above else Watch(symbol, low=at)
    if state.lattice is None:
        return Watch(symbol)
    alarms = state.config.alarms
    return Watch(
        symbol,
        lattice=state.lattice,
        center=state.center,
        low=max((a.price.ticks for a in alarms if not a.above), default=None),
        high=min((a.price.ticks for a in alarms if a.above), default=None),
        adaptive=state.config.spec.adaptive,
        least=state.config.interval or 0,
    )

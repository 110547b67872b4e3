"""The plainest loop there is: the engine looks at every tick. It is what fast paths must equal."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from domain.grid.engine import step
from domain.grid.events import (
    Cancel,
    FeedChanged,
    GridEvent,
    Place,
    PriceMoved,
    Refused,
    Reported,
    Resynced,
)
from domain.grid.state import GridState
from domain.orders import OrderReport, OrderStatus, Refusal
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.tape import MarketEvent


@dataclass(slots=True)
class Naive:
    """A grid at an exchange. `seen`: each state with the event that came to it, if asked for."""

    exchange: SimulatedExchange
    account: str
    state: GridState
    seen: list[tuple[GridState, GridEvent]] | None = None
    actions: list[Place | Cancel] = field(default_factory=list)
    _read: int = 0

    def run(self, tape: Iterable[MarketEvent]) -> None:
        """Go live and play *tape*."""
        self._handle(FeedChanged(live=True, at=self.exchange.now))
        self._handle(Resynced((), self.exchange.now))
        self._look()
        for event in tape:
            self.exchange.on(event)
            self._look()

    def _look(self) -> None:
        self._hear()
        last = self.exchange.last_price(self.state.config.symbol)
        if last is not None:
            self._handle(PriceMoved(last.price, last.at))
        self._hear()

    def _hear(self) -> None:
        while new := self.exchange.reports_after(self.account, self._read):
            self._read += len(new)
            for _, report in new:
                if report.filled or report.status is not OrderStatus.OPEN:
                    self._handle(Reported(report))

    def _handle(self, event: GridEvent) -> None:
        todo = deque([event])
        while todo:
            event = todo.popleft()
            if self.seen is not None:
                self.seen.append((self.state, event))
            decided = step(self.state, event)
            self.state = decided.state
            for action in decided.actions:
                if isinstance(action, Place | Cancel):
                    self.actions.append(action)
                    todo.append(self._perform(action))

    def _perform(self, action: Place | Cancel) -> GridEvent:
        outcome: OrderReport | Refusal | None
        if isinstance(action, Place):
            outcome = self.exchange.place(self.account, action.request)
        else:
            outcome = self.exchange.cancel(self.account, action.symbol, action.client_id)
        if outcome is None:
            raise LookupError(f"the exchange does not know the order of {action}")
        return Reported(outcome) if isinstance(outcome, OrderReport) else Refused(outcome)

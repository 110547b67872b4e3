"""The plain loop: `step` over a simulated exchange and a tape, in memory and in no time.

It is what the other runners are compared with, so it uses no part of theirs: no desk, no feed, no
route. Between two changes of state a trade of the tape costs two comparisons and what the exchange
itself takes; only a price that leaves the quiet band or reaches an order is looked at.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from domain.grid.engine import step
from domain.grid.events import (
    Cancel,
    FeedChanged,
    GridAction,
    GridEvent,
    LookUp,
    Place,
    PriceMoved,
    Refused,
    Reported,
    Resynced,
    VolatilityMeasured,
)
from domain.grid.state import GridState
from domain.grid.volatility import average_true_range
from domain.grid.watch import watch
from domain.orders import Fill, OrderReport, OrderStatus, Outcome, Refusal, RefusalReason, Side
from domain.simulation.bars import opening
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.tape import MarketEvent, TradePrinted

#: Orders and look-ups: what the exchange is asked. Alerts and resyncs are nobody's business here.
OrderAction = Cancel | LookUp | Place

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_ENDLESS: Final = 2**62


@dataclass(slots=True)
class Played:
    """What came of a tape: the last state, and everything that was done, in order."""

    state: GridState
    actions: list[OrderAction] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    fills: Sequence[Fill] = ()
    #: Events of the tape, and how many of them were looked at closely.
    events: int = 0
    looks: int = 0


def play(
    exchange: SimulatedExchange,
    account: str,
    state: GridState,
    tape: Iterable[MarketEvent],
    commands: Mapping[int, Sequence[GridEvent]] | None = None,
) -> Played:
    """Run *state*, fresh from `begin`, over *tape*; *commands* come behind the event they number.

    The market must have a price: feed the first event to *exchange* before, it is number 0 here.
    """
    return _Loop(exchange, account, state).run(tape, commands or {})


class _Loop:
    """One run over one tape."""

    def __init__(self, exchange: SimulatedExchange, account: str, state: GridState) -> None:
        self._exchange = exchange
        self._account = account
        self._symbol = state.config.symbol
        self._played = Played(state)
        self._read = len(exchange.reports_after(account, 0))
        self._low, self._high = 1, 0  # nothing is quiet
        self._candle_at = _NEVER

    def run(
        self, tape: Iterable[MarketEvent], commands: Mapping[int, Sequence[GridEvent]]
    ) -> Played:
        played, exchange = self._played, self._exchange
        self._begin()
        self._obey(commands.get(0, ()))
        number = 0
        for number, event in enumerate(tape, 1):
            exchange.on(event)
            if (
                type(event) is not TradePrinted
                or not self._low <= event.price.ticks <= self._high
                or event.at >= self._candle_at
            ):
                self._look()
            if number in commands:
                self._obey(commands[number])
            if played.state.finished:
                break
        played.events = number
        played.fills = exchange.fills_since(self._account, self._symbol, _BEGINNING)
        return played

    def _begin(self) -> None:
        """Go live, see that nothing of ours is there, and learn the first price."""
        now = self._exchange.now
        self._handle(FeedChanged(live=True, at=now))
        self._handle(Resynced((), now))
        self._look()

    def _obey(self, commands: Sequence[GridEvent]) -> None:
        for command in commands:
            self._handle(command)
        if commands:
            self._look()

    def _look(self) -> None:
        """Let the engine hear of everything that came, until nothing more comes of it."""
        self._played.looks += 1
        for event in self._news():
            self._handle(event)
        while reports := self._new_reports():
            for event in reports:
                self._handle(event)
        self._settle()

    def _news(self) -> Iterator[GridEvent]:
        """Yield the news of one moment in the order of a feed: reports, volatility, price."""
        yield from self._new_reports()
        yield from self._volatility()
        update = self._exchange.last_price(self._symbol)
        if update is not None and not watch(self._played.state).quiet(update.price):
            yield PriceMoved(update.price, update.at)

    def _new_reports(self) -> list[GridEvent]:
        new = self._exchange.reports_after(self._account, self._read)
        self._read += len(new)
        return [Reported(report) for _, report in new if not _is_empty(report)]

    def _volatility(self) -> Iterator[GridEvent]:
        length, adaptive = (
            self._played.state.config.candle_length,
            watch(self._played.state).adaptive,
        )
        if length is None or adaptive is None or self._exchange.now < self._candle_at:
            return
        newest = self._exchange.candles(self._symbol, length, adaptive.period + 2)
        atr = average_true_range(newest, adaptive.period)
        if atr is not None and watch(self._played.state).turns_epoch(atr):
            closed = [candle for candle in newest if candle.closed]
            yield VolatilityMeasured(atr, closed[-1].opened_at)

    def _settle(self) -> None:
        """Note between which trades nothing can happen: quiet to the engine, and out of reach."""
        state = self._played.state
        band = watch(state).band() or (_ENDLESS, 0)
        working = self._exchange.open_orders(self._account, self._symbol)
        bids = [o.price.ticks for o in working if o.price and o.side is Side.BUY]
        asks = [o.price.ticks for o in working if o.price and o.side is Side.SELL]
        self._low = max(band[0], max(bids, default=-1) + 1)
        self._high = min(band[1], min(asks, default=_ENDLESS) - 1)
        length = state.config.candle_length
        if length is not None:
            self._candle_at = opening(self._exchange.now, length) + length

    # --- actions -----------------------------------------------------------------------------

    def _handle(self, event: GridEvent) -> None:
        """Decide about one event, do it, and handle what came of it, before anything else."""
        todo = deque([event])
        while todo:
            decided = step(self._played.state, todo.popleft())
            self._played.state = decided.state
            todo.extend(_as_event(outcome) for outcome in self._perform(decided.actions))

    def _perform(self, actions: Sequence[GridAction]) -> list[Outcome]:
        """Carry *actions* out as an order desk does: cancels and look-ups first."""
        firsts = [action for action in actions if isinstance(action, Cancel | LookUp)]
        places = [action for action in actions if isinstance(action, Place)]
        outcomes = [*map(self._ask, firsts), *map(self._place, places)]
        self._played.actions += [*firsts, *places]
        self._played.outcomes += outcomes
        return outcomes

    def _ask(self, action: Cancel | LookUp) -> Outcome:
        ask = self._exchange.cancel if isinstance(action, Cancel) else self._exchange.look_up
        found = ask(self._account, action.symbol, action.client_id)
        if found is not None:
            return found
        return Refusal(action.client_id, RefusalReason.ABSENT, "looked up and proved absent")

    def _place(self, action: Place) -> Outcome:
        return self._exchange.place(self._account, action.request)


_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


def _is_empty(report: OrderReport) -> bool:
    """Return whether *report* only acknowledges an order, which its answer did."""
    return report.status is OrderStatus.OPEN and not report.filled


def _as_event(outcome: Outcome) -> GridEvent:
    if isinstance(outcome, OrderReport):
        return Reported(outcome)
    if isinstance(outcome, Refusal):
        return Refused(outcome)
    raise AssertionError("the exchange in this process always answers")

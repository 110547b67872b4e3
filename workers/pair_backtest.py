"""A pair over two simulated exchanges and a tape, in memory and in no time.

The engine and the saga are those of the runners. A tape of quotes knows nothing of what happens
between two of them; while a trade is in flight the clock therefore ticks by the second, at the
prices of the last quote, until it has ended.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from domain.arbitrage import engine, pairing
from domain.arbitrage.engine import ArbStep
from domain.arbitrage.events import (
    AbortTrade,
    ArbEvent,
    ExitAsked,
    FundingPaid,
    FundingTold,
    Moved,
    PositionTold,
    StartTrade,
)
from domain.arbitrage.funding import LegFunding, spot
from domain.arbitrage.pair import Kind, PairTrade
from domain.arbitrage.pair_events import (
    AbortAsked,
    LegTold,
    OnLeg,
    PairAction,
    PairEvent,
    QuoteSeen,
)
from domain.arbitrage.state import ArbState
from domain.arbitrage.trades import middle, outcome_of
from domain.grid.events import Cancel, Place, Refused, Reported, TimePassed
from domain.money import EXACT, ZERO, MarketKind, add
from domain.orders import OrderReport, Refusal, RefusalReason
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.tape import FundingAnnounced, FundingDue, MarketEvent, Quoted

_SECOND: Final = timedelta(seconds=1)
#: No trade over a tape of quotes takes longer, unless the pair cannot be hedged at all.
_TICKS: Final = 3600


@dataclass(frozen=True, slots=True)
class TapeEvent:
    """Something that happened at the market of a leg."""

    leg: int
    event: MarketEvent
    #: The time between two settlements, of a rate that is announced.
    interval: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Traded:
    """A trade of the pair that has ended."""

    tag: str
    kind: Kind
    why: str
    begun_at: datetime
    ended_at: datetime
    moved: tuple[Moved, Moved]
    orders: int
    gave_up: str


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """What both accounts were worth together, and what settlements had brought, in quote."""

    at: datetime
    equity: Decimal
    funding: Decimal


@dataclass(slots=True)
class PairPlayed:
    """What came of a tape."""

    state: ArbState
    trades: list[Traded] = field(default_factory=list)
    equity: list[EquityPoint] = field(default_factory=list)
    funding: dict[int, Decimal] = field(default_factory=lambda: {1: ZERO, 2: ZERO})
    fees: dict[int, Decimal] = field(default_factory=lambda: {1: ZERO, 2: ZERO})

    @property
    def residual(self) -> Decimal:
        """Return what the equity changed by and no trade, fee or settlement explains; 0 is right.

        The sum of the legs, made of reports and payments, against the balances of the exchanges.
        """
        first, last = self.equity[0].equity, self.equity[-1].equity
        explained = add(self.cash, self.worth, *self.funding.values(), *_minus(self.fees.values()))
        return EXACT.subtract(EXACT.subtract(last, first), explained)

    @property
    def cash(self) -> Decimal:
        """Return the quote that the trades brought, before fees."""
        return add(*(leg.cash for leg in self.state.legs))

    @property
    def worth(self) -> Decimal:
        """Return what is still held is worth at the last prices."""
        worth = ZERO
        for leg in self.state.legs:
            price = middle(self.state, leg.number)
            if leg.base:
                assert price is not None  # noqa: S101 - what is held was bought at one
                worth = EXACT.fma(leg.base, price, worth)
        return worth

    @property
    def drawdown(self) -> Decimal:
        """Return the largest loss from a peak of the equity, in quote."""
        peak, worst = self.equity[0].equity, ZERO
        for point in self.equity:
            peak = max(peak, point.equity)
            worst = max(worst, EXACT.subtract(peak, point.equity))
        return worst


def _minus(amounts: Iterable[Decimal]) -> list[Decimal]:
    return [EXACT.minus(amount) for amount in amounts]


def play_pair(
    exchanges: Mapping[int, SimulatedExchange], state: ArbState, tape: Iterable[TapeEvent]
) -> PairPlayed:
    """Run *state*, fresh from `engine.begin`, over *tape*; at its end the pair is closed.

    *exchanges* by leg; each trades with the account that the spec names for its leg.
    """
    loop = _Loop(exchanges, state)
    for told in tape:
        loop.on(told)
    return loop.end()


class _Loop:
    def __init__(self, exchanges: Mapping[int, SimulatedExchange], state: ArbState) -> None:
        self._exchanges = exchanges
        self._played = PairPlayed(state)
        self._accounts = {n: state.spec.legs[n - 1].account for n in (1, 2)}
        self._read = dict.fromkeys((1, 2), 0)
        self._trade: PairTrade | None = None
        self._orders = 0

    # --- the tape

    def on(self, told: TapeEvent) -> None:
        exchange, event = self._exchanges[told.leg], told.event
        exchange.on(event)
        if isinstance(event, Quoted):
            if self._played.state.leg(told.leg).quote is None:
                self._look(told.leg, event.at)
            self._tell(QuoteSeen(told.leg, event.bid, event.ask, event.at))
            self._mark(event.at)
        elif isinstance(event, FundingAnnounced):
            funding = LegFunding(event.rate, event.at, told.interval, event.due_at)
            self._tell(FundingTold(told.leg, funding))
        elif isinstance(event, FundingDue):
            self._settled(told.leg, event.at)

    def end(self) -> PairPlayed:
        state = self._played.state
        self._tell(ExitAsked(state.now, "the tape ends", ends=True))
        self._mark(self._played.state.now)
        return self._played

    def _look(self, leg: int, at: datetime) -> None:
        """Spot has no funding, and nobody has to announce that."""
        if self._played.state.instrument(leg).kind is MarketKind.SPOT:
            self._tell(FundingTold(leg, spot(at)))

    def _settled(self, leg: int, at: datetime) -> None:
        symbol = self._played.state.instrument(leg).symbol
        account, exchange = self._accounts[leg], self._exchanges[leg]
        payments = exchange.funding_since(account, symbol, at)
        for payment in payments:
            funding = self._played.funding
            funding[leg] = EXACT.add(funding[leg], payment.amount)
            self._tell(FundingPaid(leg, funding[leg], at))
        for position in exchange.positions(account, symbol):
            self._tell(PositionTold(leg, position, at))

    # --- the engine

    def _tell(self, event: ArbEvent) -> None:
        if self._trade is not None:  # pragma: no cover - a trade ends before the tape goes on
            raise AssertionError("a trade is in flight")
        self._take(engine.step(self._played.state, event))

    def _take(self, decided: ArbStep) -> None:
        self._played.state = decided.state
        for action in decided.actions:
            if isinstance(action, StartTrade):
                self._begin(action)
            elif isinstance(action, AbortTrade) and self._trade is not None:
                self._saga([AbortAsked(self._trade.now, action.why)])

    # --- the saga

    def _begin(self, action: StartTrade) -> None:
        begun = pairing.begin(action.trade)
        self._trade, self._orders = begun.state, 0
        self._saga(self._do(begun.actions))
        for _ in range(_TICKS):
            if self._trade.finished:
                return self._ended(self._trade, action.why)
            self._tick(self._trade.now + _SECOND)
        raise AssertionError(f"trade {action.trade.tag} does not end: {self._trade}")

    def _tick(self, now: datetime) -> None:
        for exchange in self._exchanges.values():
            exchange.advance(now)
        quotes = [(leg.number, leg.quote) for leg in self._trade_in_flight.legs]
        stand = [QuoteSeen(n, each.bid, each.ask, now) for n, each in quotes if each is not None]
        self._saga([*stand, TimePassed(now)])

    @property
    def _trade_in_flight(self) -> PairTrade:
        if self._trade is None:
            raise AssertionError("no trade is in flight")
        return self._trade

    def _saga(self, events: Iterable[PairEvent]) -> None:
        assert self._trade is not None  # noqa: S101 - there is one while it is told anything
        todo = deque(events)
        while todo or (todo := deque(self._reports())):
            stepped = pairing.step(self._trade, todo.popleft())
            self._trade = stepped.state
            todo.extend(self._do(stepped.actions))

    def _do(self, actions: Iterable[PairAction]) -> list[PairEvent]:
        return [self._act(action) for action in actions if isinstance(action, OnLeg)]

    def _act(self, asked: OnLeg) -> PairEvent:
        exchange, account = self._exchanges[asked.leg], self._accounts[asked.leg]
        known: OrderReport | Refusal
        action = asked.action
        if isinstance(action, Place):
            self._orders += 1
            known = exchange.place(account, action.request)
        else:
            known = (
                exchange.cancel(account, action.symbol, action.client_id)
                if isinstance(action, Cancel)
                else exchange.look_up(account, action.symbol, action.client_id)
            ) or Refusal(action.client_id, RefusalReason.ABSENT)
        return LegTold(asked.leg, Refused(known) if isinstance(known, Refusal) else Reported(known))

    def _reports(self) -> list[PairEvent]:
        news: list[PairEvent] = []
        for leg, exchange in self._exchanges.items():
            for seq, report in exchange.reports_after(self._accounts[leg], self._read[leg]):
                self._read[leg] = seq
                news.append(LegTold(leg, Reported(report)))
        return news

    def _ended(self, trade: PairTrade, why: str) -> None:
        self._trade = None
        outcome = outcome_of(trade)
        done = Traded(
            trade.tag,
            trade.kind,
            why,
            trade.begun_at,
            trade.now,
            outcome.moved,
            self._orders,
            trade.gave_up,
        )
        self._played.trades.append(done)
        self._take(engine.step(self._played.state, outcome))

    # --- what it is worth

    def _mark(self, at: datetime) -> None:
        if any(leg.quote is None for leg in self._played.state.legs):
            return
        self._played.fees = {leg: self._fees(leg) for leg in (1, 2)}
        worth = add(*(self._equity(leg) for leg in (1, 2)))
        funding = add(*self._played.funding.values())
        self._played.equity.append(EquityPoint(at, worth, funding))

    def _fees(self, leg: int) -> Decimal:
        quote = self._played.state.instrument(leg).quote
        return self._exchanges[leg].totals(self._accounts[leg]).fees.get(quote, ZERO)

    def _equity(self, leg: int) -> Decimal:
        """Return what the account of a leg is worth: its quote, and what it holds at the middle."""
        state, exchange, account = self._played.state, self._exchanges[leg], self._accounts[leg]
        instrument, price = state.instrument(leg), middle(state, leg)
        assert price is not None  # noqa: S101 - asked before
        equity = ZERO
        for balance in exchange.balances(account):
            worth = balance.total
            if balance.asset != instrument.quote:
                worth = EXACT.multiply(worth, price)
            equity = EXACT.add(equity, worth)
        for position in exchange.positions(account, instrument.symbol):
            base = EXACT.multiply(Decimal(position.lots), instrument.lot_size)
            paid = instrument.notional_of(position.cost)
            equity = EXACT.add(equity, EXACT.subtract(EXACT.multiply(base, price), paid))
        return equity

"""A venue that keeps the truth, and a loop that runs a grid against it.

The venue executes what the engine asks for, late or twice if told to, and knows every order, every
fill and the cash they moved. Whatever happens, the engine's books have to agree with it in the end.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.grid.config import GridConfig, bind
from domain.grid.decide import Step
from domain.grid.engine import step
from domain.grid.events import (
    Alert,
    Cancel,
    Correct,
    FeedChanged,
    GridAction,
    GridEvent,
    LookUp,
    OutcomeUnknown,
    Place,
    PriceMoved,
    Refused,
    Reported,
    Resync,
    Resynced,
    TellDivergence,
    TimePassed,
)
from domain.grid.slot import Slot
from domain.grid.spec import parse_spec
from domain.grid.state import GridState, begin
from domain.money import EXACT, ZERO, Instrument, MarketKind, Price, Quantity, add
from domain.order_ids import run_tag
from domain.orders import (
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    Refusal,
    RefusalReason,
    Side,
    Unknown,
)

D = Decimal
T0 = datetime(2024, 8, 8, tzinfo=UTC)
TAG = run_tag("test-run-1")

SPOT = Instrument(
    symbol="BTC/USDT",
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=D("0.1"),
    lot_size=D("0.001"),
    min_quantity=Quantity(1),
    min_notional=D(5),
    maker_fee=D("0.001"),
    taker_fee=D("0.001"),
)
PERPETUAL = replace(
    SPOT,
    symbol="BTC/USDT:USDT",
    kind=MarketKind.PERPETUAL,
    maker_fee=D("0.0002"),
    taker_fee=D("0.0005"),
)


def configured(instrument: Instrument = PERPETUAL, **fields: Any) -> GridConfig:
    """Return a grid around 1000.0 with 10.0 between its levels and 0.100 base (100 lots) each."""
    spec = {"symbol": instrument.symbol, "amount": "100", "buy_window": 3, "sell_window": 3}
    if not {"interval", "step_percent", "range"} & set(fields):
        spec["interval"] = "10"
    return bind(parse_spec({**spec, **fields}), instrument)


@dataclass
class VenueOrder:
    """An order as it truly is."""

    request: OrderRequest
    order_id: str
    status: OrderStatus = OrderStatus.OPEN
    filled: int = 0
    value: int = 0
    fees: dict[str, Decimal] = field(default_factory=dict)
    reason: RefusalReason | None = None

    @property
    def leaves(self) -> int:
        return self.request.quantity.lots - self.filled if self.status.working else 0

    @property
    def rank(self) -> int:
        """The better its price, the lower."""
        price = self.request.price
        return -price.ticks * self.request.side.sign if price else 0

    def report(self) -> OrderReport:
        return OrderReport(
            self.request.client_id,
            self.order_id,
            self.request.symbol,
            self.request.side,
            self.status,
            self.request.quantity,
            Quantity(self.filled),
            self.value,
            self.request.price,
            dict(self.fees),
            self.request.reduce_only,
            reason=self.reason,
        )


class Venue:
    """Every order that ever reached it, and the money it moved."""

    def __init__(self, instrument: Instrument, price: int) -> None:
        self.instrument = instrument
        self.price = price
        self.orders: dict[str, VenueOrder] = {}
        self.cash = ZERO
        self.base = ZERO

    def place(self, request: OrderRequest) -> OrderReport | Refusal:
        known = self.orders.get(request.client_id)
        if known is not None:
            return known.report()
        crosses = request.price is None or (
            request.price.ticks > self.price
            if request.side is Side.BUY
            else request.price.ticks < self.price
        )
        if crosses and request.post_only:
            best = Price(max(self.price - request.side.sign, 1))
            return Refusal(request.client_id, RefusalReason.WOULD_CROSS, "would take", best)
        order = VenueOrder(request, f"v{len(self.orders) + 1}")
        self.orders[request.client_id] = order
        if crosses:
            self.fill(order, order.leaves, self.price)
        return order.report()

    def cancel(self, client_id: str) -> OrderReport | None:
        order = self.orders.get(client_id)
        if order is None:
            return None
        if order.status.working:
            order.status = OrderStatus.CANCELED
        return order.report()

    def end(self, order: VenueOrder, status: OrderStatus, reason: RefusalReason | None) -> None:
        order.status, order.reason = status, reason

    def fill(self, order: VenueOrder, lots: int, ticks: int | None = None) -> OrderReport:
        price = ticks or (order.request.price.ticks if order.request.price else self.price)
        notional = self.instrument.notional_of(price * lots)
        sign = order.request.side.sign
        base = EXACT.multiply(D(lots), self.instrument.lot_size)
        order.filled += lots
        order.value += price * lots
        self.cash = add(self.cash, EXACT.multiply(D(-sign), notional))
        self.base = add(self.base, EXACT.multiply(D(sign), base))
        in_base = self.instrument.kind is MarketKind.SPOT and order.request.side is Side.BUY
        asset = self.instrument.base if in_base else self.instrument.quote
        fee = EXACT.multiply(base if in_base else notional, self.instrument.maker_fee)
        order.fees[asset] = add(order.fees.get(asset, ZERO), fee)
        if in_base:
            self.base = EXACT.subtract(self.base, fee)
        else:
            self.cash = EXACT.subtract(self.cash, fee)
        full = order.filled == order.request.quantity.lots
        order.status = OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED
        return order.report()

    def working(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.status.working]

    def reached(self) -> list[VenueOrder]:
        """Return the working orders at which the price has arrived, best first."""
        found = []
        for order in self.working():
            at = order.request.price
            sign = order.request.side.sign
            if at is not None and (at.ticks - self.price) * sign >= 0:
                found.append(order)
        return sorted(found, key=lambda order: (order.request.side, order.rank))

    def worth(self, mark: int) -> Decimal:
        """Return cash plus what is held at *mark*."""
        held = EXACT.multiply(self.base, self.instrument.price_of(Price(mark)))
        return add(self.cash, held)


class Runner:
    """A grid in front of a venue: tells the engine, does what it asks, and tells it the answers."""

    def __init__(self, config: GridConfig, price: int = 10_000, *, live: bool = True) -> None:
        self.venue = Venue(config.instrument, price)
        self.state = begin(config, TAG)
        self.actions: list[GridAction] = []
        self.now = T0
        if live:
            self.tell(FeedChanged(live=True, at=T0))
            self.moves(price)

    # --- what a test asks for

    def tell(self, *events: GridEvent) -> list[GridAction]:
        """Tell the engine, perform all that follows at once, and return the actions in order."""
        first = len(self.actions)
        inbox = list(events)
        for _ in range(2000):
            if not inbox:
                return self.actions[first:]
            inbox += self.perform(self.decide(inbox.pop(0)))
        raise AssertionError(f"a hot loop: {self.actions[-6:]}")

    def decide(self, event: GridEvent) -> tuple[GridAction, ...]:
        """Tell the engine alone."""
        decided = step(self.state, event)
        self.state = decided.state
        self.actions += decided.actions
        return decided.actions

    def perform(self, actions: Iterable[GridAction]) -> list[GridEvent]:
        answers = [self.answer(action) for action in actions]
        return [answer for answer in answers if answer is not None]

    def answer(self, action: GridAction) -> GridEvent | None:
        match action:
            case Place(request):
                said = self.venue.place(request)
                return Refused(said) if isinstance(said, Refusal) else Reported(said)
            case Cancel(_, client_id) | LookUp(_, client_id):
                canceling = isinstance(action, Cancel)
                known = self.venue.orders.get(client_id)
                report = self.venue.cancel(client_id) if canceling else known and known.report()
                return Reported(report) if report else absent(client_id)
            case Resync():
                reports = tuple(order.report() for order in self.venue.orders.values())
                return Resynced(reports, self.now)
            case Alert() | Correct() | TellDivergence():
                return None

    def moves(self, price: int) -> list[GridAction]:
        """Move the market to *price*, filling what it reaches on its way, then tell the price."""
        first = len(self.actions)
        self.venue.price = price
        while reached := self.venue.reached():
            order = reached[0]
            self.tell(Reported(self.venue.fill(order, order.leaves)))
        self.tell(PriceMoved(Price(price), self.now))
        return self.actions[first:]

    def fills(self, side: Side, ticks: int, lots: int | None = None) -> list[GridAction]:
        """Fill the order at this price, by *lots* or all of it."""
        order = self.order(side, ticks)
        return self.tell(Reported(self.venue.fill(order, lots or order.leaves)))

    def waits(self) -> list[GridAction]:
        self.now += timedelta(minutes=1)
        return self.tell(TimePassed(self.now))

    # --- what a test looks at

    def order(self, side: Side, ticks: int) -> VenueOrder:
        """Return the one working order at this price."""
        found = [
            order
            for order in self.venue.working()
            if order.request.side is side and order.request.price == Price(ticks)
        ]
        assert len(found) == 1, f"{len(found)} orders to {side} at {ticks}: {self.ladder()}"
        return found[0]

    def ladder(self) -> dict[str, list[int]]:
        """Return the prices of all working orders, by side."""
        prices: dict[str, list[int]] = {"buy": [], "sell": []}
        for order in self.venue.working():
            if order.request.price is not None:
                prices[order.request.side].append(order.request.price.ticks)
        return {side: sorted(ticks) for side, ticks in prices.items()}

    def slot(self, ticks: int) -> Slot:
        return self.state.slots[ticks]

    def books_agree(self) -> None:
        """Check position and money against the venue, to the last digit."""
        assert held(self.state) == self.venue.base
        assert earned(self.state, self.venue.price) == self.venue.worth(self.venue.price)


def absent(client_id: str) -> Refused:
    return Refused(Refusal(client_id, RefusalReason.ABSENT, "never arrived"))


def refused(client_id: str, reason: RefusalReason, best: Price | None = None) -> Refused:
    return Refused(Refusal(client_id, reason, "no", best))


def unknown(client_id: str) -> OutcomeUnknown:
    return OutcomeUnknown(Unknown(client_id, "no answer"))


def held(state: GridState) -> Decimal:
    """Return the base that the engine believes to hold."""
    instrument = state.config.instrument
    holdings = [slot.holding for slot in state.slots.values()]
    holdings += [state.residue] if state.residue else []
    return add(*(holding.base(instrument) for holding in holdings))


def earned(state: GridState, mark: int) -> Decimal:
    """Return what the engine believes to have earned with everything valued at *mark*."""
    valued = replace(state, price=Price(mark))
    return add(state.totals.grid_profit, valued.floating(), -state.totals.fees)


def places(actions: Iterable[GridAction]) -> list[tuple[str, int, int]]:
    """Return the placed orders as (side, ticks, lots); a market order has 0 ticks."""
    return [
        (
            str(a.request.side),
            a.request.price.ticks if a.request.price else 0,
            a.request.quantity.lots,
        )
        for a in actions
        if isinstance(a, Place)
    ]


def requests(actions: Iterable[GridAction]) -> list[OrderRequest]:
    return [action.request for action in actions if isinstance(action, Place)]


def kinds(actions: Iterable[GridAction]) -> list[str]:
    return [type(action).__name__ for action in actions]


def is_market(request: OrderRequest) -> bool:
    return request.type is OrderType.MARKET


__all__ = [
    "PERPETUAL",
    "SPOT",
    "T0",
    "TAG",
    "D",
    "Runner",
    "Step",
    "Venue",
    "VenueOrder",
    "absent",
    "configured",
    "earned",
    "held",
    "is_market",
    "kinds",
    "places",
    "refused",
    "requests",
    "unknown",
]

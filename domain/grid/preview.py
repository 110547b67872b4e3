"""What a grid would do right now, before anybody risks anything: orders, capital, profit, warnings.

The preview runs the very engine: what it shows is what `step` would place.
"""

from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from domain.grid.config import GridConfig, check_profit, cycle_profit, fee_rate
from domain.grid.engine import step
from domain.grid.events import (
    Cancel,
    FeedChanged,
    GridEvent,
    Place,
    PriceMoved,
    Reported,
    ResumeAsked,
    Resynced,
)
from domain.grid.state import GridState, Phase, begin
from domain.money import EXACT, ZERO, Price, add
from domain.order_ids import decode
from domain.orders import OrderReport, OrderStatus, Side

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One order a grid would place, in the venue's units."""

    side: Side
    price: Decimal
    quantity: Decimal
    notional: Decimal
    #: Where the position would be given back.
    exit: Decimal
    #: What the round trip earns after both fees, in quote.
    profit: Decimal


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be placed, what it needs, and what stands in the way."""

    symbol: str
    price: Decimal
    orders: tuple[PreviewLine, ...]
    #: The notional of all entries: what must be there if every one of them fills.
    capital: Decimal
    quote: str
    fee_rate: Decimal
    #: Levels whose order would be under the venue's minimum; they are left out.
    too_small: tuple[Decimal, ...]
    #: Sentences for a person; an empty tuple means that nothing was found.
    warnings: tuple[str, ...]
    #: Live orders that a reconfiguration would cancel (client ids).
    cancels: tuple[str, ...] = ()


def preview(config: GridConfig, price: Price) -> Preview:
    """Return what *config* would place at *price*.

    Raises InvalidValueError if a round trip would not earn its fees.
    """
    check_profit(config, price)
    return planned(config, price)


def worst_case(config: GridConfig, price: Price) -> Preview:
    """Return what *config* would place at *price*, or where its trigger lies.

    Whether it earns anything is not asked.
    """
    triggered = replace(config, spec=config.spec.model_copy(update={"trigger_price": None}))
    return planned(replace(triggered, trigger=None), config.trigger or price)


def planned(config: GridConfig, price: Price) -> Preview:
    """Return what *config* would place at *price*, whether or not it earns anything."""
    state = begin(config, "0" * 8)
    events = (FeedChanged(live=True, at=_EPOCH), Resynced((), _EPOCH), PriceMoved(price, _EPOCH))
    return _run(state, events, config, price)


def preview_change(state: GridState, events: tuple[GridEvent, ...], price: Price) -> Preview:
    """Return what *events* would make of a running grid: the new orders and the canceled ones."""
    changed = state
    for event in events:
        changed = step(changed, event).state
    check_profit(changed.config, price)
    return planned_change(state, events, price)


def planned_change(state: GridState, events: tuple[GridEvent, ...], price: Price) -> Preview:
    """As `preview_change`, whether or not it earns anything."""
    changed = state
    for event in events:
        changed = step(changed, event).state
    return _run(state, events, changed.config, price)


def needs_to_go_on(state: GridState, now: datetime) -> dict[str, Decimal] | None:
    """Return what *state* would open if it were resumed, by asset, beside what rests already.

    None: it has seen no price yet, so it needs as much as from scratch.
    """
    if state.price is None:
        return None
    capital = planned_change(state, (ResumeAsked(now),), state.price).capital
    return {state.config.instrument.quote: capital} if capital else {}


def _run(
    state: GridState, events: tuple[GridEvent, ...], config: GridConfig, price: Price
) -> Preview:
    lines: list[PreviewLine] = []
    cancels: list[str] = []
    todo = deque(events)
    while todo:
        decided = step(state, todo.popleft())
        state = decided.state
        for action in decided.actions:
            if isinstance(action, Place):
                lines.append(_line(state, action))
            elif isinstance(action, Cancel):
                cancels.append(action.client_id)
                todo.extend(_canceled(state, action))
    small = _too_small(state)
    return Preview(
        config.symbol,
        config.instrument.price_of(price),
        tuple(lines),
        add(*(line.notional for line in lines)),
        config.instrument.quote,
        fee_rate(config),
        small,
        _warnings(state, lines, small),
        tuple(cancels),
    )


def _canceled(state: GridState, action: Cancel) -> list[Reported]:
    """Return what the venue would say of a cancel: new entries wait for that."""
    return [
        Reported(
            OrderReport(
                order.client_id,
                order.order_id,
                action.symbol,
                order.side,
                OrderStatus.CANCELED,
                order.quantity,
                order.filled,
                order.value,
                order.price,
                dict(order.fees),
            )
        )
        for order in state.working()
        if order.client_id == action.client_id
    ]


def _line(state: GridState, action: Place) -> PreviewLine:
    request, instrument = action.request, state.config.instrument
    key = decode(request.client_id)
    slot = state.slots.get(key.key) if key else None
    price = request.price or state.price or Price(1)
    leave = slot.exit if slot else price
    low, high = sorted((price, leave))
    base = instrument.base_of(request.quantity)
    return PreviewLine(
        request.side,
        instrument.price_of(price),
        base,
        instrument.notional(price, request.quantity),
        instrument.price_of(leave),
        EXACT.multiply(base, cycle_profit(state.config, low, high)) if slot else ZERO,
    )


def _too_small(state: GridState) -> tuple[Decimal, ...]:
    """Return the prices in the window whose level cannot carry an order the venue takes."""
    config, lattice = state.config, state.lattice
    if lattice is None:
        return ()
    levels = [state.center - k for k in range(1, config.window(Side.BUY) + 1)]
    levels += [state.center + k for k in range(1, config.window(Side.SELL) + 1)]
    instrument = config.instrument
    prices = [lattice.price(level) for level in levels if lattice.has(level)]
    return tuple(
        instrument.price_of(price)
        for price in sorted(prices)
        if not instrument.accepts(price, instrument.affordable(config.spec.amount, price))
    )


def _warnings(
    state: GridState, lines: list[PreviewLine], small: tuple[Decimal, ...]
) -> tuple[str, ...]:
    spec, instrument = state.config.spec, state.config.instrument
    found = []
    if small:
        found.append(
            f"{len(small)} of the levels ({small[0]} to {small[-1]}) get no order: {spec.amount} "
            f"{instrument.quote} is under the venue's minimum of "
            f"{instrument.base_of(instrument.min_quantity)} {instrument.base} or "
            f"{instrument.min_notional} {instrument.quote}; raise amount"
        )
    if state.phase is Phase.PAUSED:
        found.append("the run is paused: no entries before it resumes")
    elif not state.triggered:
        found.append(f"nothing is placed before the price reaches {spec.trigger_price}")
    elif not lines and not small:
        found.append("no level lies inside the window and the bounds at this price")
    return tuple(found)

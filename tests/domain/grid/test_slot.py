"""The life of a slot: every pair of state and event is in the table, or an error."""

from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import IllegalTransitionError
from domain.grid.slot import (
    TRANSITIONS,
    Slot,
    SlotEvent,
    SlotState,
    WorkingOrder,
    new_fees,
    rank,
    transition,
)
from domain.money import Price, Quantity
from domain.orders import OrderReport, OrderStatus, Side
from domain.position import Holding
from tests.domain.grid.harness import PERPETUAL, D

DIAGRAM = Path(__file__).parents[3] / "docs" / "slot-states.md"
ORDER = WorkingOrder("id", Side.BUY, Price(9_900), Quantity(10), entry=True)
SLOT = Slot(Price(9_900), Price(10_000), Side.BUY, epoch=0)
IN_STATE = {
    SlotState.FREE: SLOT,
    SlotState.PENDING: SLOT.sends(ORDER),
    SlotState.LOCKED: SLOT.sends(ORDER).works(ORDER),
}


def happens(slot: Slot, event: SlotEvent) -> Slot:
    match event:
        case SlotEvent.INTENDED:
            return slot.sends(ORDER)
        case SlotEvent.ACKNOWLEDGED:
            return slot.works(ORDER)
        case SlotEvent.CLOSED:
            return slot.closes()


@pytest.mark.parametrize("event", SlotEvent)
@pytest.mark.parametrize("state", SlotState)
def test_an_event_is_in_the_table_or_changes_nothing(state: SlotState, event: SlotEvent) -> None:
    slot = IN_STATE[state]
    before = replace(slot)
    if (state, event) in TRANSITIONS:
        after = happens(slot, event)
        assert after.state is transition(state, event) is TRANSITIONS[state, event]
        assert (after.order is None) == (after.state is SlotState.FREE)
    else:
        with pytest.raises(IllegalTransitionError, match=f"slot is {state}: {event} cannot happen"):
            happens(slot, event)
    assert slot == before


def test_the_diagram_in_the_docs_is_that_of_the_table() -> None:
    arrows = [f"    {old} --> {new}: {event}" for (old, event), new in TRANSITIONS.items()]
    drawn = "\n".join(["stateDiagram-v2", "    [*] --> free", *arrows])
    assert f"```mermaid\n{drawn}\n```" in DIAGRAM.read_text(encoding="utf-8")


def test_what_never_ends_never_goes_back() -> None:
    ranks = [rank(status) for status in OrderStatus]
    assert ranks == [1, 2, 3, 3, 3, 3]


def report(status: OrderStatus, filled: int, **fees: str) -> OrderReport:
    return OrderReport(
        "id",
        "v1",
        "BTC/USDT",
        Side.BUY,
        status,
        Quantity(10),
        Quantity(filled),
        filled * 9_900,
        Price(9_900),
        {asset: D(fee) for asset, fee in fees.items()},
    )


@pytest.mark.parametrize(
    "status,filled,news",
    [
        (OrderStatus.OPEN, 0, False),
        (OrderStatus.OPEN, 4, False),
        (OrderStatus.PARTIALLY_FILLED, 3, False),
        (OrderStatus.CANCELED, 3, False),
        (OrderStatus.PARTIALLY_FILLED, 4, False),
        (OrderStatus.PARTIALLY_FILLED, 5, True),
        (OrderStatus.OPEN, 5, True),
        (OrderStatus.CANCELED, 4, True),
        (OrderStatus.FILLED, 10, True),
    ],
)
def test_only_more_is_news(status: OrderStatus, filled: int, news: bool) -> None:
    known = ORDER.after(report(OrderStatus.PARTIALLY_FILLED, 4))
    assert known.is_news(report(status, filled)) is news


def test_fees_that_come_late_are_news_and_known_ones_are_kept() -> None:
    known = ORDER.after(report(OrderStatus.PARTIALLY_FILLED, 4))
    late = report(OrderStatus.PARTIALLY_FILLED, 4, USDT="0.5")
    assert known.is_news(late)
    told = known.after(late)
    assert not told.is_news(late)
    silent = report(OrderStatus.FILLED, 10)  # a look-up that tells of no fees
    after = told.after(silent)
    assert after.fees == (("USDT", D("0.5")),)
    assert new_fees(after.fees, report(OrderStatus.FILLED, 10, USDT="1.5")) == {"USDT": D(1)}


def test_a_slot_leaves_with_all_it_holds_or_not_at_all() -> None:
    held = replace(SLOT, holding=Holding(7, D("0.0001"), D(70)))
    assert held.leaving(PERPETUAL) == Quantity(7)
    dust = replace(SLOT, holding=Holding(4, D(0), D(4)))
    assert dust.leaving(PERPETUAL) == Quantity(0)  # 4.0 of 5 at least
    assert replace(SLOT, holding=Holding(-7, D(0), D(-70))).leaving(PERPETUAL) == Quantity(0)
    short = replace(SLOT, side=Side.SELL, holding=Holding(-7, D(0), D(-70)))
    assert short.leaving(PERPETUAL) == Quantity(7)


def test_a_slot_is_forgotten_only_when_nothing_has_to_be_remembered() -> None:
    assert SLOT.spent
    assert not replace(SLOT, blocked=True).spent
    assert not replace(SLOT, refusals=1).spent  # or every refusal would be the first
    assert not replace(SLOT, holding=Holding(0, D("0.0001"), D(1))).spent
    assert not SLOT.sends(ORDER).spent


def test_a_slot_knows_what_its_order_is_for() -> None:
    assert SLOT.sends(ORDER).entering
    assert not SLOT.sends(ORDER).exiting
    assert SLOT.sends(replace(ORDER, entry=False)).exiting
    assert not SLOT.entering
    assert not SLOT.exiting

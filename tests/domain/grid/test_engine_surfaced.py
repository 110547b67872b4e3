"""Orders that nobody remembers sending: found, counted once, and owned or canceled."""

from dataclasses import replace

from domain.grid.config import bind
from domain.grid.decide import Step
from domain.grid.engine import step
from domain.grid.events import (
    Cancel,
    FeedChanged,
    GridEvent,
    Place,
    PriceMoved,
    Reported,
    Resynced,
    Surfaced,
)
from domain.grid.spec import parse_spec
from domain.grid.state import GridState, begin
from domain.money import Price, Quantity
from domain.orders import OrderReport, OrderRequest, OrderStatus
from tests.domain.grid.harness import SPOT, T0, TAG

SPEC = {"symbol": "BTC/USDT", "interval": "10", "amount": "100", "buy_window": 3}


def decided(price: int, *before: GridEvent) -> Step:
    """Return the first entries of a run: at *price*, after *before*."""
    state = begin(bind(parse_spec(SPEC), SPOT), TAG)
    events = (*before, FeedChanged(live=True, at=T0), PriceMoved(Price(price), T0))
    for event in events:
        state = step(state, event).state
    return step(state, Resynced((), T0))


def places(decision: Step) -> list[OrderRequest]:
    return [action.request for action in decision.actions if isinstance(action, Place)]


def report(request: OrderRequest, status: OrderStatus, lots: int = 0) -> OrderReport:
    price = request.price or Price(1)
    return OrderReport(
        request.client_id,
        "v",
        request.symbol,
        request.side,
        status,
        request.quantity,
        Quantity(lots),
        lots * price.ticks,
        request.price,
    )


def surfaced(
    state: GridState, forgotten: list[OrderRequest], unsent: list[OrderRequest], *statuses: str
) -> Step:
    found = tuple(
        report(request, OrderStatus(status), request.quantity.lots if status == "filled" else 0)
        for request, status in zip(forgotten, statuses, strict=True)
    )
    return step(state, Surfaced(found, tuple(request.client_id for request in unsent)))


def test_a_forgotten_fill_counts_once_and_is_given_back() -> None:
    """The first decision was made at 10000, the remembered one at 9900: no id is the same."""
    forgotten, now = places(decided(100_000)), decided(99_000)
    assert not {r.client_id for r in forgotten} & {r.client_id for r in places(now)}
    after = surfaced(now.state, forgotten, places(now), "filled", "open", "canceled")
    assert after.state.position_lots == forgotten[0].quantity.lots
    assert after.state.totals.fills == 1
    sells = [request for request in places(after) if request.side == "sell"]
    assert [(r.quantity, r.price) for r in sells] == [(forgotten[0].quantity, Price(100_000))]
    again = surfaced(after.state, forgotten, [], "filled", "open", "canceled")
    assert again.state.totals.fills == 1
    assert again.state.position_lots == after.state.position_lots


def test_what_was_not_sent_is_decided_again_under_new_ids() -> None:
    forgotten, now = places(decided(100_000)), decided(99_000)
    unsent = places(now)
    after = surfaced(now.state, forgotten, unsent, "canceled", "canceled", "canceled")
    again = places(after)
    assert [request.price for request in again] == [request.price for request in unsent]
    assert not {r.client_id for r in again} & {r.client_id for r in (*unsent, *forgotten)}
    assert {order.client_id for order in after.state.working()} == {r.client_id for r in again}


def test_every_working_order_is_owned_or_canceled() -> None:
    forgotten, now = places(decided(100_000)), decided(99_000)
    after = surfaced(now.state, forgotten, places(now), "open", "open", "open")
    owned = {order.client_id for order in after.state.working()}
    canceled = {a.client_id for a in after.actions if isinstance(a, Cancel)}
    assert {request.client_id for request in forgotten} <= owned | canceled


def test_a_forgotten_exit_takes_the_place_of_the_one_that_was_not_sent() -> None:
    now = decided(100_000)
    first, second, _ = places(now)
    state = now.state
    for request in places(now):
        state = step(state, Reported(report(request, OrderStatus.OPEN))).state
    filled = [report(r, OrderStatus.FILLED, r.quantity.lots) for r in (first, second)]
    one_way = step(step(state, Reported(filled[0])).state, Reported(filled[1]))
    forgotten = [r for r in places(one_way) if r.side == "sell"]
    other_way = step(state, Reported(filled[1]))
    other_way = step(other_way.state, Reported(filled[0]))
    unsent = [r for r in places(other_way) if r.side == "sell"]
    assert forgotten[0].client_id != unsent[0].client_id
    slot = replace(other_way.state)
    after = surfaced(slot, forgotten, unsent, *["open"] * len(forgotten))
    sells = [o for o in after.state.working() if not o.entry and not o.canceling]
    per_price = [order.price for order in sells]
    assert len(per_price) == len(set(per_price)) == 2
    assert sum(order.quantity.lots for order in sells) == after.state.position_lots

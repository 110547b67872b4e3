from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.grid.events import (
    FeedChanged,
    PriceMoved,
    RiskChanged,
    StopAsked,
    TimePassed,
)
from domain.grid.spec import StopMode
from domain.grid.state import begin
from domain.market import AccountView, Balance, Position
from domain.money import EXACT, ZERO, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import OrderReport, OrderStatus, RefusalReason, Side
from domain.risk.belief import Belief, belief
from domain.risk.divergence import Agreement, divergence
from domain.risk.reconcile import Circumstances, Move, OrderVerdict, Plan, reconcile
from tests.domain.grid.harness import (
    PERPETUAL,
    SPOT,
    T0,
    TAG,
    D,
    Runner,
    configured,
    refused,
    requests,
    unknown,
)

LIMIT = timedelta(seconds=10)
KNOWN = Circumstances(LIMIT)


def view(run: Runner, at: datetime = T0, **fields: Any) -> AccountView:
    """Return what the venue would show of *run*, all of it as of one moment."""
    lots = int(run.venue.base / run.venue.instrument.lot_size)
    shown = {
        "balances": (Balance("BTC", run.venue.base),),
        "positions": (Position(run.venue.instrument.symbol, lots, 0),),
        "orders": tuple(order.report() for order in run.venue.orders.values()),
        **fields,
    }
    return AccountView(at, fills=(), **shown)


def plan(run: Runner, known: Circumstances = KNOWN, **fields: Any) -> Plan:
    return reconcile(belief(run.state), view(run, **fields), known)


def foreign(client_id: str = "somebody", symbol: str = PERPETUAL.symbol) -> OrderReport:
    return OrderReport(
        client_id, "v99", symbol, Side.BUY, OrderStatus.OPEN, Quantity(5), price=Price(9000)
    )


def ours(generation: int, tag: str = TAG, filled: int = 0) -> OrderReport:
    client_id = encode(OrderKey(tag, Purpose.ENTRY_BUY, 9000, generation))
    status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.OPEN
    return replace(foreign(client_id), status=status, filled=Quantity(filled))


def with_also(run: Runner, *reports: OrderReport) -> dict[str, Any]:
    return {"orders": (*(order.report() for order in run.venue.orders.values()), *reports)}


def verdict_of(planned: Plan, client_id: str) -> OrderVerdict:
    (verdict,) = (one for one in planned.orders if one.client_id == client_id)
    return verdict


# --- orders we believe in


def test_what_agrees_is_kept() -> None:
    run = Runner(configured())
    planned = plan(run)
    assert [verdict.move for verdict in planned.orders] == [Move.KEEP] * 3
    assert planned.position.agreement is Agreement.MATCH
    assert planned.position.event(T0) is None


@pytest.mark.parametrize(
    "lots,status,move,said",
    [
        (40, None, Move.ADOPT, "filled 0 to 40 of 101 lots meanwhile"),
        (101, None, Move.ADOPT, "filled 0 to 101 of 101 lots while nobody was listening"),
        (0, OrderStatus.CANCELED, Move.RECREATE, "canceled though nobody asked, filled 0 to 0"),
        (0, OrderStatus.EXPIRED, Move.RECREATE, "expired though nobody asked"),
        (0, OrderStatus.REJECTED, Move.RECREATE, "rejected though nobody asked"),
        (40, OrderStatus.CANCELED, Move.RECREATE, "canceled though nobody asked, filled 0 to 40"),
    ],
)
def test_what_happened_while_away_goes_through_the_reducer(
    lots: int, status: OrderStatus | None, move: Move, said: str
) -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    if lots:
        run.venue.fill(order, lots)
    if status:
        run.venue.end(order, status, None)
    planned = plan(run)
    verdict = verdict_of(planned, order.request.client_id)
    assert (verdict.move, said in verdict.why) == (move, True)
    assert planned.position.agreement is Agreement.MATCH, "a ghost fill is no divergence"
    run.tell(FeedChanged(live=True, at=T0))  # the engine takes the same view in
    run.books_agree()


def test_a_cancel_that_we_asked_for_is_adopted() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    run.decide(RiskChanged(halted=True, at=T0))  # the cancels are on their way
    assert verdict_of(plan(run), order.request.client_id).move is Move.KEEP
    run.venue.cancel(order.request.client_id)
    assert verdict_of(plan(run), order.request.client_id).why.startswith("canceled as asked")


def test_k1_an_order_the_venue_does_not_show_is_looked_up_and_never_declared_canceled() -> None:
    run = Runner(configured())
    planned = plan(run, orders=())
    assert {verdict.move for verdict in planned.orders} == {Move.LOOK_UP}
    assert all("only a look-up can say" in verdict.why for verdict in planned.orders)


@pytest.mark.parametrize("seconds,move", [(-1, Move.KEEP), (10, Move.KEEP), (11, Move.LOOK_UP)])
def test_k3_an_order_in_flight_is_no_stray(seconds: int, move: Move) -> None:
    run = Runner(configured(), live=False)
    run.tell(FeedChanged(live=True, at=T0))
    (sent, *_) = requests(run.decide(PriceMoved(Price(10_000), T0)))  # not yet at the venue
    known = replace(KNOWN, sent_at={sent.client_id: T0 - timedelta(seconds=seconds)})
    assert verdict_of(plan(run, known), sent.client_id).move is move


def test_a_view_older_than_our_state_is_no_divergence() -> None:
    run = Runner(configured())
    before = view(run)
    run.fills(Side.BUY, 9_900)
    planned = reconcile(belief(run.state), before, KNOWN)
    assert planned.position.agreement is Agreement.MATCH
    entry = next(one.client_id for one in before.orders if one.price == Price(9_900))
    assert verdict_of(planned, entry).why == "ended since this view was taken"


# --- orders we do not believe in


def test_orders_of_ours_that_were_forgotten_are_adopted() -> None:
    run = Runner(configured())
    lost = ours(run.state.generation + 1, filled=3)
    planned = plan(run, **with_also(run, lost), positions=(Position(PERPETUAL.symbol, 3, 0),))
    assert verdict_of(planned, lost.client_id).move is Move.ADOPT
    assert planned.position.agreement is Agreement.MATCH
    run.state = replace(run.state, generation=99, unseen=(50,))
    assert verdict_of(plan(run, **with_also(run, ours(50))), ours(50).client_id).move is Move.ADOPT


def test_a_lost_database_adopts_what_the_venue_shows() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    empty = belief(begin(run.state.config, TAG))
    planned = reconcile(empty, view(run), KNOWN)
    assert {verdict.move for verdict in planned.orders} == {Move.ADOPT}
    assert planned.position.agreement is Agreement.MATCH


def test_a_lost_database_whose_orders_the_venue_forgot_opens_the_breaker() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    empty = belief(begin(run.state.config, TAG))
    planned = reconcile(empty, view(run, orders=()), KNOWN)
    assert planned.position.agreement is Agreement.SEVERE


def test_our_strays_are_canceled() -> None:
    run = Runner(configured())
    run.state = replace(run.state, generation=99)
    stray = ours(50, filled=3)
    planned = plan(run, **with_also(run, stray))
    assert verdict_of(planned, stray.client_id).move is Move.CANCEL
    assert planned.position.agreement is Agreement.MATCH  # it was counted, and forgotten since


def test_an_order_that_was_believed_absent_and_lives_is_a_stray_whose_fills_count() -> None:
    run = Runner(configured(buy_window=1), live=False)
    run.tell(FeedChanged(live=True, at=T0))
    (request,) = requests(run.decide(PriceMoved(Price(10_000), T0)))
    run.decide(refused(request.client_id, RefusalReason.OTHER))
    run.venue.place(request)  # it had arrived all the same
    assert verdict_of(plan(run), request.client_id).move is Move.CANCEL
    run.venue.fill(run.venue.orders[request.client_id], 60)
    planned = plan(run)
    assert verdict_of(planned, request.client_id).move is Move.ADOPT
    assert planned.position.agreement is Agreement.MATCH


def test_an_order_that_is_over_for_everybody_needs_nothing() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    run.moves(10_100)
    over = [order for order in run.venue.orders.values() if not order.status.working]
    shown = {verdict.client_id for verdict in plan(run).orders}
    assert over
    assert not shown & {order.request.client_id for order in over}
    gone = replace(foreign(), status=OrderStatus.CANCELED)
    assert foreign().client_id not in {v.client_id for v in plan(run, orders=(gone,)).orders}


@pytest.mark.parametrize(
    "exclusive,move,said",
    [
        (False, Move.REPORT, "not ours; left alone, since the account is not exclusive"),
        (True, Move.CANCEL, "not ours; the account is exclusive"),
    ],
)
def test_k3_foreign_orders_are_touched_on_an_exclusive_account_only(
    exclusive: bool, move: Move, said: str
) -> None:
    run = Runner(configured())
    planned = plan(run, replace(KNOWN, exclusive=exclusive), **with_also(run, foreign()))
    assert verdict_of(planned, "somebody") == OrderVerdict(move, "somebody", "v99", said)
    assert planned.to(move) == (verdict_of(planned, "somebody"),)


def test_orders_of_other_runs_are_theirs() -> None:
    run, other = Runner(configured()), run_tag("another-run")
    known = replace(KNOWN, exclusive=True, siblings=frozenset({other}))
    shown = with_also(run, ours(5, other), foreign("x", "ETH/USDT"))
    planned = plan(run, known, **shown)
    assert verdict_of(planned, ours(5, other).client_id).move is Move.KEEP
    assert "x" not in {verdict.client_id for verdict in planned.orders}  # another symbol
    unknown_run = plan(run, **shown)
    verdict = verdict_of(unknown_run, ours(5, other).client_id)
    assert (verdict.move, other in verdict.why) == (Move.REPORT, True)


# --- the position


@pytest.mark.parametrize(
    "expected,found,percent",
    [
        (0, 0, 0),
        (100, 100, 0),
        (100, 99, 1),
        (99, 100, 1),
        (100, 50, 50),
        (50, 100, 50),
        (100, 0, 100),
        (0, 100, 100),
        (100, -100, 200),
        (-100, -95, 5),
    ],
)
def test_divergence_is_the_share_of_the_larger_position(
    expected: int, found: int, percent: int
) -> None:
    assert divergence(D(found), D(expected)) == percent


def believed(lots: int, **fields: Any) -> Belief:
    return Belief(PERPETUAL, TAG, (), EXACT.multiply(D(lots), PERPETUAL.lot_size), **fields)


def compared(expected: int, found: int, known: Circumstances = KNOWN) -> Plan:
    shown = AccountView(T0, (), (Position(PERPETUAL.symbol, found, 0),), (), ())
    return reconcile(believed(expected), shown, known)


@pytest.mark.parametrize(
    "expected,found,agreement,correction",
    [
        (1000, 1000, Agreement.MATCH, 0),
        (1000, 990, Agreement.CORRECT, -10),
        (1000, 951, Agreement.CORRECT, -49),
        (951, 1000, Agreement.CORRECT, 49),
        (-1000, -990, Agreement.CORRECT, 10),
        (1000, 950, Agreement.SEVERE, 0),
        (950, 1000, Agreement.SEVERE, 0),
        (1000, 500, Agreement.SEVERE, 0),
        (1000, 0, Agreement.SEVERE, 0),
        (0, 1, Agreement.SEVERE, 0),
        (1000, -1, Agreement.SEVERE, 0),
    ],
)
def test_k2_small_divergences_are_corrected_and_severe_ones_open_the_breaker(
    expected: int, found: int, agreement: Agreement, correction: int
) -> None:
    position = compared(expected, found).position
    assert (position.agreement, position.correction) == (agreement, correction)
    event = position.event(T0)
    assert (event is not None) == (agreement is Agreement.SEVERE)
    if event is not None:
        assert (event.percent, event.at) == (position.percent, T0)
        assert event.wrong_side == position.wrong_side == (found == -1)


def test_a_position_verdict_is_a_sentence() -> None:
    assert compared(1000, 951).position.why == (
        "expected 1.000 BTC, found 0.951: 4.90 % apart, corrected in the ledger"
    )
    wrong = compared(1000, -500).position.why
    assert wrong.endswith(
        "150.00 % apart on the wrong side, too much to be corrected: the breaker opens"
    )


def test_the_limit_between_small_and_severe_is_an_argument() -> None:
    strict = replace(KNOWN, severe_percent=D(1))
    assert compared(1000, 990, strict).position.agreement is Agreement.SEVERE
    lax = replace(KNOWN, severe_percent=D(1000))
    assert compared(1000, 1, lax).position.agreement is Agreement.CORRECT
    assert compared(1000, -1, lax).position.agreement is Agreement.SEVERE  # the wrong side is


@given(st.integers(-2000, 2000), st.integers(-2000, 2000))
def test_a_correction_makes_both_sides_agree(expected: int, found: int) -> None:
    position = compared(expected, found).position
    if position.agreement is Agreement.CORRECT:
        assert expected + position.correction == found
        assert compared(expected + position.correction, found).position.agreement == "match"
        assert position.percent < 5
    assert (position.agreement is Agreement.MATCH) == (expected == found)
    assert divergence(D(found), D(expected)) == divergence(D(expected), D(found))


def test_what_others_hold_is_not_ours() -> None:
    assert compared(100, 150, replace(KNOWN, others_held=D("0.05"))).position.agreement == "match"


def test_positions_in_other_symbols_do_not_count() -> None:
    shown = AccountView(T0, (), (Position("ETH/USDT:USDT", 7, 0),), (), ())
    assert reconcile(believed(0), shown, KNOWN).position.agreement is Agreement.MATCH


def test_fees_in_base_are_part_of_what_is_expected_on_spot() -> None:
    run = Runner(configured(SPOT))
    order = run.order(Side.BUY, 9_900)
    run.venue.fill(order, 60)
    assert plan(run).position.agreement is Agreement.MATCH
    assert plan(run).position.expected == run.venue.base
    run.tell(FeedChanged(live=True, at=T0))
    before = view(run)
    run.fills(Side.BUY, 9_800)
    assert plan(run).position.expected == run.venue.base
    older = reconcile(belief(run.state), before, KNOWN).position
    assert (older.agreement, older.expected) == (Agreement.MATCH, older.found)
    had = replace(KNOWN, others_held=D(2))
    assert plan(run, had, balances=(Balance("BTC", run.venue.base + 2),)).position.expected == (
        run.venue.base + 2
    )


def test_less_than_a_lot_is_no_divergence() -> None:
    run = Runner(configured(SPOT))
    run.fills(Side.BUY, 9_900)
    dust = Balance("BTC", run.venue.base + D("0.0009"))
    assert plan(run, balances=(dust,)).position.agreement is Agreement.MATCH


# --- what is in doubt comes first


@pytest.mark.parametrize(
    "lots,agreement",
    [
        (101, Agreement.UNSETTLED),  # the order may have filled
        (1, Agreement.UNSETTLED),
        (306, Agreement.UNSETTLED),  # all three may have
        (307, Agreement.SEVERE),  # no order of ours explains that
        (-1, Agreement.SEVERE),
        (0, Agreement.MATCH),
    ],
)
def test_nothing_is_corrected_while_an_order_in_doubt_may_explain_it(
    lots: int, agreement: Agreement
) -> None:
    run = Runner(configured())
    planned = plan(run, orders=(), positions=(Position(PERPETUAL.symbol, lots, 0),))
    assert len(planned.to(Move.LOOK_UP)) == 3
    assert planned.position.agreement is agreement
    assert planned.position.correction == 0


def test_a_small_divergence_waits_for_orders_in_doubt_that_cannot_explain_it() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    run.fills(Side.BUY, 9_800)
    buys = tuple(
        order.report() for order in run.venue.orders.values() if order.request.side is Side.BUY
    )
    lots = (Position(PERPETUAL.symbol, run.state.position_lots + 2, 0),)
    planned = plan(run, orders=buys, positions=lots)
    assert len(planned.to(Move.LOOK_UP)) == 2
    assert planned.position.agreement is Agreement.UNSETTLED
    settled = plan(run, positions=lots)
    assert (settled.position.agreement, settled.position.correction) == (Agreement.CORRECT, 2)


# --- the belief


def test_a_belief_has_the_closing_order_and_the_residue_too() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    run.decide(StopAsked(StopMode.CLOSE, T0))
    for order in run.venue.working():
        run.decide(refused(order.request.client_id, RefusalReason.ABSENT))
    run.decide(TimePassed(T0))
    assert run.state.residue is not None
    assert run.state.closing is not None
    held = belief(run.state)
    assert held.held == EXACT.multiply(Decimal(101), PERPETUAL.lot_size)
    assert held.working == (run.state.closing,)


def test_a_doubt_of_the_engine_is_a_look_up_here_too() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    run.decide(unknown(order.request.client_id))
    del run.venue.orders[order.request.client_id]
    assert verdict_of(plan(run), order.request.client_id).move is Move.LOOK_UP


def test_others_tell_a_belief_nothing() -> None:
    mine = believed(0)
    assert not mine.is_ours(foreign())
    assert not mine.is_news(foreign())
    assert mine.untold(replace(foreign(), filled=Quantity(3))) == ZERO

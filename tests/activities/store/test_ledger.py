"""The ledger on SQLite and on PostgreSQL: the same calls, the same answers, the same rows."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from activities.store import schema
from activities.store.database import open_engine
from activities.store.ledger import Ledger
from activities.store.records import (
    REFUSED,
    SENDING,
    AuditEntry,
    EquityRecord,
    RiskEvent,
    RunStatus,
    Watch,
)
from domain.accounting import Transfer, VenueView
from domain.errors import InvalidValueError, StoreError
from domain.market import AccountView, Balance, FundingPayment
from domain.money import Price, Quantity
from domain.order_ids import Purpose, run_tag
from domain.orders import (
    OrderReport,
    OrderStatus,
    OrderType,
    Refusal,
    RefusalReason,
    Side,
)
from tests.activities.store.builders import (
    ACCOUNT,
    INSTRUMENT,
    T0,
    TAG,
    at,
    client_id,
    fill,
    report,
    request,
    run,
)

# ---- send markers


async def test_a_marker_is_there_before_anything_is_known_of_the_order(ledger: Ledger) -> None:
    assert await ledger.order(client_id()) is None
    assert await ledger.mark_sending(ACCOUNT, [request()], at(0)) == set()
    order = await ledger.order(client_id())
    assert order is not None
    assert (order.status, order.order_id, order.sent_at) == (SENDING, None, at(0))
    assert (order.price, order.quantity, order.type) == (Price(1000), Quantity(10), OrderType.LIMIT)
    assert not order.settled


async def test_what_an_order_was_decided_at_stays_whatever_is_reported(ledger: Ledger) -> None:
    decided = Decimal("100.050")
    await ledger.mark_sending(ACCOUNT, [request(decided=decided), request(2)], at(0))
    await ledger.record_reports(ACCOUNT, [report(OrderStatus.FILLED, 10)])
    first, second = [await ledger.order(client_id(n)) for n in (1, 2)]
    assert first is not None
    assert second is not None
    assert (first.filled, first.decided, second.decided) == (Quantity(10), decided, None)


async def test_a_payment_is_of_the_run_that_was_open_though_the_venue_is_ahead_of_our_clock(
    ledger: Ledger,
) -> None:
    """A market that runs faster than our clock pays at times that are not yet, and we close now."""
    first, second = (
        FundingPayment(f"p{n}", INSTRUMENT.symbol, Decimal(n), at(n * 3600)) for n in (1, 2)
    )
    await ledger.record_funding(ACCOUNT, [first])
    await ledger.close_run("grid-1", at(10))
    assert (await ledger.account_of_run("grid-1")).funding == 1
    await ledger.open_run(run("grid-2", opened_at=at(20)))
    await ledger.record_funding(ACCOUNT, [second])
    found = [(await ledger.account_of_run(name)).funding for name in ("grid-1", "grid-2")]
    assert found == [1, 2]


async def test_a_second_marker_says_that_the_order_was_perhaps_sent(ledger: Ledger) -> None:
    await ledger.mark_sending(ACCOUNT, [request(1)], at(0))
    again = await ledger.mark_sending(ACCOUNT, [request(1), request(2)], at(9))
    assert again == {client_id(1)}
    order = await ledger.order(client_id(1))
    assert order is not None
    assert order.sent_at == at(0)


async def test_an_order_that_was_only_ever_reported_counts_as_sent(ledger: Ledger) -> None:
    await ledger.record_reports(ACCOUNT, [report()])
    assert await ledger.mark_sending(ACCOUNT, [request()], at(0)) == {client_id()}


async def test_a_decision_is_marked_unless_another_one_of_its_generations_was_sent(
    ledger: Ledger,
) -> None:
    forgotten, refused = request(2, client_id=client_id(2, key=999)), request(3)
    await ledger.mark_sending(ACCOUNT, [request(1), forgotten, refused], at(0))
    refusal = Refusal(refused.client_id, RefusalReason.ABSENT)
    await ledger.record_refusals(ACCOUNT, [refusal], at(1))
    decided = [request(2), request(4)]
    marked = await ledger.mark_decided(ACCOUNT, decided[:1], at(2), decided=decided)
    assert ([order.client_id for order in marked.lost], marked.before) == (
        [forgotten.client_id],
        frozenset(),
    )
    assert await ledger.unremembered(decided) == list(marked.lost)
    assert await ledger.orders([each.client_id for each in decided]) == {}


async def test_a_decision_that_is_carried_out_again_finds_its_own_markers(ledger: Ledger) -> None:
    decided = [request(1), request(2)]
    first = await ledger.mark_decided(ACCOUNT, decided[:1], at(0), decided=decided)
    again = await ledger.mark_decided(ACCOUNT, decided, at(9), decided=decided)
    assert (first.before, again.before, again.lost) == (frozenset(), frozenset({client_id(1)}), ())
    # Older orders, and those of other runs, are nobody's surprise.
    other = request(1, client_id=client_id(1, tag=run_tag("grid-2")))
    assert (await ledger.mark_decided(ACCOUNT, [other], at(9), decided=[other])).lost == ()
    assert await ledger.unremembered([request(3)]) == []


async def test_markers_are_written_all_or_none(ledger: Ledger) -> None:
    impossible = request(2, quantity=Quantity(2**70))  # no database has integers of that size
    with pytest.raises((OverflowError, DBAPIError)):
        await ledger.mark_sending(ACCOUNT, [request(1), impossible], at(0))
    assert await ledger.order(client_id(1)) is None


async def test_two_ledgers_at_once_never_both_get_to_send(url: str) -> None:
    first, second = Ledger.open(url), Ledger.open(url)
    requests = [request(n) for n in range(1, 20)]
    answers = await asyncio.gather(
        *(
            ledger.mark_sending(ACCOUNT, [request], at(0))
            for request in requests
            for ledger in (first, second)
        )
    )
    assert sum(not already for already in answers) == len(requests)


# ---- reports


async def test_a_report_settles_a_marker_and_its_fill_counts_at_once(ledger: Ledger) -> None:
    await ledger.mark_sending(ACCOUNT, [request()], at(0))
    told = report(OrderStatus.PARTIALLY_FILLED, 4, fill=fill(1, 4))
    assert await ledger.record_reports(ACCOUNT, [told]) == 1
    order = await ledger.order(client_id())
    assert order is not None
    assert (order.status, order.filled, order.value) == ("partially_filled", Quantity(4), 4000)
    assert (order.order_id, order.fees, order.sent_at) == ("v1", {"USDT": Decimal("0.0100")}, at(0))
    assert await ledger.fills_of_run("grid-1") == [fill(1, 4)]


STORY = (
    report(),
    report(OrderStatus.PARTIALLY_FILLED, 4, fill=fill(1, 4)),
    report(OrderStatus.PARTIALLY_FILLED, 7, fill=fill(2, 3)),
    report(OrderStatus.FILLED, 10, fill=fill(3, 3)),
)
CANCELED = (*STORY[:3], report(OrderStatus.CANCELED, 7, at=at(8)))


@pytest.mark.parametrize("story", [STORY, CANCELED], ids=["filled", "canceled"])
async def test_reports_in_any_order_end_in_the_same_order_row(
    ledger: Ledger, story: Sequence[OrderReport]
) -> None:
    await ledger.record_reports(ACCOUNT, story)
    expected = await ledger.order(client_id())
    assert expected is not None
    for number, told in enumerate(permutations(story)):
        tag = run_tag(f"other-{number}")
        renamed = client_id(tag=tag)
        for one in told:
            await ledger.record_reports(ACCOUNT, [replace(one, client_id=renamed, fill=None)])
        order = await ledger.order(renamed)
        assert order == replace(expected, client_id=renamed, run_tag=tag)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(told=st.lists(st.sampled_from(STORY), max_size=12), number=st.integers(0, 2**30))
async def test_duplicates_and_old_news_change_nothing(
    ledger: Ledger, told: list[OrderReport], number: int
) -> None:
    tag = run_tag(f"{number}-{len(told)}")
    mine = client_id(tag=tag)
    scope = f"account-{tag}"
    await ledger.open_run(run(f"{number}-{len(told)}", account=scope))

    def renamed(one: OrderReport) -> OrderReport:
        execution = one.fill and replace(one.fill, client_id=mine)
        return replace(one, client_id=mine, fill=execution)

    for one in (*told, *STORY, *told):
        await ledger.record_reports(scope, [renamed(one)])
    order = await ledger.order(mine)
    assert order is not None
    assert (order.status, order.filled, order.value) == ("filled", Quantity(10), 10_000)
    fills = await ledger.fills_of_run(f"{number}-{len(told)}")
    assert [f.quantity.lots for f in fills] == [4, 3, 3]


async def test_a_fee_that_comes_late_is_added_without_other_news(ledger: Ledger) -> None:
    bare = report(OrderStatus.FILLED, 10, fees={})
    await ledger.record_reports(ACCOUNT, [bare, replace(bare, fees={"BNB": Decimal("0.5")})])
    order = await ledger.order(client_id())
    assert order is not None
    assert order.fees == {"BNB": Decimal("0.5")}


async def test_orders_of_others_are_left_out_but_their_fills_count(ledger: Ledger) -> None:
    theirs = report(client_id="web_1", fill=fill(9, client_id="web_1"))
    assert await ledger.record_reports(ACCOUNT, [theirs]) == 1
    assert await ledger.order("web_1") is None
    assert await ledger.fills_of_run("grid-1") == []
    assert await ledger.fills_of_account(ACCOUNT, "BTC/USDT", T0, foreign=True) == [theirs.fill]


async def test_a_refusal_closes_a_marker_but_never_an_order_that_was_reported(
    ledger: Ledger,
) -> None:
    await ledger.mark_sending(ACCOUNT, [request(1), request(2)], at(0))
    await ledger.record_reports(ACCOUNT, [report(client_id=client_id(2))])
    no = [Refusal(client_id(n), RefusalReason.WOULD_CROSS, "post only") for n in (1, 2)]
    await ledger.record_refusals(ACCOUNT, no, at(5))
    first, second = await ledger.order(client_id(1)), await ledger.order(client_id(2))
    assert first is not None
    assert second is not None
    assert (first.status, first.reason, first.message) == (
        REFUSED,
        RefusalReason.WOULD_CROSS,
        "post only",
    )
    assert first.settled
    assert second.status == "open"


async def test_a_report_outranks_a_refusal_that_was_wrong(ledger: Ledger) -> None:
    await ledger.mark_sending(ACCOUNT, [request()], at(0))
    await ledger.record_refusals(ACCOUNT, [Refusal(client_id(), RefusalReason.ABSENT)], at(5))
    await ledger.record_reports(ACCOUNT, [report(OrderStatus.FILLED, 10)])
    order = await ledger.order(client_id())
    assert order is not None
    assert (order.status, order.reason) == ("filled", None)


async def test_unsettled_orders_are_those_something_can_still_come_of(ledger: Ledger) -> None:
    await ledger.mark_sending(ACCOUNT, [request(n) for n in (1, 2, 3, 4)], at(0))
    await ledger.record_reports(
        ACCOUNT,
        [
            report(client_id=client_id(2)),
            report(OrderStatus.CANCELED, client_id=client_id(3)),
        ],
    )
    await ledger.record_refusals(ACCOUNT, [Refusal(client_id(4), RefusalReason.INVALID)], at(1))
    open_ones = await ledger.orders_of_run("grid-1", unsettled=True)
    assert [order.client_id for order in open_ones] == [client_id(1), client_id(2)]
    assert len(await ledger.orders_of_run("grid-1")) == 4
    assert set(await ledger.orders([client_id(1), "nobody"])) == {client_id(1)}


# ---- fills


async def test_a_fill_is_counted_once_however_often_it_is_told(ledger: Ledger) -> None:
    assert await ledger.record_fills(ACCOUNT, [fill(1), fill(1), fill(2)]) == 2
    assert await ledger.record_fills(ACCOUNT, [fill(2), fill(1)]) == 0
    assert await ledger.fills_of_run("grid-1") == [fill(1), fill(2)]
    assert await ledger.recent_fills("grid-1", 1) == [fill(2)]


async def test_the_same_number_on_another_symbol_or_side_is_another_fill(ledger: Ledger) -> None:
    twins = [fill(1), fill(1, symbol="ETH/USDT"), fill(1, side=Side.SELL)]
    assert await ledger.record_fills(ACCOUNT, twins) == 3
    assert await ledger.record_fills("other", [fill(1)]) == 1


async def test_a_fill_told_first_without_its_client_id_gets_its_run_later(ledger: Ledger) -> None:
    assert await ledger.record_fills(ACCOUNT, [fill(1, client_id="")]) == 1
    assert await ledger.fills_of_run("grid-1") == []
    assert await ledger.record_fills(ACCOUNT, [fill(1)]) == 0
    assert await ledger.fills_of_run("grid-1") == [fill(1)]


async def test_fills_recorded_before_their_run_was_belong_to_it(url: str) -> None:
    ledger = Ledger.open(url)
    await ledger.record_fills(ACCOUNT, [fill(1)])
    await ledger.open_run(run())
    assert await ledger.fills_of_run("grid-1") == [fill(1)]


async def test_every_digit_of_a_decimal_and_of_a_large_sum_survives(ledger: Ledger) -> None:
    fee = Decimal("0.000000000000000000123456789012345678900")
    await ledger.record_fills(ACCOUNT, [fill(1, fee=fee), fill(2, fee=-Decimal("1E+25"))])
    first, second = await ledger.fills_of_run("grid-1")
    assert str(first.fee) == str(fee)
    assert second.fee == -(Decimal(10) ** 25)
    huge = 10**40 + 1
    await ledger.record_reports(ACCOUNT, [report(OrderStatus.FILLED, 10, value=huge)])
    order = await ledger.order(client_id())
    assert order is not None
    assert order.value == huge


@pytest.mark.parametrize("amount", ["NaN", "Infinity"])
async def test_an_amount_that_is_no_number_is_refused(ledger: Ledger, amount: str) -> None:
    with pytest.raises(InvalidValueError, match="finite"):
        await ledger.record_fills(ACCOUNT, [fill(1, fee=Decimal(amount))])
    assert await ledger.fills_of_run("grid-1") == []


# ---- runs


async def test_a_run_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    assert await ledger.run("grid-1") == run()
    assert await ledger.run("nobody") is None
    assert await ledger.instrument(ACCOUNT, "BTC/USDT") == INSTRUMENT
    assert await ledger.instrument(ACCOUNT, "ETH/USDT") is None


async def test_the_start_of_a_run_may_be_repeated_and_the_first_one_stands(ledger: Ledger) -> None:
    again = run(opened_at=at(99), opening=VenueView(Decimal(1), Decimal(2)))
    assert await ledger.open_run(again) == run()
    assert await ledger.run("grid-1") == run()


@pytest.mark.parametrize(
    "other",
    [run("grid-1", symbol="ETH/USDT"), run("grid-2", tag=TAG)],
    ids=["the id", "the tag"],
)
async def test_no_two_runs_share(ledger: Ledger, other: Any) -> None:
    with pytest.raises(InvalidValueError):
        await ledger.open_run(other)


async def test_runs_are_listed_by_account_and_status(ledger: Ledger) -> None:
    await ledger.open_run(run("grid-2", opened_at=at(1)))
    await ledger.open_run(run("grid-3", account="other", opened_at=at(2)))
    await ledger.close_run("grid-2", at(50))
    await ledger.set_run_status("grid-3", RunStatus.PAUSED)
    await ledger.set_run_spec("grid-3", {"interval": "20"})
    assert [r.run_id for r in await ledger.runs()] == ["grid-1", "grid-2", "grid-3"]
    assert [r.run_id for r in await ledger.runs(ACCOUNT, [RunStatus.RUNNING])] == ["grid-1"]
    closed, paused = (await ledger.runs())[1:]
    assert (closed.status, closed.closed_at) == (RunStatus.STOPPED, at(50))
    assert (paused.status, paused.spec) == (RunStatus.PAUSED, {"interval": "20"})
    found = await ledger.runs_by_tag([TAG, "zzzzzzzz"])
    assert {tag: r.run_id for tag, r in found.items()} == {TAG: "grid-1"}


async def test_asking_for_the_money_of_an_unknown_run_is_an_error_not_zero(ledger: Ledger) -> None:
    for ask in (ledger.account_of_run, ledger.fills_of_run, ledger.orders_of_run):
        with pytest.raises(InvalidValueError, match="nobody"):
            await ask("nobody")
    with pytest.raises(InvalidValueError, match="nobody"):
        await ledger.close_run("nobody", at(1))


# ---- money


async def test_the_account_of_a_run_is_folded_from_what_is_recorded(ledger: Ledger) -> None:
    sold = fill(
        2, 10, side=Side.SELL, price=Price(1010), client_id=client_id(2, purpose=Purpose.EXIT_SELL)
    )
    await ledger.record_fills(ACCOUNT, [sold, fill(1, 10)])
    account = await ledger.account_of_run("grid-1")
    # bought 10 lots (0.010 BTC) at 100.0, sold at 101.0: 1.010 - 1.000; two fees of 0.01
    assert account.grid_profit == Decimal("0.010")
    assert (account.fees, account.cycles, account.fills) == (Decimal("0.02"), 1, 2)


async def test_funding_and_transfers_count_for_one_run_only(ledger: Ledger) -> None:
    await ledger.open_run(run("grid-2", opened_at=at(100)))
    await ledger.close_run("grid-2", at(200))
    payments = [
        FundingPayment(f"p{second}", "BTC/USDT", Decimal(second), at(second))
        for second in (-5, 50, 150, 250)
    ]
    assert await ledger.record_funding(ACCOUNT, payments) == 4
    assert await ledger.record_funding(ACCOUNT, payments) == 0
    moved = [Transfer("t1", "USDT", Decimal("7.5"), at(150))]
    assert await ledger.record_transfers(ACCOUNT, moved) == 1
    assert await ledger.record_transfers(ACCOUNT, moved) == 0
    first = await ledger.account_of_run("grid-1")
    second = await ledger.account_of_run("grid-2")
    assert (first.funding, second.funding) == (Decimal(300), Decimal(150))
    assert (first.transfers, second.transfers) == ({}, {"USDT": Decimal("7.5")})


async def test_a_run_is_alone_while_no_other_one_is_open_beside_it(ledger: Ledger) -> None:
    assert await ledger.alone(run())
    await ledger.open_run(run("before", opened_at=at(-100)))
    await ledger.close_run("before", at(-1))
    await ledger.open_run(run("elsewhere", account="another"))
    assert await ledger.alone(run())
    await ledger.open_run(run("beside", opened_at=at(50)))
    assert not await ledger.alone(run())
    await ledger.close_run("beside", at(60))
    assert not await ledger.alone(run())  # it has moved the account's money


async def test_a_view_of_the_account_is_recorded_as_a_whole_and_once(ledger: Ledger) -> None:
    executed = fill(1, client_id="")
    view = AccountView(
        at(9),
        (Balance("USDT", Decimal(5)),),
        (),
        (report(OrderStatus.PARTIALLY_FILLED, filled=4),),
        (executed,),
        (FundingPayment("p1", "BTC/USDT", Decimal(2), at(3)),),
    )
    for _ in range(2):
        await ledger.record_view(ACCOUNT, "BTC/USDT", view)
    named = replace(view, at=at(10), fills=(replace(executed, client_id=client_id()),))
    await ledger.record_view(ACCOUNT, "BTC/USDT", named)
    account = await ledger.account_of_run("grid-1")
    assert (account.fills, account.funding) == (1, Decimal(2))
    stored = await ledger.order(client_id())
    assert stored is not None
    assert stored.status == "partially_filled"
    assert await ledger.watermark(ACCOUNT, "BTC/USDT") == at(10)
    assert await ledger.latest_balances(ACCOUNT) == (at(10), list(view.balances))


async def test_money_is_not_worked_out_of_ticks_that_changed_their_worth(ledger: Ledger) -> None:
    finer = replace(INSTRUMENT, tick_size=Decimal("0.01"))
    await ledger.save_instrument(ACCOUNT, finer, at(1))
    await ledger.record_fills(ACCOUNT, [fill(1)])
    with pytest.raises(StoreError, match="other steps"):
        await ledger.account_of_run("grid-1")


async def test_balances_and_equity_come_back_as_they_were(ledger: Ledger) -> None:
    assert await ledger.latest_balances(ACCOUNT) is None
    now = [Balance("BTC", Decimal("0.50"), Decimal("0.1")), Balance("USDT", Decimal("1E+3"))]
    await ledger.record_balances(ACCOUNT, now, at(5))
    await ledger.record_balances(ACCOUNT, [Balance("USDT", Decimal(1))], at(4))
    await ledger.record_balances(ACCOUNT, now, at(5))
    assert await ledger.latest_balances(ACCOUNT) == (at(5), now)
    zero = Decimal(0)
    points = [EquityRecord("grid-1", at(n), Price(1), zero, zero, zero, zero, zero) for n in (1, 2)]
    for point in points:
        await ledger.record_equity(point)
    assert await ledger.equity_of_run("grid-1") == points
    assert await ledger.equity_of_run("grid-1", at(2)) == points[1:]


# ---- watermarks, watches, audit, risk


async def test_a_watermark_only_moves_forward(ledger: Ledger) -> None:
    assert await ledger.watermark(ACCOUNT, "BTC/USDT") is None
    for seconds in (5, 9, 7.5):
        await ledger.advance_watermark(ACCOUNT, "BTC/USDT", at(seconds))
    assert await ledger.watermark(ACCOUNT, "BTC/USDT") == at(9)
    assert await ledger.watermark(ACCOUNT, "ETH/USDT") is None


async def test_watches_are_kept_until_taken_away_or_the_run_ends(ledger: Ledger) -> None:
    first = Watch("grid-1", ACCOUNT, "BTC/USDT", "grid/grid-1", {"interval": 100})
    await ledger.watch(first)
    await ledger.watch(replace(first, run_id="grid-2", workflow_id="grid/grid-2"))
    moved = replace(first, what={"interval": 120})
    await ledger.watch(moved)
    assert (await ledger.watches(ACCOUNT))[0] == moved
    await ledger.unwatch("grid-2")
    assert await ledger.watches(ACCOUNT) == [moved]
    await ledger.close_run("grid-1", at(1))
    assert await ledger.watches(ACCOUNT) == []


async def test_the_audit_log_keeps_who_did_what_newest_first(ledger: Ledger) -> None:
    first = AuditEntry(at(1), "ana", "cli", "pause", "grid-1", {"a": 1}, {"a": 2}, "lunch")
    second = AuditEntry(at(2), "ana", "cli", "breaker reset")
    await ledger.audit(first)
    await ledger.audit(second)
    assert await ledger.audit_trail() == [second, first]
    assert await ledger.audit_trail("grid-1") == [first]
    assert await ledger.audit_trail(limit=1) == [second]


@pytest.mark.parametrize("change", [delete(schema.audit_log), update(schema.audit_log)])
async def test_the_database_itself_refuses_to_change_the_audit_log(
    ledger: Ledger, url: str, change: Any
) -> None:
    entry = AuditEntry(at(1), "ana", "cli", "pause")
    await ledger.audit(entry)
    statement = change if change.is_delete else change.values(who="nobody")
    engine = open_engine(url)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(statement)
    engine.dispose()
    assert await ledger.audit_trail() == [entry]


async def test_risk_events_come_back_newest_first(ledger: Ledger) -> None:
    events = [RiskEvent(at(n), "trigger", ACCOUNT, detail={"n": n}) for n in (1, 2)]
    for event in events:
        await ledger.record_risk_event(event)
    assert await ledger.risk_events(ACCOUNT) == events[::-1]
    assert await ledger.risk_events("other") == []


# ---- the schema and both databases


@pytest.mark.parametrize(
    "table, wrong",
    [
        ("orders", {"status": "bogus"}),
        ("orders", {"side": "both"}),
        ("orders", {"price_ticks": 0}),
        ("orders", {"filled_lots": -1}),
        ("orders", {"rank": 8}),
        ("fills", {"quantity_lots": 0}),
        ("fills", {"price_ticks": -5}),
        ("runs", {"status": "gone"}),
        ("runs", {"tag": "short"}),
        ("runs", {"closed_at": T0}),
        ("runs", {"opening_cash": None}),
    ],
)
async def test_the_database_refuses_what_cannot_be(
    ledger: Ledger, url: str, table: str, wrong: dict[str, Any]
) -> None:
    await ledger.record_reports(ACCOUNT, [report(OrderStatus.FILLED, 10, fill=fill(1, 10))])
    engine = open_engine(url)
    with pytest.raises(IntegrityError, match="ck_"), engine.begin() as connection:
        connection.execute(update(schema.metadata.tables[table]).values(wrong))
    engine.dispose()


async def _tell_everything(ledger: Ledger) -> None:
    await ledger.open_run(run())
    await ledger.mark_sending(ACCOUNT, [request(n) for n in (1, 2, 3)], at(0.123456))
    await ledger.record_reports(ACCOUNT, STORY)
    await ledger.record_reports(ACCOUNT, [report(client_id="web", fill=fill(8, client_id="web"))])
    await ledger.record_refusals(ACCOUNT, [Refusal(client_id(2), RefusalReason.RISK, "µ")], at(2))
    await ledger.record_funding(ACCOUNT, [FundingPayment("p", "BTC/USDT", Decimal("-1.10"), at(3))])
    await ledger.record_transfers(ACCOUNT, [Transfer("t", "BTC", Decimal("0.10"), at(3))])
    await ledger.record_balances(ACCOUNT, [Balance("USDT", Decimal("10.00"))], at(4))
    await ledger.advance_watermark(ACCOUNT, "BTC/USDT", at(4))
    await ledger.watch(Watch("grid-1", ACCOUNT, "BTC/USDT", "w", {"b": 1, "a": None}))
    await ledger.audit(AuditEntry(at(5), "ana", "cli", "stop", "grid-1", None, {"x": "y"}))
    await ledger.record_risk_event(RiskEvent(at(5), "trigger", ACCOUNT))


def _rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    engine = open_engine(url)
    with engine.connect() as connection:
        tables = {
            name: [tuple(row) for row in connection.execute(select(table))]
            for name, table in schema.metadata.tables.items()
        }
    engine.dispose()
    return {name: sorted(rows, key=repr) for name, rows in tables.items()}


async def test_both_databases_hold_identical_rows(
    sqlite_database: str, postgres_database: str
) -> None:
    for url in (sqlite_database, postgres_database):
        await _tell_everything(Ledger.open(url))
    in_sqlite, in_postgres = _rows(sqlite_database), _rows(postgres_database)
    assert repr(in_sqlite) == repr(in_postgres)  # repr: 1.10 and 1.1 are equal, but not identical
    assert all(in_sqlite[name] for name in ("orders", "fills", "runs", "audit_log", "watches"))


async def test_a_time_without_a_zone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(InvalidValueError, match="aware"):
        await ledger.advance_watermark(ACCOUNT, "BTC/USDT", T0.replace(tzinfo=None))
    assert await ledger.watermark(ACCOUNT, "BTC/USDT") is None


def test_amounts_stand_as_text_that_people_can_read(tmp_path: Path, sqlite_database: str) -> None:
    engine = create_engine(sqlite_database)
    values = {"account": "a", "transfer_id": "t", "asset": "BTC", "at": T0}
    with engine.begin() as connection:
        connection.execute(insert(schema.transfers).values(values | {"amount": Decimal("1E-7")}))
        stored = connection.exec_driver_sql("SELECT amount, at FROM transfers").one()
    engine.dispose()
    assert tuple(stored) == ("0.0000001", "2024-08-08 12:00:00.000000")

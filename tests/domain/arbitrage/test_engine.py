"""What a pair decides, event by event, and what it never does."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.engine import ArbStep, begin, check_change, step
from domain.arbitrage.events import (
    AbortTrade,
    ArbEvent,
    BooksTold,
    ExitAsked,
    FundingPaid,
    FundingTold,
    HealthTold,
    Moved,
    PositionTold,
    SpecChanged,
    StartTrade,
    TradeEnded,
    TradeLost,
)
from domain.arbitrage.funding import spot
from domain.arbitrage.pair import Kind, PairTrade
from domain.arbitrage.pair_events import LegHalted, QuoteSeen
from domain.arbitrage.spec import ArbSpec, parse_spec
from domain.arbitrage.state import ArbState, Phase, bind, require_lender
from domain.errors import InvalidValueError
from domain.grid.events import Alert, PauseAsked, ResumeAsked, TimePassed
from domain.market import Position
from domain.money import ZERO, Price
from tests.domain.arbitrage.market import HOUR, PERPETUAL, SPOT, T0, D, instrument, perpetual

SECOND = timedelta(seconds=1)
LEGS = {
    "first": {"account": "one", "symbol": "BTC/USDT"},
    "second": {"account": "two", "symbol": "BTC/USDT:USDT"},
}
#: What pays: 0.05 % in 8 h are 54.75 % a year, and 1.05 % in the week that a pair is held.
GOOD, POOR = "0.0005", "0.000005"
BASE = D("0.1")


def spec(**changes: Any) -> ArbSpec:
    return parse_spec({**LEGS, "amount": 5000, **changes})


class Run:
    """A run that is told things; it remembers what it asked for."""

    def __init__(self, **changes: Any) -> None:
        self.state = begin(bind(spec(**changes), SPOT, PERPETUAL), "run/1", T0)
        self.asked: list[StartTrade | AbortTrade | Alert] = []

    def tell(self, *events: ArbEvent) -> "Run":
        for event in events:
            decided = step(self.state, event)
            self.state = decided.state
            self.asked += decided.actions
        return self

    def market(
        self, at: datetime = T0, *, rate: str = GOOD, first: int = 50_000, second: int = 50_000
    ) -> "Run":
        """Tell prices of both legs in dollars, and the rate for the settlement in 8 hours."""
        quotes = (
            QuoteSeen(number, Price(dollars * 10 - 1), Price(dollars * 10 + 1), at)
            for number, dollars in ((1, first), (2, second))
        )
        told = perpetual(rate, at=at)
        return self.tell(*quotes, FundingTold(1, spot(at)), FundingTold(2, told))

    @property
    def trades(self) -> list[PairTrade]:
        return [each.trade for each in self.asked if isinstance(each, StartTrade)]

    @property
    def last(self) -> PairTrade:
        return self.trades[-1]

    def done(self, share: str = "1", gave_up: str = "", at: datetime | None = None) -> "Run":
        """End the trade in flight: each leg did this share of what it should."""
        trade = self.last
        moved = []
        for number in (1, 2):
            leg = trade.leg(number)
            base = D(share) * leg.target * leg.instrument.lot_size
            moved.append(Moved(number, base, -base * 50_000))
        ended = at or self.state.now + SECOND
        return self.tell(TradeEnded(trade.tag, (moved[0], moved[1]), ended, 2, gave_up))

    def held(self) -> "Run":
        """Be a pair that was entered."""
        return self.market().done()


# --- in


def test_it_enters_what_pays_with_as_much_as_it_is_worth() -> None:
    run = Run().market()
    (trade,) = run.trades
    assert trade.kind is Kind.ENTER
    # 5000 quote buy 0.099 at 50000.1; the perpetual is sold for the same base.
    assert [trade.leg(number).target for number in (1, 2)] == [99, -99]
    assert [trade.leg(number).account for number in (1, 2)] == ["one", "two"]


@pytest.mark.parametrize(
    "changes,market,why",
    [
        ({}, {"rate": POOR}, "too little"),
        ({"hold_hours": 8}, {}, "0.05 % in 8 hours do not pay for 0.3 %"),
        ({}, {"rate": "-0.0005"}, "spot may not be borrowed"),
        ({"toxic_basis": "-0.0005"}, {"second": 49_900}, "a perpetual 0.2 % below spot"),
        ({"amount": 4}, {}, "below the least order"),
    ],
)
def test_what_does_not_pay_is_left_alone(
    changes: dict[str, Any], market: dict[str, Any], why: str
) -> None:
    assert Run(**changes).market(**market).trades == [], why


def test_equal_to_the_threshold_is_not_above_it() -> None:
    assert Run(entry_apr="0.5475").market().trades == []
    assert len(Run(entry_apr="0.5474").market().trades) == 1


def test_borrowed_spot_is_sold_when_longs_are_paid() -> None:
    (trade,) = Run(both_ways=True).market(rate="-0.0005").trades
    assert [trade.leg(number).target for number in (1, 2)] == [-99, 99]
    assert trade.leg(1).borrows


@pytest.mark.parametrize("late", ["funding", "price"])
def test_what_is_stale_opens_nothing(late: str) -> None:
    run = Run(entry_apr="0.9")  # nothing is entered while it is told
    run.market()
    later = T0 + timedelta(seconds=11 if late == "price" else 601)
    if late == "funding":
        run.tell(*(QuoteSeen(n, Price(499_999), Price(500_001), later) for n in (1, 2)))
    else:
        run.tell(FundingTold(2, perpetual(GOOD, at=later, due=T0 + 8 * HOUR)))
    change = SpecChanged(spec(), later)
    assert run.tell(change).trades == []
    assert len(run.market(later).trades) == 1


def test_just_after_a_settlement_it_waits_for_the_quiet_time() -> None:
    run = Run(quiet=600).market()
    assert run.trades == []
    at = T0 + timedelta(seconds=600)
    told = perpetual(GOOD, at=at, due=T0 + 8 * HOUR)
    quotes = (QuoteSeen(n, Price(499_999), Price(500_001), at) for n in (1, 2))
    assert len(run.tell(*quotes, FundingTold(2, told)).trades) == 1


@pytest.mark.parametrize("event", [LegHalted(1, True, T0, "storm"), PauseAsked(T0)])
def test_halted_or_paused_it_opens_nothing_and_aborts_what_opens(event: ArbEvent) -> None:
    assert Run().tell(event).market().trades == []
    run = Run().market().tell(event)
    (_, abort) = run.asked
    assert isinstance(abort, AbortTrade)
    assert abort.tag == run.last.tag
    assert run.tell(event, event).asked == [run.asked[0], abort]  # once


def test_after_the_halt_and_the_pause_it_enters() -> None:
    run = Run().tell(PauseAsked(T0), LegHalted(1, True, T0, "storm")).market()
    run.tell(LegHalted(1, False, T0, ""))
    assert run.trades == []
    assert len(run.tell(ResumeAsked(T0)).trades) == 1


# --- one trade at a time (D-8, R-43)


def test_d8_while_a_trade_is_in_flight_none_is_begun() -> None:
    run = Run().market()
    for second in range(1, 20):
        run.market(T0 + second * SECOND)
    assert len(run.trades) == 1


def test_a2_every_trade_has_a_tag_of_its_own() -> None:
    run = Run(cool_off=0).held()
    for hour in range(1, 6):
        at = T0 + hour * HOUR
        run.tell(ExitAsked(at, "by hand")).done(at=at)
        run.market(at).done(at=at + SECOND)
    tags = [trade.tag for trade in run.trades]
    assert len(tags) == 11
    assert len(set(tags)) == 11


def test_an_end_that_is_told_twice_counts_once() -> None:
    run = Run().held()
    assert run.state.leg(1).base == D("0.099")
    again = TradeEnded(run.last.tag, (Moved(1, BASE, ZERO), Moved(2, BASE, ZERO)), run.state.now, 2)
    assert run.tell(again).state.leg(1).base == D("0.099")


# --- out


def test_it_leaves_below_the_exit_and_stays_in_between() -> None:
    run = Run().held()
    at = T0 + HOUR
    assert run.market(at, rate="0.00001").trades == run.trades[:1]  # 1.095 % a year
    assert run.market(at + SECOND, rate="0.000009").last.kind is Kind.EXIT  # 0.9855 %


def test_d8_an_exit_is_for_what_is_held_and_only_reduces() -> None:
    run = Run().market().done(share="0.5", gave_up="the lead had 30 s")
    held = [run.state.leg(number).base for number in (1, 2)]
    assert held == [D("0.0495"), D("-0.0495")]
    trade = run.tell(ExitAsked(run.state.now, "by hand")).last
    assert [trade.leg(number).target for number in (1, 2)] == [-49, 49]
    assert all(trade.leg(number).closing for number in (1, 2))


def test_d8_an_empty_leg_is_not_closed_by_opening_it() -> None:
    run = Run().market()
    trade = run.last
    run.tell(TradeEnded(trade.tag, (Moved(1, BASE, D("-5000")), Moved(2, ZERO, ZERO)), T0, 2))
    left = run.last
    assert (left.kind, left.leg(1).target, left.leg(2).target) == (Kind.EXIT, -100, 0)


def test_a5_risk_never_keeps_a_pair_from_leaving() -> None:
    run = Run().held().tell(LegHalted(1, True, T0, "storm"))
    assert run.market(T0 + HOUR, rate=POOR).last.kind is Kind.EXIT
    asked = Run().held().tell(LegHalted(1, True, T0, "storm"), ExitAsked(T0, "by hand"))
    assert asked.last.kind is Kind.EXIT
    assert asked.tell(LegHalted(1, True, T0, "worse"), PauseAsked(T0)).asked == asked.asked


def test_a7_what_forces_an_exit_needs_no_funding() -> None:
    run = Run().held()
    later = T0 + 1000 * HOUR  # nothing was heard for weeks
    run.tell(TimePassed(later))
    assert len(run.trades) == 1  # what is not known closes nothing either
    assert run.tell(ExitAsked(later, "by hand")).last.kind is Kind.EXIT


@pytest.mark.parametrize(
    "liquidation,leaves",
    [(55_000, False), (54_999, True), (None, False)],
)
def test_it_leaves_before_it_is_liquidated(liquidation: int | None, leaves: bool) -> None:
    """A short of a mark of 50000: (liquidation - 50000) / 50000 < 0.1."""
    run = Run().held()
    told = Position(
        PERPETUAL.symbol,
        -99,
        -99 * 500_000,
        mark=Price(500_000),
        liquidation=None if liquidation is None else Price(liquidation * 10),
    )
    run.tell(PositionTold(2, told, T0 + HOUR))
    assert (len(run.trades) == 2) is leaves
    if leaves:
        assert (run.last.kind, run.last.parallel) == (Kind.EXIT, True)
        assert (run.last.spec.passive_for, run.last.endangered) == (0, 2)


def test_an_exit_that_waits_for_a_venue_waits_no_longer_when_the_other_leg_is_in_danger() -> None:
    """Leg 1's venue is silent: leg 2 stays hedged as long as it can, and then leaves alone."""
    run = Run().held().tell(ExitAsked(T0 + SECOND, "asked"))
    waits, at = run.last, T0 + HOUR
    assert (waits.kind, waits.endangered) == (Kind.EXIT, 0)
    assert not any(leg.silent for leg in waits.legs)
    run.tell(QuoteSeen(2, Price(499_999), Price(500_001), at))
    close = Position(
        PERPETUAL.symbol, -99, -99 * 500_000, mark=Price(500_000), liquidation=Price(510_000)
    )
    run.tell(PositionTold(2, close, at), PositionTold(2, close, at + SECOND))

    assert [each.tag for each in run.asked if isinstance(each, AbortTrade)] == [waits.tag]
    alone = run.done("0", gave_up="asked", at=at + 2 * SECOND).last
    assert (alone.endangered, alone.parallel) == (2, True)
    assert [alone.leg(number).silent for number in (1, 2)] == [True, False]
    assert len([each for each in run.asked if isinstance(each, AbortTrade)]) == 1


def test_nobody_lends_spot_so_nobody_may_ask_for_both_ways_with_it() -> None:
    run = Run()
    with pytest.raises(InvalidValueError, match="true would sell BTC/USDT without holding it"):
        check_change(run.state, SpecChanged(spec(both_ways=True), T0))
    require_lender(spec(both_ways=True), PERPETUAL)
    require_lender(spec(), SPOT)


def test_slippage_adds_up_and_what_is_not_known_of_a_trade_is_not_known_of_all() -> None:
    run = Run().market()
    assert run.last.leg(1).decided == 50_000
    one, other = (
        Moved(1, BASE, D("-5001"), slippage=D("1")),
        Moved(2, -BASE, D("4999"), slippage=D("0.5")),
    )
    run.tell(TradeEnded(run.last.tag, (one, other), T0 + SECOND, 2))
    run.tell(ExitAsked(T0 + 2 * SECOND, "asked"))
    one, other = Moved(1, -BASE, D("5000"), slippage=D("-2")), Moved(2, BASE, D("-5000"))
    run.tell(TradeEnded(run.last.tag, (one, other), T0 + 3 * SECOND, 4))
    assert [leg.slippage for leg in run.state.legs] == [D("-1"), None]


def test_books_that_lack_what_somebody_else_has_closed_are_believed_for_the_rest() -> None:
    """The venue had nothing left to buy back: no fill of ours says so, and nothing is held."""
    run = Run(cool_off=3600).held().tell(ExitAsked(T0 + SECOND, "asked"))
    base, at = D("0.099"), T0 + 3 * SECOND
    ours, theirs = Moved(1, -base, base * 50_000), Moved(2, base, D("0"), elsewhere=base)
    run.tell(TradeEnded(run.last.tag, (ours, theirs), at, 2))
    assert not run.state.open
    run.tell(BooksTold(2, -base, base * 50_000, at + SECOND))

    assert run.state.leg(2).base == 0
    assert len(run.trades) == 2
    run.tell(BooksTold(2, -base - D("0.001"), D("5050"), at + 2 * SECOND))
    assert run.state.leg(2).base == D("-0.001")


def test_an_account_in_trouble_gives_back_half_and_then_all() -> None:
    run = Run().held()
    at = T0 + HOUR
    assert len(run.tell(HealthTold(2, D("0.7"), at)).trades) == 1
    half = run.tell(HealthTold(2, D("0.69"), at)).last
    assert [half.leg(number).target for number in (1, 2)] == [-49, 49]
    run.done(at=at + SECOND)
    assert len(run.trades) == 2  # of the account as it is now nothing was told yet
    rest = run.tell(HealthTold(2, D("0.49"), at + HOUR)).last
    assert [rest.leg(number).target for number in (1, 2)] == [-50, 50]


def test_a_toxic_basis_is_left_at_the_third_settlement_in_a_row() -> None:
    run = Run(toxic_basis="-0.0005").held()
    at = T0
    for number in range(1, 4):
        at = T0 + 8 * number * HOUR
        assert len(run.trades) == 1
        run.market(at, second=49_900)
        run.market(at + SECOND, second=49_900)  # the same settlement counts once
    assert "3 times" in next(each.why for each in run.asked[::-1] if isinstance(each, StartTrade))
    run.done()
    assert len(run.market(at + 2 * SECOND, second=50_100).trades) == 2  # it cools off


def test_a_good_basis_in_between_starts_the_count_anew() -> None:
    run = Run(toxic_basis="-0.0005").held()
    for number, second in enumerate([49_900, 49_900, 50_000, 49_900, 49_900], 1):
        run.market(T0 + 8 * number * HOUR, second=second)
    assert (len(run.trades), run.state.toxic) == (1, 2)


def test_legs_that_drifted_apart_are_trimmed_where_there_is_too_much() -> None:
    run = Run(drift="0.02").market()
    run.tell(
        TradeEnded(run.last.tag, (Moved(1, D("0.1"), ZERO), Moved(2, D("-0.09"), ZERO)), T0, 2)
    )
    trimmed = run.last
    assert [trimmed.leg(number).target for number in (1, 2)] == [-10, 0]
    assert trimmed.lead.number == 1
    run.done()
    assert run.state.delta == 0
    assert len(run.trades) == 2


# --- another amount


def test_another_amount_is_followed_by_the_difference_at_todays_price() -> None:
    run = Run().held()
    grows = run.tell(SpecChanged(spec(amount=7500), T0)).last
    assert grows.kind is Kind.ENTER
    # 7500 quote buy 0.149 at 50000.1, of which 0.099 are held.
    assert [grows.leg(number).target for number in (1, 2)] == [50, -50]
    assert [grows.leg(number).held for number in (1, 2)] == [D("0.099"), D("-0.099")]
    run.done()
    at = T0 + HOUR
    run.market(at, first=60_000, second=60_000)
    shrinks = run.tell(SpecChanged(spec(amount=3000), at)).last
    # 3000 quote buy 0.049 at 60000.1; of 0.149 held that leaves 0.1 too much.
    assert shrinks.kind is Kind.EXIT
    assert [shrinks.leg(number).target for number in (1, 2)] == [-100, 100]
    assert run.done(at=at).state.leg(1).base == D("0.049")
    assert len(run.market(at + SECOND, first=60_000, second=60_000).trades) == 3


def test_a_price_that_moves_trades_nothing() -> None:
    run = Run().held()
    run.market(T0 + HOUR, first=80_000, second=80_000)
    run.tell(SpecChanged(spec(hold_hours=200), T0 + HOUR))
    assert len(run.trades) == 1


@pytest.mark.parametrize(
    "event,undone",
    [
        (LegHalted(1, True, T0, "a storm"), LegHalted(1, False, T0)),
        (PauseAsked(T0), ResumeAsked(T0)),
        (FundingTold(2, perpetual("0.00002")), FundingTold(2, perpetual(GOOD))),
    ],
    ids=["halted", "paused", "earns too little to enter"],
)
def test_more_waits_until_it_may_be_entered_and_less_waits_for_nothing(
    event: ArbEvent, undone: ArbEvent
) -> None:
    more = Run().held().tell(event, SpecChanged(spec(amount=7500), T0))
    assert len(more.trades) == 1
    assert more.tell(undone).last.leg(1).target == 50
    less = Run().held().tell(event, SpecChanged(spec(amount=2500), T0))
    assert (less.last.kind, less.last.leg(1).target) == (Kind.EXIT, -50)


def test_more_is_not_sent_at_a_price_of_long_ago() -> None:
    run = Run().held()
    later = T0 + timedelta(seconds=11)
    assert len(run.tell(SpecChanged(spec(amount=7500), later)).trades) == 1
    assert len(run.market(later).trades) == 2


@pytest.mark.parametrize("amount", ["4960", "4999"])
def test_a_difference_that_no_order_is_for_is_forgotten(amount: str) -> None:
    run = Run().held().tell(SpecChanged(spec(amount=amount), T0))
    assert (len(run.trades), run.state.meant) == (1, None)


def test_an_amount_that_leaves_less_than_can_be_sold_leaves_nothing() -> None:
    run = Run().held().tell(SpecChanged(spec(amount=4), T0))
    assert [run.last.leg(number).target for number in (1, 2)] == [-99, 99]


def test_an_amount_that_changes_while_the_pair_is_entered_is_followed_afterwards() -> None:
    run = Run().market().tell(SpecChanged(spec(amount=2500), T0))
    assert len(run.trades) == 1
    assert (run.done().last.kind, run.last.leg(1).target) == (Kind.EXIT, -50)


# --- the end


def test_a_run_that_is_stopped_closes_first_and_then_ends() -> None:
    run = Run().held().tell(ExitAsked(T0, "stopped", ends=True))
    phases = [run.state.phase, run.done().state.phase]
    assert phases == [Phase.STOPPING, Phase.ENDED]
    assert run.market(T0 + HOUR).trades == run.trades[:2]


def test_a_run_that_holds_nothing_ends_at_once() -> None:
    assert Run().tell(ExitAsked(T0, "stopped", ends=True)).state.phase is Phase.ENDED


def test_an_exit_by_hand_lets_the_run_go_on_after_a_while() -> None:
    run = Run(cool_off=3600).held().tell(ExitAsked(T0, "by hand")).done()
    assert run.state.phase is Phase.RUNNING
    assert len(run.market(run.state.now + SECOND).trades) == 2
    assert len(run.market(T0 + HOUR + 2 * SECOND).trades) == 3


def test_an_entry_that_came_to_nothing_is_not_tried_again_at_once() -> None:
    """It may have cost four fees, and the next would cost them again."""
    run = Run(cool_off=60).market().done(share="0", gave_up="the lead had 30 s")
    for second in range(2, 61):
        run.market(T0 + second * SECOND)
    assert len(run.trades) == 1
    assert len(run.market(T0 + 61 * SECOND).trades) == 2


def test_the_legs_stay_what_they_are() -> None:
    run = Run()
    other = spec(first={"account": "three", "symbol": "BTC/USDT"})
    with pytest.raises(InvalidValueError, match="first and second"):
        check_change(run.state, SpecChanged(other, T0))
    check_change(run.state, SpecChanged(spec(amount=7), T0))


def test_a_halt_of_either_leg_stands_until_that_leg_is_cleared() -> None:
    for halted, clear in ((1, 2), (2, 1)):
        run = Run().tell(LegHalted(halted, True, T0, "storm"), LegHalted(clear, False, T0))
        assert run.market().trades == []
        assert run.state.halted_why == "storm"
        assert len(run.tell(LegHalted(halted, False, T0)).trades) == 1


def test_a_trade_that_was_lost_opens_nothing_until_the_books_of_both_legs_are_told() -> None:
    run = Run().market()
    later = T0 + SECOND
    run.tell(TradeLost(run.last.tag, T0)).market(later)
    assert len(run.trades) == 1
    run.tell(BooksTold(1, D("0.1"), D("-5000"), later), BooksTold(2, ZERO, ZERO, later))
    assert run.state.in_flight is not None
    assert run.state.in_flight.kind is Kind.EXIT  # what one leg holds alone is given back
    assert run.last.leg(1).target < 0


def test_what_settlements_brought_is_kept_by_leg() -> None:
    run = Run().held()
    run.tell(FundingPaid(2, D("2.5"), T0), FundingPaid(2, D("2"), T0 + HOUR))
    assert [leg.funding_paid for leg in run.state.legs] == [D("0"), D("2")]


# --- whatever happens


def _event() -> st.SearchStrategy[ArbEvent]:
    at = st.integers(0, 400_000).map(lambda seconds: T0 + seconds * SECOND)
    leg, tick = st.integers(1, 2), st.integers(480_000, 520_000)
    rate = st.sampled_from([GOOD, POOR, "-0.0005", "0"])
    health = st.sampled_from([D("0"), D("0.6"), D("1")])
    return st.one_of(
        st.builds(lambda n, t, when: QuoteSeen(n, Price(t), Price(t + 2), when), leg, tick, at),
        st.builds(lambda r, when: FundingTold(2, perpetual(r, at=when)), rate, at),
        st.builds(lambda when: FundingTold(1, spot(when)), at),
        st.builds(HealthTold, leg, health, at),
        st.builds(TimePassed, at),
        st.builds(LegHalted, st.integers(1, 2), st.booleans(), at, st.just("a storm")),
        st.builds(PauseAsked, at),
        st.builds(ResumeAsked, at),
        st.builds(ExitAsked, at, st.just("by hand"), st.booleans()),
        st.builds(
            lambda amount, when: SpecChanged(spec(cool_off=0, amount=amount), when),
            st.sampled_from([4, 2500, 5000, 7500]),
            at,
        ),
    )


@given(
    st.lists(st.tuples(_event(), st.sampled_from([None, "0", "0.5", "1"])), max_size=60),
    st.booleans(),
)
def test_whatever_happens_one_trade_is_in_flight_and_exits_only_give_back(
    told: list[tuple[ArbEvent, str | None]], both_ways: bool
) -> None:
    run = Run(both_ways=both_ways, cool_off=0)
    run.market()
    for event, ends in told:
        before = run.state
        run.tell(event)
        check_step(before, run)
        if ends is not None and run.state.in_flight is not None:
            before = run.state
            run.done(ends)
            check_step(before, run)


def check_step(before: ArbState, run: Run) -> None:
    state = run.state
    assert state.trades == len(run.trades) == len({trade.tag for trade in run.trades})
    if state.trades == before.trades:
        return
    trade = run.last
    assert state.in_flight is not None
    assert state.in_flight.tag == trade.tag
    halted = state.halted or state.phase is not Phase.RUNNING
    assert trade.kind is Kind.EXIT or not halted
    for number in (1, 2):
        leg, held = trade.leg(number), state.leg(number).base
        assert leg.held == held
        if state.open and trade.kind is Kind.ENTER:
            assert leg.target * held >= 0  # more of what is held, and never a turn
        if trade.kind is Kind.EXIT:
            lots = held / leg.instrument.lot_size
            assert leg.target * lots <= 0
            assert abs(leg.target) <= abs(lots)


def test_a_step_changes_nothing_but_what_it_returns() -> None:
    run = Run().market()
    before = replace(run.state)
    assert isinstance(step(run.state, TimePassed(T0 + HOUR)), ArbStep)
    assert run.state == before


def test_coarser_lots_of_the_other_leg_are_never_exceeded() -> None:
    coarse = instrument(lot="0.01")
    state = begin(bind(spec(), SPOT, coarse), "run/1", T0)
    run = Run()
    run.state = state
    trade = run.market().last
    assert (trade.leg(1).target, trade.leg(2).target) == (99, -9)

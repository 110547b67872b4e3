"""What is held and what was paid for it: sums written out, and exact whatever the sequence."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import EXACT, ZERO, Price, Quantity, add
from domain.orders import Side
from domain.position import EMPTY, Holding, Traded, merged, trade
from tests.domain.grid.harness import SPOT, D

#: 1 tick x 1 lot is worth 1, so that the sums can be read.
UNIT = replace(SPOT, tick_size=D(1), lot_size=D(1))


def traded(before: Holding, side: Side, lots: int, ticks: int) -> Traded:
    return trade(UNIT, before, side, Quantity(lots), lots * ticks)


@pytest.mark.parametrize(
    "before,side,lots,ticks,after,realized",
    [
        # 5 x 100 = 500 is paid
        (EMPTY, Side.BUY, 5, 100, Holding(5, ZERO, D(500)), 0),
        # two of five leave with 200 of 500 and bring 2 x 110
        (Holding(5, ZERO, D(500)), Side.SELL, 2, 110, Holding(3, ZERO, D(300)), 20),
        # all leave
        (Holding(5, ZERO, D(500)), Side.SELL, 5, 90, EMPTY, -50),
        # 5 x 100 is received
        (EMPTY, Side.SELL, 5, 100, Holding(-5, ZERO, D(-500)), 0),
        # two are bought back for 2 x 90, 200 had been received for them
        (Holding(-5, ZERO, D(-500)), Side.BUY, 2, 90, Holding(-3, ZERO, D(-300)), 20),
        # a flip: 5 leave for 5 x 120, 3 are sold anew for 3 x 120
        (Holding(5, ZERO, D(500)), Side.SELL, 8, 120, Holding(-3, ZERO, D(-360)), 100),
        # the other flip
        (Holding(-5, ZERO, D(-500)), Side.BUY, 8, 80, Holding(3, ZERO, D(240)), 100),
        # more of the same
        (Holding(5, ZERO, D(500)), Side.BUY, 5, 110, Holding(10, ZERO, D(1050)), 0),
        # a third of 100 is rounded once: what leaves and what stays add up
        (
            Holding(3, ZERO, D(100)),
            Side.SELL,
            1,
            50,
            Holding(2, ZERO, D("66.666666666667")),
            D("16.666666666667"),
        ),
    ],
)
def test_a_trade_moves_the_cost_with_the_lots(
    before: Holding, side: Side, lots: int, ticks: int, after: Holding, realized: Decimal
) -> None:
    done = traded(before, side, lots, ticks)
    assert done.holding == after
    assert done.realized == realized


def test_a_fee_in_base_is_taken_from_what_was_bought() -> None:
    # 5 lots for 500, of which 0.5 go to the venue: worth 50
    done = trade(UNIT, EMPTY, Side.BUY, Quantity(5), 500, base_fee=D("0.5"))
    assert done.holding == Holding(4, D("0.5"), D(450))
    assert done.fee == 50


def test_dust_keeps_its_own_cost_when_the_lots_leave() -> None:
    # 4.5 cost 450: four leave with 400 and the half stays with 50
    done = traded(Holding(4, D("0.5"), D(450)), Side.SELL, 4, 110)
    assert done.holding == Holding(0, D("0.5"), D(50))
    assert done.realized == 40


def test_two_halves_of_dust_become_a_lot() -> None:
    once = trade(UNIT, EMPTY, Side.BUY, Quantity(5), 500, base_fee=D("0.5"))
    twice = trade(UNIT, once.holding, Side.BUY, Quantity(5), 500, base_fee=D("0.5"))
    assert twice.holding == Holding(9, ZERO, D(900))


def test_a_fee_in_quote_touches_no_holding() -> None:
    done = trade(UNIT, EMPTY, Side.BUY, Quantity(5), 500, quote_fee=D("0.25"))
    assert done == Traded(Holding(5, ZERO, D(500)), ZERO, D("0.25"))


def test_a_rebate_is_a_negative_fee() -> None:
    done = trade(UNIT, EMPTY, Side.SELL, Quantity(5), 500, quote_fee=D("-0.25"))
    assert done.fee == D("-0.25")


def test_a_fee_that_comes_late_and_alone_still_counts() -> None:
    done = trade(UNIT, Holding(5, ZERO, D(500)), Side.BUY, Quantity(0), 0, base_fee=D("0.5"))
    assert done.holding == Holding(4, D("0.5"), D(500))


def test_merging_takes_and_loses_nothing() -> None:
    parts = [Holding(3, D("0.5"), D(350)), Holding(-1, ZERO, D(-110)), Holding(0, D("0.7"), D(70))]
    whole = merged(UNIT, parts)
    assert whole == Holding(3, D("0.2"), D(310))
    assert merged(UNIT, []).flat


def test_unrealized_is_worth_less_cost() -> None:
    # 4.5 x 120 - 450
    assert Holding(4, D("0.5"), D(450)).unrealized(UNIT, Price(120)) == 90
    assert Holding(-5, ZERO, D(-500)).unrealized(UNIT, Price(90)) == 50


TRADES = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.integers(0, 500),
        st.integers(1, 10**6),
        st.decimals("0", "0.4", places=6),
        st.decimals("-1", "1", places=6),
    ),
    max_size=30,
)


@given(TRADES, st.integers(1, 10**6))
def test_realized_and_unrealized_add_up_whatever_the_sequence(
    trades: list[tuple[Side, int, int, Decimal, Decimal]], mark: int
) -> None:
    holding, profit, fees, cash, base = EMPTY, ZERO, ZERO, ZERO, ZERO
    for side, lots, ticks, base_fee, quote_fee in trades:
        done = trade(
            SPOT,
            holding,
            side,
            Quantity(lots),
            lots * ticks,
            base_fee=base_fee,
            quote_fee=quote_fee,
        )
        holding = done.holding
        profit, fees = add(profit, done.realized), add(fees, done.fee)
        cash = add(cash, EXACT.multiply(D(-side.sign), SPOT.notional_of(lots * ticks)), -quote_fee)
        base = add(base, EXACT.multiply(D(side.sign * lots), SPOT.lot_size), -base_fee)
        assert 0 <= holding.dust < SPOT.lot_size
        assert holding.base(SPOT) == base
        if holding.flat:
            assert holding.cost == 0 or base_fee
    earned = add(profit, holding.unrealized(SPOT, Price(mark)), -fees)
    assert earned == add(cash, EXACT.multiply(base, SPOT.price_of(Price(mark))))


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(1, 10**5)), min_size=1, max_size=12))
def test_a_position_sold_in_pieces_realizes_all_of_it(pieces: list[tuple[int, int]]) -> None:
    whole = sum(lots for lots, _ in pieces)
    holding = traded(EMPTY, Side.BUY, whole, 777).holding
    realized = ZERO
    for lots, ticks in pieces:
        done = traded(holding, Side.SELL, lots, ticks)
        holding, realized = done.holding, add(realized, done.realized)
    assert holding == EMPTY
    assert realized == sum(lots * ticks for lots, ticks in pieces) - whole * 777

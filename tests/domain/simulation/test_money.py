"""Balances, margin, fees and funding, with the sums written out."""

from decimal import Decimal

import pytest

from domain.errors import InvalidValueError
from domain.money import Price, Quantity
from domain.orders import OrderStatus, RefusalReason
from domain.simulation.account import Stake
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import FEES, MARKET, ExchangeRules, FeeAsset
from domain.simulation.tape import FundingDue, Marked
from tests.domain.simulation.helpers import (
    BUY,
    PERPETUAL,
    RICH,
    SELL,
    SPOT,
    START,
    accepted,
    equity,
    exchange,
    limit,
    locked,
    market,
    printed,
    refused,
    totals,
)

PERP = PERPETUAL.symbol


def test_a_spot_buy_locks_quote_and_pays_its_fee_in_base() -> None:
    at = exchange()
    at.place("ann", limit("a1", BUY, 100, 10))
    assert locked(at, "ann")["USDT"] == 10  # 100 x 0.1
    at.on(printed(100, 4))
    assert locked(at, "ann")["USDT"] == 6
    assert totals(at, "ann") == {
        "USDT": Decimal(1_000_000) - 4,
        "BTC": Decimal(100) + Decimal("0.04") - Decimal("0.00004"),  # 0.1 % of 0.04
    }
    assert totals(at, FEES) == {"BTC": Decimal("0.00004")}
    assert totals(at, MARKET) == {"USDT": Decimal(4), "BTC": Decimal("-0.04")}


def test_a_spot_sell_locks_base_and_pays_its_fee_in_quote() -> None:
    at = exchange()
    at.place("ann", limit("a1", SELL, 100, 10))
    assert locked(at, "ann")["BTC"] == Decimal("0.1")
    at.on(printed(100, 4))
    assert locked(at, "ann")["BTC"] == Decimal("0.06")
    # 4 USDT less 0.1 %
    assert totals(at, "ann")["USDT"] == Decimal("1000003.996")


def test_fees_can_all_be_in_quote_and_are_locked_with_the_order() -> None:
    at = exchange(fee_asset=FeeAsset.QUOTE)
    at.place("ann", limit("a1", BUY, 100, 10))
    assert locked(at, "ann")["USDT"] == Decimal("10.02")  # at the higher of both rates, 0.2 %
    at.on(printed(100))
    assert totals(at, "ann") == {"USDT": Decimal("999989.99"), "BTC": Decimal("100.1")}
    assert at.totals("ann").fees == {"USDT": Decimal("0.010")}


def test_spot_orders_cannot_spend_what_is_locked() -> None:
    at = exchange(accounts={"ann": {"USDT": Decimal(15), "BTC": Decimal("0.05")}})
    accepted(at.place("ann", limit("a1", BUY, 100, 10)))
    outcome = refused(at.place("ann", limit("a2", BUY, 100, 6)))
    assert outcome.reason is RefusalReason.INSUFFICIENT_FUNDS
    assert outcome.message == "to buy 0.06 BTC 6.00 USDT are needed, free were 5.00"
    accepted(at.place("ann", limit("a3", BUY, 100, 5)))
    outcome = refused(at.place("ann", limit("a4", SELL, 200, 6)))
    assert outcome.message == "to sell 0.06 BTC 0.06 BTC are needed, free were 0.05"
    accepted(at.place("ann", limit("a5", SELL, 200, 5)))


def test_a_market_buy_needs_what_it_takes() -> None:
    at = exchange(accounts={"ann": {"USDT": Decimal(10)}})
    at.on(printed(100))
    assert "10.10 USDT are needed" in refused(at.place("ann", market("a1", BUY, 10))).message
    accepted(at.place("ann", market("a2", BUY, 9)))


def test_an_entry_needs_margin_and_closing_needs_none() -> None:
    at = exchange(accounts={"ann": {"USDT": Decimal(100)}}, leverage=Decimal(10))
    at.on(printed(1000, symbol=PERP))
    # 100 USDT x 10 carry 1000 USDT = 1 BTC = 100 lots
    outcome = refused(at.place("ann", limit("a1", BUY, 1000, 101, PERP)))
    assert outcome.reason is RefusalReason.INSUFFICIENT_FUNDS
    assert "101" in outcome.message
    assert "free were 100" in outcome.message
    accepted(at.place("ann", limit("a2", BUY, 1000, 100, PERP)))
    assert locked(at, "ann") == {"USDT": Decimal(100)}
    at.on(printed(1000, 60, PERP))
    assert locked(at, "ann") == {"USDT": Decimal(100)}  # 60 held and 40 resting
    accepted(at.place("ann", limit("a3", SELL, 1001, 60, PERP)))
    assert locked(at, "ann") == {"USDT": Decimal(100)}  # the worse side counts
    # 60 resting more than were closed would be short 0.6 BTC at 1001: 60.06 is less than 100
    accepted(at.place("ann", limit("a4", SELL, 1001, 60, PERP)))


def test_the_unrealized_result_counts_for_the_margin() -> None:
    at = exchange(accounts={"ann": {"USDT": Decimal(100)}}, leverage=Decimal(10))
    at.on(printed(999, symbol=PERP))
    at.place("ann", market("a1", BUY, 50, PERP))  # at 1000: 500 USDT, margin 50, fee 1
    at.on(printed(1100, symbol=PERP))
    # equity 100 - 1 + 0.5 x 100 = 149, margin 55: 94 are free, 940 USDT, 85 lots at 1100
    refused(at.place("ann", limit("a2", BUY, 1100, 86, PERP)))
    accepted(at.place("ann", limit("a3", BUY, 1100, 85, PERP)))


def test_an_unrealized_loss_cannot_be_spent_on_spot() -> None:
    at = exchange(accounts={"ann": {"USDT": Decimal(100)}}, leverage=Decimal(10))
    at.on(printed(999, symbol=PERP))
    at.place("ann", market("a1", BUY, 50, PERP))
    at.on(printed(900, symbol=PERP))
    # wallet 100 - fee 1, less a loss of 0.5 x 100 and a margin of 45, leaves 4
    assert "free were 4" in refused(at.place("ann", limit("a2", BUY, 401, 100))).message
    refused(at.place("ann", limit("a3", BUY, 100, 5)))
    accepted(at.place("ann", limit("a4", BUY, 100, 4)))


def test_an_unrealized_profit_cannot_be_spent_on_spot() -> None:
    at = exchange(accounts={"ann": {"USDT": Decimal(100)}}, leverage=Decimal(10))
    at.on(printed(999, symbol=PERP))
    at.place("ann", market("a1", BUY, 50, PERP))
    at.on(printed(1200, symbol=PERP))
    # wallet 99 less a margin of 60, whatever the profit of 100
    assert "free were 39" in refused(at.place("ann", limit("a2", BUY, 100, 40))).message


def test_a_perpetual_realizes_against_what_was_paid() -> None:
    at = exchange()
    at.on(printed(1000, symbol=PERP))
    start = totals(at, "ann")["USDT"]
    at.place("ann", limit("a1", BUY, 1000, 3, PERP))
    at.on(printed(1000, symbol=PERP))
    at.place("ann", limit("a2", BUY, 990, 4, PERP))
    at.on(printed(990, symbol=PERP))
    (position,) = at.positions("ann", PERP)
    assert (position.lots, position.cost) == (7, 3 * 1000 + 4 * 990)  # 6960
    at.place("ann", limit("a3", SELL, 1010, 5, PERP))
    at.on(printed(1010, symbol=PERP))
    (position,) = at.positions("ann")
    # 5/7 of 6960 is 4971.4, rounded down 4971: what is left cost 1989
    assert (position.lots, position.cost, position.mark) == (2, 1989, Price(1010))
    assert position.realized == Decimal("0.79")  # 5 x 1010 - 4971 = 79 ticks x lots
    fees = Decimal("0.001") * (30 + Decimal("39.6") + Decimal("50.5"))
    assert at.totals("ann").fees == {"USDT": fees}
    assert totals(at, "ann")["USDT"] == start + Decimal("0.79") - fees
    # and nothing of 30.00 + 39.60 - 50.50 was lost
    assert equity(at, "ann", PERPETUAL) == start - fees + Decimal("50.5") - Decimal(
        "69.6"
    ) + Decimal("20.2")


def test_an_order_can_turn_a_position_over() -> None:
    at = exchange()
    at.on(printed(1000, symbol=PERP))
    at.place("ann", market("a1", BUY, 10, PERP))  # at 1001
    at.place("ann", market("a2", SELL, 30, PERP))  # at 999
    (position,) = at.positions("ann", PERP)
    assert (position.lots, position.cost) == (-20, -20 * 999)
    assert position.realized == Decimal("-0.20")  # 10 lots x 2 ticks x 0.01
    (theirs,) = at.positions(MARKET, PERP)
    assert theirs.lots == 20


@pytest.mark.parametrize(
    "trades, lots, cost, realized",
    [
        ([(BUY, 10, 3)], 3, 30, 0),
        ([(BUY, 10, 3), (SELL, 12, 1)], 2, 20, 2),
        ([(SELL, 10, 3), (BUY, 12, 1)], -2, -20, -2),
        ([(SELL, 10, 3), (SELL, 13, 1)], -4, -43, 0),
        ([(SELL, 10, 3), (SELL, 13, 1), (BUY, 10, 1)], -3, -32, 1),  # -43/4 rounded down is -11
        ([(BUY, 10, 3), (SELL, 11, 5)], -2, -22, 3),
    ],
)
def test_what_leaves_and_what_stays_of_a_cost_add_up(
    trades: list, lots: int, cost: int, realized: int
) -> None:
    stake = Stake()
    assert sum(stake.trade(*each) for each in trades) == realized
    assert (stake.lots, stake.cost) == (lots, cost)


# ---- reduce-only


def long_of(lots: int) -> SimulatedExchange:
    at = exchange()
    at.on(printed(1000, symbol=PERP))
    at.place("ann", market("open", BUY, lots, PERP))
    return at


def test_reduce_only_without_a_position_is_refused() -> None:
    outcome = refused(exchange().place("ann", limit("a1", SELL, 1000, 5, PERP, reduce_only=True)))
    assert outcome.reason is RefusalReason.REDUCE_ONLY


def test_reduce_only_is_trimmed_to_what_can_be_reduced_and_then_refused() -> None:
    at = long_of(10)
    first = accepted(at.place("ann", limit("a1", SELL, 1100, 6, PERP, reduce_only=True)))
    second = accepted(at.place("ann", limit("a2", SELL, 1100, 6, PERP, reduce_only=True)))
    assert (first.quantity, second.quantity) == (Quantity(6), Quantity(4))
    for client_id, side in (("a3", SELL), ("a4", BUY)):
        outcome = refused(at.place("ann", limit(client_id, side, 1100, 6, PERP, reduce_only=True)))
        assert outcome.reason is RefusalReason.REDUCE_ONLY


def test_the_newest_reduce_only_orders_expire_when_the_position_shrinks_without_them() -> None:
    at = long_of(10)
    at.place("ann", limit("a1", SELL, 1100, 4, PERP, reduce_only=True))
    at.place("ann", limit("a2", SELL, 1090, 3, PERP, reduce_only=True))
    at.place("ann", limit("a3", SELL, 1080, 3, PERP, reduce_only=True))
    at.place("ann", market("close", SELL, 4, PERP))
    assert [order.client_id for order in at.open_orders("ann", PERP)] == ["a1"]
    expired = [at.look_up("ann", PERP, client_id) for client_id in ("a2", "a3")]
    assert [order.status for order in expired if order] == [OrderStatus.EXPIRED] * 2


def test_one_trade_that_ends_a_position_ends_the_reduce_only_order_behind_it() -> None:
    at = long_of(10)
    at.place("ann", limit("a1", SELL, 1010, 10, PERP))
    at.place("ann", limit("a2", SELL, 1020, 10, PERP, reduce_only=True))
    at.on(printed(1030, 1000, PERP))
    assert at.positions("ann") == []
    order = at.look_up("ann", PERP, "a2")
    assert order is not None
    assert (order.status, order.filled) == (OrderStatus.EXPIRED, Quantity(0))


def test_a_taker_meets_the_market_when_the_reduce_only_order_behind_the_first_has_ended() -> None:
    at = long_of(10)
    at.place("ann", limit("a1", SELL, 1001, 10, PERP))
    at.place("ann", limit("a2", SELL, 1001, 10, PERP, reduce_only=True))
    report = accepted(at.place("bob", market("b1", BUY, 15, PERP)))
    assert report.status is OrderStatus.FILLED
    assert at.positions("ann") == []


def test_a_short_is_reduced_by_buying_and_may_be_smaller_than_the_minima() -> None:
    at = exchange()
    at.on(printed(1000, symbol=PERP))
    at.place("ann", market("a1", SELL, 3, PERP))
    at.place("ann", limit("a2", BUY, 900, 2, PERP, reduce_only=True))
    report = accepted(at.place("ann", limit("a3", BUY, 900, 9, PERP, reduce_only=True)))
    assert report.quantity == Quantity(1)
    at.on(printed(900, symbol=PERP))
    assert at.positions("ann", PERP) == []
    assert at.totals("ann").realized == {"USDT": Decimal("2.97")}  # 3 x (999 - 900) x 0.01


def test_on_spot_reduce_only_means_a_sell_of_what_there_is() -> None:
    at = exchange()
    accepted(at.place("ann", limit("a1", SELL, 1000, 5, reduce_only=True)))
    assert locked(at, "ann")["BTC"] == Decimal("0.05")
    outcome = refused(at.place("ann", limit("a2", BUY, 900, 5, reduce_only=True)))
    assert outcome.reason is RefusalReason.REDUCE_ONLY


# ---- funding and mark


def test_longs_pay_a_positive_rate_to_shorts() -> None:
    at = long_of(10)
    before = totals(at, "ann")["USDT"]
    at.on(Marked(PERP, Price(1200), START))
    at.on(FundingDue(PERP, Decimal("0.0001"), START))
    # 0.1 BTC x 1200 x 0.0001
    (payment,) = at.funding_since("ann", PERP, START)
    assert (payment.payment_id, payment.amount) == ("P1", Decimal("-0.012"))
    assert totals(at, "ann")["USDT"] == before - Decimal("0.012")
    assert at.totals(MARKET).funding == {"USDT": Decimal("0.012")}
    assert at.funding_since("bob", PERP, START) == []
    assert at.funding_since("ann", SPOT.symbol, START) == []


def test_the_mark_values_positions_until_then_the_last_price_does() -> None:
    at = long_of(10)
    assert at.positions("ann")[0].mark == Price(1000)
    at.on(Marked(PERP, Price(1200), START))
    at.on(printed(1300, symbol=PERP))
    assert at.positions("ann")[0].mark == Price(1200)


def test_there_is_no_funding_on_spot_or_without_a_price() -> None:
    at = exchange()
    with pytest.raises(InvalidValueError, match="is spot"):
        at.on(FundingDue(SPOT.symbol, Decimal("0.0001"), START))
    at.on(FundingDue(PERP, Decimal("0.0001"), START))  # nobody holds anything
    at.place("ann", limit("a1", BUY, 1000, 5, PERP))
    at.place("bob", limit("b1", SELL, 1000, 5, PERP))
    assert locked(at, "ann")["USDT"] == 5  # valued at what was paid: 50 USDT / 10
    with pytest.raises(InvalidValueError, match="needs a price"):
        at.on(FundingDue(PERP, Decimal("0.0001"), START))


# ---- rules


@pytest.mark.parametrize(
    "rules, words",
    [
        ({"instruments": (SPOT, SPOT)}, "different symbols"),
        ({"leverage": Decimal("0.5")}, "at least 1, was 0.5"),
        ({"accounts": {MARKET: RICH}}, "choose another name"),
        ({"accounts": {"ann": {"USDT": Decimal(-1)}}}, "was -1 USDT"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rules: dict, words: str) -> None:
    settings = {"instruments": (SPOT,), "accounts": {"ann": RICH}} | rules
    with pytest.raises(InvalidValueError, match=words):
        ExchangeRules(**settings)


def test_margin_is_rounded_up_and_nothing_else() -> None:
    at = exchange(leverage=Decimal(3))
    at.place("ann", limit("a1", BUY, 1000, 10, PERP))
    assert locked(at, "ann")["USDT"] == Decimal("33.333333333334")

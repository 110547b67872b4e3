"""The money of a run: sums written out by hand, and the identity for any sequence of fills."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounting import (
    WHOLE_RUN,
    RunAccount,
    Transfer,
    VenueView,
    change,
    fold,
    residual,
)
from domain.errors import InvalidValueError
from domain.market import Balance, FundingPayment, Position
from domain.money import EXACT, ZERO, Instrument, MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode, run_tag
from domain.orders import Fill, Side
from domain.position import EMPTY

T0 = datetime(2024, 8, 8, 12, tzinfo=UTC)
TAG = run_tag("grid-1")
D = Decimal
SPOT = Instrument(
    symbol="BTC/USDT",
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    tick_size=D("0.1"),
    lot_size=D("0.01"),
    min_quantity=Quantity(1),
    min_notional=D(5),
    maker_fee=D("0.001"),
    taker_fee=D("0.001"),
)
PERPETUAL = replace(SPOT, kind=MarketKind.PERPETUAL, symbol="BTC/USDT:USDT")

Row = tuple[Purpose, int, int, int]  # purpose, slot key, price in ticks, lots


def execution(
    number: int,
    purpose: Purpose,
    key: int,
    price: int,
    lots: int,
    fee: Decimal = ZERO,
    asset: str = "USDT",
    instrument: Instrument = SPOT,
) -> Fill:
    buys = (Purpose.ENTRY_BUY, Purpose.EXIT_BUY, Purpose.CLOSE_BUY)
    return Fill(
        fill_id=f"f{number:04}",
        client_id=encode(OrderKey(TAG, purpose, key, number)),
        order_id=str(number),
        symbol=instrument.symbol,
        side=Side.BUY if purpose in buys else Side.SELL,
        price=Price(price),
        quantity=Quantity(lots),
        fee=fee,
        fee_asset=asset,
        maker=True,
        at=T0 + timedelta(seconds=number),
    )


def fills_of(rows: Sequence[Row], instrument: Instrument = SPOT) -> list[Fill]:
    return [execution(n, *row, instrument=instrument) for n, row in enumerate(rows, 1)]


B, S = Purpose.ENTRY_BUY, Purpose.ENTRY_SELL
XB, XS = Purpose.EXIT_BUY, Purpose.EXIT_SELL
CB, CS = Purpose.CLOSE_BUY, Purpose.CLOSE_SELL


@pytest.mark.parametrize(
    "rows, profit, floating, cycles",
    [
        # 10 lots are 0.1 BTC; 1000 ticks are 100.0 USDT. The mark is 1020 ticks, 102.0.
        ([], "0", "0", 0),
        ([(B, 1000, 1000, 10)], "0", "0.2", 0),  # 0.1 x (102 - 100)
        ([(B, 1000, 1000, 10), (XS, 1000, 1010, 10)], "0.1", "0", 1),  # 0.1 x (101 - 100)
        ([(B, 1000, 1000, 10), (XS, 1000, 1010, 4)], "0.04", "0.12", 0),  # 0.04 x 1, 0.06 x 2
        ([(B, 1000, 1000, 4), (B, 1000, 990, 6)], "0", "0.26", 0),  # 0.04 x 2 + 0.06 x 3
        ([(S, 1030, 1030, 10)], "0", "0.1", 0),  # short: 0.1 x (103 - 102)
        ([(S, 1030, 1030, 10), (XB, 1030, 1000, 10)], "0.3", "0", 1),  # 0.1 x (103 - 100)
        (
            [(B, 1000, 1000, 10), (B, 990, 990, 10), (XS, 990, 1000, 10)],
            "0.1",  # 0.1 x (100 - 99), the slot at 990
            "0.2",  # 0.1 x (102 - 100), the slot at 1000
            1,
        ),
        ([(B, 1000, 1000, 5), (XS, 1000, 1010, 5)] * 3, "0.15", "0", 3),  # 3 x 0.05 x 1
    ],
)
def test_profit_floating_and_cycles(
    rows: list[Row], profit: str, floating: str, cycles: int
) -> None:
    account = fold(SPOT, fills_of(rows))
    assert account.grid_profit == D(profit)
    assert account.floating(Price(1020)) == D(floating)
    assert account.cycles == cycles


def test_what_cycles_brought_does_not_count_what_is_open_again() -> None:
    """A slot may close and open again between two looks: its new entry's fee is no loss of then."""
    rows = [(B, 1000, 1000, 10), (XS, 1000, 1010, 10), (B, 1000, 1000, 10), (XS, 1000, 1010, 4)]
    fills = [execution(n, *row, fee=D("0.02")) for n, row in enumerate(rows, 1)]
    brought = [fold(SPOT, fills[:count]).slots[1000].brought for count in range(1, 5)]
    assert brought == [ZERO, *[D("0.06")] * 3]  # 0.1 x (101 - 100) - 2 x 0.02


def test_volume_and_fees_add_up() -> None:
    fills = [
        execution(1, B, 1000, 1000, 10, D("0.01")),
        execution(2, XS, 1000, 1010, 10, D("-0.002")),  # a rebate
        execution(3, B, 1000, 1000, 10, D("0.0001"), "BNB"),
    ]
    account = fold(SPOT, fills)
    assert account.volume == D("30.1")  # 0.1 x 100 + 0.1 x 101 + 0.1 x 100
    assert account.fees == D("0.008")  # 0.01 - 0.002
    assert account.other_fees == {"BNB": D("0.0001")}
    assert account.fills == 3


def test_a_fee_in_base_leaves_less_to_sell_and_counts_at_its_price() -> None:
    bought = execution(1, B, 1000, 1000, 10, D("0.0001"), "BTC")
    account = fold(SPOT, [bought])
    holding = account.slots[1000].holding
    assert (holding.lots, holding.dust) == (9, D("0.0099"))  # 0.1 - 0.0001 = 0.0999
    assert account.fees == D("0.01")  # 0.0001 x 100
    assert account.base == D("0.0999")
    sold = fold(SPOT, [execution(2, XS, 1000, 1010, 9)], onto=account)
    assert sold.cycles == 1
    assert sold.slots[1000].holding.dust == D("0.0099")


def test_the_base_of_a_perpetual_is_no_asset_that_a_fee_could_be_taken_from() -> None:
    bought = execution(1, B, 1000, 1000, 10, D("0.0001"), "BTC", PERPETUAL)
    account = fold(PERPETUAL, [bought])
    assert account.other_fees == {"BTC": D("0.0001")}
    assert (account.fees, account.base) == (ZERO, D("0.1"))


def test_closing_a_run_trades_back_all_slots_as_one() -> None:
    opened = [(B, 1000, 1000, 10), (B, 990, 990, 10), (B, 980, 980, 10)]
    account = fold(SPOT, fills_of([*opened, (CS, WHOLE_RUN, 1010, 15)]))
    held = {key: slot.holding.lots for key, slot in account.slots.items()}
    assert held == {WHOLE_RUN: 15, 980: 0, 990: 0, 1000: 0}
    assert account.grid_profit == D("0.3")  # 0.15 x 101 - half of 0.1 x (100 + 99 + 98)
    assert account.floating(Price(1020)) == D("0.45")  # 0.15 x 102 - the other half
    assert account.cycles == 0


def test_closing_a_run_that_is_short_and_long_trades_back_the_difference() -> None:
    opened = [(S, 1030, 1030, 10), (B, 990, 990, 10), (S, 1040, 1040, 10)]
    account = fold(SPOT, fills_of([*opened, (CB, WHOLE_RUN, 1000, 10)]))
    assert all(slot.holding == EMPTY for slot in account.slots.values())
    assert account.grid_profit == D("0.8")  # 0.1 x (103 - 99) + 0.1 x (104 - 100)


def test_the_fee_of_a_closing_order_is_counted_once_however_many_slots_it_closes() -> None:
    opened = fills_of([(B, key, key, 10) for key in (1000, 990, 980)])
    closing = execution(4, CS, WHOLE_RUN, 1010, 30, D("0.1"))
    assert fold(SPOT, [*opened, closing]).fees == D("0.1")


def test_closing_sweeps_up_the_dust_of_all_slots() -> None:
    opened = [
        execution(n, B, key, key, 10, D("0.002"), "BTC") for n, key in enumerate((1000, 990), 1)
    ]  # each holds 0.098: 9 lots and 0.008 of dust
    account = fold(SPOT, [*opened, execution(3, CS, WHOLE_RUN, 1010, 19)])
    # 9 + 9 lots of the slots, and one lot of 0.016 dust
    assert {k: s.holding.lots for k, s in account.slots.items()} == {0: 0, 990: 0, 1000: 0}
    assert account.base == D("0.006")
    assert account.slots[WHOLE_RUN].holding.dust == D("0.006")


def test_fills_may_be_told_in_any_order() -> None:
    fills = fills_of([(B, 1000, 1000, 10), (XS, 1000, 1010, 10), (B, 1000, 1000, 5)])
    assert fold(SPOT, fills[::-1]) == fold(SPOT, fills)


def test_fills_of_one_moment_come_in_the_order_of_their_generations() -> None:
    fills = [replace(f, at=T0) for f in fills_of([(B, 1000, 1000, 10), (XS, 1000, 1010, 10)])]
    swapped = [replace(fills[0], fill_id="z"), replace(fills[1], fill_id="a")]
    assert fold(SPOT, swapped).cycles == 1


def test_what_is_not_ours_is_refused() -> None:
    fill = execution(1, B, 1000, 1000, 10)
    with pytest.raises(InvalidValueError, match="web_1"):
        fold(SPOT, [replace(fill, client_id="web_1")])
    with pytest.raises(InvalidValueError, match="ETH/USDT"):
        fold(SPOT, [replace(fill, symbol="ETH/USDT")])
    with pytest.raises(InvalidValueError, match="at least one run"):
        residual([], VenueView(D(0), D(0)), VenueView(D(0), D(0)), Price(1))


# ---- the identity

MARK = Price(1020)


def test_the_identity_of_a_spot_run_written_out() -> None:
    account = fold(
        SPOT,
        [
            execution(1, B, 1000, 1000, 10, D("0.0001"), "BTC"),
            execution(2, XS, 1000, 1010, 5, D("0.005")),
        ],
        transfers=[Transfer("t", "USDT", D(7), T0), Transfer("u", "BTC", D("0.01"), T0)],
    )
    # cash: 1000 - 0.1 x 100 + 0.05 x 101 - 0.005 - 7; base: 2 + 0.1 - 0.0001 - 0.05 - 0.01
    before, now = VenueView(D(1000), D(2)), VenueView(D("988.045"), D("2.0399"))
    assert change(SPOT, before, now, MARK) == D("-7.8852")  # -11.955 + 0.0399 x 102
    assert account.result(MARK) == D("-7.8852")
    assert residual([account], before, now, MARK) == 0


def test_the_identity_of_a_perpetual_run_written_out() -> None:
    account = fold(
        PERPETUAL,
        [
            execution(1, S, 1030, 1030, 10, D("0.01"), instrument=PERPETUAL),
            execution(2, XB, 1030, 1000, 4, D("0.004"), instrument=PERPETUAL),
        ],
        [FundingPayment("p", PERPETUAL.symbol, D("0.5"), T0)],
    )
    # wallet: + 0.04 x (103 - 100) - 0.014 + 0.5; still short 0.06 from 103
    before = VenueView(D(1000), D(0))
    now = VenueView(D("1000.606"), D("-0.06"), D("-6.18"))
    assert account.result(MARK) == D("0.666")  # 0.12 + 0.06 x (103 - 102) - 0.014 + 0.5
    assert residual([account], before, now, MARK) == 0


def test_a_fill_counted_twice_or_never_shows_as_a_residual() -> None:
    fill = execution(1, B, 1000, 1000, 10)
    before, now = VenueView(D(1000), D(0)), VenueView(D(990), D("0.1"))
    assert residual([fold(SPOT, [fill])], before, now, MARK) == 0
    assert residual([fold(SPOT, [])], before, now, MARK) == D("0.2")
    twice = fold(SPOT, [fill, replace(fill, fill_id="again")])
    assert residual([twice], before, now, MARK) == D("-0.2")


def test_a_view_is_read_off_balances_and_positions() -> None:
    balances = [Balance("USDT", D(5), D(2)), Balance("BTC", D("0.3")), Balance("ETH", D(9))]
    positions = [
        Position("ETH/USDT:USDT", 7, 700),
        Position(PERPETUAL.symbol, -6, -6180, D("0.12")),
    ]
    assert VenueView.of(SPOT, balances) == VenueView(D(5), D("0.3"))
    assert VenueView.of(SPOT, balances[2:]) == VenueView(D(0), D(0))
    assert VenueView.of(PERPETUAL, balances, positions) == VenueView(D(5), D("-0.06"), D("-6.18"))
    assert VenueView.of(PERPETUAL, balances) == VenueView(D(5), D(0))


# ---- any sequence of fills

keys = st.sampled_from([970, 990, 1010, 1030])
fees = st.decimals("-0.01", "0.5", places=9)
rows = st.tuples(
    st.sampled_from(list(Purpose)),
    keys,
    st.integers(900, 1100),
    st.integers(1, 30),
    fees,
    st.sampled_from(["USDT", "BTC", "BNB"]),
)


def _venue(instrument: Instrument, fills: Sequence[Fill]) -> VenueView:
    """What a venue books, with none of our rounding: sums of products."""
    cash, base, cost = D(10_000), D(3), D(0)
    for fill in fills:
        notional = instrument.notional(fill.price, fill.quantity)
        sign = D(fill.side.sign)
        base = EXACT.add(base, EXACT.multiply(sign, instrument.base_of(fill.quantity)))
        if instrument.kind is MarketKind.SPOT:
            cash = EXACT.subtract(cash, EXACT.multiply(sign, notional))
            if fill.fee_asset == "BTC":
                base = EXACT.subtract(base, fill.fee)
        else:
            cost = EXACT.add(cost, EXACT.multiply(sign, notional))
        if fill.fee_asset == "USDT":
            cash = EXACT.subtract(cash, fill.fee)
    return VenueView(cash, base, cost)


def _executions(instrument: Instrument, drawn: Sequence[Any]) -> list[Fill]:
    made = []
    for number, (purpose, key, price, lots, fee, asset) in enumerate(drawn, 1):
        slot = WHOLE_RUN if purpose in (CB, CS) else key
        made.append(execution(number, purpose, slot, price, lots, fee, asset, instrument))
    return made


@given(
    drawn=st.lists(rows, max_size=25),
    mark=st.integers(1, 5000),
    instrument=st.sampled_from([SPOT, PERPETUAL]),
    cut=st.integers(0, 25),
)
def test_the_residual_is_zero_for_any_fills(
    drawn: list[Any], mark: int, instrument: Instrument, cut: int
) -> None:
    fills = _executions(instrument, drawn)
    before, now = _venue(instrument, []), _venue(instrument, fills)
    account = fold(instrument, fills)
    assert residual([account], before, now, Price(mark)) == 0
    assert account.base == now.base - before.base
    in_two = fold(instrument, fills[cut:], onto=fold(instrument, fills[:cut]))
    assert in_two == account


@given(
    parts=st.lists(
        st.tuples(keys, st.integers(1, 20), st.integers(900, 1100), st.integers(900, 1100)),
        max_size=8,
    ),
    data=st.data(),
)
def test_how_an_order_was_split_into_fills_changes_no_total_once_flat(
    parts: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    whole: list[Row] = []
    split: list[Row] = []
    for key, lots, bought, sold in parts:
        for purpose, price in ((B, bought), (XS, sold)):
            whole.append((purpose, key, price, lots))
            first = data.draw(st.integers(0, lots))
            split += [(purpose, key, price, part) for part in (first, lots - first) if part]
    one, other = fold(SPOT, fills_of(whole)), fold(SPOT, fills_of(split))
    assert one.base == other.base == 0
    assert (one.grid_profit, one.volume, one.cycles) == (
        other.grid_profit,
        other.volume,
        other.cycles,
    )
    assert one.floating(MARK) == other.floating(MARK) == 0


def test_an_account_of_nothing_is_zero_everywhere() -> None:
    account = RunAccount(SPOT)
    assert (account.grid_profit, account.base, account.cycles) == (ZERO, ZERO, 0)
    assert account.result(MARK) == 0

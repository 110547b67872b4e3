"""Running totals of an order are sums of its fills, in whatever order these become known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from activities.venues.ccxt.executions import Executions
from domain.money import Price, Quantity
from domain.orders import Fill, OrderReport, OrderStatus, Side

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def fill(number: int, lots: int) -> Fill:
    return Fill(
        fill_id=str(number),
        client_id="",
        order_id="1",
        symbol="BTC/USDT",
        side=Side.BUY,
        price=Price(1000 + number),
        quantity=Quantity(lots),
        fee=Decimal("0.01") * lots,
        fee_asset="USDT" if number % 2 else "BNB",
        maker=True,
        at=BEGAN + timedelta(seconds=number // 2),
    )


def report(filled: int) -> OrderReport:
    return OrderReport(
        "a", "1", "BTC/USDT", Side.BUY, OrderStatus.OPEN, Quantity(1000), Quantity(filled)
    )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.data())
def test_a_report_is_completed_by_the_oldest_fills_that_make_it_up(
    lots: list[int], data: st.DataObject
) -> None:
    fills = [fill(number, each) for number, each in enumerate(lots, 1)]
    known = Executions()
    known.add(data.draw(st.permutations(fills)))
    known.add(data.draw(st.lists(st.sampled_from(fills))))  # told again
    for count in range(len(fills) + 1):
        first = fills[:count]
        done = known.complete(report(sum(lots[:count])))
        assert done is not None
        assert done.value == sum(each.price.ticks * each.quantity.lots for each in first)
        assert done.fees == {
            asset: sum((each.fee for each in first if each.fee_asset == asset), Decimal(0))
            for asset in {each.fee_asset for each in first}
        }


def test_a_report_whose_fills_do_not_add_up_is_not_completed() -> None:
    known = Executions()
    known.add([fill(1, 4), fill(2, 4)])
    assert known.complete(report(5)) is None  # between two fills
    assert known.complete(report(9)) is None  # one is not known yet


def test_within_an_instant_the_venues_list_counts_and_not_the_ids() -> None:
    known = Executions()
    at_once = [replace(fill(number, 3), at=BEGAN) for number in (7, 2, 5, 9)]
    known.add(at_once[3:])  # told by the stream, and not listed yet
    known.add_listed(at_once[:3])
    for count in range(5):
        done = known.complete(report(3 * count))
        assert done is not None
        assert done.value == sum(each.price.ticks * 3 for each in at_once[:count])

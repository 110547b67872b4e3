"""How slots leave: for what they hold, at the price fixed at entry; partial and late fills."""

from dataclasses import replace

from domain.grid.events import PriceMoved, Reported, VolatilityMeasured
from domain.money import Price, Quantity
from domain.orders import OrderReport, OrderStatus, Side
from tests.domain.grid.harness import SPOT, T0, D, Runner, configured, kinds, places


def test_a_filled_entry_leaves_one_level_higher_for_what_it_holds() -> None:
    run = Runner(configured())
    actions = run.fills(Side.BUY, 9_900)
    assert places(actions)[0] == ("sell", 10_000, 101)
    run.books_agree()


def test_a_fee_in_base_is_not_sold() -> None:
    run = Runner(configured(SPOT))
    actions = run.fills(Side.BUY, 9_900)  # 101 lots less 0.101: 100 and 0.899 of dust
    assert places(actions)[0] == ("sell", 10_000, 100)
    assert run.slot(9_900).holding.dust == D("0.000899")
    run.books_agree()


def test_dust_joins_the_next_exit() -> None:
    run = Runner(configured(SPOT))
    run.moves(9_900)
    run.moves(10_000)
    assert run.slot(9_900).holding.dust == D("0.000899")
    actions = run.fills(Side.BUY, 9_900)  # 0.899 + 100.899 = 101.798
    assert places(actions)[0] == ("sell", 10_000, 101)
    run.books_agree()


def test_a_filled_exit_frees_its_level_at_once() -> None:
    run = Runner(configured())
    run.moves(9_900)
    actions = run.fills(Side.SELL, 10_000)
    assert places(actions) == [("buy", 9_900, 101)]
    assert run.state.totals.cycles == 1
    # 0.101 x 10 earned, 0.0002 x (0.101 x 990 + 0.101 x 1000) paid
    assert run.state.totals.grid_profit == D("1.01")
    assert run.state.totals.fees == D("0.040198")
    run.books_agree()


def test_a_freed_level_is_entered_again_whatever_the_center_says() -> None:
    run = Runner(configured())
    run.moves(9_700)
    run.decide(PriceMoved(Price(9_500), T0))  # the center is far below, then all exits fill
    actions = run.fills(Side.SELL, 10_000)
    assert ("buy", 9_900, 101) in places(actions)


def test_a_freed_level_of_a_neutral_grid_is_entered_on_its_own_side() -> None:
    run = Runner(configured(direction="neutral"))
    run.moves(9_900)
    run.decide(PriceMoved(Price(9_500), T0))
    assert ("buy", 9_900, 101) in places(run.fills(Side.SELL, 10_000))


def test_a_partial_fill_counts_at_once() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900, 40)
    assert run.state.position_lots == 40
    assert run.slot(9_900).entering
    run.fills(Side.BUY, 9_900, 20)
    assert run.state.position_lots == 60
    run.books_agree()


def test_a_partly_filled_entry_gives_way_to_its_exit_when_that_is_reached() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900, 40)
    assert run.ladder()["sell"] == []
    actions = run.tell(PriceMoved(Price(10_000), T0))
    assert kinds(actions)[0] == "Cancel"
    assert places(actions)[-1] == ("sell", 10_000, 40)
    run.books_agree()


def test_a_partial_fill_under_the_minimum_waits_on_its_slot() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900, 3)  # 0.003 x 1000 < 5
    run.moves(10_000)
    order = run.order(Side.BUY, 9_900)
    run.tell(Reported(run.venue.cancel(order.request.client_id) or order.report()))
    run.waits()
    assert run.slot(9_900).holding.lots == 3
    assert run.slot(9_900).entering  # entered again, and what it holds stays
    actions = run.fills(Side.BUY, 9_900)
    assert places(actions)[0] == ("sell", 10_000, 104)
    run.books_agree()


def test_a_partly_filled_exit_that_ends_is_sent_again_for_the_rest() -> None:
    run = Runner(configured())
    run.moves(9_900)
    run.fills(Side.SELL, 10_000, 40)
    order = run.order(Side.SELL, 10_000)
    run.tell(Reported(run.venue.cancel(order.request.client_id) or order.report()))
    assert run.ladder()["sell"] == []  # nobody asked for that: it rests until something moves
    assert places(run.waits())[0] == ("sell", 10_000, 61)
    assert run.state.totals.cycles == 0
    run.books_agree()


def test_old_and_repeated_reports_change_nothing() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    reports = [order.report(), *(run.venue.fill(order, lots) for lots in (30, 30, 41))]
    run.tell(Reported(reports[3]))
    after = run.state
    for old in reports:
        assert run.tell(Reported(old)) == []
        assert run.state == after
    run.books_agree()


def test_a_missed_report_is_made_good_by_the_next() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    run.venue.fill(order, 30)
    run.tell(Reported(run.venue.fill(order, 30)))
    assert run.state.position_lots == 60
    run.books_agree()


def test_a_fill_that_crosses_a_cancel_counts() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_700)
    run.decide(PriceMoved(Price(10_200), T0))  # two levels up: 9700 is canceled, but fills first
    full = run.venue.fill(order, order.leaves)
    assert places(run.tell(Reported(full)))[0] == ("sell", 9_800, 103)
    run.books_agree()


def test_a_late_fill_of_a_closed_order_counts_once_and_leaves_at_its_own_exit() -> None:
    run = Runner(configured(adaptive={}))
    order = run.order(Side.BUY, 9_700)
    canceled = replace(order.report(), status=OrderStatus.CANCELED)
    run.moves(10_200)  # it is canceled, and its slot forgotten
    assert 9_700 not in run.state.slots
    run.tell(VolatilityMeasured(D(300), T0))  # another lattice since
    late = run.venue.fill(order, order.request.quantity.lots)
    actions = run.tell(Reported(late))
    assert ("sell", 9_800, 103) in places(actions)
    before = run.state
    run.tell(Reported(late), Reported(canceled))
    assert run.state == before
    assert run.state.position_lots == 103


def test_a_late_fill_of_an_exit_counts_against_what_is_held() -> None:
    run = Runner(configured())
    run.moves(9_900)
    order = run.order(Side.SELL, 10_000)
    early = replace(order.report(), status=OrderStatus.CANCELED)
    late = run.venue.fill(order, 50)
    order.status = OrderStatus.CANCELED
    run.tell(Reported(early))
    run.tell(Reported(replace(late, status=OrderStatus.CANCELED)))
    assert run.slot(9_900).holding.lots == 51
    run.books_agree()


def test_late_fees_count_once() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    full = run.venue.fill(order, order.leaves)
    run.tell(Reported(replace(full, fees={})))
    assert run.state.totals.fees == 0
    run.tell(Reported(full), Reported(full))
    # 0.0002 x 0.101 x 990
    assert run.state.totals.fees == D("0.019998")
    run.books_agree()


def test_fees_in_a_third_asset_are_counted_apart() -> None:
    run = Runner(configured())
    order = run.order(Side.BUY, 9_900)
    half = run.venue.fill(order, 50)
    full = run.venue.fill(order, 51)
    run.tell(Reported(replace(half, fees={"BNB": D("0.001")})))
    run.tell(Reported(replace(full, fees={"BNB": D("0.003"), "ZZZ": D(1)})))
    assert run.state.totals.other_fees == (("BNB", D("0.003")), ("ZZZ", D(1)))
    assert run.state.totals.fees == 0


def test_a_live_fill_moves_the_center_as_a_tick_would() -> None:
    run = Runner(configured())
    run.fills(Side.BUY, 9_900)
    assert run.state.center == 99
    assert run.state.price == Price(9_900)
    assert 9_600 in run.ladder()["buy"]
    assert run.decide(PriceMoved(Price(9_900), T0)) == ()


def test_reports_of_somebody_else_change_nothing() -> None:
    run = Runner(configured())
    before = run.state
    foreign = OrderReport(
        "somebody", "v9", "BTC/USDT", Side.BUY, OrderStatus.FILLED, Quantity(1), Quantity(1)
    )
    assert run.tell(Reported(foreign)) == []
    assert run.state == before


def test_a_neutral_grid_sells_no_entry_where_an_exit_waits() -> None:
    run = Runner(configured(direction="neutral"))
    run.moves(9_800)
    run.moves(9_850)
    assert run.ladder()["sell"].count(9_900) == 1
    assert run.ladder()["sell"].count(10_000) == 1
    run.books_agree()

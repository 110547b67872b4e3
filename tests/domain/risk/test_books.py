"""What breakers are told of books: each trade once, and no money that was only moved."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import TypeAdapter

from domain.accounting import RunAccount, SlotAccount
from domain.money import Price
from domain.risk.books import AccountBooks, RunBooks, brought
from tests.activities.wire import INSTRUMENT
from tests.domain.grid.harness import T0, D

HOUR = timedelta(hours=1)


def account(**slots: tuple[int, str, str]) -> RunAccount:
    """Return an account of slots by name: cycles, what they realized, and their fees."""
    made = {
        int(key[1:]): SlotAccount(
            cycles=cycles,
            realized=D(realized),
            fees=D(fees),
            brought=D(realized) - D(fees) if cycles else D(0),
        )
        for key, (cycles, realized, fees) in slots.items()
    }
    return RunAccount(INSTRUMENT, made)


def test_a_trade_is_told_once_with_the_fees_of_both_ways() -> None:
    books, profits = RunBooks(D(1000)).told(account(s1=(0, "0", "0.1")))
    assert profits == ()  # it is open
    books, profits = books.told(account(s1=(1, "2", "0.25")))
    assert profits == (D("1.75"),)
    assert books.told(account(s1=(1, "2", "0.25"))) == (books, ())
    books, profits = books.told(account(s1=(2, "1", "0.5"), s2=(1, "-3", "0.5")))
    assert profits == (D("-1.25"), D("-3.5"))


def test_a_slot_that_is_open_again_has_not_lost_the_fee_of_its_entry() -> None:
    """Found on a busy machine: five such slots halted everything, though each had won."""
    books, _ = RunBooks(D(1000)).told(account(s1=(0, "0", "0.036")))
    again = SlotAccount(cycles=1, realized=D("0.09"), fees=D("0.108"), brought=D("0.018"))
    assert books.told(RunAccount(INSTRUMENT, {1: again}))[1] == (D("0.018"),)


def test_books_survive_as_json() -> None:
    run, _ = RunBooks(D("1000.5")).told(account(s1=(1, "2", "0.25")))
    whole = AccountBooks("USDT", D(1000), T0).after("a", D("1.5"), T0).without("a")
    for value in (run, whole):
        adapter = TypeAdapter(type(value))
        assert adapter.validate_json(adapter.dump_json(value)) == value


def test_what_was_moved_is_neither_won_nor_lost() -> None:
    money = replace(account(s1=(1, "2", "0.25")), fees=D("0.25"))
    money = replace(money, transfers={"USDT": D(900)})
    assert money.result(Price(60_000)) == D("-898.25")
    assert brought(money, Price(60_000)) == D("1.75")


def test_an_account_goes_on_from_run_to_run() -> None:
    books = AccountBooks("USDT", D(1000), T0).after("a", D(5), T0).after("b", D(-2), T0)
    assert books.equity == D(1003)
    assert books.without("a").equity == D(1003)
    assert books.without("a").without("a").equity == D(1003)
    assert books.without("a").after("c", Decimal(0), T0).equity == D(1003)


@pytest.mark.parametrize(
    "open_,passed,over",
    [(True, 2 * HOUR, False), (False, HOUR, False), (False, HOUR + timedelta(seconds=1), True)],
)
def test_it_begins_anew_once_no_peak_of_before_can_count(
    open_: bool, passed: timedelta, over: bool
) -> None:
    books = AccountBooks("USDT", D(1000), T0).after("a", D(5), T0)
    books = books if open_ else books.without("a")
    assert books.over(T0 + passed, HOUR) is over


def test_exposure_is_the_size_of_what_runs_hold_and_goes_with_them() -> None:
    books = AccountBooks("USDT", D(1000), T0).after("a", D(5), T0, D(300))
    books = books.after("b", D(-2), T0, D(200)).after("a", D(6), T0, D(100))
    assert books.exposure == D(300)
    assert books.without("a").exposure == D(200)

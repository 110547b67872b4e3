from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValueError
from domain.market import Balance
from domain.risk.checks import Check, Outcome
from domain.risk.facts import AccountFacts, PreflightSpec
from domain.risk.preflight import (
    ACCEPTABLE,
    blocking,
    explained,
    overridden,
    passed,
    preflight,
    refuse_unknown_names,
)
from tests.domain.grid.harness import PERPETUAL, SPOT, D

SPEC = PreflightSpec()
GOOD = AccountFacts(
    "main",
    PERPETUAL,
    needs={"USDT": D(1000)},
    balances=(Balance("USDT", D(500), D(100)),),
    leverage=D(5),
    one_way=True,
    maker_fee=D(0),
    taker_fee=D("-0.0001"),
    streams={"price": True, "orders": True},
    clock_skew=timedelta(milliseconds=-1000),
    price_age=timedelta(seconds=60),
    foreign_orders=0,
    foreign_lots=0,
    rivals=(),
    cycle_profit=D("0.01"),
)
NAMES = {
    "balance",
    "leverage",
    "position_mode",
    "sharing",
    "foreign_position",
    "fees",
    "profit",
    "price_stream",
    "orders_stream",
    "clock",
    "price",
    "foreign_orders",
}


def one(name: str, **changed: Any) -> Check:
    """Return the check called *name* with some facts changed."""
    checks = preflight(SPEC, [replace(GOOD, **changed)])
    (check,) = (check for check in checks if check.name == name)
    return check


def test_all_in_order_passes_also_without_a_fee_or_with_a_rebate() -> None:
    checks = preflight(SPEC, [GOOD])
    assert {check.name for check in checks} == NAMES
    assert {check.outcome for check in checks} == {Outcome.OK}
    assert passed(checks)


@pytest.mark.parametrize(
    "name,changed,found",
    [
        ("balance", {"needs": {"USDT": D(1601)}}, "400 USDT are free."),
        ("balance", {"balances": ()}, "0 USDT are free."),
        ("leverage", {"leverage": D(11)}, "The leverage is 11."),
        ("position_mode", {"one_way": False}, "The account is in hedge mode."),
        ("fees", {"maker_fee": D("0.0021")}, "The maker fee is 0.0021 and the taker fee -0.0001."),
        ("fees", {"taker_fee": D("0.0021")}, "The maker fee is 0 and the taker fee 0.0021."),
        ("profit", {"cycle_profit": D(0)}, "A round trip earns 0 USDT after its fees."),
        ("price_stream", {"streams": {"price": False}}, "The price stream is down."),
        ("funding_stream", {"streams": {"funding": False}}, "The funding stream is down."),
        ("clock", {"clock_skew": timedelta(seconds=-2)}, "Our clock and the venue's differ by"),
        ("price", {"price_age": timedelta(seconds=61)}, "The last price is 61 s old."),
        ("foreign_orders", {"foreign_orders": 2}, "2 orders in BTC/USDT:USDT are of no run."),
        ("sharing", {"rivals": ("a", "b")}, "is traded by run a and b already."),
        ("foreign_position", {"foreign_lots": -5}, "A position of -0.005 BTC is managed by no run"),
    ],
)
def test_each_check_fails_on_its_own_and_says_how_to_fix_it(
    name: str, changed: dict[str, Any], found: str
) -> None:
    check = one(name, **changed)
    assert check.outcome is Outcome.FAILED
    assert found in check.found
    for sentence in (check.found, check.wanted, check.fix):
        assert sentence.endswith(".")
    assert not passed([check])


@pytest.mark.parametrize(
    "name,changed",
    [
        ("balance", {"needs": None}),
        ("balance", {"balances": None}),
        ("balance", {"leverage": None}),
        ("leverage", {"leverage": None}),
        ("position_mode", {"one_way": None}),
        ("fees", {"maker_fee": None}),
        ("fees", {"taker_fee": None}),
        ("profit", {"cycle_profit": None}),
        ("orders_stream", {"streams": {}}),
        ("price_stream", {"streams": {"price": None}}),
        ("clock", {"clock_skew": None}),
        ("price", {"price_age": None}),
        ("foreign_orders", {"foreign_orders": None}),
        ("foreign_position", {"foreign_lots": None}),
        ("sharing", {"rivals": None}),
    ],
)
def test_what_is_not_known_has_failed_and_nobody_can_accept_it(
    name: str, changed: dict[str, Any]
) -> None:
    check = one(name, **changed)
    assert check.outcome is Outcome.UNKNOWN
    assert not passed([check], {name})


def test_facts_that_nobody_gave_are_unknown() -> None:
    checks = preflight(SPEC, [AccountFacts("main", PERPETUAL)])
    assert {check.outcome for check in checks} == {Outcome.UNKNOWN}
    assert {check.name for check in checks} == NAMES


def test_the_unknown_cannot_be_accepted_even_if_a_check_says_so() -> None:
    check = Check("main", "news", Outcome.UNKNOWN, "Nobody looked.", "Good news.", overridable=True)
    assert not passed([check], {"news"})
    assert passed([replace(check, outcome=Outcome.FAILED)], {"news"})


def test_nothing_checked_is_nothing_passed() -> None:
    assert not passed(())
    assert not passed(preflight(SPEC, []))


# --- balances


def test_a_perpetual_needs_its_margin_with_a_buffer() -> None:
    check = one("balance", needs={"USDT": D(1600)})
    assert check.outcome is Outcome.OK  # 1600 / (5 x 0.8) = 400, all that is free
    assert check.wanted == (
        "Orders for 1600 USDT need a margin of 400 at leverage 5 with a buffer of 0.2."
    )


def test_a_margin_is_rounded_up() -> None:
    facts = {"needs": {"USDT": D("0.8")}, "leverage": D(3)}  # a third of 1 USDT, and never less
    short = one("balance", balances=(Balance("USDT", D("0.33333333")),), **facts)
    assert short.outcome is Outcome.FAILED
    enough = one("balance", balances=(Balance("USDT", D("0.33333334")),), **facts)
    assert enough.outcome is Outcome.OK


def test_spot_needs_every_asset_in_full_and_no_leverage() -> None:
    needs = {"USDT": D(400), "BTC": D(1)}
    checks = preflight(SPEC, [replace(GOOD, instrument=SPOT, needs=needs, leverage=None)])
    balances = [check for check in checks if check.name == "balance"]
    assert [(check.outcome, check.found) for check in balances] == [
        (Outcome.FAILED, "0 BTC are free."),
        (Outcome.OK, "400 USDT are free."),
    ]
    assert balances[0].fix == "Transfer 1 BTC to main, or use a smaller amount."
    assert not {"leverage", "position_mode", "sharing", "foreign_position"} & {
        c.name for c in checks
    }


def test_a_run_that_will_place_nothing_needs_nothing() -> None:
    assert one("balance", needs={}, balances=None).outcome is Outcome.OK


# --- what may be accepted


@pytest.mark.parametrize(
    "name,changed,overridable",
    [
        ("balance", {"balances": ()}, True),
        ("fees", {"maker_fee": D(1)}, True),
        ("foreign_orders", {"foreign_orders": 2}, True),
        ("leverage", {"leverage": D(11)}, False),
        ("position_mode", {"one_way": False}, False),
        ("profit", {"cycle_profit": D(-1)}, False),
        ("orders_stream", {"streams": {"orders": False}}, False),
        ("clock", {"clock_skew": timedelta(seconds=9)}, False),
        ("price", {"price_age": timedelta(seconds=99)}, False),
        ("foreign_position", {"foreign_lots": 1}, False),
        ("sharing", {"rivals": ("other",)}, False),
    ],
)
def test_some_findings_may_be_accepted_by_their_name(
    name: str, changed: dict[str, Any], overridable: bool
) -> None:
    check = one(name, **changed)
    assert passed([check], {name}) == passed([check], {f"main/{name}"}) == overridable
    assert not passed([check], {f"other/{name}", "something"})


def test_what_may_be_accepted_is_what_a_check_says_of_itself() -> None:
    broken = replace(
        GOOD,
        balances=(),
        leverage=D(11),
        one_way=False,
        maker_fee=D(1),
        cycle_profit=D(-1),
        streams={"price": False, "orders": False},
        clock_skew=timedelta(days=1),
        price_age=timedelta(days=1),
        foreign_orders=1,
        foreign_lots=1,
        rivals=("other",),
    )
    checks = preflight(SPEC, [broken])
    assert {check.outcome for check in checks} == {Outcome.FAILED}
    assert {check.name for check in checks if check.overridable} == set(ACCEPTABLE)


@pytest.mark.parametrize("name", ["leverage", "balances", "second/balance", "/balance", ""])
def test_a_name_that_cannot_be_accepted_is_refused_with_those_that_can(name: str) -> None:
    refuse_unknown_names(["balance", "main/fees", "foreign_orders"], ["main"])
    with pytest.raises(InvalidValueError, match="balance, fees, foreign_orders") as refused:
        refuse_unknown_names([name], ["main"])
    assert f"was {name}" in str(refused.value)


def test_a_run_on_two_accounts_may_name_a_check_of_either() -> None:
    refuse_unknown_names(["main/fees", "second/balance"], ["main", "second"])
    with pytest.raises(InvalidValueError, match="was third/balance"):
        refuse_unknown_names(["third/balance"], ["main", "second"])


def test_an_override_is_one_only_where_something_failed() -> None:
    checks = preflight(SPEC, [replace(GOOD, balances=())])
    (override,) = overridden(checks, ["balance", "fees"])
    assert override.name == "balance"
    assert overridden(preflight(SPEC, [GOOD]), ["balance"]) == ()


def test_what_stands_in_the_way_is_told_with_what_was_found_wanted_and_its_fix() -> None:
    checks = preflight(SPEC, [replace(GOOD, balances=(), clock_skew=None)])
    balance, clock = explained(checks).splitlines()
    assert balance == (
        "main/balance: 0 USDT are free. Orders for 1000 USDT need a margin of 250 at "
        "leverage 5 with a buffer of 0.2. Transfer 250 USDT to main, or use a smaller "
        "amount. Or take it as it is: --accept balance."
    )
    assert clock.startswith("main/clock: It could not be found out: the venue's time.")
    assert explained(checks, ["balance"]).splitlines() == [clock]


def test_why_something_is_not_known_is_told() -> None:
    check = one("leverage", leverage=None, obstacles={"leverage": "paper GetAccount: down"})
    assert check.found == "It could not be found out: the leverage (paper GetAccount: down)."


def test_a_shared_symbol_warns_where_it_would_fail() -> None:
    facts = replace(GOOD, shared=True, foreign_orders=2, foreign_lots=5)
    checks = preflight(SPEC, [facts])
    warned = {check.name for check in checks if check.outcome is Outcome.WARNING}
    assert warned == {"foreign_orders", "foreign_position"}
    assert passed(checks)


def test_every_account_is_checked() -> None:
    poor = replace(GOOD, account="second", balances=())
    checks = preflight(SPEC, [GOOD, poor])
    assert [(check.account, check.name) for check in blocking(checks)] == [("second", "balance")]
    assert not passed(checks, {"main/balance"})
    assert passed(checks, {"second/balance"})


@given(st.integers(-100, 100), st.sampled_from(["leverage", "price_age", "streams", "balances"]))
def test_k10_no_position_makes_a_check_go_away(lots: int, missing: str) -> None:
    nothing: Any = {} if missing == "streams" else None
    broken = replace(GOOD, shared=True, foreign_lots=lots, **{missing: nothing})
    checks = preflight(SPEC, [broken])
    assert {check.name for check in checks} == NAMES
    assert not passed(checks, NAMES)


def test_every_fact_is_looked_at() -> None:
    for field in fields(AccountFacts):
        if field.name in ("account", "instrument", "shared", "obstacles"):
            continue
        nothing: Any = {} if field.name == "streams" else None
        assert not passed(preflight(SPEC, [replace(GOOD, **{field.name: nothing})])), field.name

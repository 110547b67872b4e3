from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.grid.preview import preview
from domain.money import ZERO, Price, add
from domain.risk.admission import Reservations, admit, release, take
from domain.risk.limits import LimitsSpec, Reservation, reserve
from domain.risk.scope import OVERALL, Scope, ScopeKind
from domain.written import read
from tests.domain.grid.harness import D, configured

MAIN = Reservation("a", "main", "BTC/USDT:USDT", "USDT", D(600), D(1000), D(100), 10, D(3))


def limits(overall: Any = None, main: Any = None, run: Any = None) -> LimitsSpec:
    accounts = {"main": main} if main else {}
    return read(
        LimitsSpec, {"overall": overall or {}, "accounts": accounts, "run": run or {}}, "limits"
    )


def named(run_id: str, **fields: Any) -> Reservation:
    return replace(MAIN, run_id=run_id, **fields)


# --- what is reserved


def test_a_run_reserves_all_entries_of_both_sides_and_what_it_holds() -> None:
    shown = preview(configured(direction="neutral"), Price(10_000))
    buys = [line.notional for line in shown.orders if line.side == "buy"]
    sells = [line.notional for line in shown.orders if line.side == "sell"]
    assert (len(buys), len(sells)) == (3, 3)
    short = reserve("a", "main", shown, held=D(-50), exits=2, leverage=D(3))
    assert short == Reservation(
        "a",
        "main",
        "BTC/USDT:USDT",
        "USDT",
        position=add(D(50), *sells),  # the short side is the worse one
        exposure=add(D(50), *buys, *sells),
        largest_order=max(buys + sells),
        orders=8,
        leverage=D(3),
    )
    assert reserve("a", "main", shown, held=D(70)).position == 70 + sum(buys)


def test_a_run_without_entries_reserves_what_it_holds() -> None:
    shown = replace(preview(configured(), Price(10_000)), orders=())
    reserved = reserve("a", "main", shown, held=D(-50))
    assert (reserved.position, reserved.exposure, reserved.largest_order) == (D(50), D(50), ZERO)


# --- who is admitted


@pytest.mark.parametrize("scope", ["overall", "main", "run"])
@pytest.mark.parametrize(
    "field,fits,too_small",
    [
        ("position", 600, 599),
        ("order", 100, 99),
        ("open_orders", 10, 9),
        ("leverage", 3, "2.9"),
        ("exposure", 1000, "999.9"),
    ],
)
def test_every_limit_holds_in_every_scope(
    scope: str, field: str, fits: int, too_small: Any
) -> None:
    assert admit(limits(**{scope: {field: fits}}), {}, MAIN) is None
    refusal = admit(limits(**{scope: {field: too_small}}), {}, MAIN)
    assert refusal is not None
    assert f"{field} is limited to {too_small}" in refusal


def test_a_refusal_says_who_has_taken_how_much_and_what_to_do() -> None:
    reserved = {"b": named("b"), "c": named("c", exposure=D(500))}
    assert admit(limits(main={"exposure": 2000}), reserved, MAIN) == (
        "account main: exposure is limited to 2000 USDT, 1500 are taken by b, c and a asks for "
        "1000; there is room for 500: ask for less, stop another run, or raise the limit"
    )


def test_what_counts_against_a_limit_depends_on_its_scope() -> None:
    other = named("b", account="other")
    eth = named("c", symbol="ETH/USDT:USDT")
    taken = {"b": other, "c": eth}
    assert admit(limits(main={"exposure": 2000}), taken, MAIN) is None
    assert admit(limits(overall={"exposure": 2999}), taken, MAIN) is not None
    assert admit(limits(overall={"position": 1200}), taken, MAIN) is None  # BTC only
    assert admit(limits(overall={"position": 1199}), taken, MAIN) is not None
    assert admit(limits(run={"exposure": 1000}), taken, MAIN) is None
    assert admit(limits(main={"open_orders": 20}), taken, MAIN) is None
    assert admit(limits(overall={"open_orders": 29}), taken, MAIN) is not None


def test_amounts_in_other_assets_count_by_their_rate_and_unknown_ones_are_refused() -> None:
    usdc = named("b", quote="USDC")
    overall = {"exposure": 2000}
    assert admit(limits(overall), {"b": usdc}, MAIN) == (
        "overall: exposure is limited in USDT, and what USDC counts in it is not known; "
        "add it to rates"
    )
    rates = {**overall, "rates": {"USDC": "1"}}
    assert admit(limits(rates), {"b": usdc}, MAIN) is None
    assert admit(limits({**overall, "rates": {"USDC": "1.01"}}), {"b": usdc}, MAIN) is not None


def test_a_run_that_asks_for_no_more_than_it_has_is_never_refused() -> None:
    had = {"a": MAIN, "b": named("b")}
    tight = limits(overall={"exposure": 1, "open_orders": 1})  # was tightened since
    assert admit(tight, had, replace(MAIN, exposure=D(900), orders=9)) is None
    assert admit(tight, had, replace(MAIN, exposure=D(900), orders=11)) is not None
    assert admit(tight, had, replace(MAIN, account="other")) is not None


def test_what_a_run_asks_anew_replaces_what_it_had() -> None:
    room = limits(overall={"exposure": 1500})
    reserved, refusal = take(room, {}, MAIN)
    assert refusal is None
    grown = replace(MAIN, exposure=D(1500))
    reserved, refusal = take(room, reserved, grown)
    assert (reserved, refusal) == ({"a": grown}, None)
    same, refusal = take(room, reserved, named("b"))
    assert same == reserved
    assert refusal is not None
    assert take(room, release(reserved, "a"), named("b"))[1] is None
    assert release(reserved, "nobody") == reserved


def test_limits_are_found_by_scope() -> None:
    spec = limits({"order": 1}, {"order": 2}, {"order": 3})
    scopes = [OVERALL, Scope(ScopeKind.ACCOUNT, "main"), Scope(ScopeKind.RUN, "any")]
    assert [spec.of(scope).order for scope in scopes] == [1, 2, 3]
    assert spec.of(Scope(ScopeKind.ACCOUNT, "other")).order is None


class ReservationMachine(RuleBasedStateMachine):
    """Runs that ask, grow, shrink and leave: the sums never pass the limits."""

    LIMITS = limits(
        {"exposure": 3000, "open_orders": 40, "rates": {"USDC": "1"}},
        {"exposure": 2000, "position": 900, "rates": {"USDC": "1"}},
        {"exposure": 1500, "order": 200, "leverage": 5, "rates": {"USDC": "1"}},
    )

    @initialize()
    def begins(self) -> None:
        self.reserved: Reservations = {}

    @rule(
        run_id=st.sampled_from("abcdef"),
        account=st.sampled_from(["main", "other"]),
        symbol=st.sampled_from(["BTC/USDT", "ETH/USDC"]),
        exposure=st.integers(0, 1600),
        position=st.integers(0, 1000),
        order=st.integers(0, 220),
        orders=st.integers(0, 15),
        leverage=st.integers(1, 6),
    )
    def asks(
        self,
        run_id: str,
        account: str,
        symbol: str,
        exposure: int,
        position: int,
        order: int,
        orders: int,
        leverage: int,
    ) -> None:
        quote = symbol.partition("/")[2]
        asked = Reservation(
            run_id, account, symbol, quote, D(position), D(exposure), D(order), orders, D(leverage)
        )
        before = dict(self.reserved)
        self.reserved, refusal = take(self.LIMITS, self.reserved, asked)
        if refusal:
            assert self.reserved == before
        else:
            assert self.reserved == {**before, run_id: asked}

    @rule(run_id=st.sampled_from("abcdef"))
    def leaves(self, run_id: str) -> None:
        self.reserved = release(self.reserved, run_id)

    @invariant()
    def no_sum_passes_its_limit(self) -> None:
        all_of = list(self.reserved.values())
        mine = [one for one in all_of if one.account == "main"]
        assert sum(one.exposure for one in all_of) <= 3000
        assert sum(one.orders for one in all_of) <= 40
        assert sum(one.exposure for one in mine) <= 2000
        for symbol in ("BTC/USDT", "ETH/USDC"):
            assert sum(one.position for one in mine if one.symbol == symbol) <= 900
        for one in all_of:
            assert one.exposure <= 1500
            assert one.largest_order <= 200
            assert one.leverage <= 5


TestReservations = ReservationMachine.TestCase
TestReservations.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)

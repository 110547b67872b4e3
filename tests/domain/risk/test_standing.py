from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from domain.risk.breaker import BreakerState, step
from domain.risk.breaker_events import Diverged, TimePassed, TrialBegun, TripAsked
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.monitor import Verdict
from domain.risk.scope import OVERALL, Scope, ScopeKind, scopes
from domain.risk.standing import RiskView, Standing, standing
from tests.domain.grid.harness import T0, D

VALID = timedelta(seconds=60)
SCOPES = scopes("btc", "main")
RUN = Scope(ScopeKind.RUN, "btc")
VIEWS = TypeAdapter(RiskView)
CALM = RiskView(
    Verdict(halted=False, why="calm", at=T0),
    tuple(BreakerState(scope, BreakerSpec(cooldown=60)) for scope in SCOPES),
    {"btc": None},
)


def stands(view: RiskView | None, after: int = 0) -> Standing:
    if view is not None:
        assert VIEWS.validate_json(VIEWS.dump_json(view)) == view
    return standing(view, "btc", "main", T0 + timedelta(seconds=after), VALID)


def tripped(*which: Scope) -> tuple[BreakerState, ...]:
    return tuple(
        step(breaker, TripAsked("ann", "news", T0)).state if breaker.scope in which else breaker
        for breaker in CALM.breakers
    )


def test_openings_are_allowed_when_everybody_says_so() -> None:
    assert stands(CALM) == Standing(halted=False, why="clear", scope=RUN)
    assert stands(CALM, 60).openings_allowed


@pytest.mark.parametrize(
    "changed,after,scope,said",
    [
        ({"guard": Verdict(halted=True, why="storm", at=T0)}, 0, OVERALL, "storm"),
        ({"guard": None}, 0, OVERALL, "the market monitor has not spoken"),
        ({}, 61, OVERALL, "the market monitor has been silent since 2024-08-08 00:00:00"),
        ({"breakers": ()}, 0, OVERALL, "the breaker of account main is not known"),
        ({"breakers": CALM.breakers[:2]}, 0, RUN, "the breaker of run btc is not known"),
        ({"refusals": {}}, 0, RUN, "it is not known whether there is room for btc"),
        ({"refusals": {"btc": "no room"}}, 0, RUN, "no room"),
        *[({"breakers": tripped(scope)}, 0, scope, "by ann: news") for scope in SCOPES],
    ],
)
def test_k4_anybody_may_halt_and_what_is_not_known_does(
    changed: dict[str, Any], after: int, scope: Scope, said: str
) -> None:
    stood = stands(replace(CALM, **changed), after)
    assert (stood.halted, stood.openings_allowed, stood.scope) == (True, False, scope)
    assert said in stood.why


def test_nothing_known_halts() -> None:
    stood = stands(None)
    assert (stood.halted, stood.why) == (True, "the state of risk is not known")


def test_all_reasons_are_told_and_the_widest_scope_is_named() -> None:
    view = replace(CALM, breakers=tripped(*SCOPES[1:]), refusals={"btc": "no room"})
    stood = stands(view)
    assert stood.scope == SCOPES[1]
    assert stood.why.count("is open") == 2
    assert stood.why.endswith("; no room")


def test_the_breaker_of_another_run_or_account_halts_nobody_else() -> None:
    other = step(
        BreakerState(Scope(ScopeKind.RUN, "eth"), BreakerSpec()), TripAsked("ann", "news", T0)
    ).state
    assert stands(replace(CALM, breakers=(*CALM.breakers, other))).openings_allowed


def test_a_half_open_breaker_allows_one_trial() -> None:
    account = CALM.breakers[1]
    for event in (Diverged("BTC/USDT", D(9), T0), TimePassed(T0 + timedelta(seconds=61))):
        account = step(account, event).state
    view = replace(CALM, breakers=(CALM.breakers[0], account, CALM.breakers[2]))
    stood = stands(view)
    assert (stood.openings_allowed, stood.trial, stood.scope) == (True, True, SCOPES[1])
    tried = step(account, TrialBegun(T0)).state
    assert stands(replace(view, breakers=(view.breakers[0], tried, view.breakers[2]))).halted


@given(
    st.booleans(),
    st.sets(st.sampled_from(SCOPES)),
    st.sets(st.sampled_from(SCOPES)),
    st.sampled_from(["room", "none", "unknown"]),
    st.integers(0, 120),
)
def test_it_is_allowed_only_if_nothing_at_all_is_against_it(
    halted: bool, open_: set[Scope], missing: set[Scope], room: str, after: int
) -> None:
    refusals: dict[str, dict[str, str | None]] = {
        "room": {"btc": None},
        "none": {"btc": "no room"},
        "unknown": {},
    }
    view = RiskView(
        Verdict(halted=halted, why="said", at=T0),
        tuple(breaker for breaker in tripped(*open_) if breaker.scope not in missing),
        refusals[room],
    )
    fine = not (halted or open_ or missing or room != "room" or after > 60)
    assert stands(view, after).openings_allowed == fine

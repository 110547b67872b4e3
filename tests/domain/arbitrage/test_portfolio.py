"""What a portfolio does after a scan: who is forgotten, who shrinks, who grows, who has to wait."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.arbitrage.funding import Direction
from domain.arbitrage.margin import MarginAccount, Obstacle
from domain.arbitrage.portfolio import (
    admitted,
    begin_pair,
    equity_of,
    growing,
    looked_at,
    shrinking,
    spec_of,
)
from domain.arbitrage.portfolio_spec import PortfolioSpec, parse_spec
from domain.arbitrage.portfolio_state import (
    AccountLook,
    Held,
    Offer,
    OfferedLeg,
    PairLook,
    PortfolioState,
    Standing,
    Survey,
)
from domain.arbitrage.rebalance import Kind
from domain.arbitrage.state import Phase
from domain.arbitrage.universe import Ranked
from domain.arbitrage.view import LegStatus, PairStatus
from domain.errors import InvalidValueError
from domain.money import MarketKind
from tests.domain.arbitrage.market import HOUR, T0, D

EQUITY = D("1000")


def spec(**changes: Any) -> PortfolioSpec:
    data = {
        "accounts": ["spot", "perp"],
        "equity": 1000,
        "allocation": {"pairs": 2, "leverage": 1, "pair_cap": 1, "group_cap": 1},
    }
    return parse_spec({**data, **changes})


def offer(coin: str, account: str = "perp", price: str = "100") -> Offer:
    legs = (
        OfferedLeg("spot", "one", MarketKind.SPOT, f"{coin}/USDT", D(price)),
        OfferedLeg(account, "two", MarketKind.PERPETUAL, f"{coin}/USDT:USDT", D(price)),
    )
    return Offer(f"{coin} on {account}", Direction.POSITIVE, legs)


def survey(*scored: tuple[Offer, int], unknown: frozenset[str] = frozenset()) -> Survey:
    ranked = tuple(Ranked(each.pair, Decimal(score), D("0.2")) for each, score in scored)
    return Survey(T0, ranked, tuple(each for each, _ in scored), unknown)


def holding(*held: tuple[Offer, int], base: str = "0") -> PortfolioState:
    state = PortfolioState()
    for each, amount in held:
        state, made = begin_pair("folio", state, each, Decimal(amount))
        state = state.with_pair(replace(made, bases=(D(base), -D(base))))
    return state


BTC, ETH, SOL = offer("BTC"), offer("ETH"), offer("SOL")


def test_the_best_are_added_by_their_share() -> None:
    found = growing(spec(), PortfolioState(), survey((BTC, 3), (ETH, 1), (SOL, 1)), EQUITY)
    assert [(each.kind, each.pair, each.target) for each in found] == [
        (Kind.ADD, BTC.pair, D("750")),
        (Kind.ADD, ETH.pair, D("250")),
    ]


def test_what_is_held_is_worth_its_base_at_the_price_of_now() -> None:
    state = holding((BTC, 750), (ETH, 250), base="5")  # 500 each, at 100
    seen = survey((BTC, 3), (ETH, 1))
    assert [(e.kind, e.current, e.target) for e in shrinking(spec(), state, seen, EQUITY)] == []
    other = survey((BTC, 1), (ETH, 3))
    (less,) = shrinking(spec(), state, other, EQUITY)
    assert (less.kind, less.pair, less.current, less.target) == (
        Kind.REDUCE,
        BTC.pair,
        D("500"),
        D("250"),
    )


def test_a_pair_that_leaves_has_its_room_until_it_is_gone() -> None:
    state = holding((BTC, 600))
    state = state.with_pair(replace(state.held[0], leaving=True, asked=True))
    seen = survey((ETH, 1), (SOL, 1))
    found = growing(spec(), state, seen, EQUITY)
    assert [(each.pair, each.target) for each in found] == [(ETH.pair, D("400"))]
    assert shrinking(spec(), state, seen, EQUITY) == ()


def test_a_pair_that_leaves_takes_no_place_from_one_that_stays() -> None:
    fewer = spec(allocation={"pairs": 1, "leverage": 1, "pair_cap": 1, "group_cap": 1})
    state, seen = holding((BTC, 500), (ETH, 500)), survey((BTC, 3), (ETH, 1))
    assert [each.pair for each in shrinking(fewer, state, seen, EQUITY)] == [ETH.pair]
    leaves = state.with_pair(replace(state.held[1], leaving=True, asked=True))
    assert shrinking(fewer, leaves, seen, EQUITY) == ()
    assert growing(fewer, leaves, seen, EQUITY) == ()  # what leaves still has its room
    (grows,) = growing(fewer, replace(state, held=state.held[:1]), seen, EQUITY)
    assert (grows.kind, grows.target) == (Kind.RESIZE, D("1000"))


def test_p3_what_the_scan_cannot_tell_stays() -> None:
    state = holding((BTC, 600))
    seen = survey((ETH, 1), unknown=frozenset({BTC.pair}))
    assert shrinking(spec(), state, seen, EQUITY) == ()
    (removed,) = shrinking(spec(), state, survey((ETH, 1)), EQUITY)
    assert (removed.kind, removed.pair) == (Kind.REMOVE, BTC.pair)


def test_a_market_is_of_one_pair() -> None:
    other = offer("BTC", "third")
    found = growing(spec(), PortfolioState(), survey((BTC, 3), (other, 2), (ETH, 1)), EQUITY)
    assert [each.pair for each in found] == [BTC.pair, ETH.pair]
    held = growing(spec(), holding((other, 100)), survey((BTC, 3), (other, 2)), EQUITY)
    assert [each.pair for each in held] == [other.pair]  # who holds it keeps it


def test_pairs_of_a_group_share_its_cap() -> None:
    caps = {"pairs": 3, "leverage": 1, "pair_cap": 1, "group_cap": "0.4"}
    written = spec(allocation=caps, groups={"ETH": "alt", "SOL": "alt"})
    found = growing(written, PortfolioState(), survey((ETH, 3), (SOL, 3), (BTC, 3)), EQUITY)
    targets = {each.pair: each.target for each in found}
    assert targets[ETH.pair] + targets[SOL.pair] <= 400
    assert targets[BTC.pair] > 300


# --- the runs of the pairs


def status(phase: Phase = Phase.RUNNING, base: str = "1") -> PairStatus:
    legs = [
        LegStatus("a", "A", sign * D(base), D("0"), D("0"), None, None, None) for sign in (1, -1)
    ]
    return PairStatus(phase, None, None, D("0"), "", "", 1, (legs[0], legs[1]))


def looked(state: PortfolioState, look: PairLook) -> tuple[PortfolioState, list[str]]:
    after, told = looked_at(spec(), state, [look], T0)
    return after, [each.what for each in told]


def test_p2_a_pair_is_forgotten_when_nothing_is_left_and_not_before() -> None:
    state = holding((BTC, 600))
    (held,) = state.held
    state = state.with_pair(replace(held, leaving=True, asked=True))
    running = PairLook(held.run_id, Standing.RUNNING, status(Phase.STOPPING))
    state, told = looked(state, running)
    assert (len(state.held), told) == (1, [])
    unknown, _ = looked(state, PairLook(held.run_id, Standing.UNKNOWN))
    assert unknown == state
    gone, told = looked(state, PairLook(held.run_id, Standing.ENDED))
    assert (gone.held, dict(gone.rests), told) == ((), {}, ["forget"])


def test_p2_a_run_that_was_ended_with_something_left_is_kept_and_told_once() -> None:
    state = holding((BTC, 600))
    look = PairLook(state.held[0].run_id, Standing.ENDED, left=D("0.5"), why="terminated")
    state, told = looked(state, look)
    assert (state.held[0].stranded, told) == (True, ["strand"])
    assert looked(state, look)[1] == []
    assert not state.leaving  # nobody waits for it


def test_a_pair_that_a_person_stopped_rests() -> None:
    state = holding((BTC, 600))
    state, _ = looked(state, PairLook(state.held[0].run_id, Standing.ENDED, why="completed"))
    seen = survey((BTC, 3), (ETH, 1))
    assert [each.pair for each in growing(spec(), state, seen, EQUITY)] == [ETH.pair]
    later, _ = looked_at(spec(), state, [], T0 + 24 * HOUR)
    assert len(growing(spec(), later, seen, EQUITY)) == 2


def test_no_run_is_named_twice() -> None:
    state = holding((BTC, 600))
    first = state.held[0].run_id
    again, second = begin_pair("folio", replace(state, held=()), BTC, D("600"))
    assert (first, second.run_id) == ("folio-btc-spot-perp-1", "folio-btc-spot-perp-2")
    assert again.begun == 2


# --- margin


def look(account: str, equity: str = "1000", at_age: int = 0) -> AccountLook:
    at = T0 - timedelta(seconds=at_age)
    return AccountLook(account, MarginAccount(D(equity), D("0"), at), D(equity))


@pytest.mark.parametrize(
    "looks,obstacle",
    [
        ([look("spot"), look("perp")], None),
        ([look("spot")], Obstacle.UNKNOWN),
        ([look("spot"), look("perp", at_age=31)], Obstacle.STALE),
        ([look("spot"), look("perp", "100")], Obstacle.HEALTH),  # 1 - 37.5 * 1.2 / 100 = 0.55
        ([look("spot", "700"), look("perp")], Obstacle.HEALTH),  # no quote for 750 of spot
    ],
)
def test_p4_only_a_fresh_look_at_both_accounts_lets_a_pair_grow(
    looks: list[AccountLook], obstacle: Obstacle | None
) -> None:
    written, seen = spec(), survey((BTC, 3), (ETH, 1))
    change = growing(written, PortfolioState(), seen, EQUITY)[0]
    by_name = {each.account: each for each in looks}
    found = admitted(written, PortfolioState(), seen, [change], by_name, T0)
    assert [why for _, why in found.held_back] == ([] if obstacle is None else [obstacle])


def test_the_equity_is_an_amount_or_that_of_accounts() -> None:
    looks = {each.account: each for each in (look("spot", "300"), look("perp", "500"))}
    assert equity_of(spec(), {}) == 1000
    assert equity_of(spec(equity=None), looks) == 800
    assert equity_of(spec(equity=None, equity_of=["perp"]), looks) == 500
    assert equity_of(spec(equity=None), {"spot": looks["spot"]}) is None


# --- what is written


def test_a_pair_has_the_settings_of_the_template() -> None:
    written = spec(pair={"entry_apr": "0.07", "hedge": {"passive_for": 3}})
    held = Held(BTC.pair, "run", BTC.legs, D("500"))
    made = spec_of(written, held)
    assert (made.entry_apr, made.hedge.passive_for, made.amount) == (D("0.07"), 3, D("500"))
    assert (made.first.account, made.second.symbol) == ("spot", "BTC/USDT:USDT")


def test_only_two_perpetuals_are_entered_both_ways() -> None:
    spot, perpetual = BTC.legs
    perpetuals = replace(perpetual, account="other"), perpetual
    written = spec(pair={"both_ways": True})
    both = [
        spec_of(written, Held("a pair", "run", legs, D("500"))).both_ways
        for legs in (BTC.legs, perpetuals)
    ]
    assert both == [False, True]
    assert spot.kind is MarketKind.SPOT


@pytest.mark.parametrize(
    "changes,told",
    [
        ({"accounts": ["one"]}, "accounts"),
        ({"pair": {"amount": 5}}, "pair.amount: the portfolio decides it"),
        ({"pair": {"entry_apr": "much"}}, "pair.entry_apr"),
        ({"pair": {"no_such": 1}}, "pair.no_such"),
        ({"equity": None, "equity_of": ["third"]}, "equity_of must be of accounts"),
        ({"equity_of": ["perp"]}, "was both"),
    ],
)
def test_a_mistake_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        spec(**changes)

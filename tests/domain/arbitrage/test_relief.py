"""Which pairs give back when an account uses too much margin: the sums stand beside them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.funding import Direction
from domain.arbitrage.margin import MarginAccount
from domain.arbitrage.portfolio import begin_pair, growing, looked_at, scored, shrinking
from domain.arbitrage.portfolio_spec import PortfolioSpec, parse_spec
from domain.arbitrage.portfolio_state import (
    AccountLook,
    Easing,
    Held,
    Level,
    MarginSeen,
    Offer,
    OfferedLeg,
    PairLook,
    PortfolioState,
    Standing,
    Survey,
)
from domain.arbitrage.rebalance import Kind
from domain.arbitrage.relief import Relief, burdened, margin_news, margins, reliefs
from domain.arbitrage.state import Phase
from domain.arbitrage.universe import Ranked
from domain.arbitrage.view import LegStatus, PairStatus
from domain.money import ZERO, MarketKind
from tests.domain.arbitrage.market import T0, D

WITHIN = timedelta(seconds=120)


def spec(**margin: Any) -> PortfolioSpec:
    allocation = {"pairs": 5, "leverage": 20, "pair_cap": 1, "group_cap": 1}
    return parse_spec(
        {
            "accounts": ["spot", "perp"],
            "equity": 1000,
            "allocation": allocation,
            "margin": margin,
            "most_changes": 1,
        }
    )


def offer(coin: str, *accounts: str) -> Offer:
    """A pair of *coin* at 100: perpetuals on *accounts*, spot where there is one only."""
    kinds = [MarketKind.PERPETUAL] * len(accounts)
    places = list(zip(accounts, kinds, strict=True))
    if len(places) == 1:
        places.insert(0, ("spot", MarketKind.SPOT))
    legs = [
        OfferedLeg(account, account, kind, f"{coin}/{kind}", D("100")) for account, kind in places
    ]
    return Offer(f"{coin} {'-'.join(accounts)}", Direction.POSITIVE, (legs[0], legs[1]))


def state(*pairs: tuple[str, int, str | None], on: Sequence[str] = ("perp",)) -> PortfolioState:
    """A portfolio of (coin, worth, score), each as it was looked at: a hundredth of it in base."""
    found = PortfolioState()
    for coin, worth, score in pairs:
        rated = None if score is None else D(score)
        found, held = begin_pair("folio", found, offer(coin, *on), Decimal(worth), rated)
        base = Decimal(worth) / 100
        found = found.with_pair(replace(held, bases=(base, -base), note="running"))
    return found


def look(
    use: str | None = None,
    notional: str = "1000",
    *,
    account: str = "perp",
    health: str | None = None,
    at: timedelta = timedelta(0),
) -> AccountLook:
    """An account of 1000 in quote; *use* is what it needs of that."""
    margin = MarginAccount(D("1000"), D(use or "0") * 1000, T0 + at)
    told = None if health is None else D(health)
    return AccountLook(account, margin, D("1000"), told, D(notional), {})


def asked(found: Sequence[Relief]) -> list[tuple[Kind, str, Decimal]]:
    return [(each.change.kind, each.held.pair.split()[0], each.change.target) for each in found]


BOTH = state(("BTC", 600, "2"), ("ETH", 400, "1"))


@pytest.mark.parametrize(
    "seen, wanted",
    [
        (look("0.65"), []),
        # 1000 * (1 - 0.65 / 0.8) = 187.5
        (look("0.8"), [(Kind.REDUCE, "ETH", D("212.5"))]),
        # the same, with 2000 there that are not ours: 375, and less than a tenth would be left
        (look("0.8", "2000"), [(Kind.REMOVE, "ETH", D("0"))]),
        # 1000 * (1 - 0.65 / 1.3) = 500: all of the worst, and 100 of the next one
        (look("1.3"), [(Kind.REMOVE, "ETH", D("0")), (Kind.REDUCE, "BTC", D("500"))]),
        # a trifle: 1.5, but 5 % of the pair at least
        (look("0.651"), [(Kind.REDUCE, "ETH", D("380"))]),
        # what the venue tells counts: 1 - 0.2 = 0.8
        (look("0.1", health="0.2"), [(Kind.REDUCE, "ETH", D("212.5"))]),
        (look("0.8", health="0.9"), []),
        # no perpetual is known of: there is nothing to give back
        (look("0.8", "0", account="spot"), []),
    ],
)
def test_the_lowest_score_gives_back_the_least_that_is_needed(
    seen: AccountLook, wanted: list[tuple[Kind, str, Decimal]]
) -> None:
    assert asked(reliefs(spec(), BOTH, [seen], T0)) == wanted


def test_an_account_without_equity_is_left() -> None:
    ruined = replace(look(), margin=MarginAccount(D("-1"), D("50"), T0))
    found = reliefs(spec(), BOTH, [ruined], T0)
    assert [each.change.kind for each in found] == [Kind.REMOVE, Kind.REMOVE]


def test_the_numbers_are_the_why() -> None:
    (found,) = reliefs(spec(), BOTH, [look("0.8")], T0)
    assert found.why == (
        "the margin use of perp is 0.8000, above 0.65: its score 1.0000 is number 1 of 2 from the "
        "lowest"
    )
    assert found.numbers == {
        "account": "perp",
        "use": "0.8000",
        "limit": "0.65",
        "equity": "1000.00",
        "maintenance": "800.00",
        "health": "not told",
        "notional": "1000.00",
        "score": "1.0000",
        "from": "400.00",
        "to": "212.50",
    }


def test_the_price_is_that_of_the_look() -> None:
    dear = replace(look("0.8"), prices={"ETH/perpetual": D("110")})
    (found,) = reliefs(spec(), BOTH, [dear], T0)  # 440 - 187.5
    assert (found.change.current, found.change.target) == (D("440"), D("252.5"))


@pytest.mark.parametrize(
    "pairs, wanted",
    [
        ((("A", 500, None), ("B", 500, "9")), ["B"]),  # nobody knows: it is not taken for 0
        ((("B", 500, "1"), ("A", 500, "1")), ["A"]),  # equal ones by name
    ],
)
def test_the_order(pairs: Sequence[tuple[str, int, str | None]], wanted: list[str]) -> None:
    found = reliefs(spec(), state(*pairs), [look("0.8")], T0)
    assert [coin for _, coin, _ in asked(found)] == wanted


# ---- what is not told


@pytest.mark.parametrize(
    "looks, level",
    [
        ([], Level.UNKNOWN),
        ([look("0.9", account="spot")], Level.UNKNOWN),
        ([look("0.9", at=-timedelta(seconds=31))], Level.UNKNOWN),
        ([look("0.9")], Level.STRAINED),
        ([look("0.1")], Level.RELAXED),
    ],
)
def test_an_account_that_nobody_told_of_is_not_known_and_starts_nothing(
    looks: list[AccountLook], level: Level
) -> None:
    by_name = {each.account: each for each in looks}
    assert burdened(BOTH) == ("perp",)
    assert {name: seen.level for name, seen in margins(spec(), BOTH, by_name, T0).items()} == {
        "perp": level
    }
    assert bool(reliefs(spec(), BOTH, looks, T0)) is (level is Level.STRAINED)


def test_what_is_new_about_an_account_is_told_once() -> None:
    def told(before: Level | None, after: Level) -> list[tuple[str, bool]]:
        was = {} if before is None else {"perp": MarginSeen(before)}
        news = margin_news(spec(), was, {"perp": MarginSeen(after, D("0.7"))})
        return [(each.what, each.alarming) for each in news]

    assert told(None, Level.RELAXED) == []
    assert told(None, Level.UNKNOWN) == [("margin unknown", True)]
    assert told(Level.UNKNOWN, Level.UNKNOWN) == []
    assert told(Level.UNKNOWN, Level.STRAINED) == [("margin strained", True)]
    assert told(Level.STRAINED, Level.UNKNOWN) == [("margin unknown", True)]
    assert told(Level.STRAINED, Level.RELAXED) == [("margin relaxed", False)]


# ---- what is under way


def eased(found: PortfolioState, each: Relief) -> PortfolioState:
    """The portfolio after it has asked for a relief."""
    held = each.held.given(each.change.target, each.share, T0 + WITHIN)
    if each.change.kind is Kind.REMOVE:
        held = replace(held, leaving=True, asked=True, easing=Easing(ZERO, T0 + WITHIN))
    return found.with_pair(held)


def test_what_is_being_given_back_is_not_asked_for_again() -> None:
    seen = look("0.8")
    (first,) = reliefs(spec(), BOTH, [seen], T0)
    asked_once = eased(BOTH, first)
    assert reliefs(spec(), asked_once, [seen], T0) == ()
    # it got worse: 1000 * (1 - 0.65 / 0.9) = 277.78, and 187.5 of that are under way
    (more,) = reliefs(spec(), asked_once, [look("0.9")], T0)
    assert more.change.target.quantize(D("0.01")) == D("122.22")


def test_a_pair_that_is_closed_counts_as_given_back() -> None:
    seen = look("1.05")  # 381 of 400: less than a tenth would be left
    closes = eased(BOTH, reliefs(spec(), BOTH, [seen], T0)[0])
    assert [held.leaving for held in closes.held] == [False, True]
    assert reliefs(spec(), closes, [seen], T0) == ()


def test_who_is_late_is_asked_for_more_and_the_next_one_for_the_rest() -> None:
    (first,) = reliefs(spec(), BOTH, [look("0.8")], T0)
    late = eased(BOTH, first)
    seen = look("0.8", at=WITHIN)
    # 53.125 % of its 400 were to be left, and 5 % less now; the other gives back all 187.5
    assert asked(reliefs(spec(), late, [seen], T0 + WITHIN)) == [
        (Kind.REDUCE, "ETH", D("192.5")),
        (Kind.REDUCE, "BTC", D("412.5")),
    ]


def test_a_pair_is_eased_when_it_holds_what_it_should() -> None:
    (first,) = reliefs(spec(), BOTH, [look("0.8")], T0)
    after = eased(BOTH, first)
    run = first.held.run_id

    def seen(base: str, at: timedelta = timedelta(0)) -> Easing | None:
        legs = [
            LegStatus("a", "A", sign * D(base), ZERO, ZERO, None, None, None) for sign in (1, -1)
        ]
        told = PairStatus(Phase.RUNNING, None, None, ZERO, "", "", 1, (legs[0], legs[1]))
        found, _ = looked_at(spec(), after, [PairLook(run, Standing.RUNNING, told)], T0 + at)
        return found.of("ETH perp").easing  # type: ignore[union-attr]

    assert seen("4") is not None
    assert seen("2.13") is None  # a lot more than 2.125
    assert seen("4", WITHIN) is not None  # it is late
    assert seen("4", 2 * WITHIN) is None  # nobody waits for it any more


def test_a_pair_that_others_close_counts_as_under_way() -> None:
    run = BOTH.held[1].run_id
    legs = [LegStatus("a", "A", sign * D("4"), ZERO, ZERO, None, None, None) for sign in (1, -1)]
    told = PairStatus(Phase.STOPPING, None, None, ZERO, "", "", 1, (legs[0], legs[1]))
    found, _ = looked_at(spec(), BOTH, [PairLook(run, Standing.RUNNING, told)], T0)
    assert reliefs(spec(), found, [look("0.8")], T0) == ()


def test_who_holds_nothing_yet_takes_no_margin_of_a_strained_account() -> None:
    found = state(("BTC", 1000, "1"), ("ETH", 400, "2"))
    waits = found.with_pair(replace(found.held[1], bases=(ZERO, ZERO)))
    assert asked(reliefs(spec(), waits, [look("0.8")], T0)) == [
        (Kind.REMOVE, "ETH", D("0")),
        (Kind.REDUCE, "BTC", D("812.5")),
    ]
    unseen = waits.with_pair(replace(waits.held[1], note=""))  # it may hold something by now
    assert [coin for _, coin, _ in asked(reliefs(spec(), unseen, [look("0.8")], T0))] == ["BTC"]


@pytest.mark.parametrize("changes", [{"stranded": True, "leaving": True}, {"leaving": True}])
def test_who_is_going_is_not_asked(changes: dict[str, bool]) -> None:
    going = BOTH.with_pair(replace(BOTH.held[1], **changes))  # type: ignore[arg-type]
    assert asked(reliefs(spec(), going, [look("0.8")], T0)) == [(Kind.REDUCE, "BTC", D("412.5"))]


def test_a_pair_of_two_perpetuals_relieves_both_of_its_accounts_at_once() -> None:
    found = state(("BTC", 600, "2"), ("ETH", 400, "1"), on=("one", "two"))
    looks = [look("0.8", account="two"), look("0.8", account="one")]
    assert asked(reliefs(spec(), found, looks, T0)) == [(Kind.REDUCE, "ETH", D("212.5"))]


# ---- and the scans


def survey(*ranked: tuple[str, str]) -> Survey:
    offers = tuple(offer(coin, "perp") for coin, _ in ranked)
    rated = [
        Ranked(each.pair, D(score), D("0.2"))
        for each, (_, score) in zip(offers, ranked, strict=True)
    ]
    return Survey(T0, tuple(rated), offers)


def test_a_scan_tells_the_scores_and_who_it_does_not_know_keeps_its_own() -> None:
    found = scored(BOTH, survey(("BTC", "0.5")))
    assert [held.score for held in found.held] == [D("0.5"), D("1")]


def test_a_scan_does_not_undo_what_is_being_given_back() -> None:
    (first,) = reliefs(spec(), BOTH, [look("0.8")], T0)
    after, equity = eased(BOTH, first), D("50")  # 1000 to spread: 600 and 400
    seen = survey(("BTC", "3"), ("ETH", "2"))
    assert shrinking(spec(), after, seen, equity) == ()
    (grows,) = growing(spec(), after, seen, equity)  # as what it was asked for, and not as 400
    assert (grows.pair, grows.current, grows.target) == ("ETH perp", D("212.5"), D("400"))


def test_what_was_never_given_back_does_not_hide_what_a_pair_is_worth_later() -> None:
    (first,) = reliefs(spec(), BOTH, [look("0.8")], T0)
    seen = survey(("BTC", "3"), ("ETH", "2"))
    held = eased(BOTH, first).of("ETH perp")
    assert held is not None
    assert held.notional(seen) == D("212.5")
    assert held.notional(replace(seen, at=T0 + WITHIN)) == D("400")


# ---- what always holds

#: Amounts are told to six digits, of some pairs.
TRIFLE = D("0.06")
PAIRS = st.lists(
    st.tuples(st.integers(0, 2000), st.none() | st.integers(-5, 5)), min_size=1, max_size=6
)


@given(PAIRS, st.integers(0, 3000), st.integers(0, 5000))
def test_enough_is_given_back_and_only_as_much_as_is_needed(
    written: list[tuple[int, int | None]], use: int, others: int
) -> None:
    held = holding(written)
    ours = sum(worth for worth, _ in written)
    seen = look(str(Decimal(use) / 1000), str(ours + others))
    found = reliefs(spec(), held, [seen], T0)
    excess = seen.strain.excess(spec().margin)
    needed = (ours + others) * excess
    given_back = sum(each.change.current - each.change.target for each in found)
    assert given_back >= min(needed, Decimal(ours)) - TRIFLE
    assert all(0 <= each.change.target <= each.change.current for each in found)
    gone = [each.change.current - each.change.target for each in found if each.held.larger]
    assert not gone or sum(gone[:-1]) < needed  # without the last one it would be too little
    assert excess or found == ()
    after = held
    for each in found:
        after = eased(after, each)
    assert reliefs(spec(), after, [seen], T0) == ()  # all of that is under way


def holding(written: list[tuple[int, int | None]]) -> PortfolioState:
    found = PortfolioState()
    for number, (worth, score) in enumerate(written):
        rated = None if score is None else Decimal(score)
        made = offer(f"C{number}", "perp")
        found, held = begin_pair("folio", found, made, Decimal(worth or 1), rated)
        bases = (Decimal(worth) / 100, Decimal(-worth) / 100)
        found = found.with_pair(replace(held, bases=bases, note="running"))
    return found


@given(PAIRS, st.integers(651, 3000))
def test_nobody_gives_back_before_one_of_a_lower_score_is_closed(
    written: list[tuple[int, int | None]], use: int
) -> None:
    pairs = [(f"C{n}", worth + 1, str(score or 0)) for n, (worth, score) in enumerate(written)]
    held = state(*pairs)
    total = sum(worth for _, worth, _ in pairs)
    found = reliefs(spec(), held, [look(str(Decimal(use) / 1000), str(total))], T0)
    scores = [(each.held.score or ZERO, each.held.pair) for each in found]
    assert scores == sorted(scores)
    assert scores == sorted((h.score or ZERO, h.pair) for h in held.held)[: len(scores)]
    assert all(each.change.kind is Kind.REMOVE for each in found[:-1])


def test_each_pair_is_asked_once() -> None:
    found = state(("BTC", 600, "2"), ("ETH", 400, "1"), on=("one", "two"))
    looks = [look("2", account="one"), look("2.5", account="two")]
    runs = [each.held.run_id for each in reliefs(spec(), found, looks, T0)]
    assert len(runs) == len(set(runs))


def test_a_held_pair_may_be_of_before_there_was_relief() -> None:
    assert Held("a", "run", offer("A", "perp").legs, D("1")).score is None

"""Weights, caps and what is cut off, with the sums beside them."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.allocation import AllocationSpec, Listing, Target, targets
from domain.arbitrage.universe import Ranked
from domain.errors import InvalidValueError
from domain.money import add
from tests.domain.arbitrage.market import D

SPEC = AllocationSpec()
EQUITY = Decimal(10_000)  # 30 000 with a leverage of 3


def ranked(**scores: str) -> list[Ranked]:
    """Pairs in the order of a ranking: the best first."""
    pairs = [Ranked(pair, D(score), D("0.1")) for pair, score in scores.items()]
    return sorted(pairs, key=lambda one: (-one.score, one.pair))


def listed(**groups: str | None) -> dict[str, Listing]:
    return {pair: Listing(("one", "one"), group) for pair, group in groups.items()}


def weights(found: tuple[Target, ...]) -> Mapping[str, Decimal]:
    return {target.pair: target.weight for target in found}


def test_a_weight_is_a_share_of_the_scores_and_a_notional_one_of_the_leveraged_equity() -> None:
    scores = ranked(A="2", B="1", C="1", D="1", E="1", F="1", G="1")
    found = targets(SPEC, EQUITY, scores, listed(A="x", B="x", C="y", D="y", E="z", F="z", G=None))
    # the scores add up to 8: A has 2 / 8, then its group has 0.05 left for B
    assert found == (
        Target("A", D("0.25"), D("7500")),  # 10 000 * 3 * 0.25
        Target("B", D("0.05"), D("1500")),
        Target("C", D("0.125"), D("3750")),
        Target("D", D("0.125"), D("3750")),
        Target("E", D("0.125"), D("3750")),
        Target("F", D("0.125"), D("3750")),
        Target("G", D("0.125"), D("3750")),
    )


@pytest.mark.parametrize(
    "groups, expected",
    [
        # a third each, cut to 0.25; the second of a group has what the first left of 0.3
        ({"A": "x", "B": "x", "C": "y"}, {"A": "0.25", "B": "0.05", "C": "0.25"}),
        ({"A": "x", "B": "y", "C": "y"}, {"A": "0.25", "B": "0.25", "C": "0.05"}),
        ({"A": "x", "B": "x", "C": "x"}, {"A": "0.25", "B": "0.05"}),  # nothing is left for C
        ({"A": None, "B": None, "C": None}, {"A": "0.25", "B": "0.25", "C": "0.25"}),
    ],
)
def test_a_group_shares_its_cap(groups: dict[str, str | None], expected: dict[str, str]) -> None:
    found = targets(SPEC, EQUITY, ranked(A="1", B="1", C="1"), listed(**groups))
    assert weights(found) == {pair: D(weight) for pair, weight in expected.items()}


def test_a_venue_shares_its_cap_among_all_pairs_with_a_leg_there() -> None:
    spec = AllocationSpec(venue_cap=D("0.4"))
    listings = {
        "A": Listing(("one", "two")),
        "B": Listing(("two", "three")),
        "C": Listing(("three", "three")),
    }
    found = targets(spec, EQUITY, ranked(A="3", B="2", C="1"), listings)
    # A: 3 / 6, cut to 0.25; B: 2 / 6, cut to the 0.15 left at two; C: 1 / 6, 0.25 left at three
    assert weights(found) == {"A": D("0.25"), "B": D("0.15"), "C": D("0.166666666")}


def test_only_the_best_pairs_are_served() -> None:
    spec = AllocationSpec(pairs=2, pair_cap=D("1"))
    found = targets(spec, EQUITY, ranked(A="3", B="1", C="1"), listed(A=None, B=None, C=None))
    assert weights(found) == {"A": D("0.3"), "B": D("0.25")}  # 3 / 4, cut by its own group; 1 / 4


def test_a_pair_without_a_score_gets_nothing() -> None:
    assert targets(SPEC, EQUITY, ranked(A="0"), listed(A=None)) == ()


def test_what_is_kept_uses_up_room_and_no_score() -> None:
    kept = {"K": D("6000")}  # 6000 / 30 000 = 0.2
    listings = listed(K="x", A="x", B="y")
    found = targets(SPEC, EQUITY, ranked(A="1", B="1"), listings, kept)
    assert weights(found) == {"A": D("0.1"), "B": D("0.25")}  # 0.3 - 0.2 left of the group
    full = AllocationSpec(pairs=1)
    assert targets(full, EQUITY, ranked(A="1", B="1"), listings, kept) == ()
    overfull = {"K": D("60000")}
    assert targets(SPEC, EQUITY, ranked(B="1"), listings, overfull) == ()


@pytest.mark.parametrize("equity", ["0", "-1"])
def test_no_equity_cannot_be_allocated(equity: str) -> None:
    with pytest.raises(InvalidValueError, match="equity must be positive"):
        targets(SPEC, D(equity), ranked(A="1"), listed(A=None))


def test_a_pair_without_a_listing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="A has no listing"):
        targets(SPEC, EQUITY, ranked(A="1"), {})


names = "ABCDEFGHIJKLMN"
scores = st.lists(st.decimals("0.000001", "1", places=6), min_size=1, max_size=len(names))
traits = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(["x", "y", None]),
    ),
    min_size=len(names),
    max_size=len(names),
)


@given(scores, traits)
def test_no_cap_is_ever_passed(
    values: list[Decimal], places: list[tuple[str, str, str | None]]
) -> None:
    spec = AllocationSpec(venue_cap=D("0.5"))
    listings = {
        pair: Listing((long, short), group)
        for pair, (long, short, group) in zip(names, places, strict=True)
    }
    best_first = ranked(**{pair: str(value) for pair, value in zip(names, values, strict=False)})
    found = weights(targets(spec, EQUITY, best_first, listings))
    assert add(*found.values()) <= 1
    assert all(0 < weight <= spec.pair_cap for weight in found.values())
    for group in ("x", "y"):
        members = [found[pair] for pair in found if listings[pair].group == group]
        assert add(*members) <= spec.group_cap
    for venue in ("one", "two", "three"):
        members = [found[pair] for pair in found if venue in listings[pair].venues]
        assert add(*members) <= spec.venue_cap

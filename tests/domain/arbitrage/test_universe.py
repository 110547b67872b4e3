"""Which pairs are listed, in what order, and when one is left for another."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arbitrage.score import Score
from domain.arbitrage.universe import (
    Candidate,
    Exclusion,
    Ranked,
    Ranking,
    ScanFailed,
    Switch,
    UniverseSpec,
    gains,
    rank,
    switch,
)
from domain.errors import InvalidValueError
from tests.domain.arbitrage.market import D

SPEC = UniverseSpec()
TEN = D("10000000")
ONE = Decimal(1)


def scored(value: str = "0.0001", apr: str = "0.1") -> Score:
    return Score(D(value), ONE, ONE, D(apr))


def candidate(
    pair: str = "BTC",
    volumes: tuple[Decimal | None, Decimal | None] = (TEN, TEN),
    score: Score | None = None,
    *,
    known: bool = True,
) -> Candidate:
    return Candidate(pair, volumes, score or (scored() if known else None))


# ---- the list


@pytest.mark.parametrize(
    "seen, why",
    [
        (candidate(), None),
        (candidate(volumes=(TEN, TEN - 1)), Exclusion.ILLIQUID),
        (candidate(volumes=(D("0"), TEN)), Exclusion.ILLIQUID),
        (candidate(volumes=(None, TEN)), Exclusion.VOLUME_UNKNOWN),
        (candidate(volumes=(TEN, None)), Exclusion.VOLUME_UNKNOWN),
        (candidate(volumes=(None, TEN - 1)), Exclusion.ILLIQUID),  # the other leg settles it
        (candidate(score=scored(apr="0.0099")), Exclusion.LOW_APR),
        (candidate(score=scored(apr="0.01")), None),
        (candidate(volumes=(None, TEN), score=scored(apr="0")), Exclusion.LOW_APR),
        (candidate(score=scored("-1")), Exclusion.WORTHLESS),
        (candidate(known=False), Exclusion.SCORE_UNKNOWN),
    ],
)
def test_a_pair_is_left_out_for_a_reason(seen: Candidate, why: Exclusion | None) -> None:
    found = rank(SPEC, [seen])
    assert found.left_out == ({} if why is None else {"BTC": why})
    assert len(found.ranked) == (why is None)


def test_without_a_minimum_volume_does_not_matter() -> None:
    spec = UniverseSpec(min_quote_volume=D("0"))
    assert rank(spec, [candidate(volumes=(None, None))]).ranked


def test_a_volume_that_is_not_known_says_neither_yes_nor_no() -> None:
    found = rank(SPEC, [candidate("A", (None, TEN)), candidate("B", (D("0"), TEN))])
    assert found.unknown == {"A"}


def test_the_best_is_first_and_equals_stand_by_name() -> None:
    seen = [
        candidate("SOL", score=scored("0.0002")),
        candidate("ETH", score=scored("0.0003")),
        candidate("ADA", score=scored("0.0002")),
        candidate("BTC", score=scored("0.00020")),
    ]
    assert [one.pair for one in rank(SPEC, seen).ranked] == ["ETH", "ADA", "BTC", "SOL"]


@given(st.permutations("ABCDEFG"))
def test_the_order_in_which_venues_answer_decides_nothing(names: list[str]) -> None:
    scores = dict(zip("ABCDEFG", "3321321", strict=True))
    seen = [candidate(name, score=scored(scores[name])) for name in names]
    assert "".join(one.pair for one in rank(SPEC, seen).ranked) == "ABECFDG"


def test_a_pair_that_is_seen_twice_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="each pair stands in a scan once, was twice: BTC"):
        rank(SPEC, [candidate(), candidate()])


# ---- the switch


@pytest.mark.parametrize(
    "old, new, does",
    [
        # 0.003 * 1.5 = 0.0045 must be exceeded in 7 days: by an APR of 0.0045 * 365 / 7 = 0.2346...
        ("0.10", "0.3346", False),  # 0.2346 * 7 / 365 = 0.00449918
        ("0.10", "0.3347", True),  # 0.2347 * 7 / 365 = 0.00450110
        ("0.3", "0.1", False),
    ],
)
def test_a_switch_must_gain_more_than_its_cost_with_the_buffer(
    old: str, new: str, does: bool
) -> None:
    assert gains(SPEC, D(old), D(new)) is does


def test_as_much_as_it_costs_is_not_enough() -> None:
    spec = UniverseSpec(hold_days=D("365"))  # 0.0045 of a year
    assert not gains(spec, D("0.1"), D("0.1045"))
    assert gains(spec, D("0.1"), D("0.10451"))


def ranking(*pairs: tuple[str, str], **left_out: Exclusion) -> Ranking:
    return Ranking(tuple(Ranked(name, ONE, D(apr)) for name, apr in pairs), left_out)


GOOD, BETTER = ("OLD", "0.1"), ("NEW", "0.5")


@pytest.mark.parametrize(
    "scan, held, advice",
    [
        (ranking(BETTER, GOOD), None, Switch("NEW")),
        (ranking(), None, None),
        (ranking(BETTER, GOOD), "OLD", Switch("NEW")),
        (ranking(("NEW", "0.2"), GOOD), "OLD", None),  # 0.1 * 7 / 365 = 0.0019
        (ranking(GOOD, BETTER), "OLD", None),  # it is the best
        (ranking(("NEW", "0.01")), "OLD", Switch("NEW", forced=True)),
        (ranking(("NEW", "0.01"), OLD=Exclusion.ILLIQUID), "OLD", Switch("NEW", forced=True)),
        (ranking(OLD=Exclusion.LOW_APR), "OLD", Switch(None, forced=True)),
        (ranking(), "OLD", Switch(None, forced=True)),
        (ranking(BETTER, OLD=Exclusion.VOLUME_UNKNOWN), "OLD", None),
        (ranking(BETTER, OLD=Exclusion.SCORE_UNKNOWN), "OLD", None),
        (ScanFailed("binance", "503"), "OLD", None),
        (ScanFailed("binance", "503"), None, None),
    ],
)
def test_a_pair_is_left_for_a_better_one_or_because_it_is_listed_no_longer(
    scan: Ranking | ScanFailed, held: str | None, advice: Switch | None
) -> None:
    assert switch(SPEC, scan, held) == advice

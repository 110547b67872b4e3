"""Which pairs markets make, what their interval is, and in which direction they are held."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from domain.arbitrage.funding import Direction, LegFunding
from domain.arbitrage.history import history_of
from domain.arbitrage.listing import (
    Appraised,
    Listed,
    PairListed,
    PerpetualSeen,
    appraise,
    due_funding,
    pairs_of,
    scanned,
    worth_asking,
)
from domain.arbitrage.universe import Exclusion, UniverseSpec
from domain.conditions import DayStatistics, FundingRate
from domain.money import MarketKind
from tests.domain.arbitrage.market import HOUR, PERPETUAL, SPOT, T0, D

SPEC = UniverseSpec()
SECOND = timedelta(seconds=1)


def listed(account: str, symbol: str, *, last: str = "100", volume: str = "20000000") -> Listed:
    kind = MarketKind.PERPETUAL if ":" in symbol else MarketKind.SPOT
    day = DayStatistics(symbol, D(last), D("0"), D(volume))
    return Listed(account, account.partition("-")[0], kind, day)


A_SPOT, A, B = (
    listed("a-spot", "BTC/USDT"),
    listed("a", "BTC/USDT:USDT"),
    listed("b", "BTC/USDT:USDT"),
)


def settled(*rates: str, hours: int = 8, late: timedelta = timedelta(0)) -> list[FundingRate]:
    """Rates up to T0, oldest first."""
    last = len(rates) - 1
    return [
        FundingRate("BTC", D(rate), T0 - (last - number) * hours * HOUR + late)
        for number, rate in enumerate(rates)
    ]


def due(hours: int, rate: str = "0.0001") -> FundingRate:
    return FundingRate("BTC", D(rate), T0 + hours * HOUR)


# ---- pairs


def test_markets_of_one_asset_make_pairs_with_a_perpetual_in_each() -> None:
    names = [pair.name for pair in pairs_of([B, A, A_SPOT])]
    assert names == [
        "a-spot BTC/USDT + a BTC/USDT:USDT",
        "a-spot BTC/USDT + b BTC/USDT:USDT",
        "a BTC/USDT:USDT + b BTC/USDT:USDT",
    ]


@pytest.mark.parametrize(
    "one, other",
    [
        (A_SPOT, listed("b-spot", "BTC/USDT")),  # nothing pays funding
        (A, listed("a-two", "BTC/USDT:USDT")),  # one market, and twice the fees
        (A, listed("b", "ETH/USDT:USDT")),
        (A, listed("b", "BTC/USDC:USDC")),
        (A, listed("b", "BTC/USDT:BTC")),  # it settles in coins
        (A, listed("b", "BTCUSDT")),
    ],
)
def test_what_does_not_cancel_out_is_no_pair(one: Listed, other: Listed) -> None:
    assert list(pairs_of([one, other])) == []


def test_only_perpetuals_that_something_can_come_of_are_asked_for() -> None:
    thin = listed("b", "BTC/USDT:USDT", volume="9999999")
    assert worth_asking(SPEC, pairs_of([A_SPOT, A, thin])) == [A]
    other_coin = listed("b", "BTC/USDT:USDT", last="120")
    assert worth_asking(SPEC, pairs_of([A_SPOT, A, other_coin])) == [A]
    assert worth_asking(SPEC, pairs_of([A, listed("b", "BTC/USDT:USDT", last="0")])) == []
    assert set(worth_asking(SPEC, pairs_of([A_SPOT, A, B]))) == {A, B}


# ---- the interval


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_the_interval_is_the_time_between_settlements(hours: int) -> None:
    past = settled("0.0001", "0.0001", hours=hours, late=3 * SECOND)
    assert due_funding(due(hours), past, T0 + HOUR / 2) == LegFunding(
        D("0.0001"), T0 + HOUR / 2, hours * HOUR, T0 + hours * HOUR
    )


@pytest.mark.parametrize("before, after", [(8, 4), (4, 8), (8, 1)])
def test_an_interval_that_the_venue_has_changed_is_the_new_one(before: int, after: int) -> None:
    found = due_funding(due(after), settled("0.0001", "0.0001", hours=before), T0 + HOUR / 2)
    assert found is not None
    assert found.interval == after * HOUR


@pytest.mark.parametrize(
    "seconds, hours",
    [
        (4 * 3600 - 1, 8),  # not due yet, so the interval did change
        (4 * 3600, None),
        (4 * 3600 + 299, None),
        (4 * 3600 + 300, 8),  # it would be written down by now
    ],
)
def test_a_settlement_that_is_written_down_late_does_not_double_the_interval(
    seconds: int, hours: int | None
) -> None:
    found = due_funding(due(8), settled("1", "1", hours=4), T0 + seconds * SECOND)
    assert (found and found.interval) == (None if hours is None else hours * HOUR)


@pytest.mark.parametrize("past", [[], settled("0.0001")])
def test_an_interval_needs_one_settlement(past: list[FundingRate]) -> None:
    assert (due_funding(due(8), past, T0) is None) == (not past)


def test_funding_that_is_over_is_not_due() -> None:
    assert due_funding(due(8), settled("1", "1"), T0 + 8 * HOUR) is None
    assert due_funding(due(0), settled("1", "1"), T0 - SECOND) is None  # it was settled meanwhile


# ---- worth


def seen(rate: str, hours: int = 8, volatility: str | None = "0") -> PerpetualSeen:
    """A month of the same *rate*."""
    past = settled(*[rate] * (32 * 24 // hours), hours=hours)
    calm = None if volatility is None else D(volatility)
    return PerpetualSeen(due_funding(due(hours, rate), past, T0), history_of(past), calm)


def found(pair: PairListed, *told: PerpetualSeen, both_ways: bool = False) -> Appraised | None:
    legs = [leg for leg in pair.legs if leg.kind is MarketKind.PERPETUAL]
    return appraise(pair, dict(zip(legs, told, strict=True)), T0, both_ways=both_ways)


def test_a_perpetual_that_pays_is_short_and_spot_is_long() -> None:
    pair = found(PairListed(A_SPOT, A), seen("0.0001"))
    assert pair is not None
    assert (pair.direction, pair.long, pair.short) == (Direction.POSITIVE, A_SPOT, A)
    assert pair.spread == pair.score.apr == D("0.1095")  # 0.0001 * 3 * 365
    assert pair.settles_at == T0 + 8 * HOUR


def test_spot_is_sold_only_if_it_may_be_borrowed() -> None:
    one_way = found(PairListed(A_SPOT, A), seen("-0.0001"))
    assert one_way is not None
    assert one_way.direction is Direction.POSITIVE
    assert one_way.score.value == 0
    both = found(PairListed(A_SPOT, A), seen("-0.0001"), both_ways=True)
    assert both is not None
    assert (both.direction, both.short, both.score.apr) == (
        Direction.NEGATIVE,
        A_SPOT,
        D("0.1095"),
    )
    assert both.break_even_hours(PERPETUAL, SPOT) is None  # nobody knows what borrowing costs


@pytest.mark.parametrize(
    "rates, direction",
    [(("0.0001", "0.0003"), Direction.POSITIVE), (("0.0003", "0.0001"), Direction.NEGATIVE)],
)
def test_of_two_perpetuals_the_one_that_pays_more_is_short(
    rates: tuple[str, str], direction: Direction
) -> None:
    pair = found(PairListed(A, B), *map(seen, rates))
    assert pair is not None
    assert pair.direction is direction
    assert pair.spread == pair.score.apr == D("0.219")  # 0.0002 * 3 * 365


def test_intervals_of_two_perpetuals_may_differ() -> None:
    pair = found(PairListed(A, B), seen("0.0001", hours=8), seen("0.0001", hours=1))
    assert pair is not None
    assert pair.spread == D("0.7665")  # 0.0001 * (24 - 3) * 365
    assert pair.score.apr == D("0.7665")
    assert pair.settles_at == T0 + HOUR


def test_the_fees_of_four_takers_are_paid_off_by_the_hour() -> None:
    pair = found(PairListed(A_SPOT, A), seen("0.0008"))
    assert pair is not None
    # 2 * 0.001 + 2 * 0.0005 = 0.003 at 0.0001 an hour
    assert pair.break_even_hours(SPOT, PERPETUAL) == 30


def test_the_wilder_of_two_perpetuals_counts() -> None:
    calm, wild = seen("0.0001", volatility="0"), seen("0.0003", volatility="0.01")
    pair, same = found(PairListed(A, B), calm, wild), found(PairListed(A, B), wild, calm)
    assert pair is not None
    assert same is not None
    assert pair.score.risk == same.score.risk == D("0.5")  # 1 / (1 + 100 * 0.01)


@pytest.mark.parametrize(
    "told",
    [
        replace(seen("0.0001"), funding=None),
        replace(seen("0.0001"), volatility=None),
        replace(seen("0.0001"), history=history_of(settled(*["0.0001"] * 60))),  # of 20 days
    ],
)
def test_what_was_not_told_makes_a_pair_unknown_and_not_worthless(told: PerpetualSeen) -> None:
    pair = PairListed(A_SPOT, A)
    assert found(pair, told) is None
    assert found(PairListed(A, B), told, seen("0.0003")) is None
    answer = scanned(SPEC, [pair], {A: told}, T0, top=5)
    assert answer.ranking.left_out == {pair.name: Exclusion.SCORE_UNKNOWN}
    assert pair.name in answer.ranking.unknown


def test_prices_that_are_far_apart_are_those_of_two_coins() -> None:
    other = listed("b", "BTC/USDT:USDT", last="110.1")
    answer = scanned(SPEC, [PairListed(A, other)], {}, T0, top=5)
    assert list(answer.ranking.left_out.values()) == [Exclusion.UNLIKE]
    assert answer.ranking.unknown  # no reason to leave a pair that is held


def test_the_best_are_the_head_of_the_ranking() -> None:
    pairs = list(pairs_of([A_SPOT, A, B]))
    told = {A: seen("0.0001"), B: seen("0.0004")}
    answer = scanned(SPEC, pairs, told, T0, top=2)
    assert [one.pair for one in answer.ranking.ranked] == [
        "a-spot BTC/USDT + b BTC/USDT:USDT",
        "a BTC/USDT:USDT + b BTC/USDT:USDT",
        "a-spot BTC/USDT + a BTC/USDT:USDT",
    ]
    assert [one.ranked for one in answer.best] == list(answer.ranking.ranked[:2])
    assert [one.ranked.apr for one in answer.best] == [Decimal("0.438"), Decimal("0.3285")]

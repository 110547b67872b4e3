"""The flaws of the earlier system's arbitrage and portfolio: here they cannot come back.

Names are those of its audit (docs/flaws.md). What is tested here is pure: figures and decisions.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.arbitrage.allocation import AllocationSpec, Listing, targets
from domain.arbitrage.funding import (
    Direction,
    LegFunding,
    Staleness,
    direction,
    spot,
    staleness,
)
from domain.arbitrage.gauges import liquidation_distance, neutrality
from domain.arbitrage.history import history_of
from domain.arbitrage.margin import (
    LegChange,
    MarginAccount,
    MarginSpec,
    Obstacle,
    Weighed,
    admit,
)
from domain.arbitrage.portfolio import growing
from domain.arbitrage.portfolio_spec import parse_spec as parse_portfolio
from domain.arbitrage.portfolio_state import Offer, OfferedLeg, PortfolioState, Survey
from domain.arbitrage.rebalance import Change, Kind, RebalanceSpec, done, plan, propose
from domain.arbitrage.spec import LegSpec
from domain.arbitrage.universe import (
    Candidate,
    Exclusion,
    Ranked,
    Ranking,
    ScanFailed,
    UniverseSpec,
    rank,
    switch,
)
from domain.conditions import FundingRate
from domain.errors import InvalidValueError
from domain.market import Position
from domain.money import Instrument, MarketKind, Price, Quantity

START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EQUITY = Decimal(10_000)
PERPETUAL = Instrument(
    "BTC/USDT:USDT",
    MarketKind.PERPETUAL,
    "BTC",
    "USDT",
    Decimal("0.1"),
    Decimal("0.001"),
    Quantity(1),
    Decimal(5),
    Decimal("0.0002"),
    Decimal("0.0005"),
)


# ---- arbitrage


def test_a3_a_perfect_hedge_is_wholly_neutral() -> None:
    """Unsigned sizes made it 1 - 2 / 2 = 0."""
    assert neutrality(Decimal("0.5"), Decimal("-0.5")) == 1
    assert neutrality(Decimal("0.5"), Decimal("0.5")) == 0


def test_a4_no_mark_price_is_no_distance_and_no_crash() -> None:
    """A mark of 0 was divided by. Here it cannot be written, and its absence is told."""
    with pytest.raises(InvalidValueError, match="at least one tick"):
        Price(0)
    position = Position("X", -5, -5000, liquidation=Price(1050))
    assert liquidation_distance(position) is None
    assert liquidation_distance(replace(position, mark=Price(1000))) == Decimal("0.05")


def test_a7_spot_never_goes_stale_and_blocks_no_decision() -> None:
    """It was fetched once, and after the ttl neither entries nor exits were decided upon."""
    now = START + timedelta(days=30)
    told_once = spot(START)
    perpetual = LegFunding(Decimal("0.0001"), now, 8 * HOUR, now + HOUR)
    ttl = timedelta(minutes=1)
    assert staleness(told_once, now, ttl) is None
    assert staleness(perpetual, now, ttl) is None
    assert direction(told_once, perpetual) is not None
    assert staleness(replace(perpetual, received_at=START), now, ttl) is Staleness.OLD


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_a8_the_yield_of_a_year_follows_the_venues_own_interval(hours: int) -> None:
    """It was that of 8 hours for every venue: an eighth, or a half, of the truth."""
    funding = LegFunding(Decimal("0.0001"), START, hours * HOUR, START + hours * HOUR)
    assert funding.apr == Decimal("0.0001") * 8760 / hours


def test_a8_the_newest_rate_is_the_last_one_a_venue_tells() -> None:
    """Venues tell the oldest first; the averages, the age and the slope were of the wrong end."""
    falls_then_rises = [Decimal(abs(n - 20)) / 10_000 for n in range(31)]
    told = [FundingRate("X", rate, START + n * 8 * HOUR) for n, rate in enumerate(falls_then_rises)]
    history = history_of(told)
    now = START + timedelta(days=10)
    # the newest three: (0.0008 + 0.0009 + 0.0010) / 24; the oldest would be 0.0054 / 24
    assert history.mean(now, timedelta(days=1)) == Decimal("0.0001125")
    assert history.momentum == Decimal("0.0001")  # it rises
    with pytest.raises(InvalidValueError, match="oldest first"):
        history_of(told[::-1])


# ---- portfolio


def test_p1_a_notional_is_quote_and_becomes_lots_by_the_price() -> None:
    """7500 USDT were set as 7500 BTC."""
    change = Change(Kind.ADD, "BTC", Decimal(0), Decimal(7500))
    quantity = change.quantity(PERPETUAL, Price(500_000))
    assert quantity == Quantity(150)
    assert PERPETUAL.notional(Price(500_000), quantity) == 7500


def test_p1_a_ttl_that_was_never_set_is_refused() -> None:
    """It was 0, so that everything was stale for ever."""
    with pytest.raises(InvalidValueError, match="ttl of funding must be positive"):
        staleness(spot(START), START, timedelta(0))


def test_p1_a_pair_of_a_portfolio_has_its_guards_on() -> None:
    """Its engine was made with a ttl of 0, always stale, and no distance to its liquidation."""
    written = parse_portfolio({"accounts": ["one", "two"]})
    legs = LegSpec(account="one", symbol="A"), LegSpec(account="two", symbol="B")
    made = written.spec_of(legs, Decimal(7500))
    assert made.amount == 7500
    assert min(made.funding_ttl, made.quote_ttl) > 0
    assert min(made.liquidation_distance, made.exit_below) > 0


def test_p2_a_removed_pair_is_remembered_until_its_position_is_closed() -> None:
    """Its engine was stopped and forgotten, and the position stayed."""
    held = {"BTC": Decimal(7500)}
    (removal,) = plan(RebalanceSpec(), {}, held)
    assert removal == Change(Kind.REMOVE, "BTC", Decimal(7500), Decimal(0))
    half_closed = done(held, removal, Decimal(3000))
    (again,) = plan(RebalanceSpec(), {}, half_closed)
    assert again == Change(Kind.REMOVE, "BTC", Decimal(3000), Decimal(0))
    assert done(half_closed, again, Decimal(0)) == {}


HELD = {"BTC": Decimal(7500), "ETH": Decimal(2500)}
LISTINGS = {pair: Listing(("one", "two")) for pair in ("BTC", "ETH", "SOL")}


def proposed(scan: Ranking | ScanFailed) -> tuple[Change, ...]:
    return propose(AllocationSpec(), RebalanceSpec(), scan, EQUITY, HELD, LISTINGS)


def test_p3_a_failed_scan_removes_nothing() -> None:
    """It was an empty list, and every pair that was held was removed."""
    failed = ScanFailed("one", "503 Service Unavailable")
    assert proposed(failed) == ()
    assert switch(UniverseSpec(), failed, "BTC") is None
    # a scan that did succeed and found nothing is another matter
    assert [change.kind for change in proposed(Ranking((), {}))] == [Kind.REMOVE, Kind.REMOVE]


def test_p3_a_volume_that_was_not_told_removes_nothing_either() -> None:
    unknown = Candidate("BTC", (None, Decimal(10**9)), None)
    dry = Candidate("ETH", (Decimal(0), Decimal(10**9)), None)
    found = rank(UniverseSpec(), [unknown, dry])
    assert found.left_out == {"BTC": Exclusion.VOLUME_UNKNOWN, "ETH": Exclusion.ILLIQUID}
    assert [change.pair for change in proposed(found)] == ["ETH"]


def test_p4_a_pair_is_changed_once() -> None:
    """An addition created two engines, of which one was never stopped."""
    best = [Ranked(pair, Decimal(1), Decimal("0.2")) for pair in ("ETH", "SOL")]
    assert [(change.kind, change.pair) for change in proposed(Ranking(tuple(best), {}))] == [
        (Kind.REMOVE, "BTC"),
        (Kind.RESIZE, "ETH"),
        (Kind.ADD, "SOL"),
    ]


@pytest.mark.parametrize(
    "age, lots_more, obstacle",
    [
        (timedelta(0), "-0.1", None),  # 1 - 1250 * 1.2 / 10 000 = 0.85
        (timedelta(0), "-0.3", Obstacle.HEALTH),  # 1 - 1750 * 1.2 / 10 000 = 0.79
        (timedelta(minutes=5), "-0.1", Obstacle.STALE),
    ],
)
def test_p4_an_expansion_is_weighed_on_a_fresh_look_at_the_account(
    age: timedelta, lots_more: str, obstacle: Obstacle | None
) -> None:
    """The gate read a cached account as it was before the change, and nobody asked what if."""
    account = MarginAccount(EQUITY, Decimal(1000), START)
    grown = LegChange(MarketKind.PERPETUAL, Decimal(0), Decimal(lots_more), Decimal(50_000))
    change = Change(Kind.ADD, "SOL", Decimal(0), Decimal(5000))
    found = admit(MarginSpec(), [Weighed(change, {"one": (grown,)})], {"one": account}, START + age)
    assert found.held_back == (() if obstacle is None else ((change, obstacle),))


def test_p5_pairs_without_a_group_do_not_share_one() -> None:
    """All were "unknown" and together got 30 % of what there was."""
    ranked = [Ranked(pair, Decimal(1), Decimal("0.1")) for pair in "ABCD"]
    found = targets(
        AllocationSpec(), EQUITY, ranked, {pair: Listing(("one", "two")) for pair in "ABCD"}
    )
    assert [target.weight for target in found] == [Decimal("0.25")] * 4


def test_p5_coins_of_a_portfolio_are_groups_of_their_own() -> None:
    written = parse_portfolio({"accounts": ["spot", "perp"]})
    offers = [
        Offer(
            coin,
            Direction.POSITIVE,
            (market(coin, MarketKind.SPOT), market(coin, MarketKind.PERPETUAL)),
        )
        for coin in "ABCD"
    ]
    ranked = tuple(Ranked(coin, Decimal(1), Decimal("0.1")) for coin in "ABCD")
    found = growing(written, PortfolioState(), Survey(START, ranked, tuple(offers)), EQUITY)
    assert [change.target for change in found] == [Decimal(7500)] * 4


def market(coin: str, kind: MarketKind) -> OfferedLeg:
    account, end = ("spot", "") if kind is MarketKind.SPOT else ("perp", ":USDT")
    return OfferedLeg(account, "one", kind, f"{coin}/USDT{end}", Decimal(100))

"""The scan of two venues on real sockets: what it finds, and what it makes of their failures."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities.scanning import Progress, Scanner, marketplace
from activities.venues.ccxt.venue import CcxtVenue
from activities.venues.remote import RemoteVenue
from domain.arbitrage.funding import Direction
from domain.arbitrage.listing import Opportunity, Scanned
from domain.arbitrage.universe import Exclusion, ScanFailed, UniverseSpec, switch
from domain.errors import InvalidValueError
from domain.money import MarketKind
from tests.activities.coins import HOUR, NOW, Coin, Town, town
from tests.contract.bench import rule

#: A year of the mean of 7 days is rate * 8760 / hours.
HERE = (
    Coin("BTC", "0.0001"),  # 10.95 %
    Coin("ETH", "0.0001", hours=4),  # 21.9 %
    Coin("SOL", "0.00002", hours=1),  # 17.52 %
    Coin("DOGE", "-0.0002"),
    Coin("THIN", "0.0009", volume=9_000_000),
    Coin("NEW", "0.0009", days=10),
)
THERE = (
    Coin("BTC", "0.0004"),  # 43.8 %, 32.85 % above the other venue
    Coin("THIN", "0.0001"),
    Coin("DOGE", "0.0001", price=1200),  # another coin of that name
)
HALF_PAST = NOW + timedelta(minutes=30)


@dataclass
class Clock:
    now: datetime = HALF_PAST

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    """Two venues, a client of each market, and a clock in the test's hand."""

    here: Town
    there: Town
    venues: Mapping[tuple[str, MarketKind], CcxtVenue]
    clock: Clock = field(default_factory=Clock)
    heard: list[Progress] = field(default_factory=list)

    def scanner(self, **options: Any) -> Scanner:
        places = [
            marketplace(f"{name}-{kind}", kind, venue)
            for (name, kind), venue in self.venues.items()
        ]
        made: dict[str, Any] = {"spec": UniverseSpec(), "clock": self.clock}
        return Scanner(places, **{**made, "tell": self.heard.append, **options})

    async def scan(self, **options: Any) -> Scanned:
        found = await self.scanner(**options).scan()
        assert isinstance(found, Scanned), found
        return found


@pytest.fixture(name="world")
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(town("binance", tmp_path / "here", HERE))
        there = await stack.enter_async_context(town("bybit", tmp_path / "there", THERE))
        venues = {
            (one.venue, kind): await stack.enter_async_context(one.client(kind))
            for one, kind in (
                (here, MarketKind.SPOT),
                (here, MarketKind.PERPETUAL),
                (there, MarketKind.PERPETUAL),
            )
        }
        yield World(here, there, venues)


def named(pairs: Sequence[Opportunity]) -> list[tuple[str, str]]:
    return [(str(each.appraised.long), str(each.appraised.short)) for each in pairs]


async def test_pairs_of_one_venue_and_of_two_are_ranked_by_what_they_earn(world: World) -> None:
    found = await world.scan()
    assert named(found.best) == [
        ("binance-spot BTC/USDT", "bybit-perpetual BTC/USDT:USDT"),
        ("binance-perpetual BTC/USDT:USDT", "bybit-perpetual BTC/USDT:USDT"),
        ("binance-spot ETH/USDT", "binance-perpetual ETH/USDT:USDT"),
        ("binance-spot SOL/USDT", "binance-perpetual SOL/USDT:USDT"),
        ("binance-spot BTC/USDT", "binance-perpetual BTC/USDT:USDT"),
    ]
    aprs = ["0.438", "0.3285", "0.219", "0.1752", "0.1095"]
    assert [each.ranked.apr for each in found.best] == [Decimal(apr) for apr in aprs]
    assert [each.appraised.spread for each in found.best] == [Decimal(apr) for apr in aprs]
    assert world.heard[-1] == Progress(6, 6)  # THIN and the two DOGEs were never asked for


async def test_the_interval_is_that_of_the_venues_settlements(world: World) -> None:
    found = await world.scan()
    hours = {str(each.appraised.short): each.appraised.funding[1].interval for each in found.best}
    assert hours["binance-perpetual BTC/USDT:USDT"] == 8 * HOUR
    assert hours["binance-perpetual ETH/USDT:USDT"] == 4 * HOUR
    assert hours["binance-perpetual SOL/USDT:USDT"] == 1 * HOUR
    assert {each.appraised.settles_at for each in found.best} == {
        NOW + HOUR,
        NOW + 4 * HOUR,
        NOW + 8 * HOUR,
    }


async def test_break_even_is_reckoned_with_the_fees_of_the_accounts(world: World) -> None:
    (best,) = (await world.scan(top=1)).best
    long, short = best.appraised.long, best.appraised.short
    fees = [
        (await world.venues[leg.venue, leg.kind].instrument(leg.symbol)).taker_fee
        for leg in (long, short)
    ]
    hours = 2 * sum(fees) / (Decimal("0.0004") / 8)
    assert best.break_even_hours == int(hours) + (hours % 1 > 0)


async def test_what_is_left_out_is_told_with_the_reason(world: World) -> None:
    left_out = (await world.scan()).ranking.left_out
    doge = "binance-spot DOGE/USDT + {} DOGE/USDT:USDT"
    thin = "binance-perpetual THIN/USDT:USDT + bybit-perpetual THIN/USDT:USDT"
    assert left_out[doge.format("binance-perpetual")] is Exclusion.LOW_APR
    assert left_out[doge.format("bybit-perpetual")] is Exclusion.UNLIKE
    assert left_out[thin] is Exclusion.ILLIQUID
    new = "binance-spot NEW/USDT + binance-perpetual NEW/USDT:USDT"
    assert left_out[new] is Exclusion.SCORE_UNKNOWN  # ten days are no month of nothing


async def test_spot_is_sold_short_only_if_that_is_asked_for(world: World) -> None:
    found = await world.scan(both_ways=True)
    names = named(found.best)
    borrowed = names.index(("binance-perpetual DOGE/USDT:USDT", "binance-spot DOGE/USDT"))
    assert found.best[borrowed].appraised.direction is Direction.NEGATIVE
    assert found.best[borrowed].break_even_hours is None


async def test_a_venue_that_is_down_is_a_failure_and_no_answer(world: World) -> None:
    scanner = world.scanner()
    before = await scanner.scan()
    assert isinstance(before, Scanned)
    held = before.ranking.ranked[-1].pair
    world.there.exchange.plan.set([rule("rest.*", "unavailable")])
    failed = await scanner.scan()
    assert isinstance(failed, ScanFailed)
    assert failed.venue == "bybit perpetual (account bybit-perpetual)"
    assert failed.why.startswith("list of markets: ")
    assert not failed.lasting
    assert switch(UniverseSpec(), failed, held) is None
    world.there.exchange.plan.set([])
    assert isinstance(await scanner.scan(), Scanned)


async def test_so_is_a_venue_that_fails_in_the_middle(world: World) -> None:
    world.here.exchange.plan.set([rule("rest.market", "html", every=10)])
    failed = await world.scanner().scan()
    assert isinstance(failed, ScanFailed)
    assert failed.venue == "binance perpetual (account binance-perpetual)"
    assert re.match(r"(funding|history) of \w+/USDT:USDT: ", failed.why)


async def test_a_key_that_the_venue_does_not_know_is_a_lasting_failure(world: World) -> None:
    world.here.exchange.plan.set([rule("rest.*", "revoke_key")])
    failed = await world.scanner().scan()
    assert isinstance(failed, ScanFailed)
    assert failed.lasting


async def test_the_past_is_asked_for_again_after_a_settlement_or_four_hours(world: World) -> None:
    scanner = world.scanner()
    await scanner.scan()
    first = asked(world.here)
    await scanner.scan()
    again = asked(world.here)
    assert again["rates"] == first["rates"]  # nothing was settled meanwhile
    assert again["due"] == 2 * first["due"]
    world.clock.now = HALF_PAST + 4 * HOUR
    await scanner.scan()
    assert asked(world.here)["rates"] > again["rates"]


def asked(place: Town) -> Mapping[str, int]:
    """Return how often funding was asked for: what is due, and what was settled."""
    assert place.exchange.fronts is not None
    paths = [each.asked.path for each in place.exchange.fronts.arrivals.all()]
    return {
        "due": sum(path.endswith("premiumIndex") for path in paths),
        "rates": sum(path.endswith("fundingRate") for path in paths),
    }


async def test_two_accounts_of_one_market_are_refused(world: World) -> None:
    venue = world.venues["binance", MarketKind.PERPETUAL]
    twice = [marketplace(name, MarketKind.PERPETUAL, venue) for name in ("main", "other")]
    with pytest.raises(InvalidValueError, match="main and other both trade binance perpetual"):
        Scanner(twice, UniverseSpec())


async def test_accounts_that_make_no_pair_are_refused(world: World) -> None:
    spot = marketplace("main", MarketKind.SPOT, world.venues["binance", MarketKind.SPOT])
    with pytest.raises(InvalidValueError, match="accounts must be two at least"):
        Scanner([spot], UniverseSpec())


async def test_paper_has_no_list_of_markets() -> None:
    async with RemoteVenue("127.0.0.1:1", "demo") as paper:
        with pytest.raises(InvalidValueError, match="account demo is at paper, which has no list"):
            marketplace("demo", MarketKind.PERPETUAL, paper)

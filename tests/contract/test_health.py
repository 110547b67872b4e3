"""The health of an account at every venue: how near its positions are to being liquidated."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path

import pytest

from activities.clock import utc_now
from activities.danger import DangerWatch
from activities.exits import Exits
from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.store.records import Run
from domain.accounting import VenueView
from domain.conditions import HealthVenue
from domain.money import MarketKind
from domain.order_ids import run_tag
from domain.orders import Side
from domain.risk.emergency import EmergencySpec
from domain.risk.scope import Scope, ScopeKind
from domain.risk.spec import RiskSpec
from tests.contract.bench import ACCOUNT, PERPETUAL, START, Bench, opened, trade
from tests.contract.conftest import NAMES
from tests.contract.test_venues import A, B, place

#: 100 000 USDT, and a position of five times that much.
LOTS = 500_000
#: A tick above the first price, where orders at the market are met.
BOUGHT = Decimal("1000.1")
#: Down in three steps, the last of which leaves 3 700 USDT of equity; and far below it.
PRICES = (1000, 900, 850, 808, 700)
RATE = Decimal("0.005")


@pytest.fixture(params=NAMES)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with falling(request.param, tmp_path) as bench:
        yield bench


def falling(name: str, directory: Path) -> AbstractAsyncContextManager[Bench]:
    tape = [trade(PERPETUAL.symbol, 10 * number, price) for number, price in enumerate(PRICES, 1)]
    return opened(name, MarketKind.PERPETUAL, directory, tape)


def healthy(price: int) -> Decimal:
    """Return the health of the long position: 1 - maintenance margin / equity."""
    size = Decimal(LOTS) * PERPETUAL.lot_size
    fee = size * BOUGHT * PERPETUAL.taker_fee
    equity = 100_000 - fee + size * (price - BOUGHT)
    return 1 - size * price * RATE / equity


async def health(bench: Bench) -> Decimal:
    told = await bench.venue.health()
    assert told is not None
    return told


async def test_it_falls_with_the_equity_and_is_whole_without_a_position(bench: Bench) -> None:
    assert isinstance(bench.venue, HealthVenue)
    bench.advance(1)
    assert await health(bench) == 1
    await place(bench, A, None, LOTS)
    seen = [await health(bench)]
    for _ in PRICES[1:4]:
        bench.advance(1)
        seen.append(await health(bench))
    assert seen == [pytest.approx(healthy(price), abs=Decimal("1e-7")) for price in PRICES[:4]]
    assert seen == sorted(seen, reverse=True)
    assert 0 < seen[-1] < Decimal("0.5") < seen[0] < 1
    bench.advance(1)  # nothing of it is left, and nobody is liquidated here
    assert await health(bench) == 0


async def test_a_short_position_falls_ill_when_prices_rise(bench: Bench) -> None:
    bench.advance(4)
    await place(bench, A, None, LOTS, side=Side.SELL)
    short = await health(bench)
    bench.advance(1)
    assert 0 < short < await health(bench) < 1
    await place(bench, B, None, LOTS, reduce_only=True)
    assert await health(bench) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_spot_has_none(name: str, tmp_path: Path) -> None:
    async with opened(name, MarketKind.SPOT, tmp_path) as bench:
        bench.advance(1)
        assert await bench.venue.health() is None


async def test_runs_leave_an_account_whose_health_the_venue_tells_to_be_low(tmp_path: Path) -> None:
    upgrade(sqlite_url(tmp_path / "ledger.db"))
    spec = RiskSpec(emergency=EmergencySpec(enabled=True))
    async with (
        falling("bybit", tmp_path / "exchange") as bench,
        Ledger.open(sqlite_url(tmp_path / "ledger.db")) as ledger,
    ):
        bench.advance(1)
        venue = bench.venue
        opening = VenueView(Decimal(100_000), Decimal(0))
        run = Run(
            "a run", run_tag("a run"), "grid", ACCOUNT, "bybit", PERPETUAL.symbol, {}, PERPETUAL,
            START, opening,
        )  # fmt: skip
        await ledger.open_run(run)
        risk = RiskDesk(ledger, spec)
        exits, watch = Exits(ledger, risk, utc_now), DangerWatch(ACCOUNT, venue, ledger, risk)
        await place(bench, A, None, LOTS)
        bench.advance(2)
        await watch.look(["a run"])
        assert await exits.of(["a run"]) == {}
        bench.advance(1)
        await watch.look(["a run"])
        asked = (await exits.of(["a run"]))["a run"]
        assert asked.who == "danger watch"
        assert "the account's health is 0.4541, below 0.5" in asked.why
        whole = Scope(ScopeKind.ACCOUNT, ACCOUNT)
        assert (await risk.known([whole])).breakers[whole].phase == "open"

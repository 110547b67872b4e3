"""The guard at a venue without keys: the local exchange, by the venue's own protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from domain.risk.monitor import Verdict
from domain.risk.monitor_spec import MonitorSpec
from domain.risk.spec import RiskSpec
from tests.eventually import eventually
from tests.workers.exchange.process import Exchange, started
from workers.settings import MonitorFeed, Settings
from workers.watching import market_guard

SYMBOL = "BTC/USDT:USDT"
SPEC = RiskSpec(monitor=MonitorSpec(symbols=(SYMBOL,), window=5, stale_after=120))


@asynccontextmanager
async def venue(directory: Path) -> AsyncIterator[Exchange]:
    """Run a made market that began a while ago, and lives at our time from now on."""
    begun = datetime.now(UTC) - timedelta(minutes=15)
    words = ("--symbol", SYMBOL, "--market", "perpetual", "--fronts", "binance")
    async with started(directory, *words, "--start-at", f"{begun:%Y-%m-%dT%H:%M:%S+00:00}") as it:
        while (await it.advance(200)).status.market_time.ToDatetime(UTC) < datetime.now(UTC):
            pass
        yield it


@pytest.mark.slow
async def test_the_guard_watches_a_venue_without_keys(
    tmp_path: Path,
) -> None:
    upgrade(sqlite_url(tmp_path / "ledger.db"))
    async with (
        Ledger.open(sqlite_url(tmp_path / "ledger.db")) as ledger,
        venue(tmp_path / "exchange") as exchange,
    ):
        feed = MonitorFeed(
            venue="binance",
            local=exchange.told["fronts"]["listening"],
            authority=Path(exchange.told["fronts"]["authority"]),
        )
        settings = Settings(data_dir=tmp_path, risk=SPEC, monitor_feed=feed)
        desk = RiskDesk(ledger, SPEC)

        async def said() -> Verdict | None:
            verdict = (await desk.known(())).verdict
            return verdict if verdict and not verdict.halted else None

        async with market_guard(settings, ledger, "a test") as guard:
            assert guard is not None
            task = asyncio.create_task(guard.run())
            try:
                calm = await eventually(said, what="a calm market")
                assert {reading.symbol for reading in calm.readings} == {SYMBOL}
                assert all(reading.average_volume > 0 for reading in calm.readings)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

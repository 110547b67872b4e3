"""An account at a local exchange whose market moves, and its examination."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from activities.store.database import sqlite_url
from activities.store.migrations import upgrade
from activities.venues.ccxt.registry import VENUES
from domain.money import MarketKind
from domain.simulation.tape import TradePrinted
from tests.contract.bench import SYMBOLS, Bench, opened, trade
from workers.checks.account import admitted
from workers.checks.examine import Examination
from workers.checks.findings import Finding
from workers.exchange.faults import FaultRule
from workers.exchange.fronts.keys import local_keys
from workers.settings import AccountSettings, Settings

BOTH = [pytest.param((name, kind), id=f"{name}-{kind}") for name in VENUES for kind in MarketKind]


@dataclass
class Surgery:
    """A bench, and the settings of an account there."""

    bench: Bench
    data: Path
    account: dict[str, Any] = field(default_factory=dict)
    moving: bool = True

    @property
    def venue(self) -> str:
        return self.bench.venue.name

    @property
    def perpetual(self) -> bool:
        return self.bench.kind is MarketKind.PERPETUAL

    @property
    def settings(self) -> Settings:
        account = AccountSettings.model_validate(self.account)
        return Settings(data_dir=self.data, accounts={"main": account})

    def sign_as(self, name: str) -> None:
        """Use the keys of another account of the exchange."""
        keys = local_keys(name)
        self.account |= {"key": keys.key, "secret": keys.secret}
        self.account |= {"passphrase": keys.passphrase, "uid": keys.uid}

    def fail(self, *rules: Mapping[str, Any]) -> None:
        self.bench.exchange.plan.set([FaultRule.model_validate(rule) for rule in rules])

    async def examine(self, **limits: Any) -> Mapping[str, Finding]:
        """Return what each check came to, with the market moving meanwhile."""
        moving = asyncio.create_task(self._move())
        try:
            return await examined(self.settings, **limits)
        finally:
            moving.cancel()
            await asyncio.gather(moving, return_exceptions=True)

    async def _move(self) -> None:
        while self.moving:
            self.bench.advance(1)
            await asyncio.sleep(0.02)


async def examined(settings: Settings, **limits: Any) -> Mapping[str, Finding]:
    """Return what each check of the account `main` came to."""
    async with admitted(settings, "main") as patient:
        findings = await Examination(replace(patient, **limits)).run()
    return {each.check: each for each in findings}


@cache
def empty_ledger() -> bytes:
    """Return the file of a ledger without runs: made once, for migrations take a while."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        upgrade(sqlite_url(path))
        return path.read_bytes()


@asynccontextmanager
async def surgery_of(name: str, kind: MarketKind, data: Path) -> AsyncIterator[Surgery]:
    async with opened(name, kind, data / "exchange", endless(kind)) as bench:
        (data / "ledger.db").write_bytes(empty_ledger())
        local = bench.local
        account = {
            "venue": name,
            "market": kind,
            "local": f"{local.host}:{local.port}",
            "authority": local.authority,
        }
        surgery = Surgery(bench, data, account)
        surgery.sign_as("alice")
        yield surgery


def endless(kind: MarketKind) -> Sequence[TradePrinted]:
    """Trades for as long as any test takes: each price differs from the one before."""
    return [trade(SYMBOLS[kind], 1 + step / 10, 1000 + step % 7) for step in range(20_000)]


@pytest.fixture(params=BOTH)
async def surgery(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Surgery]:
    name, kind = request.param
    async with surgery_of(name, kind, tmp_path) as surgery:
        yield surgery


@pytest.fixture(params=VENUES)
async def perpetual(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Surgery]:
    async with surgery_of(request.param, MarketKind.PERPETUAL, tmp_path) as surgery:
        yield surgery

"""A runner is killed and nobody starts it again: the exchange cancels its orders by itself.

Started again later, the grid comes back, and the money adds up.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from activities.venues.remote import RemoteVenue
from domain.errors import VenueError
from tests.crash.simple import NAME, SYMBOL, sendings
from tests.crash.test_durable_crash import MARKET
from tests.crash.test_risk_crash import comes_to
from tests.eventually import eventually
from tests.workers.exchange.process import ROOT, Exchange, started
from workers.exchange.fronts.keys import local_keys

SPEC = f"""
symbol: {SYMBOL}
account: main
interval: 30
amount: 300
buy_window: 5
reconcile_every: 5
dead_man_seconds: 10
"""


class Runner:
    """A simple runner at the local exchange, as a person starts it."""

    def __init__(self, exchange: Exchange, data: Path) -> None:
        self.data = data
        self._spec = data.with_suffix(".yaml")
        self._spec.write_text(SPEC)
        keys = local_keys("alice")
        told = exchange.told["fronts"]
        account = "OPENSQT_ACCOUNTS__MAIN__"
        self._environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}",
            f"{account}VENUE": "binance",
            f"{account}LOCAL": told["listening"],
            f"{account}AUTHORITY": told["authority"],
            f"{account}KEY": keys.key,
            f"{account}SECRET": keys.secret,
        }

    async def command(self, *words: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "workers.cli", *words, "--data", str(self.data)),
            cwd=ROOT,
            env=self._environment,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def start(self, *options: str) -> Process:
        return await self.command(
            "simple", "run", str(self._spec), "--name", NAME, "--json", *options
        )


@pytest.mark.slow
@pytest.mark.timeout(500)
async def test_nobody_starts_it_again_and_its_orders_go_and_come_back_with_it(
    tmp_path: Path,
) -> None:
    books = tmp_path / "exchange"
    options = (*MARKET, "--speed", "0", "--fronts", "binance")
    async with (
        started(books, *options) as exchange,
        RemoteVenue(exchange.address, "alice") as venue,
    ):
        await exchange.advance(1)
        runner = Runner(exchange, tmp_path / "run")
        upgrade = await runner.command("db", "upgrade")
        assert await upgrade.wait() == 0
        process = await runner.start()
        try:
            await comes_to(venue, 5, 0)
            await exchange.advance(100_000, report=True)
            await comes_to(venue, 5, 1)
            process.kill()
            await process.communicate()

            async def gone() -> bool:
                return not await venue.open_orders(SYMBOL)

            await eventually(gone, within=60, ignoring=(VenueError,), what="no orders")
            held = await venue.positions(SYMBOL)
            assert sum(each.lots for each in held) > 0  # what is held stays
            process = await runner.start()
            await comes_to(venue, 5, 1)
            process.kill()
            await process.communicate()
            process = await runner.start("--stop", "close")
            output, errors = await asyncio.wait_for(process.communicate(), 120)
            assert process.returncode == 0, errors.decode()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        result = json.loads(output)["result"]
        assert (float(result["position"]), float(result["residual"])) == (0, 0)
        assert not await venue.open_orders(SYMBOL)
        assert [each for each, times in sendings(books).items() if times > 1] == []

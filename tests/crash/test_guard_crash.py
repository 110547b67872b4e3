"""A fall on much volume at a paper exchange: the guard halts openings, and lets them go on later.

The same for both runners (row TE-03), with every process a real one. The guard is killed while it
halts: started again it halts still, by what it stored, and the rule of recovery ends it.
"""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.service import RPCError

from activities.venues.remote import RemoteVenue
from opensqt.market_maker.v1 import paper_pb2
from tests.crash.cast import Cast
from tests.crash.simple import SYMBOL, Simple, sendings
from tests.crash.test_durable_crash import begin
from tests.crash.test_risk_crash import SPEC, comes_to, entries, opensqt
from tests.eventually import eventually
from tests.workers.exchange.process import started
from workflows.messages import GuardStatus
from workflows.names import RISK_GUARD_ID

SETTINGS = {
    "OPENSQT_RISK__MONITOR__SYMBOLS": f'["{SYMBOL}"]',
    "OPENSQT_RISK__MONITOR__WINDOW": "5",
    # The market of a test stands still now and then, and a test machine does too.
    "OPENSQT_RISK__MONITOR__STALE_AFTER": "600",
}
START = datetime(2026, 1, 1, tzinfo=UTC)
#: Seconds into the tape, price and quantity of each trade, after seven calm minutes.
CALM = [(20 * number, "60000.0", "1.000") for number in range(22)]
FIRST_BUY, SPIKE, NEXT, AFTER, NEITHER, EXIT, UP, OVER = range(8)
STORM = [
    (430, "59970.0", "1.000"),  # fills the first buy: there is an exit
    (435, "59960.0", "100.000"),  # far more than ever, below the average
    (480, "59965.0", "1.000"),  # the next minute opens, just above where it stood
    (500, "59964.0", "1.000"),
    (540, "59966.0", "1.000"),  # that minute was no storm, and was not normal
    (550, "60000.0", "1.000"),  # the exit fills
    (560, "60010.0", "1.000"),
    (605, "60011.0", "1.000"),  # the minute that just closed was normal
]
SHAPE = [(1, "60000.1", "1.001")]  # tells the steps of the market


def market(directory: Path) -> tuple[str, ...]:
    what = ("--symbol", SYMBOL, "--market", "perpetual")
    return ("--tape", str(tape(directory)), *what, "--speed", "0")


def tape(directory: Path) -> Path:
    path = directory / "paper_perp_BTCUSDT_trades.csv.gz"
    begins = round(START.timestamp() * 1000)
    rows = [
        f"{begins + at * 1000},{price},{quantity},false"
        for at, price, quantity in sorted((*CALM, *SHAPE, *STORM))
    ]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(["trade_time_ms,price,qty,is_buyer_maker", *rows]) + "\n")
    return path


@dataclass
class Scene:
    """A runner at an exchange, whatever runner it is."""

    venue: RemoteVenue
    data: Path
    advance: Callable[[int], Awaitable[Any]]
    #: Starts the run, once there is a market.
    begin: Callable[[], Awaitable[Any]]
    #: Kills whoever guards, and starts it again.
    kill: Callable[[], Awaitable[None]]
    sent: Callable[[], list[str]]

    async def monitor(self) -> dict[str, Any]:
        said: dict[str, Any] = (await opensqt(self.data, "risk", "status"))["monitor"]
        return said

    async def says(self, *, storm: bool, after: datetime = START) -> dict[str, Any]:
        """Wait for a word that was said *after* some time, of a storm or of calm."""

        async def said() -> dict[str, Any] | None:
            line = await self.monitor()
            as_wanted = bool(line["storm_since"]) == storm and line["halted"] == storm
            new = line["said_at"] and datetime.fromisoformat(line["said_at"]) > after
            return line if as_wanted and new else None

        return await eventually(said, every=0.5, what=f"a storm: {storm}")


async def plays(scene: Scene) -> None:
    """A grid rests; a storm comes, its guard dies in it, the exit passes, the storm ends."""
    await scene.advance(len(CALM) + len(SHAPE))
    await scene.begin()
    await comes_to(scene.venue, 5, 0)
    assert (await scene.says(storm=False))["why"] == "calm: 0 of 1 symbols anomalous"
    await scene.advance(FIRST_BUY + 1)
    await comes_to(scene.venue, 5, 1)
    await scene.advance(1)
    await comes_to(scene.venue, 0, 1)
    before = entries(scene.sent())
    loud = await scene.says(storm=True)
    assert "% below its average price, volume" in loud["why"]
    (worst,) = [each for each in loud["readings"] if each["anomalous"]]
    assert worst["volume"] > 3 * float(worst["average_volume"])
    await scene.advance(NEITHER - SPIKE)
    await scene.kill()
    killed_at = datetime.now(UTC)
    await scene.advance(EXIT - NEITHER)
    await comes_to(scene.venue, 0, 0)
    assert (await scene.says(storm=True, after=killed_at))["storm_since"] == loud["storm_since"]
    assert entries(scene.sent()) == before
    await scene.advance(OVER - EXIT)
    await comes_to(scene.venue, 5, 0)
    await scene.says(storm=False)
    log = (await opensqt(scene.data, "audit"))["entries"]
    told = [(each["who"], each["why"].split(":")[0]) for each in log if each["source"] == "risk"]
    assert told[::-1][-2:] == [("guard", "storm since 2026-01-01 00"), ("guard", "calm")]
    assert len(told) <= 3  # it may have had to wait for its first candles


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def durable(tmp_path: Path) -> AsyncIterator[Scene]:
    cast = Cast(tmp_path, market(tmp_path))

    async def advance(events: int) -> None:
        await cast.control("Advance", paper_pb2.AdvanceRequest(max_events=events))

    async def kill() -> None:
        cast.worker.kill()
        cast.worker.start()

    try:
        client = await cast.start()
        async with cast.venue() as venue:
            yield Scene(venue, tmp_path, advance, lambda: begin(client), kill, cast.sent)
    finally:
        cast.end()


@asynccontextmanager
async def simple(tmp_path: Path) -> AsyncIterator[Scene]:
    data = tmp_path / "run"
    async with (
        started(tmp_path / "exchange", *market(tmp_path)) as exchange,
        RemoteVenue(exchange.address, "paper") as venue,
    ):
        runner = Simple(exchange, data, SPEC, SETTINGS)
        await opensqt(data, "db", "upgrade")

        async def kill() -> None:
            await runner.kill()
            await runner.start()

        def sent() -> list[str]:
            return list(sendings(tmp_path / "exchange"))

        try:
            yield Scene(venue, data, exchange.advance, runner.start, kill, sent)
        finally:
            await runner.kill()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("runner", [durable, simple])
async def test_te03_a_spike_cancels_the_buys_and_a_killed_guard_still_halts(
    tmp_path: Path, runner: Callable[[Path], Any]
) -> None:
    async with runner(tmp_path) as scene:
        await plays(scene)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_worker_of_the_services_needs_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSQT_ACCOUNTS", '{"main": {"venue": "binance", "real": true}}')
    monkeypatch.setenv("OPENSQT_MONITOR_FEED__VENUE", "paper")
    cast = Cast(tmp_path, market(tmp_path))
    cast.worker = replace(cast.worker, words=(*cast.worker.words, "--queues", "services"))
    try:
        client = await cast.start()
        await cast.control("Advance", paper_pb2.AdvanceRequest(max_events=len(CALM)))
        guard = client.get_workflow_handle(RISK_GUARD_ID)

        async def calm() -> bool:
            status: GuardStatus = await guard.query("status", result_type=GuardStatus)
            return status.verdict is not None and not status.verdict.halted

        await eventually(calm, ignoring=(RPCError,), what="a calm market")
    finally:
        cast.end()

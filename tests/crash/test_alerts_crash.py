"""Whoever tells an alert is killed between telling it and noting that: it is told again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from activities.venues.remote import RemoteVenue
from opensqt.market_maker.v1 import paper_pb2
from tests.crash.cast import Cast
from tests.crash.simple import Simple
from tests.crash.test_durable_crash import MARKET
from tests.crash.test_risk_crash import SPEC, comes_to, opensqt
from tests.eventually import eventually
from tests.webhook import TOKEN, Webhook, webhook
from tests.workers.exchange.process import started


@dataclass
class Teller:
    """A process that tells alerts, whatever runner it is."""

    data: Path
    kill: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[Any]]
    log: Callable[[], str]


@asynccontextmanager
async def durable(tmp_path: Path, _hook: Webhook) -> AsyncIterator[Teller]:
    cast = Cast(tmp_path, (*MARKET, "--speed", "0"))

    async def kill() -> None:
        cast.worker.kill()

    async def start() -> None:
        cast.worker.start()

    try:
        await cast.start()
        await cast.control("Advance", paper_pb2.AdvanceRequest(max_events=1))
        yield Teller(tmp_path, kill, start, cast.worker.log.read_text)
    finally:
        cast.end()


@asynccontextmanager
async def simple(tmp_path: Path, hook: Webhook) -> AsyncIterator[Teller]:
    data = tmp_path / "run"
    async with (
        started(tmp_path / "exchange", *MARKET, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "paper") as venue,
    ):
        await exchange.advance(1)
        settings = {"OPENSQT_ALERTS__OPS__URL_FILE": str(address_file(tmp_path, hook))}
        runner = Simple(exchange, data, SPEC, settings)
        await opensqt(data, "db", "upgrade")
        await runner.start()
        try:
            await comes_to(venue, 5, 0)
            yield Teller(data, runner.kill, runner.start, str)
        finally:
            await runner.kill()


def address_file(directory: Path, hook: Webhook) -> Path:
    path = directory / "webhook"
    path.write_text(hook.url)
    path.chmod(0o600)
    return path


async def told(teller: Teller) -> dict[str, Any] | None:
    """Return the alert of the trip, once it was told."""
    found = (await opensqt(teller.data, "alerts"))["alerts"]
    ours = [each for each in found if "news at two" in each["message"]]
    return ours[0] if ours and ours[0]["delivered_at"] else None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("runner", [durable, simple])
async def test_an_alert_outlives_the_kill_of_who_tells_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runner: Callable[[Path, Webhook], Any],
) -> None:
    async with webhook() as hook:
        monkeypatch.setenv("OPENSQT_ALERTS__OPS__URL_FILE", str(address_file(tmp_path, hook)))
        async with runner(tmp_path, hook) as teller:
            hook.mute = True  # it hears, and never says that it did
            await opensqt(teller.data, "risk", "trip", "--why", "news at two")
            await eventually(lambda: hook.heard, what="the first telling")
            await teller.kill()
            assert await told(teller) is None
            before = len(hook.heard)
            hook.mute = False
            await teller.start()
            alert = await eventually(lambda: told(teller), every=0.5, what="an alert that is told")
            assert alert["level"] == "critical"
            assert alert["attempts"] >= 2
            assert len(hook.heard) > before
            assert hook.messages() == [alert["message"]]
            assert TOKEN not in teller.log()

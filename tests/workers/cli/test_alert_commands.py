"""`opensqt alerts`: what people were told, and whether the channels work."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from click.testing import Result

from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.store.records import NewAlert
from domain.grid.events import AlertLevel
from tests.webhook import TOKEN, Webhook, webhook
from workers.settings import load_settings

Invoke = Callable[..., Result]
InvokeJson = Callable[..., tuple[int, Any]]
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _ledger(data: Path) -> None:
    data.mkdir()
    upgrade(sqlite_url(data / "ledger.db"))


def filled(data: Path) -> None:
    async def fill() -> None:
        async with Ledger.open(sqlite_url(data / "ledger.db")) as ledger:
            for _ in range(3):
                await ledger.add_alert(NewAlert(AT, AlertLevel.CRITICAL, "a", "all is lost"))
            (alert,) = await ledger.alerts()
            assert await ledger.claim_alert(alert)
            await ledger.settle_alert(alert.id, {"ops": "HTTP 500"}, AT)
            await ledger.add_alert(NewAlert(AT, AlertLevel.INFO, "b", "all is well"))

    asyncio.run(fill())


@contextmanager
def served(*statuses: int) -> Iterator[Webhook]:
    """Serve a webhook beside a command, which has an event loop of its own."""
    found: list[Webhook] = []
    ready, over = Event(), Event()

    async def serve() -> None:
        async with webhook(*statuses) as hook:
            found.append(hook)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield found[0]
    finally:
        over.set()
        thread.join()


def test_alerts_are_listed_with_what_became_of_them(
    data: Path, invoke: Invoke, invoke_json: InvokeJson
) -> None:
    assert "no alerts yet" in invoke("alerts").stdout
    filled(data)
    code, told = invoke_json("alerts")
    assert code == 0
    shown = [(each["level"], each["message"], each["times"]) for each in told["alerts"]]
    assert shown == [("critical", "all is lost", 3), ("info", "all is well", 1)]
    words = " ".join(invoke("alerts", "list").stdout.split())
    assert "2026-01-02 03:04:05 critical 3 not yet" in words
    assert "HTTP" in words
    assert len(invoke_json("alerts", "--limit", "1")[1]["alerts"]) == 1


def channel(
    monkeypatch: pytest.MonkeyPatch, data: Path, name: str, hook: Webhook, mode: int = 0o600
) -> None:
    path = data / name
    path.write_text(hook.url)
    path.chmod(mode)
    monkeypatch.setenv(f"OPENSQT_ALERTS__{name.upper()}__URL_FILE", str(path))


def test_a_test_says_what_each_channel_answered(
    data: Path, invoke: Invoke, invoke_json: InvokeJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served() as well, served(500, 500) as broken:
        channel(monkeypatch, data, "good", well)
        assert "taken" in invoke("alerts", "test").stdout
        channel(monkeypatch, data, "bad", broken)
        code, told = invoke_json("alerts", "test")
        answers = {each["channel"]: each for each in told["channels"]}
        assert (code, answers["good"]["taken"], answers["bad"]["taken"]) == (1, True, False)
        assert "500" in answers["bad"]["error"]
        shown = invoke("alerts", "test")
        assert shown.exit_code == 1
        assert TOKEN not in shown.output
        assert well.messages()[0].startswith("a test message, asked for by ")


def test_an_address_is_kept_like_a_key(
    data: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is no alert channel" in invoke("alerts", "test").stderr
    hook = Webhook(port=1)
    channel(monkeypatch, data, "open", hook, mode=0o644)
    refused = invoke("alerts", "test")
    assert refused.exit_code == 2
    assert "chmod 600" in refused.stderr
    assert TOKEN not in refused.output
    monkeypatch.delenv("OPENSQT_ALERTS__OPEN__URL_FILE")
    monkeypatch.setenv("OPENSQT_ALERTS__OPEN__URL", f"nonsense://{TOKEN}")
    refused = invoke("alerts", "test")
    assert "none that apprise knows" in refused.stderr
    assert TOKEN not in refused.output + repr(load_settings(data))

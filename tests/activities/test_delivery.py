"""Alerts on their way to people: a real HTTP server on the other side, and a real ledger."""

import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities import channels as channels_module
from activities.channels import AppriseChannel
from activities.delivery import Delivery
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from activities.store.migrations import upgrade
from activities.store.records import NewAlert
from domain.errors import InvalidValueError
from domain.grid.events import AlertLevel
from tests.activities.wire import Clock
from tests.webhook import TOKEN, Webhook, webhook


@pytest.fixture(name="ledger")
async def _ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    url = sqlite_url(tmp_path / "ledger.db")
    upgrade(url)
    async with Ledger.open(url, synchronous="NORMAL") as ledger:
        yield ledger


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


def channel(
    hook: Webhook, name: str = "ops", level: AlertLevel = AlertLevel.WARNING
) -> AppriseChannel:
    return AppriseChannel(name, SecretStr(hook.url), level)


async def add(
    ledger: Ledger, clock: Clock, message: str, level: AlertLevel = AlertLevel.CRITICAL
) -> None:
    await ledger.add_alert(NewAlert(clock.now, level, message, message, {"cause": "losses"}))


async def test_an_alert_is_told_with_its_numbers_and_once(ledger: Ledger, clock: Clock) -> None:
    async with webhook() as hook:
        await add(ledger, clock, "all is lost")
        delivery = Delivery(ledger, [channel(hook)], clock)
        for _ in range(3):
            await delivery.deliver()
            clock.passes(1000)
        (told,) = hook.taken
        assert told["title"] == "CRITICAL all is lost"
        assert told["type"] == "failure"
        assert told["message"] == "all is lost\ncause: losses\n2026-01-01 00:00:00 UTC"
        (stored,) = await ledger.alerts()
        assert (stored.attempts, stored.errors, bool(stored.delivered_at)) == (1, {}, True)


async def test_a_channel_that_fails_is_tried_again_later_and_the_others_are_not(
    ledger: Ledger, clock: Clock
) -> None:
    async with webhook(500, 503) as broken, webhook() as well:
        await add(ledger, clock, "all is lost")
        both = [channel(broken, "broken"), channel(well, "well")]
        delivery = Delivery(ledger, both, clock)
        await delivery.deliver()
        (stored,) = await ledger.alerts()
        assert stored.errors.keys() == {"broken"}
        assert "500" in stored.errors["broken"]
        await delivery.deliver()
        assert len(broken.heard) == 1  # not at once
        clock.passes(5)
        await delivery.deliver()
        clock.passes(5)
        await delivery.deliver()
        assert len(broken.heard) == 2  # and more and more apart
        clock.passes(5)
        await delivery.deliver()
        assert (broken.messages(), well.messages()) == (["all is lost"], ["all is lost"])
        (stored,) = await ledger.alerts()
        assert (stored.attempts, bool(stored.delivered_at)) == (3, True)


async def test_a_channel_hears_what_is_loud_enough_for_it(ledger: Ledger, clock: Clock) -> None:
    async with webhook() as all_, webhook() as loud:
        levels = [(all_, AlertLevel.INFO), (loud, AlertLevel.ERROR)]
        channels = [channel(hook, str(n), level) for n, (hook, level) in enumerate(levels)]
        for level in AlertLevel:
            await add(ledger, clock, level.value, level)
        await Delivery(ledger, channels, clock).deliver()
        assert all_.messages() == ["info", "warning", "error", "critical"]
        assert loud.messages() == ["error", "critical"]
        assert await ledger.undelivered_alerts(clock.now) == []


class Records(logging.Handler):
    """What a process that logs everything would write."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(name="log")
def _log() -> Iterator[Records]:
    root, records = logging.getLogger(), Records()
    level = root.level
    root.addHandler(records)
    root.setLevel(logging.DEBUG)
    yield records
    root.setLevel(level)
    root.removeHandler(records)


async def test_no_part_of_an_address_is_told_or_logged(
    ledger: Ledger, clock: Clock, log: Records
) -> None:
    async with webhook(500) as hook:
        url = hook.url
        await add(ledger, clock, "all is lost")
        delivery = Delivery(ledger, [channel(hook)], clock)
        await delivery.deliver()
    clock.passes(1000)
    await delivery.deliver()  # nobody listens any more
    (stored,) = await ledger.alerts()
    assert stored.attempts == 2
    assert stored.errors["ops"]
    with pytest.raises(InvalidValueError) as refused:
        AppriseChannel("ops", SecretStr(f"nonsense://{TOKEN}"))
    assert any("was not taken by channel ops" in line for line in log.lines)
    seen = [stored.errors["ops"], str(refused.value), repr(channel_of(url)), *log.lines]
    assert not [text for text in seen if TOKEN in text]


def channel_of(url: str) -> AppriseChannel:
    return AppriseChannel("ops", SecretStr(url))


async def test_a_channel_that_does_not_answer_is_given_up(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels_module, "TIMEOUT", 0.2)
    async with webhook() as hook:
        hook.mute = True
        await add(ledger, clock, "all is lost")
        await Delivery(ledger, [channel(hook)], clock).deliver()
        (stored,) = await ledger.alerts()
        assert stored.errors == {"ops": "no answer within 0.2 s"}
        hook.mute = False


async def test_old_news_is_tried_again_at_the_pace_of_new_ones(
    ledger: Ledger, clock: Clock
) -> None:
    """Nobody was there to tell for hours: then a channel is not called many times in a row."""
    async with webhook(500, 500) as hook:
        await add(ledger, clock, "all is lost")
        clock.passes(timedelta(hours=3).total_seconds())
        delivery = Delivery(ledger, [channel(hook)], clock)
        for _ in range(3):
            await delivery.deliver()
        assert len(hook.heard) == 1
        clock.passes(5)
        await delivery.deliver()
        assert len(hook.heard) == 2

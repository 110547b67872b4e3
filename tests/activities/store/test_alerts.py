"""The outbox of alerts, in both databases: nothing is lost, and nothing is told again and again."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from activities.risk import RiskDesk
from activities.store.alerts import QUIET, STALE
from activities.store.ledger import Ledger
from activities.store.records import NewAlert, RiskEvent
from domain.grid.events import AlertLevel
from domain.risk.breaker_events import Diverged
from domain.risk.monitor import Verdict
from domain.risk.scope import Scope, ScopeKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT = Scope(ScopeKind.ACCOUNT, "main")


def alert(
    seconds: float = 0, key: str = "a key", level: AlertLevel = AlertLevel.WARNING
) -> NewAlert:
    return NewAlert(NOW + timedelta(seconds=seconds), level, key, "something is up", {"a": "b"})


async def test_what_repeats_itself_soon_is_counted_and_what_is_louder_or_later_is_not(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Ledger.open(url) as ledger:
        assert await ledger.add_alert(alert())
        assert not await ledger.add_alert(alert(1))
        assert await ledger.add_alert(alert(2, key="another key"))
        assert await ledger.add_alert(alert(3, level=AlertLevel.ERROR))
        assert await ledger.add_alert(alert(4))  # the newest of its key was an error
        assert await ledger.add_alert(alert(4 + QUIET.total_seconds()))
        found = await ledger.alerts()
        assert [(each.key, each.level, each.times) for each in found] == [
            ("a key", "warning", 2),
            ("another key", "warning", 1),
            ("a key", "error", 1),
            ("a key", "warning", 1),
            ("a key", "warning", 1),
        ]
        assert await ledger.alerts(2, after=found[1].id) == found[-2:]
        assert (found[0].fields, found[0].attempts, found[0].delivered_at) == ({"a": "b"}, 0, None)
    assert sum("something is up" in record.message for record in caplog.records) == 6


async def test_two_processes_that_say_the_same_at_once_say_it_once(url: str) -> None:
    async with Ledger.open(url) as one, Ledger.open(url) as two:
        said = [each.add_alert(alert(number)) for number in range(4) for each in (one, two)]
        assert sorted(await asyncio.gather(*said)) == [False] * 7 + [True]
        (found,) = await one.alerts()
        assert found.times == 8


async def test_of_two_who_want_to_tell_an_alert_one_does_and_errors_are_kept(url: str) -> None:
    async with Ledger.open(url) as one, Ledger.open(url) as two:
        await one.add_alert(alert())
        (waiting,) = await one.undelivered_alerts(NOW)
        claimed = await asyncio.gather(one.claim_alert(waiting), two.claim_alert(waiting))
        assert sorted(claimed) == [False, True]
        await one.settle_alert(waiting.id, {"ops": "HTTP 500"}, NOW)
        (again,) = await two.undelivered_alerts(NOW)
        assert (again.attempts, again.errors) == (1, {"ops": "HTTP 500"})
        assert await two.claim_alert(again)
        await two.settle_alert(again.id, {}, NOW)
        assert await one.undelivered_alerts(NOW) == []
        (told,) = await one.alerts()
        assert (told.delivered_at, told.attempts, told.errors) == (NOW, 2, {})
        assert not await one.claim_alert(told)


async def test_what_nobody_could_be_told_in_a_day_is_no_news_any_more(url: str) -> None:
    async with Ledger.open(url) as ledger:
        await ledger.add_alert(alert())
        assert len(await ledger.undelivered_alerts(NOW + STALE - timedelta(seconds=1))) == 1
        assert await ledger.undelivered_alerts(NOW + STALE) == []


async def test_what_risk_does_is_an_alert_of_its_own_transaction(url: str) -> None:
    async with Ledger.open(url) as ledger:
        desk = RiskDesk(ledger, clock=lambda: NOW)
        await desk.trip(ACCOUNT, "alice", "news")
        await desk.reset(ACCOUNT, "bob", "over")
        await desk.tell([ACCOUNT], Diverged("BTC/USDT", Decimal(50), NOW))
        await desk.speak(Verdict(halted=False, why="calm", at=NOW, newest=NOW))
        await desk.speak(Verdict(halted=True, why="BTC/USDT has no candles", at=NOW))
        await desk.speak(Verdict(True, "storm since two", NOW, True, newest=NOW))
        await desk.pardon("carol", "a fat finger")
        told = [(each.level.value, each.key, each.message) for each in await ledger.alerts()]
        assert told == [
            (
                "critical",
                "breaker account main",
                "the breaker of account main is open, by alice: news",
            ),
            ("info", "breaker account main", "the breaker of account main is closed, by bob: over"),
            ("critical", "breaker account main", told[2][2]),
            ("info", "monitor", "the market monitor clears openings: calm"),
            ("error", "monitor", "the market monitor halts openings: BTC/USDT has no candles"),
            ("critical", "monitor", "the market monitor halts openings: storm since two"),
            (
                "info",
                "monitor",
                "the storm of the market monitor was ended by carol: a fat finger",
            ),
        ]
        assert "BTC/USDT" in told[2][2]
        assert (await ledger.alerts())[2].fields["cause"] == "divergence"


async def test_a_risk_event_that_nobody_foresaw_is_a_warning_and_never_nothing(url: str) -> None:
    async with Ledger.open(url) as ledger:
        for kind, detail in (
            ("correction", {"why": "0.1 % was missing"}),
            ("exit", {"message": "the venue refuses order a1"}),
            ("exit", {"message": "the venue refuses order b2"}),
            ("exit", {"message": "the venue is down"}),
            ("exit ended", {}),
        ):
            await ledger.record_risk_event(RiskEvent(NOW, kind, "main", "btc", detail))
        told = [(each.level.value, each.message, each.fields) for each in await ledger.alerts()]
        fields = {"account": "main", "run": "btc"}
        assert told == [
            ("warning", "correction of run btc: 0.1 % was missing", fields),
            ("critical", "emergency exit of run btc: the venue refuses order a1", fields),
            ("critical", "emergency exit of run btc: the venue is down", fields),
            ("warning", "emergency exit ended of run btc", fields),
        ]

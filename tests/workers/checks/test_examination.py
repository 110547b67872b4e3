"""Every venue and both kinds of market: a healthy account, and each thing that can be wrong."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from domain.money import MarketKind
from tests.workers.checks.conftest import Surgery, examined, surgery_of
from workers.checks.examine import can_trade
from workers.checks.findings import Finding, Result

PERPETUAL_ONLY = {"leverage", "position mode"}
SIGNED = {"credentials", "permissions", "balances", "fees", "private stream", "rate limits"}


def results(findings: Mapping[str, Finding]) -> dict[str, Result]:
    return {name: each.result for name, each in findings.items()}


def told(finding: Finding, *words: str) -> None:
    assert finding.result in (Result.FAILED, Result.WARNING), finding
    assert finding.fix
    for word in words:
        assert word in f"{finding.told} -> {finding.fix}", finding


async def test_a_healthy_account_can_trade(surgery: Surgery) -> None:
    findings = await surgery.examine()
    wrong = [each for each in findings.values() if each.result is Result.FAILED]
    assert not wrong
    skipped = {name for name, each in findings.items() if each.result is Result.SKIPPED}
    assert skipped == (set() if surgery.perpetual else PERPETUAL_ONLY)
    assert can_trade(list(findings.values()))
    assert findings["fees"].told == "0.02 % as maker, 0.05 % as taker"
    assert "tick 0.1, lot 0.001 BTC" in findings["instrument"].told
    assert "100000 of 100000 USDT free" in findings["balances"].told
    assert f"live: {surgery.bench.symbol} at 100" in findings["price stream"].told
    assert await surgery.bench.venue.open_orders(surgery.bench.symbol) == []


async def test_a_wrong_secret_is_told_once_and_public_things_are_examined_all_the_same(
    perpetual: Surgery,
) -> None:
    perpetual.account["secret"] = "wrong-secret-text"
    findings = await perpetual.examine()
    told(findings["credentials"], "refused", "compare key, secret and passphrase")
    assert [name for name, each in findings.items() if each.result is Result.FAILED] == [
        "credentials"
    ]
    for name in ("reach", "clock", "instrument", "candles", "price stream", "ledger"):
        assert findings[name].result is Result.OK, findings[name]
    assert all("wrong-secret-text" not in f"{each.told}{each.fix}" for each in findings.values())
    assert not can_trade(list(findings.values()))


async def test_a_key_that_may_only_read_cannot_trade(surgery: Surgery) -> None:
    surgery.sign_as("alice.reads")
    findings = await surgery.examine()
    which = "futures" if surgery.perpetual else "spot"
    told(findings["permissions"], f"not trade {which}", f"allow it to trade {which}")
    assert findings["permissions"].result is Result.FAILED


async def test_a_key_that_may_withdraw_is_a_warning(perpetual: Surgery) -> None:
    perpetual.sign_as("alice.withdraws")
    findings = await perpetual.examine()
    told(findings["permissions"], "may withdraw", "OpenSQT never needs it")
    assert findings["permissions"].result is Result.WARNING
    assert can_trade(list(findings.values()))


async def test_two_positions_of_a_symbol_are_one_too_many(perpetual: Surgery) -> None:
    perpetual.sign_as("alice.hedges")
    findings = await perpetual.examine()
    told(findings["position mode"], "hedge mode", f"set one-way mode at {perpetual.venue}")
    assert findings["position mode"].result is Result.FAILED
    assert findings["leverage"].result is Result.OK


async def test_each_thing_that_breaks_has_a_line_of_its_own(perpetual: Surgery) -> None:
    perpetual.data = perpetual.data / "empty"
    # At OKX the private stream would freeze too, and time is too dear to wait for that here.
    silence = "drop_report" if perpetual.venue == "okx" else "freeze_stream"
    perpetual.fail(
        {"method": "rest.fees", "kind": "rate_limit", "delay": timedelta(seconds=1)},
        {"method": "stream.public", "kind": silence},
        {"method": "rest.terms", "kind": "html"},
        {"method": "rest.positions", "kind": "html"},  # where Bybit tells its terms
    )
    findings = await perpetual.examine(price_within=timedelta(seconds=1))
    told(findings["fees"], "too many requests", "wait", "ORDERS_PER_SECOND")
    told(findings["price stream"], "frozen", "traded within 1 s", "WebSockets")
    told(findings["leverage"], "a web page instead of an answer", "Maintenance")
    told(findings["position mode"], "a web page instead of an answer", "Maintenance")
    told(findings["ledger"], "opensqt db upgrade")
    for name in ("reach", "clock", "credentials", "balances", "candles"):
        assert findings[name].result is Result.OK, findings[name]


async def test_streams_that_nobody_may_open_are_broken_and_requests_are_not(
    perpetual: Surgery,
) -> None:
    perpetual.fail({"method": "stream.open", "kind": "unavailable"})
    findings = await perpetual.examine()
    for name in ("price stream", "private stream"):
        told(findings[name], "refused the connection (HTTP")
        assert findings[name].result is Result.FAILED
    for name in ("credentials", "balances", "candles"):
        assert findings[name].result is Result.OK, findings[name]


async def test_a_clock_that_is_off_is_told_and_stops_trading_if_the_venue_minds(
    perpetual: Surgery,
) -> None:
    off = {"kind": "skew_clock", "delay": timedelta(minutes=5)}
    perpetual.fail({"method": "rest.time", **off}, {"method": "rest.balances", **off})
    findings = await perpetual.examine()
    told(findings["clock"], "300.", "s ahead of this machine's", "requests are corrected", "NTP")
    assert findings["clock"].result is Result.WARNING
    perpetual.fail({"method": "rest.balances", **off})
    findings = await perpetual.examine()
    told(findings["clock"], "refused for their time", "NTP")
    assert findings["clock"].result is Result.FAILED


async def test_an_exchange_that_is_not_there_fails_whatever_asks_it_within_the_time(
    tmp_path: Path,
) -> None:
    async with surgery_of("binance", MarketKind.SPOT, tmp_path) as surgery:
        pass
    findings = await examined(surgery.settings)
    for name in ("reach", "clock", "credentials", "balances", "price stream", "private stream"):
        told(findings[name], "is the local exchange running at")
    assert findings["ledger"].result is Result.OK


async def test_keys_that_are_missing_leave_the_public_checks(tmp_path: Path) -> None:
    async with surgery_of("okx", MarketKind.SPOT, tmp_path) as surgery:
        surgery.account["secret"] = None
        findings = await surgery.examine()
    told(findings["credentials"], "needs its secret", "mode 600")
    assert findings["private stream"].result is Result.SKIPPED
    assert findings["price stream"].result is Result.OK


async def test_a_silent_market_is_no_broken_stream(tmp_path: Path) -> None:
    async with surgery_of("bybit", MarketKind.SPOT, tmp_path) as surgery:
        surgery.bench.advance(1)
        surgery.moving = False
        findings = await surgery.examine(price_within=timedelta(seconds=0.5))
    assert findings["price stream"].result in (Result.OK, Result.WARNING)
    assert findings["candles"].result is Result.OK


async def test_an_account_that_does_not_say_which_exchange_it_means_is_not_opened(
    tmp_path: Path,
) -> None:
    async with surgery_of("gate", MarketKind.SPOT, tmp_path) as surgery:
        surgery.account["local"] = None
        findings = await surgery.examine()
    told(findings["settings"], "REAL=true to trade with real money")
    assert findings["reach"].result is Result.SKIPPED
    assert not can_trade(list(findings.values()))


async def test_paper_is_examined_too(tmp_path: Path) -> None:
    async with surgery_of("gate", MarketKind.PERPETUAL, tmp_path) as surgery:
        surgery.account = {"venue": "paper", "address": surgery.bench.exchange.address}
        findings = await surgery.examine()
    assert not [each for each in findings.values() if each.result is Result.FAILED]
    skipped = {name for name, each in findings.items() if each.result is Result.SKIPPED}
    assert skipped == {
        *("clock", "credentials", "permissions", "leverage", "position mode", "rate limits")
    }

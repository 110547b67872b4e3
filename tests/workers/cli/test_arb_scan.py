"""`opensqt arb scan`: two local exchanges in, a ranking out, or an error that says why."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from activities.scanning import Progress, Scanner
from domain.arbitrage.universe import UniverseSpec
from domain.money import MarketKind
from tests.activities.coins import HOUR, NOW, Coin, Town, town
from tests.contract.bench import rule
from workers.cli import arb_scan
from workers.cli.arb_scan import _places, _repeat, _Telling
from workers.cli.failures import Exit
from workers.settings import AccountSettings, load_settings

Invoke = Callable[..., Result]


@dataclass
class Shell:
    """A command line with accounts at two exchanges."""

    invoke: Invoke
    here: Town
    there: Town

    async def run(self, *words: str) -> Result:
        # The command has an event loop of its own, and the exchanges live in this one.
        return await asyncio.to_thread(self.invoke, "arb", "scan", *words)

    async def json(self, *words: str) -> tuple[int, Any]:
        result = await self.run(*words, "--json")
        return result.exit_code, json.loads(result.stdout)


@pytest.fixture
async def shell(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shell]:
    async with AsyncExitStack() as stack:
        coins = [Coin("BTC", "0.0001"), Coin("ETH", "0.0002"), Coin("THIN", "0.001", volume=9000)]
        here = await stack.enter_async_context(town("okx", tmp_path / "here", coins))
        more = [Coin("BTC", "0.0005")]
        there = await stack.enter_async_context(town("bitget", tmp_path / "there", more))
        set_up(monkeypatch, "okx", here.account(MarketKind.PERPETUAL))
        set_up(monkeypatch, "okx_spot", here.account(MarketKind.SPOT))
        set_up(monkeypatch, "bitget", there.account(MarketKind.PERPETUAL))
        monkeypatch.setenv("OPENSQT_ACCOUNTS__DEMO__VENUE", "paper")
        yield Shell(invoke, here, there)


def set_up(monkeypatch: pytest.MonkeyPatch, name: str, account: AccountSettings) -> None:
    fields: Mapping[str, Any] = {
        "venue": account.venue,
        "market": account.market,
        "local": account.local,
        "authority": account.authority,
        "key": account.key and account.key.get_secret_value(),
        "secret": account.secret and account.secret.get_secret_value(),
        "passphrase": account.passphrase and account.passphrase.get_secret_value(),
        "uid": account.uid,
    }
    for field, value in fields.items():
        if value is not None:
            monkeypatch.setenv(f"OPENSQT_ACCOUNTS__{name.upper()}__{field.upper()}", str(value))


async def test_a_program_reads_the_ranking(shell: Shell) -> None:
    code, told = await shell.json()
    assert code == 0
    assert told["accounts"] == ["okx", "okx_spot", "bitget"]
    assert [pair["pair"] for pair in told["pairs"]] == [
        "okx_spot BTC/USDT + bitget BTC/USDT:USDT",
        "bitget BTC/USDT:USDT + okx BTC/USDT:USDT",
        "okx_spot ETH/USDT + okx ETH/USDT:USDT",
        "okx_spot BTC/USDT + okx BTC/USDT:USDT",
    ]
    second = told["pairs"][1]
    assert second["direction"] == "negative"  # short the first leg, which pays more
    assert Decimal(second["apr"]) == Decimal(second["spread"]) == Decimal("0.438")
    long, short = second["long"], second["short"]
    assert (long["account"], long["venue"], long["market"]) == ("okx", "okx", "perpetual")
    assert (short["account"], Decimal(short["rate"])) == ("bitget", Decimal("0.0005"))
    assert Decimal(short["interval_hours"]) == 8
    assert short["settles_at"] == (NOW + 8 * HOUR).isoformat()
    assert told["pairs"][0]["long"]["rate"] is None  # spot is paid nothing
    assert set(told["left_out"].values()) == {"illiquid"}


async def test_people_read_a_table(shell: Shell) -> None:
    result = await shell.run("--top", "1")
    assert result.exit_code == 0, result.stderr
    head, rule_, line, _, *rest = result.stdout.splitlines()
    assert head.split()[:4] == ["#", "long", "short", "APR"]
    assert rule_.strip("─ ") == ""
    words = line.split()
    assert words[:5] == ["1", "okx_spot", "BTC/USDT", "bitget", "BTC/USDT:USDT"]
    assert words[5:8] == ["54.75", "54.75", "8"]  # 0.0005 * 3 * 365
    assert words[10:12] == ["10.0", "50.0"]
    assert rest == ["3 more are worth less (--top)", "1 trade too little"]


async def test_what_is_asked_for_decides_what_is_ranked(shell: Shell) -> None:
    code, told = await shell.json("--accounts", "okx,okx_spot", "--min-apr", "0.2")
    assert (code, len(told["pairs"])) == (0, 1)
    assert told["left_out"]["okx_spot BTC/USDT + okx BTC/USDT:USDT"] == "low_apr"
    _, told = await shell.json("--accounts", "okx,okx_spot", "--min-volume", "5000")
    assert told["pairs"][0]["pair"] == "okx_spot THIN/USDT + okx THIN/USDT:USDT"


async def test_a_venue_that_is_down_is_an_error_and_no_ranking(shell: Shell) -> None:
    shell.there.exchange.plan.set([rule("rest.*", "unavailable")])
    result = await shell.run()
    assert (result.exit_code, result.stdout) == (Exit.UNREACHABLE, "")
    assert "bitget perpetual (account bitget) did not answer, so nothing is shown" in result.stderr
    code, told = await shell.json()
    assert code == Exit.UNREACHABLE
    assert set(told) == {"error"}


async def test_who_scans_again_and_again_hears_of_a_failure_and_goes_on(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    async with _places(load_settings(), "okx,okx_spot") as places:
        scanner, accounts = Scanner(places, UniverseSpec()), ("okx", "okx_spot")
        shell.here.exchange.plan.set([rule("rest.*", "unavailable")])
        await _repeat(scanner, accounts, as_json=False)
        told = capsys.readouterr()
        assert (told.out, "so nothing is shown" in told.err) == ("", True)
        shell.here.exchange.plan.set([])
        await _repeat(scanner, accounts, as_json=False)
        assert "okx_spot ETH/USDT" in capsys.readouterr().out


def test_a_long_scan_tells_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arb_scan, "_TELL_EVERY", 0.0)
    _Telling()(Progress(50, 200))
    assert capsys.readouterr().err == "funding of 50 of 200 perpetuals\n"


async def test_a_key_that_is_not_known_is_for_a_person_to_mend(shell: Shell) -> None:
    shell.here.exchange.plan.set([rule("rest.fees", "revoke_key")])
    result = await shell.run()
    assert (result.exit_code, result.stdout) == (Exit.FAILED, "")
    assert "`opensqt doctor` with its --account tells what is wrong" in result.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (("--accounts", "okx,nobody"), "account must be one of"),
        (("--accounts", "okx,demo"), "account demo is at paper, which has no list of all markets"),
        (("--accounts", "okx_spot"), "accounts must be two at least, one of them for perpetuals"),
        (("--accounts", ","), "--accounts: there is no account at an exchange"),
        (("--min-volume", "much"), "--min-volume must be a number, 0 or more, was much"),
        (("--min-apr", "-1"), "--min-apr must be a number, 0 or more, was -1"),
        (("--top", "0"), "'--top'"),
    ],
)
async def test_what_is_wrong_is_told(shell: Shell, words: tuple[str, ...], said: str) -> None:
    result = await shell.run(*words)
    assert result.exit_code == Exit.USAGE
    assert said in result.stderr


def test_without_an_account_at_an_exchange_it_says_how_to_set_one_up(invoke: Invoke) -> None:
    result = invoke("arb", "scan")
    assert result.exit_code == Exit.USAGE
    assert "OPENSQT_ACCOUNTS__NAME__VENUE=binance" in result.stderr

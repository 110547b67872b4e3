"""`opensqt portfolio`: what is read, what is shown, and what goes wrong as a sentence."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from domain.money import MarketKind
from tests.activities.coins import Coin, Town, town
from tests.contract.bench import rule
from tests.workers.cli.test_arb_scan import set_up
from workers.cli.failures import Exit
from workers.cli.specs import read_portfolio

EXAMPLES = Path(__file__).parents[3] / "examples"
Invoke = Callable[..., Result]
SPEC = """\
accounts: [okx, okx_spot]
equity: 10000
allocation: {pairs: 2, leverage: 1, pair_cap: 0.6, group_cap: 0.6}
margin: {entry_health: 0.9}
"""


@dataclass
class Shell:
    """A command line with two accounts at one exchange, and a spec of a portfolio."""

    invoke: Invoke
    exchange: Town
    spec: Path

    async def run(self, *words: str) -> Result:
        # The command has an event loop of its own, and the exchange lives in this one.
        return await asyncio.to_thread(self.invoke, "portfolio", *words)

    async def preview(self) -> tuple[int, Any]:
        result = await self.run("preview", str(self.spec), "--json")
        return result.exit_code, json.loads(result.stdout)


@pytest.fixture
async def shell(
    invoke: Invoke, books: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shell]:
    spec = tmp_path / "folio.yaml"
    spec.write_text(SPEC)
    async with AsyncExitStack() as stack:
        coins = [Coin("BTC", "0.0003"), Coin("ETH", "0.0003"), Coin("THIN", "0.001", volume=9000)]
        exchange = await stack.enter_async_context(town("okx", tmp_path / "exchange", coins))
        set_up(monkeypatch, "okx", exchange.account(MarketKind.PERPETUAL))
        set_up(monkeypatch, "okx_spot", exchange.account(MarketKind.SPOT))
        yield Shell(invoke, exchange, spec)


async def test_a_preview_shows_what_would_be_begun(shell: Shell) -> None:
    code, told = await shell.preview()
    assert code == Exit.OK, told
    assert Decimal(told["equity"]) == 10_000
    assert told["ranked"] == 2
    assert {pair["pair"] for pair in told["pairs"]} == {
        "okx_spot BTC/USDT + okx BTC/USDT:USDT",
        "okx_spot ETH/USDT + okx ETH/USDT:USDT",
    }
    assert sum(Decimal(pair["amount"]) for pair in told["pairs"]) == 10_000
    people = await shell.run("preview", str(shell.spec))
    assert people.stdout.splitlines()[0] == "equity 10,000.00 USDT, 2 pairs are worth holding"


async def test_a_preview_of_venues_that_do_not_answer_shows_nothing(shell: Shell) -> None:
    shell.exchange.exchange.plan.set([rule("rest.*", "drop_connection")])
    code, told = await shell.preview()
    assert code == Exit.UNREACHABLE
    assert "the scan came to nothing" in told["error"]["message"]


@pytest.mark.parametrize(
    "words",
    [
        ("status", "carry"),
        ("stop", "carry"),
        ("start", "SPEC"),
        ("reconfigure", "carry", "SPEC", "--yes"),
    ],
)
async def test_without_temporal_a_command_says_so(shell: Shell, words: tuple[str, ...]) -> None:
    named = [str(shell.spec) if word == "SPEC" else word for word in words]
    result = await shell.run(*named)
    assert result.exit_code == Exit.UNREACHABLE
    assert "Temporal does not answer" in result.stderr


async def test_an_account_that_is_not_set_up_is_told_before_anything_begins(shell: Shell) -> None:
    shell.spec.write_text(SPEC.replace("okx_spot", "nowhere"))
    result = await shell.run("start", str(shell.spec))
    assert result.exit_code == Exit.USAGE
    assert "nowhere" in result.stderr


async def test_nobody_is_asked_who_is_not_there(shell: Shell) -> None:
    result = await shell.run("reconfigure", "carry", str(shell.spec))
    assert result.exit_code == Exit.USAGE
    assert "there is nobody to ask: add --yes, or --dry-run" in result.stderr


@pytest.mark.parametrize(
    "line,told",
    [
        ("evry: 5", "did you mean every?"),
        ("every: 0", "every: input should be greater than or equal to 1"),
        ("pair: {amount: 5}", "pair.amount: the portfolio decides it"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    invoke: Invoke, tmp_path: Path, line: str, told: str
) -> None:
    spec = tmp_path / "folio.yaml"
    spec.write_text(f"accounts: [one, two]\n{line}\n")
    result = invoke("portfolio", "preview", str(spec))
    assert result.exit_code == Exit.USAGE
    assert told in result.stderr


def test_the_example_can_be_read() -> None:
    spec = read_portfolio(str(EXAMPLES / "portfolio.yaml"))
    assert len(spec.accounts) == 3
    assert spec.groups["DOGE"] == "meme"

"""`opensqt arb backtest`: files in, a table and a picture out."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from workers.cli.failures import Exit

Invoke = Callable[..., Result]
T0 = datetime(2025, 1, 1, tzinfo=UTC)
HOURS = 80
SPEC = """\
first: {account: spot, symbol: BTC/USDT}
second: {account: perp, symbol: "BTC/USDT:USDT"}
amount: 10000
"""


def _ms(hours: int) -> int:
    return int((T0 + timedelta(hours=hours)).timestamp()) * 1000


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """What pays for six settlements of eight hours, and then does not."""
    (tmp_path / "pair.yaml").write_text(SPEC)
    prices = "".join(f"{_ms(hour)},50000,50000,50000,50000\n" for hour in range(HOURS + 1))
    _zip(tmp_path / "prices.csv.gz", "open_time_ms,open,high,low,close\n" + prices)
    rates = [Decimal("0.0003")] * 6 + [Decimal("0.000005")] * 5
    rows = "".join(f"{_ms(8 * n)},binance,BTCUSDT,{rate:f}\n" for n, rate in enumerate(rates))
    _zip(tmp_path / "rates.csv.gz", "funding_time_ms,exchange,symbol,funding_rate\n" + rows)
    files = [str(tmp_path / "prices.csv.gz")] * 2 + [str(tmp_path / "rates.csv.gz")]
    options = zip(("--first", "--second", "--rates"), files, strict=True)
    return [
        *("arb", "backtest", str(tmp_path / "pair.yaml")),
        *(word for option in options for word in option),
        *("--second-venue", "binance"),
    ]


def _zip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def test_it_tells_the_trades_and_what_they_brought(
    invoke_json: Callable[..., tuple[int, Any]], words: list[str]
) -> None:
    code, told = invoke_json(*words)
    assert code == 0
    assert [trade["kind"] for trade in told["trades"]] == ["enter", "exit"]
    # 0.2 BTC at 50000: five settlements of 0.03 % and one of 0.0005 %.
    assert Decimal(told["funding"]) == Decimal("15.05")
    assert Decimal(told["residual"]) == 0
    sums = Decimal(told["funding"]) + Decimal(told["basis"]) - Decimal(told["fees"])
    assert Decimal(told["result"]) == sums


def test_people_read_a_table_and_see_a_picture(
    invoke: Invoke, words: list[str], tmp_path: Path
) -> None:
    result = invoke(*words, "--picture", str(tmp_path / "pair.svg"))
    assert result.exit_code == 0
    assert "enters positive" in result.stdout
    assert "+15.05" in result.stdout
    assert (tmp_path / "pair.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    "change,said",
    [
        (("--second-venue", "gate"), "rates.csv.gz has no rate of gate"),
        (("--first-venue", "binance"), "BTC/USDT must be a perpetual"),
        (("--first", "none.csv.gz"), "none.csv.gz cannot be read"),
        (("--first", __file__), "test_arb_commands.py cannot be read"),
        (("--first", "{rates}"), "rates.csv.gz has no column open_time_ms, open"),
        (("--funds", "much"), "--funds must be a positive number, was much"),
        (("--picture", "/nowhere/at/all.svg"), "--picture: /nowhere/at/all.svg cannot be written"),
    ],
)
def test_what_is_wrong_is_told(
    invoke: Invoke, words: list[str], change: tuple[str, str], said: str
) -> None:
    rates = words[words.index("--rates") + 1]
    result = invoke(*words, *(word.replace("{rates}", rates) for word in change))
    assert result.exit_code == Exit.USAGE
    assert said in result.stderr


def test_a_field_that_a_pair_does_not_have_is_told_with_its_line(
    invoke: Invoke, words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "pair.yaml").write_text(SPEC + "entry_arp: 0.2\n")
    result = invoke(*words)
    assert result.exit_code == Exit.USAGE
    assert "pair.yaml:4: entry_arp is no field of a pair: did you mean entry_apr?" in result.stderr

"""A data directory keeps the market it began with, unless another is asked for."""

from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import InvalidValueError
from workers.local.market import market_of


def test_without_a_word_the_market_is_made() -> None:
    market = market_of(None, None, None, None, Decimal(10))
    assert (market.symbol, market.kind, market.seed) == ("BTC/USDT:USDT", "perpetual", 1)
    assert market.arguments()[-2:] == ["--seed", "1"]


def test_the_market_of_the_last_time_goes_on_and_only_the_speed_may_change() -> None:
    before = {"symbol": "ETH/USDT", "kind": "spot", "tape": "/t", "seed": 3, "speed": "2.5"}
    market = market_of(before, None, None, None, Decimal(10))
    assert (market.symbol, market.tape, market.speed) == ("ETH/USDT", "/t", Decimal("2.5"))
    assert market_of(before, None, None, Decimal(7)).speed == 7
    assert market_of(before, None, 4, None).tape is None


@pytest.mark.parametrize(
    "name,symbol,kind",
    [
        ("binance_usdm_BTCUSDT_trades_20240808.csv.gz", "BTC/USDT:USDT", "perpetual"),
        ("binance_spot_ADAUSDT_1m_20210420_20210520.csv.gz", "ADA/USDT", "spot"),
        ("bybit_perp_BTCUSDT_1m_20221213.csv.gz", "BTC/USDT:USDT", "perpetual"),
    ],
)
def test_a_tape_tells_its_market_by_its_name(
    tmp_path: Path, name: str, symbol: str, kind: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    market = market_of(None, tmp_path / name, None, None)
    assert (market.symbol, market.kind) == (symbol, kind)
    words = market.arguments()
    assert words[2:] == [
        *("--symbol", symbol, "--market", kind),
        *("--tape", str(tmp_path / name), "--loop"),
    ]


def test_a_tape_that_does_not_tell_its_market_or_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.csv.gz").write_bytes(b"")
    with pytest.raises(InvalidValueError, match="rename it"):
        market_of(None, tmp_path / "mine.csv.gz", None, None)
    with pytest.raises(InvalidValueError, match="must be a file"):
        market_of(None, tmp_path / "none.csv.gz", None, None)
